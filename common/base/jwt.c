#include "common/base/jwt.h"

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/jwk.h"
#include "common/base/uuid.h"

#define TOKEN_MAX_BYTES 8192
#define LEEWAY_S        60
#define ES256_BYTES     64
#define SUBJECT_MAX     256

static const struct err_kind token_invalid = {ERR_DENIED, "TOKEN_INVALID",
					      "Token truy cập không hợp lệ (%s)",
					      "the access token is not valid (%s)"};
static const struct err_kind token_expired = {
	ERR_DENIED, "TOKEN_EXPIRED", "Token truy cập đã hết hạn", "the access token has expired"};
static const struct err_kind signing_key_invalid = {ERR_INVALID, "SIGNING_KEY_INVALID",
						    "Khoá ký token không phải khoá P-256 dạng PEM",
						    "the signing key is not a P-256 key in PEM"};

/* A token taken apart; the texts point into it. */
struct token_parts {
	const char *signed_text; /* header "." payload */
	size_t signed_len;
	json_t *header;
	json_t *payload;
	uint8_t *signature;
	size_t signature_len;
};

static int refuse(struct err *err, const char *why)
{
	return err_set(err, &token_invalid, NULL, why);
}

/* RFC 7515 section 2: base64url without padding, nothing else. */
static int decode_part(const char *s, size_t n, struct arena *arena, uint8_t **ret, size_t *ret_n)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\0' || !strchr(alphabet, s[i]))
			return ERR_INVALID;
	}
	return n > 0 ? crypt_unbase64(arena, s, n, ret, ret_n) : ERR_INVALID;
}

static json_t *decode_json(const char *s, size_t n, struct arena *arena)
{
	uint8_t *text = NULL;
	size_t len = 0;
	json_t *json;

	if (decode_part(s, n, arena, &text, &len) < 0)
		return NULL;
	json = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static int split(const char *token, size_t n, struct arena *arena, struct token_parts *parts)
{
	const char *first = memchr(token, '.', n);
	const char *second;
	size_t left;

	if (!first)
		return ERR_INVALID;
	left = n - (size_t)(first + 1 - token);
	second = memchr(first + 1, '.', left);
	if (!second)
		return ERR_INVALID;
	parts->signed_text = token;
	parts->signed_len = (size_t)(second - token);
	if (decode_part(second + 1, n - parts->signed_len - 1, arena, &parts->signature,
			&parts->signature_len) < 0)
		return ERR_INVALID;
	parts->header = decode_json(token, (size_t)(first - token), arena);
	parts->payload = decode_json(first + 1, (size_t)(second - first - 1), arena);
	return parts->header && parts->payload ? 0 : ERR_INVALID;
}

/* JOSE signatures are r || s; OpenSSL wants DER. Returns the length, 0 when malformed. */
static size_t ecdsa_to_der(const uint8_t *raw, size_t n, uint8_t out[static 80])
{
	ECDSA_SIG *sig;
	uint8_t *at = out;
	int len;

	if (n != ES256_BYTES)
		return 0;
	sig = ECDSA_SIG_new();
	CHECK(sig);
	CHECK(ECDSA_SIG_set0(sig, BN_bin2bn(raw, ES256_BYTES / 2, NULL),
			     BN_bin2bn(raw + ES256_BYTES / 2, ES256_BYTES / 2, NULL)) == 1);
	len = i2d_ECDSA_SIG(sig, &at);
	ECDSA_SIG_free(sig);
	return len > 0 ? (size_t)len : 0;
}

static bool signature_is_of(const struct jwk *key, const struct token_parts *parts)
{
	const uint8_t *signature = parts->signature;
	size_t n = parts->signature_len;
	uint8_t der[80];
	EVP_MD_CTX *ctx;
	bool good;

	if (key->alg == JWK_ES256) {
		n = ecdsa_to_der(parts->signature, parts->signature_len, der);
		signature = der;
		if (n == 0)
			return false;
	}
	ctx = EVP_MD_CTX_new();
	CHECK(ctx);
	good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
	       EVP_DigestVerify(ctx, signature, n, (const uint8_t *)parts->signed_text,
				parts->signed_len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

/*
 * The header may name the key and must name its algorithm; it never chooses one for a key. That
 * shuts out "none" and a public RSA key used as an HMAC secret.
 */
static int check_signature(const struct jwt_keys *keys, const struct token_parts *parts,
			   struct err *err)
{
	const char *alg = json_string_value(json_object_get(parts->header, "alg"));
	json_t *kid_json = json_object_get(parts->header, "kid");
	const char *kid = json_string_value(kid_json);
	enum jwk_alg want;

	if (json_object_get(parts->header, "crit"))
		return refuse(err, "crit");
	if (!alg || (strcmp(alg, "ES256") != 0 && strcmp(alg, "RS256") != 0))
		return refuse(err, "alg");
	if (kid_json && !kid)
		return refuse(err, "kid");
	want = strcmp(alg, "ES256") == 0 ? JWK_ES256 : JWK_RS256;
	for (size_t i = 0; i < keys->n; i++) {
		const struct jwk *key = &keys->keys[i];

		if (key->alg != want || (kid && strcmp(key->kid, kid) != 0))
			continue;
		if (signature_is_of(key, parts))
			return 0;
	}
	return refuse(err, "signature");
}

static bool audience_has(const json_t *aud, const char *want)
{
	size_t i;
	json_t *item;

	if (json_is_string(aud))
		return strcmp(json_string_value(aud), want) == 0;
	json_array_foreach(aud, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), want) == 0)
			return true;
	}
	return false;
}

/* NumericDate: seconds, perhaps with a fraction. False when it is no sensible moment. */
static bool numeric_date(const json_t *json, int64_t *ret_s)
{
	double s = json_number_value(json);

	if (!json_is_number(json) || !(s >= 0 && s < 1e12))
		return false;
	*ret_s = (int64_t)s;
	return true;
}

static int check_times(const json_t *payload, int64_t now_s, int64_t *ret_exp_s, struct err *err)
{
	const json_t *nbf = json_object_get(payload, "nbf");
	int64_t from_s = 0;

	if (!numeric_date(json_object_get(payload, "exp"), ret_exp_s))
		return refuse(err, "exp");
	if (nbf && (!numeric_date(nbf, &from_s) || from_s > now_s + LEEWAY_S))
		return refuse(err, "nbf");
	if (now_s > *ret_exp_s + LEEWAY_S)
		return err_set(err, &token_expired, NULL, NULL);
	return 0;
}

/* A text claim in the arena; "" when absent, NULL when it is no text or too long. */
static const char *claim_text(const json_t *payload, const char *name, struct arena *arena)
{
	const json_t *json = json_object_get(payload, name);

	if (!json)
		return "";
	if (!json_is_string(json) || json_string_length(json) > SUBJECT_MAX * 8)
		return NULL;
	return arena_strdup(arena, json_string_value(json));
}

static int read_claims(const struct token_parts *parts, struct arena *arena,
		       struct jwt_claims *claims, struct err *err)
{
	claims->sub = claim_text(parts->payload, "sub", arena);
	claims->scope = claim_text(parts->payload, "scope", arena);
	claims->member = claim_text(parts->payload, "member", arena);
	if (!claims->sub || claims->sub[0] == '\0' || strlen(claims->sub) > SUBJECT_MAX)
		return refuse(err, "sub");
	if (!claims->scope || !claims->member || strlen(claims->member) > SUBJECT_MAX)
		return refuse(err, "claims");
	return 0;
}

static int check_parts(const struct jwt_keys *keys, const struct token_parts *parts,
		       const char *iss, const char *aud, struct err *err)
{
	const char *issuer = json_string_value(json_object_get(parts->payload, "iss"));
	int r = check_signature(keys, parts, err);

	if (r < 0)
		return r;
	if (!issuer || strcmp(issuer, iss) != 0)
		return refuse(err, "iss");
	if (!audience_has(json_object_get(parts->payload, "aud"), aud))
		return refuse(err, "aud");
	return 0;
}

int jwt_verify(const struct jwt_keys *keys, const char *token, size_t n, const char *iss,
	       const char *aud, int64_t now_s, struct arena *arena, struct jwt_claims *ret_claims,
	       struct err *err)
{
	struct token_parts parts = {0};
	struct jwt_claims claims = {0};
	int r;

	if (n > TOKEN_MAX_BYTES || split(token, n, arena, &parts) < 0)
		r = refuse(err, "form");
	else
		r = check_parts(keys, &parts, iss, aud, err);
	if (r == 0)
		r = check_times(parts.payload, now_s, &claims.exp_s, err);
	if (r == 0)
		r = read_claims(&parts, arena, &claims, err);
	json_decref(parts.header);
	json_decref(parts.payload);
	if (r == 0)
		*ret_claims = claims;
	return r;
}

/* --- signing --- */

static EVP_PKEY *read_signing_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = NULL;
	char group[32] = "";

	CHECK(bio);
	pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (pkey && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
	    strcmp(group, "prime256v1") == 0)
		return pkey;
	ERR_clear_error();
	EVP_PKEY_free(pkey);
	return NULL;
}

static void sign_es256(EVP_PKEY *pkey, const char *text, uint8_t out[static ES256_BYTES])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[80];
	const uint8_t *at = der;
	size_t n = sizeof(der);
	ECDSA_SIG *sig;

	CHECK(ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1);
	CHECK(EVP_DigestSign(ctx, der, &n, (const uint8_t *)text, strlen(text)) == 1);
	EVP_MD_CTX_free(ctx);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
	CHECK(sig);
	CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, ES256_BYTES / 2) > 0);
	CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + ES256_BYTES / 2, ES256_BYTES / 2) > 0);
	ECDSA_SIG_free(sig);
}

/* The JSON as base64url in the arena; takes the reference. NULL at the cap. */
static char *encode_json(json_t *json, struct arena *arena)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	char *out = text ? crypt_base64url(arena, text, strlen(text)) : NULL;

	base_cleanup_free(&text);
	json_decref(json);
	return out;
}

static json_t *make_payload(const char *iss, const char *aud, const char *sub, int64_t now_s,
			    int64_t ttl_s)
{
	uint8_t id[UUID_BYTES];
	char jti[UUID_TEXT_BYTES];

	uuid_v7(id);
	uuid_format(id, jti);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "iss", iss, "aud", aud, "sub", sub,
			 "iat", (json_int_t)now_s, "exp", (json_int_t)(now_s + ttl_s), "jti", jti);
}

int jwt_sign(const char *pem, const char *iss, const char *aud, const char *sub, const char *member,
	     int64_t now_s, int64_t ttl_s, struct arena *arena, char **ret_token, struct err *err)
{
	EVP_PKEY *pkey = read_signing_key(pem);
	uint8_t signature[ES256_BYTES];
	struct jwk_ec_text text;
	json_t *json;
	char *header, *payload, *signed_text, *token;

	if (!pkey)
		return err_set(err, &signing_key_invalid, NULL, NULL);
	jwk_ec_text(pkey, arena, &text);
	header = encode_json(
		json_pack("{s:s, s:s, s:s}", "alg", "ES256", "typ", "JWT", "kid", text.kid), arena);
	json = make_payload(iss, aud, sub, now_s, ttl_s);
	if (member && member[0] != '\0')
		json_object_set_new(json, "member", json_string(member));
	payload = encode_json(json, arena);
	signed_text = header && payload ? arena_printf(arena, "%s.%s", header, payload) : NULL;
	if (signed_text)
		sign_es256(pkey, signed_text, signature);
	EVP_PKEY_free(pkey);
	if (!signed_text)
		return err_set(err, &err_too_large, NULL, "token");
	token = arena_printf(arena, "%s.%s", signed_text,
			     crypt_base64url(arena, signature, sizeof(signature)));
	if (!token)
		return err_set(err, &err_too_large, NULL, "token");
	*ret_token = token;
	return 0;
}
