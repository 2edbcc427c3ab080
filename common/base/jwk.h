/* Keys of JSON Web Tokens (RFC 7517), for jwt.c: P-256 and RSA public keys, and their making. */
#ifndef LGSP_BASE_JWK_H
#define LGSP_BASE_JWK_H

#include <openssl/evp.h>

#include "common/base/arena.h"

#define JWK_KEYS_MAX 32
#define JWK_KID_MAX  128

enum jwk_alg { JWK_ES256, JWK_RS256 };

/* A key and the one algorithm it may be used with. */
struct jwk {
	char kid[JWK_KID_MAX]; /* "" when the document gives none */
	enum jwk_alg alg;
	EVP_PKEY *pkey;
};

struct jwt_keys {
	size_t n;
	struct jwk keys[JWK_KEYS_MAX];
};

/* Coordinates of a P-256 key and its RFC 7638 thumbprint, base64url, in the arena. */
struct jwk_ec_text {
	const char *x, *y, *kid;
};
void jwk_ec_text(EVP_PKEY *pkey, struct arena *arena, struct jwk_ec_text *ret_text);

#endif
