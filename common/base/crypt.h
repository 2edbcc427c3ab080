/*
 * Hashes, MACs, randomness and encodings over OpenSSL. All functions are thread-safe. Failures of
 * OpenSSL itself are bugs of the installation and abort.
 */
#ifndef LGSP_BASE_CRYPT_H
#define LGSP_BASE_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"

#define CRYPT_SHA256_BYTES 32
#define CRYPT_SHA256_HEX   65
#define CRYPT_SHA512_BYTES 64

void crypt_sha256(const void *p, size_t n, uint8_t out[static CRYPT_SHA256_BYTES]);

/* Of texts, each followed by its zero byte: no two lists of texts have the same. */
void crypt_sha256_texts(const char *const *texts, size_t n, uint8_t out[static CRYPT_SHA256_BYTES]);

/* SHA-256 in pieces. */
struct crypt_hash;
struct crypt_hash *crypt_hash_new(void);
void crypt_hash_update(struct crypt_hash *h, const void *p, size_t n);
/* Writes the digest and frees h. */
void crypt_hash_final(struct crypt_hash *h, uint8_t out[static CRYPT_SHA256_BYTES]);
void crypt_hash_free(struct crypt_hash *h);

void crypt_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
		       uint8_t out[static CRYPT_SHA256_BYTES]);
void crypt_hmac_sha512(const void *key, size_t key_len, const void *p, size_t n,
		       uint8_t out[static CRYPT_SHA512_BYTES]);
/* Constant time for equal lengths. */
bool crypt_equal(const void *a, const void *b, size_t n);
void crypt_random(void *out, size_t n);

/* Lower-case hex; out has room for 2n + 1. */
void crypt_hex(const void *p, size_t n, char *out);
/* Either case, exactly 2n digits; 0 or ERR_INVALID. */
int crypt_unhex(const char *hex, size_t n, void *out);
char *crypt_base64(struct arena *arena, const void *p, size_t n);
char *crypt_base64url(struct arena *arena, const void *p, size_t n);
/* Accepts both alphabets, with or without padding; 0 or ERR_INVALID. */
int crypt_unbase64(struct arena *arena, const char *s, size_t n, uint8_t **ret, size_t *ret_len);

/*
 * Keyed pseudonym of a citizen or organisation number: HMAC-SHA-256 under the province's owner key,
 * as 64 hex digits. Feeds carry it instead of the number: equal owners stay equal, and who lacks
 * the key cannot try all twelve-digit numbers.
 */
void crypt_owner_key(const uint8_t key[static 32], const char *kind, const char *number,
		     char out[static CRYPT_SHA256_HEX]);
/* Reads a key file of exactly n bytes; 0 or ERR_INVALID. */
int crypt_read_key(const char *path, uint8_t *out, size_t n);

#endif
