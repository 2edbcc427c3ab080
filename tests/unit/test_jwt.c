/*
 * Tokens: what our own signer makes is taken, and every known way to fool a verifier is not. RS256
 * tokens and odd headers are made here with OpenSSL directly, not with the code under test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/jwt.h"

#define ISS "https://lgsp.example/issuer"
#define AUD "lgsp"
#define NOW 1700000000LL

struct fixture {
	struct arena arena;
	char *pem, *jwks;
	struct jwt_keys *keys;
	struct err err;
	struct jwt_claims claims;
};

static int setup(void **state)
{
	struct fixture *f = base_alloc(sizeof(*f));

	arena_init(&f->arena, 4 << 20);
	assert_int_equal(jwt_key_new(&f->arena, &f->pem, &f->jwks), 0);
	assert_int_equal(jwt_keys_parse(f->jwks, strlen(f->jwks), &f->keys, &f->err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	jwt_keys_free(f->keys);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static char *sign(struct fixture *f, const char *iss, const char *aud, int64_t now, int64_t ttl)
{
	char *token = NULL;

	assert_int_equal(
		jwt_sign(f->pem, iss, aud, "canbo-01", NULL, now, ttl, &f->arena, &token, &f->err),
		0);
	return token;
}

static const char *verify_with(struct fixture *f, const struct jwt_keys *keys, const char *token)
{
	err_clear(&f->err);
	memset(&f->claims, 0, sizeof(f->claims));
	if (jwt_verify(keys, token, strlen(token), ISS, AUD, NOW, &f->arena, &f->claims, &f->err) ==
	    0)
		return "";
	assert_int_equal(f->err.status, ERR_DENIED);
	assert_null(f->claims.sub); /* untouched */
	return err_code(&f->err);
}

static const char *verify(struct fixture *f, const char *token)
{
	return verify_with(f, f->keys, token);
}

static char *b64(struct fixture *f, const char *text)
{
	return crypt_base64url(&f->arena, text, strlen(text));
}

static char *unsigned_text(struct fixture *f, const char *header, const char *payload)
{
	return arena_printf(&f->arena, "%s.%s", b64(f, header), b64(f, payload));
}

#define GOOD_PAYLOAD "{\"iss\":\"" ISS "\",\"aud\":\"" AUD "\",\"sub\":\"x\",\"exp\":1700000100}"

/* Signs with the fixture's key what jwt_sign() would never make. */
static char *forge_es256(struct fixture *f, const char *header, const char *payload)
{
	char *text = unsigned_text(f, header, payload);
	BIO *bio = BIO_new_mem_buf(f->pem, -1);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[80], raw[64];
	const uint8_t *at = der;
	size_t n = sizeof(der);
	ECDSA_SIG *sig;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &n, (uint8_t *)text, strlen(text)), 1);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	return arena_printf(&f->arena, "%s.%s", text, crypt_base64url(&f->arena, raw, 64));
}

static char *sign_rs256(struct fixture *f, EVP_PKEY *pkey, const char *header, const char *payload)
{
	char *text = unsigned_text(f, header, payload);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[512];
	size_t n = sizeof(sig);

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &n, (uint8_t *)text, strlen(text)), 1);
	EVP_MD_CTX_free(ctx);
	return arena_printf(&f->arena, "%s.%s", text, crypt_base64url(&f->arena, sig, n));
}

static const char *rsa_number(struct fixture *f, EVP_PKEY *pkey, const char *name)
{
	BIGNUM *bn = NULL;
	uint8_t bytes[512];
	int n;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &bn), 1);
	n = BN_bn2bin(bn, bytes);
	BN_free(bn);
	return crypt_base64url(&f->arena, bytes, (size_t)n);
}

static struct jwt_keys *rsa_keys(struct fixture *f, EVP_PKEY *pkey)
{
	struct jwt_keys *keys = NULL;
	char *jwks = arena_printf(&f->arena,
				  "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"},{\"kty\":\"RSA\","
				  "\"kid\":\"r1\",\"n\":\"%s\",\"e\":\"%s\"}]}",
				  rsa_number(f, pkey, OSSL_PKEY_PARAM_RSA_N),
				  rsa_number(f, pkey, OSSL_PKEY_PARAM_RSA_E));

	assert_int_equal(jwt_keys_parse(jwks, strlen(jwks), &keys, &f->err), 0);
	return keys;
}

static void test_own_token(void **state)
{
	struct fixture *f = *state;
	char *token = NULL;

	assert_string_equal(verify(f, sign(f, ISS, AUD, NOW, 100)), "");
	assert_string_equal(f->claims.sub, "canbo-01");
	assert_string_equal(f->claims.member, "");
	assert_string_equal(f->claims.scope, "");
	assert_int_equal(f->claims.exp_s, NOW + 100);
	assert_int_equal(jwt_sign(f->pem, ISS, AUD, "s", "VN/GOV/H40/one-stop", NOW, 60, &f->arena,
				  &token, &f->err),
			 0);
	assert_string_equal(verify(f, token), "");
	assert_string_equal(f->claims.member, "VN/GOV/H40/one-stop");
}

static void test_issuer_audience_time(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(verify(f, sign(f, "https://other", AUD, NOW, 100)), "TOKEN_INVALID");
	assert_string_equal(verify(f, sign(f, ISS, "other", NOW, 100)), "TOKEN_INVALID");
	assert_string_equal(verify(f, sign(f, ISS, AUD, NOW - 160, 100)), "");
	assert_string_equal(verify(f, sign(f, ISS, AUD, NOW - 161, 100)), "TOKEN_EXPIRED");
}

static void test_tampered(void **state)
{
	struct fixture *f = *state;
	const char *token = sign(f, ISS, AUD, NOW, 100);
	size_t n = strlen(token);

	for (size_t i = 0; i < n; i++) {
		char *bad = arena_strdup(&f->arena, token);

		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		/* The last character of a part may carry bits that decode to nothing. */
		if (i + 1 < n && token[i + 1] != '.' && token[i] != bad[i])
			assert_string_equal(verify(f, bad), "TOKEN_INVALID");
	}
	for (size_t cut = 0; cut < n; cut += 7) {
		char *bad = arena_memdup(&f->arena, token, cut);

		assert_string_equal(verify(f, bad), "TOKEN_INVALID");
	}
}

static void test_claims(void **state)
{
	static const struct {
		const char *payload, *want;
	} rows[] = {
		{GOOD_PAYLOAD, ""},
		{"{\"iss\":\"" ISS "\",\"aud\":[\"a\",\"" AUD "\"],\"sub\":\"x\",\"exp\":1.7e9}",
		 ""},
		{"{\"iss\":\"" ISS "\",\"aud\":[\"a\"],\"sub\":\"x\",\"exp\":1700000100}",
		 "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"aud\":[],\"sub\":\"x\",\"exp\":1700000100}",
		 "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"sub\":\"x\",\"exp\":1700000100}", "TOKEN_INVALID"},
		{"{\"aud\":\"" AUD "\",\"sub\":\"x\",\"exp\":1700000100}", "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"aud\":\"" AUD "\",\"sub\":\"x\"}", "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"aud\":\"" AUD "\",\"sub\":\"x\",\"exp\":\"1700000100\"}",
		 "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"aud\":\"" AUD "\",\"exp\":1700000100}", "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"aud\":\"" AUD "\",\"sub\":\"\",\"exp\":1700000100}",
		 "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"aud\":\"" AUD
		 "\",\"sub\":\"x\",\"exp\":1700000100,\"nbf\":1700000061}",
		 "TOKEN_INVALID"},
		{"{\"iss\":\"" ISS "\",\"aud\":\"" AUD
		 "\",\"sub\":\"x\",\"exp\":1700000100,\"nbf\":1700000060}",
		 ""},
		{"{\"iss\":\"" ISS "\",\"aud\":\"" AUD
		 "\",\"sub\":\"x\",\"exp\":1700000100,\"member\":7}",
		 "TOKEN_INVALID"},
		{"{\"iss\":\"a\",\"iss\":\"" ISS "\",\"aud\":\"" AUD
		 "\",\"sub\":\"x\",\"exp\":1700000100}",
		 "TOKEN_INVALID"},
		{"[]", "TOKEN_INVALID"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = verify(f, forge_es256(f, "{\"alg\":\"ES256\"}", rows[i].payload));

		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: '%s'", rows[i].payload, got);
	}
}

static void test_headers(void **state)
{
	static const char *const bad[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\"}",
		"{\"alg\":\"HS256\"}",
		"{\"alg\":\"RS256\"}",
		"{\"alg\":\"ES384\"}",
		"{}",
		"{\"alg\":\"ES256\",\"kid\":\"unknown\"}",
		"{\"alg\":\"ES256\",\"kid\":7}",
		"{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}",
		"{\"alg\":\"none\",\"alg\":\"ES256\"}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_string_equal(verify(f, forge_es256(f, bad[i], GOOD_PAYLOAD)),
				    "TOKEN_INVALID");
}

static void test_alg_none_without_signature(void **state)
{
	struct fixture *f = *state;
	char *text = unsigned_text(f, "{\"alg\":\"none\"}", GOOD_PAYLOAD);

	assert_string_equal(verify(f, arena_printf(&f->arena, "%s.", text)), "TOKEN_INVALID");
	assert_string_equal(verify(f, text), "TOKEN_INVALID");
	text = unsigned_text(f, "{\"alg\":\"ES256\"}", GOOD_PAYLOAD);
	assert_string_equal(verify(f, arena_printf(&f->arena, "%s.", text)), "TOKEN_INVALID");
}

/* CVE-2022-21449: r = s = 0. */
static void test_zero_signature(void **state)
{
	struct fixture *f = *state;
	uint8_t zero[64] = {0};
	char *text = unsigned_text(f, "{\"alg\":\"ES256\"}", GOOD_PAYLOAD);

	text = arena_printf(&f->arena, "%s.%s", text, crypt_base64url(&f->arena, zero, 64));
	assert_string_equal(verify(f, text), "TOKEN_INVALID");
}

static void test_rs256(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	EVP_PKEY *other = EVP_RSA_gen(2048);
	struct jwt_keys *keys = rsa_keys(f, pkey);
	const char *header = "{\"alg\":\"RS256\",\"kid\":\"r1\"}";

	assert_string_equal(verify_with(f, keys, sign_rs256(f, pkey, header, GOOD_PAYLOAD)), "");
	assert_string_equal(verify_with(f, keys, sign_rs256(f, other, header, GOOD_PAYLOAD)),
			    "TOKEN_INVALID");
	/* A P-256 token against RSA keys, and the other way round. */
	assert_string_equal(verify_with(f, keys, sign(f, ISS, AUD, NOW, 100)), "TOKEN_INVALID");
	assert_string_equal(verify(f, sign_rs256(f, pkey, header, GOOD_PAYLOAD)), "TOKEN_INVALID");
	assert_string_equal(verify_with(f, keys,
					sign_rs256(f, pkey, "{\"alg\":\"ES256\",\"kid\":\"r1\"}",
						   GOOD_PAYLOAD)),
			    "TOKEN_INVALID");
	jwt_keys_free(keys);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(other);
}

/* The classic: the public key's text as an HMAC secret. */
static void test_public_key_as_hmac_secret(void **state)
{
	struct fixture *f = *state;
	char *text = unsigned_text(f, "{\"alg\":\"HS256\"}", GOOD_PAYLOAD);
	uint8_t mac[CRYPT_SHA256_BYTES];

	crypt_hmac_sha256(f->jwks, strlen(f->jwks), text, strlen(text), mac);
	text = arena_printf(&f->arena, "%s.%s", text, crypt_base64url(&f->arena, mac, sizeof(mac)));
	assert_string_equal(verify(f, text), "TOKEN_INVALID");
}

static void test_jwks(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"keys\":[]}",
		"{\"keys\":{}}",
		"{\"keys\":[7,null,\"x\",[]]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
		/* not on the curve */
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
		"\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		"\"y\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
		/* 512-bit RSA */
		"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"vLr9Ftl7bQ1n2vLr9Ftl7bQ1n2vLr9"
		"Ftl7bQ1n2vLr9Ftl7bQ1n2vLr9Ftl7bQ1n2vLr9Ftl7bQ1nwM\"}]}",
	};
	struct fixture *f = *state;
	struct jwt_keys *keys = NULL;
	char *encryption;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&f->err);
		assert_int_equal(jwt_keys_parse(bad[i], strlen(bad[i]), &keys, &f->err),
				 ERR_INVALID);
		assert_string_equal(err_code(&f->err), "JWKS_INVALID");
	}
	encryption = arena_strdup(&f->arena, f->jwks);
	memcpy(strstr(encryption, "\"sig\""), "\"enc\"", 5);
	assert_int_equal(jwt_keys_parse(encryption, strlen(encryption), &keys, &f->err),
			 ERR_INVALID);
}

static void test_signing_key(void **state)
{
	struct fixture *f = *state;
	char *token = NULL;

	assert_int_equal(
		jwt_sign("no key", ISS, AUD, "x", NULL, NOW, 1, &f->arena, &token, &f->err),
		ERR_INVALID);
	assert_string_equal(err_code(&f->err), "SIGNING_KEY_INVALID");
	assert_null(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_issuer_audience_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tampered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_claims, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alg_none_without_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zero_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rs256, setup, teardown),
		cmocka_unit_test_setup_teardown(test_public_key_as_hmac_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jwks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signing_key, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
