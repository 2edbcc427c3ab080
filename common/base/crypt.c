#include "common/base/crypt.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/err.h"

/* An opaque name for OpenSSL's digest context; it is only ever cast. */
struct crypt_hash;

void crypt_sha256(const void *p, size_t n, uint8_t out[static CRYPT_SHA256_BYTES])
{
	CHECK(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) == 1);
}

struct crypt_hash *crypt_hash_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	CHECK(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	return (struct crypt_hash *)ctx;
}

void crypt_hash_update(struct crypt_hash *h, const void *p, size_t n)
{
	CHECK(EVP_DigestUpdate((EVP_MD_CTX *)h, p, n) == 1);
}

void crypt_hash_final(struct crypt_hash *h, uint8_t out[static CRYPT_SHA256_BYTES])
{
	CHECK(EVP_DigestFinal_ex((EVP_MD_CTX *)h, out, NULL) == 1);
	crypt_hash_free(h);
}

void crypt_sha256_texts(const char *const *texts, size_t n, uint8_t out[static CRYPT_SHA256_BYTES])
{
	struct crypt_hash *h = crypt_hash_new();

	for (size_t i = 0; i < n; i++)
		crypt_hash_update(h, texts[i], strlen(texts[i]) + 1);
	crypt_hash_final(h, out);
}

void crypt_hash_free(struct crypt_hash *h)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)h);
}

static void hmac(const EVP_MD *md, const void *key, size_t key_len, const void *p, size_t n,
		 uint8_t *out)
{
	/* OpenSSL takes a NULL key for "the former one". */
	CHECK(key_len <= INT32_MAX);
	CHECK(HMAC(md, key ? key : "", (int)key_len, p, n, out, NULL) != NULL);
}

void crypt_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
		       uint8_t out[static CRYPT_SHA256_BYTES])
{
	hmac(EVP_sha256(), key, key_len, p, n, out);
}

void crypt_hmac_sha512(const void *key, size_t key_len, const void *p, size_t n,
		       uint8_t out[static CRYPT_SHA512_BYTES])
{
	hmac(EVP_sha512(), key, key_len, p, n, out);
}

bool crypt_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void crypt_random(void *out, size_t n)
{
	CHECK(n <= INT32_MAX && RAND_bytes(out, (int)n) == 1);
}

void crypt_hex(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int crypt_unhex(const char *hex, size_t n, void *out)
{
	uint8_t *bytes = out;

	if (strlen(hex) != 2 * n)
		return ERR_INVALID;
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_digit(hex[i]) < 0)
			return ERR_INVALID;
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
	return 0;
}

#define BASE64_COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static char *encode64(struct arena *arena, const uint8_t *in, size_t n, const char *alphabet)
{
	size_t len = 0;
	char *out;

	if (n > SIZE_MAX / 2)
		return NULL;
	out = arena_alloc(arena, (n + 2) / 3 * 4 + 1);
	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)in[i] << 16;

		v |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
		v |= left > 2 ? in[i + 2] : 0;
		out[len++] = alphabet[v >> 18];
		out[len++] = alphabet[v >> 12 & 63];
		if (left > 1)
			out[len++] = alphabet[v >> 6 & 63];
		if (left > 2)
			out[len++] = alphabet[v & 63];
	}
	return out;
}

char *crypt_base64(struct arena *arena, const void *p, size_t n)
{
	char *out = encode64(arena, p, n, BASE64_COMMON "+/");

	/* arena memory is zeroed and has room for the padding. */
	for (size_t len = out ? strlen(out) : 0; len % 4; len++)
		out[len] = '=';
	return out;
}

char *crypt_base64url(struct arena *arena, const void *p, size_t n)
{
	return encode64(arena, p, n, BASE64_COMMON "-_");
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

/* Length without padding, or -1 when the padding is wrong. */
static ssize_t unpadded(const char *s, size_t n)
{
	size_t pad = 0;

	while (pad < 2 && pad < n && s[n - 1 - pad] == '=')
		pad++;
	if (pad > 0 && n % 4 != 0)
		return -1;
	return (n - pad) % 4 == 1 ? -1 : (ssize_t)(n - pad);
}

int crypt_unbase64(struct arena *arena, const char *s, size_t n, uint8_t **ret, size_t *ret_len)
{
	ssize_t digits = unpadded(s, n);
	uint32_t bits = 0;
	size_t len = 0;
	uint8_t *out;

	if (digits < 0)
		return ERR_INVALID;
	out = arena_alloc(arena, (size_t)digits / 4 * 3 + 3);
	if (!out)
		return ERR_INVALID;
	for (ssize_t i = 0; i < digits; i++) {
		int d = base64_digit(s[i]);

		if (d < 0)
			return ERR_INVALID;
		bits = bits << 6 | (uint32_t)d;
		if (i % 4)
			out[len++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* Bits behind the last byte must be zero: one text per value (RFC 4648 section 3.5). */
	if ((digits % 4 == 2 && bits & 15) || (digits % 4 == 3 && bits & 3))
		return ERR_INVALID;
	*ret = out;
	*ret_len = len;
	return 0;
}

void crypt_owner_key(const uint8_t key[static 32], const char *kind, const char *number,
		     char out[static CRYPT_SHA256_HEX])
{
	size_t k = strlen(kind), n = strlen(number);
	uint8_t mac[CRYPT_SHA256_BYTES];
	uint8_t *text = base_alloc(k + 1 + n);

	/* The NUL between kind and number keeps ("ab", "c") and ("a", "bc") apart. */
	memcpy(text, kind, k);
	memcpy(text + k + 1, number, n);
	crypt_hmac_sha256(key, 32, text, k + 1 + n, mac);
	OPENSSL_cleanse(text, k + 1 + n);
	free(text);
	crypt_hex(mac, sizeof(mac), out);
}

int crypt_read_key(const char *path, uint8_t *out, size_t n)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t more;
	size_t got = 0;

	if (fd < 0)
		return ERR_INVALID;
	while (got < n) {
		ssize_t r = read(fd, out + got, n - got);

		if (r <= 0)
			return ERR_INVALID;
		got += (size_t)r;
	}
	return read(fd, &more, 1) == 0 ? 0 : ERR_INVALID;
}
