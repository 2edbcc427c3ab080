/*
 * JSON Web Tokens (RFC 7519) for bearer tokens: signing with ES256, verifying ES256 and RS256
 * against a JWKS (RFC 7517). The algorithm is pinned to the key's type; "none" and "crit" are
 * refused; aud may be a string or an array.
 */
#ifndef LGSP_BASE_JWT_H
#define LGSP_BASE_JWT_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"

struct jwt_keys; /* a parsed JWKS */

/* Parses a JWKS document; unknown key types are skipped, an empty set is ERR_INVALID. */
int jwt_keys_parse(const char *json, size_t n, struct jwt_keys **ret_keys, struct err *err);
void jwt_keys_free(struct jwt_keys *keys);

struct jwt_claims {
	const char *sub;
	const char *scope;  /* "" when absent */
	const char *member; /* claim "member" of system tokens; "" when absent */
	int64_t exp_s;
};

/*
 * Verifies signature, iss, aud, exp and nbf (60 s of leeway) at now_s (unix seconds, technical
 * clock). ERR_DENIED with code TOKEN_INVALID or TOKEN_EXPIRED. Claims live in the arena.
 */
int jwt_verify(const struct jwt_keys *keys, const char *token, size_t n, const char *iss,
	       const char *aud, int64_t now_s, struct arena *arena, struct jwt_claims *ret_claims,
	       struct err *err);

/* Makes a P-256 key: PEM (PKCS#8) and the matching JWKS document, both in the arena. */
int jwt_key_new(struct arena *arena, char **ret_pem, char **ret_jwks);

/* Signs a token (ES256). member may be NULL. */
int jwt_sign(const char *pem, const char *iss, const char *aud, const char *sub, const char *member,
	     int64_t now_s, int64_t ttl_s, struct arena *arena, char **ret_token, struct err *err);

#endif
