#include "services/ctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"

int file_mkdir(const char *path, unsigned mode)
{
	char part[4096];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof part) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -1;
		part[i] = path[i];
	}
	return 0;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

int file_read(const char *path, struct buf *out)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[8192];
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, chunk, sizeof chunk)) > 0) {
		if (buf_append(out, chunk, (size_t)n) < 0) {
			errno = EFBIG;
			return -1;
		}
	}
	return n < 0 ? -1 : 0;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* A synced file with this content beside path; its name in tmp. */
static int write_beside(const char *path, const void *data, size_t n, unsigned mode,
			char tmp[static 4096])
{
	if (snprintf(tmp, 4096, "%s.%d.new", path, (int)getpid()) >= 4096) {
		errno = ENAMETOOLONG;
		return -1;
	}
	CLEANUP_FD int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) == 0 && write_all(fd, data, n) == 0 && fsync(fd) == 0)
		return 0;
	int saved = errno;

	unlink(tmp);
	errno = saved;
	return -1;
}

int file_create(const char *path, const void *data, size_t n, unsigned mode, bool *ret_made)
{
	char tmp[4096];

	if (file_exists(path)) {
		if (ret_made)
			*ret_made = false;
		return 0;
	}
	if (write_beside(path, data, n, mode, tmp) < 0)
		return -1;
	/* link() refuses an existing name: of two that start at once, one wins. */
	int rc = link(tmp, path);
	int saved = errno;

	unlink(tmp);
	if (rc < 0 && saved != EEXIST) {
		errno = saved;
		return -1;
	}
	if (ret_made)
		*ret_made = rc == 0;
	return 0;
}

int file_replace(const char *path, const void *data, size_t n, unsigned mode)
{
	char tmp[4096];

	if (write_beside(path, data, n, mode, tmp) < 0)
		return -1;
	if (rename(tmp, path) == 0)
		return 0;
	int saved = errno;

	unlink(tmp);
	errno = saved;
	return -1;
}

int file_append(const char *path, const char *text)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	return write_all(fd, text, strlen(text));
}
