/*
 * The blob store: files by SHA-256 below one folder, which replicas may share.
 *
 *	<dir>/upload/<upload id>	bytes of an upload, in place as chunks come
 *	<dir>/blob/ab/abcdef…		whole files, never changed
 *	<dir>/temp/XXXXXX		results being made
 *
 * What a function reports done is on disk: the file and its folder are synced first. All functions
 * return 0 or ERR_UNAVAILABLE with the failed step in err, and may be called from any thread.
 */
#ifndef LGSP_DIGITISATION_STORE_H
#define LGSP_DIGITISATION_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/crypt.h"
#include "common/base/err.h"

/* Makes the folders. Once, at start. */
int store_open(const char *dir, struct err *err);

/* Writes a piece of an upload. */
int store_put_chunk(const char *upload_id, off_t offset, const void *p, size_t n, struct err *err);

struct store_facts {
	int64_t size_bytes;
	uint8_t sha256[CRYPT_SHA256_BYTES];
	uint8_t head[16]; /* first bytes, zero-padded */
};
/* Reads an upload through. >0 read, 0 there is no such file (any more), <0 error. */
int store_inspect_upload(const char *upload_id, struct store_facts *ret_facts, struct err *err);

/* Moves an upload into the blobs; an equal blob that is there already stays. */
int store_adopt_upload(const char *upload_id, const uint8_t sha256[static CRYPT_SHA256_BYTES],
		       struct err *err);

/* A new temporary file, open for reading and writing; path has room for STORE_PATH_MAX. */
#define STORE_PATH_MAX 512
int store_temp(char *path, int *ret_fd, struct err *err);
/* Hashes a temporary file and moves it into the blobs. */
int store_adopt_temp(const char *path, int fd, struct store_facts *ret_facts, struct err *err);

/* The blob is there. */
bool store_has_blob(const uint8_t sha256[static CRYPT_SHA256_BYTES]);
/* Opens a blob for reading. */
int store_open_blob(const uint8_t sha256[static CRYPT_SHA256_BYTES], int *ret_fd, struct err *err);

#endif
