/*
 * Tokens and key sets from strangers. The input is a token, or, when its first byte is '{', a JWKS.
 * Nothing may crash, and nothing the fuzzer makes up may be taken: the one key that vouches for
 * tokens is made at start and its secret half thrown away.
 */
#include <stdint.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/jwt.h"

#define ARENA_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct jwt_keys *own_keys(void)
{
	static struct jwt_keys *keys;
	struct arena arena;
	struct err err = {0};
	char *pem, *jwks;

	if (!keys) {
		arena_init(&arena, ARENA_BYTES);
		CHECK(jwt_key_new(&arena, &pem, &jwks) == 0);
		CHECK(jwt_keys_parse(jwks, strlen(jwks), &keys, &err) == 0);
		arena_done(&arena);
	}
	return keys;
}

static void try_token(const uint8_t *data, size_t size)
{
	struct jwt_claims claims = {0};
	struct err err = {0};
	struct arena arena;

	arena_init(&arena, ARENA_BYTES);
	CHECK(jwt_verify(own_keys(), (const char *)data, size, "issuer", "audience", 1700000000,
			 &arena, &claims, &err) == ERR_DENIED);
	CHECK(claims.sub == NULL);
	arena_done(&arena);
}

static void try_keys(const uint8_t *data, size_t size)
{
	struct jwt_keys *keys = NULL;
	struct err err = {0};

	if (jwt_keys_parse((const char *)data, size, &keys, &err) == 0)
		jwt_keys_free(keys);
	else
		CHECK(keys == NULL && err.status == ERR_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == '{')
		try_keys(data, size);
	else
		try_token(data, size);
	return 0;
}
