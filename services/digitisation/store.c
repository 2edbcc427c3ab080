#include "services/digitisation/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/log.h"

static const struct err_kind store_failed = {ERR_UNAVAILABLE, "STORE_FAILED",
					     "Kho tệp không ghi hoặc đọc được (%s)",
					     "the file store failed at %s"};
#define DIGEST_BLOCK (256 * 1024)

static char store_dir[256];

static int failed(struct err *err, const char *step)
{
	log_error("digitisation.store_failed", LOG_STR("step", step), LOG_NUM("errno", errno));
	return err_set_retry(err, &store_failed, step, 1000);
}

static int make_dir(const char *path)
{
	return mkdir(path, 0750) == 0 || errno == EEXIST ? 0 : -1;
}

static int sync_dir(const char *path)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -1;
}

int store_open(const char *dir, struct err *err)
{
	static const char *const folders[] = {"", "/upload", "/blob", "/temp"};
	char path[STORE_PATH_MAX];

	if (strlen(dir) >= sizeof(store_dir))
		return failed(err, "path");
	snprintf(store_dir, sizeof(store_dir), "%s", dir);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		snprintf(path, sizeof(path), "%s%s", store_dir, folders[i]);
		if (make_dir(path) < 0)
			return failed(err, "mkdir");
	}
	return 0;
}

static void upload_path(const char *upload_id, char path[static STORE_PATH_MAX])
{
	snprintf(path, STORE_PATH_MAX, "%s/upload/%s", store_dir, upload_id);
}

/* The folder of a blob, and the blob's path. */
static void blob_paths(const uint8_t sha256[static CRYPT_SHA256_BYTES],
		       char dir[static STORE_PATH_MAX], char path[static STORE_PATH_MAX])
{
	char hex[CRYPT_SHA256_HEX];

	crypt_hex(sha256, CRYPT_SHA256_BYTES, hex);
	snprintf(dir, STORE_PATH_MAX, "%s/blob/%.2s", store_dir, hex);
	snprintf(path, STORE_PATH_MAX, "%s/blob/%.2s/%s", store_dir, hex, hex);
}

static int write_at(int fd, off_t offset, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, offset);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return -1;
		p += w;
		offset += w;
		n -= (size_t)w;
	}
	return 0;
}

int store_put_chunk(const char *upload_id, off_t offset, const void *p, size_t n, struct err *err)
{
	char path[STORE_PATH_MAX];
	CLEANUP_FD int fd = -1;

	upload_path(upload_id, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 || write_at(fd, offset, p, n) < 0)
		return failed(err, "write");
	return fdatasync(fd) == 0 ? 0 : failed(err, "sync");
}

/* Size, digest and first bytes of an open file. */
static int inspect(int fd, struct store_facts *ret)
{
	struct crypt_hash *hash = crypt_hash_new();
	CLEANUP_FREE uint8_t *block = base_alloc(DIGEST_BLOCK);
	off_t at = 0;
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	while ((n = pread(fd, block, DIGEST_BLOCK, at)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		if (at == 0)
			memcpy(ret->head, block,
			       (size_t)n < sizeof(ret->head) ? (size_t)n : sizeof(ret->head));
		crypt_hash_update(hash, block, (size_t)n);
		at += n;
	}
	crypt_hash_final(hash, ret->sha256);
	ret->size_bytes = at;
	return n < 0 ? -1 : 0;
}

int store_inspect_upload(const char *upload_id, struct store_facts *ret_facts, struct err *err)
{
	char path[STORE_PATH_MAX];
	CLEANUP_FD int fd = -1;

	upload_path(upload_id, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || inspect(fd, ret_facts) < 0)
		return failed(err, "read");
	return 1;
}

/* Renames a synced file to its blob and syncs the folders. */
static int adopt(const char *from, const uint8_t sha256[static CRYPT_SHA256_BYTES], struct err *err)
{
	char dir[STORE_PATH_MAX], path[STORE_PATH_MAX], parent[STORE_PATH_MAX];

	blob_paths(sha256, dir, path);
	snprintf(parent, sizeof(parent), "%s/blob", store_dir);
	if (make_dir(dir) < 0 || sync_dir(parent) < 0)
		return failed(err, "mkdir");
	if (access(path, F_OK) == 0)
		return unlink(from) == 0 || errno == ENOENT ? 0 : failed(err, "unlink");
	if (rename(from, path) < 0)
		return failed(err, "rename");
	return sync_dir(dir) == 0 ? 0 : failed(err, "sync");
}

int store_adopt_upload(const char *upload_id, const uint8_t sha256[static CRYPT_SHA256_BYTES],
		       struct err *err)
{
	char path[STORE_PATH_MAX];

	upload_path(upload_id, path);
	return adopt(path, sha256, err);
}

int store_temp(char *path, int *ret_fd, struct err *err)
{
	snprintf(path, STORE_PATH_MAX, "%s/temp/XXXXXX", store_dir);
	*ret_fd = mkostemp(path, O_CLOEXEC);
	return *ret_fd >= 0 ? 0 : failed(err, "temp");
}

int store_adopt_temp(const char *path, int fd, struct store_facts *ret_facts, struct err *err)
{
	if (fsync(fd) < 0 || inspect(fd, ret_facts) < 0)
		return failed(err, "read");
	return adopt(path, ret_facts->sha256, err);
}

bool store_has_blob(const uint8_t sha256[static CRYPT_SHA256_BYTES])
{
	char dir[STORE_PATH_MAX], path[STORE_PATH_MAX];

	blob_paths(sha256, dir, path);
	return access(path, R_OK) == 0;
}

int store_open_blob(const uint8_t sha256[static CRYPT_SHA256_BYTES], int *ret_fd, struct err *err)
{
	char dir[STORE_PATH_MAX], path[STORE_PATH_MAX];

	blob_paths(sha256, dir, path);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return *ret_fd >= 0 ? 0 : failed(err, "open");
}
