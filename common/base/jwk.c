#include "common/base/jwk.h"

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/jwt.h"

#define EC_COORDINATE_BYTES 32
#define RSA_MIN_BITS        2048
#define RSA_MAX_BITS        8192
#define PARSE_ARENA_BYTES   (256 * 1024)

static const struct err_kind jwks_invalid = {ERR_INVALID, "JWKS_INVALID",
					     "Tệp khoá JWKS không hợp lệ: %s",
					     "the JWKS document is not valid: %s"};

static const char *member_text(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

/* Decodes a base64url member; NULL when it is absent, malformed or empty. */
static uint8_t *member_bytes(const json_t *object, const char *name, struct arena *arena,
			     size_t *ret_n)
{
	const char *s = member_text(object, name);
	uint8_t *bytes = NULL;

	if (s[0] == '\0' || crypt_unbase64(arena, s, strlen(s), &bytes, ret_n) < 0)
		return NULL;
	return *ret_n > 0 ? bytes : NULL;
}

static EVP_PKEY *pkey_from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	CHECK(ctx);
	if (EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *read_ec(const json_t *object, struct arena *arena)
{
	uint8_t point[1 + 2 * EC_COORDINATE_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
	char group[] = "prime256v1";
	size_t x_len = 0, y_len = 0;
	uint8_t *x = member_bytes(object, "x", arena, &x_len);
	uint8_t *y = member_bytes(object, "y", arena, &y_len);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};

	if (!x || !y || x_len != EC_COORDINATE_BYTES || y_len != EC_COORDINATE_BYTES)
		return NULL;
	if (strcmp(member_text(object, "crv"), "P-256") != 0)
		return NULL;
	memcpy(point + 1, x, EC_COORDINATE_BYTES);
	memcpy(point + 1 + EC_COORDINATE_BYTES, y, EC_COORDINATE_BYTES);
	return pkey_from_params("EC", params);
}

static EVP_PKEY *rsa_from_numbers(BIGNUM *n, BIGNUM *e)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	EVP_PKEY *pkey;

	CHECK(bld && n && e);
	CHECK(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1);
	CHECK(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1);
	params = OSSL_PARAM_BLD_to_param(bld);
	CHECK(params);
	pkey = pkey_from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static EVP_PKEY *read_rsa(const json_t *object, struct arena *arena)
{
	size_t n_len = 0, e_len = 0;
	uint8_t *n_bytes = member_bytes(object, "n", arena, &n_len);
	uint8_t *e_bytes = member_bytes(object, "e", arena, &e_len);
	BIGNUM *n, *e;
	EVP_PKEY *pkey;
	int bits;

	if (!n_bytes || !e_bytes || n_len > RSA_MAX_BITS / 8 + 1 || e_len > 8)
		return NULL;
	n = BN_bin2bn(n_bytes, (int)n_len, NULL);
	e = BN_bin2bn(e_bytes, (int)e_len, NULL);
	pkey = rsa_from_numbers(n, e);
	BN_free(n);
	BN_free(e);
	bits = pkey ? EVP_PKEY_get_bits(pkey) : 0;
	if (bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

/* A key for something else than our signatures is skipped, as is one we cannot read. */
static void read_key(const json_t *object, struct arena *arena, struct jwt_keys *keys)
{
	const char *kty = member_text(object, "kty");
	const char *use = member_text(object, "use");
	const char *alg = member_text(object, "alg");
	const char *kid = member_text(object, "kid");
	bool is_ec = strcmp(kty, "EC") == 0;
	struct jwk *key = &keys->keys[keys->n];

	if ((!is_ec && strcmp(kty, "RSA") != 0) || strlen(kid) >= JWK_KID_MAX)
		return;
	if (use[0] != '\0' && strcmp(use, "sig") != 0)
		return;
	if (alg[0] != '\0' && strcmp(alg, is_ec ? "ES256" : "RS256") != 0)
		return;
	key->pkey = is_ec ? read_ec(object, arena) : read_rsa(object, arena);
	if (!key->pkey)
		return;
	key->alg = is_ec ? JWK_ES256 : JWK_RS256;
	memcpy(key->kid, kid, strlen(kid) + 1);
	keys->n++;
}

int jwt_keys_parse(const char *json, size_t n, struct jwt_keys **ret_keys, struct err *err)
{
	json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_object_get(root, "keys");
	struct jwt_keys *keys;
	struct arena arena;
	json_t *object;
	size_t i;

	if (!json_is_array(list)) {
		json_decref(root);
		return err_set(err, &jwks_invalid, NULL, "no array \"keys\"");
	}
	keys = base_alloc(sizeof(*keys));
	arena_init(&arena, PARSE_ARENA_BYTES);
	json_array_foreach(list, i, object)
	{
		if (keys->n < JWK_KEYS_MAX)
			read_key(object, &arena, keys);
	}
	arena_done(&arena);
	json_decref(root);
	if (keys->n == 0) {
		jwt_keys_free(keys);
		return err_set(err, &jwks_invalid, NULL, "no usable key");
	}
	*ret_keys = keys;
	return 0;
}

void jwt_keys_free(struct jwt_keys *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->n; i++)
		EVP_PKEY_free(keys->keys[i].pkey);
	free(keys);
}

static const char *coordinate(EVP_PKEY *pkey, const char *name, struct arena *arena)
{
	uint8_t bytes[EC_COORDINATE_BYTES];
	BIGNUM *bn = NULL;

	CHECK(EVP_PKEY_get_bn_param(pkey, name, &bn) == 1);
	CHECK(BN_bn2binpad(bn, bytes, sizeof(bytes)) == sizeof(bytes));
	BN_free(bn);
	return crypt_base64url(arena, bytes, sizeof(bytes));
}

void jwk_ec_text(EVP_PKEY *pkey, struct arena *arena, struct jwk_ec_text *ret_text)
{
	struct jwk_ec_text text = {
		.x = coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, arena),
		.y = coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, arena),
	};
	uint8_t digest[CRYPT_SHA256_BYTES];
	char *canonical;

	/* RFC 7638 section 3.2: required members in lexical order, no white space. */
	canonical =
		arena_printf(arena, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
			     text.x, text.y);
	CHECK(canonical);
	crypt_sha256(canonical, strlen(canonical), digest);
	text.kid = crypt_base64url(arena, digest, sizeof(digest));
	CHECK(text.x && text.y && text.kid);
	*ret_text = text;
}

int jwt_key_new(struct arena *arena, char **ret_pem, char **ret_jwks)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	struct jwk_ec_text text;
	char *pem_bytes;
	char *pem, *jwks;
	long n;

	CHECK(pkey && bio);
	CHECK(PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1);
	n = BIO_get_mem_data(bio, &pem_bytes);
	pem = arena_memdup(arena, pem_bytes, (size_t)n);
	jwk_ec_text(pkey, arena, &text);
	jwks = arena_printf(arena,
			    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
			    "\"use\":\"sig\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}]}\n",
			    text.kid, text.x, text.y);
	OPENSSL_cleanse(pem_bytes, (size_t)n);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	if (!pem || !jwks)
		return ERR_TOO_LARGE;
	*ret_pem = pem;
	*ret_jwks = jwks;
	return 0;
}
