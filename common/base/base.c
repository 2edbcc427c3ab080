#include "common/base/base.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LGSP_CRASH_POINTS
#include <fcntl.h>
#include <signal.h>
#endif

void base_check_failed(const char *expr, const char *file, int line)
{
	void *frames[64];
	int n;

	/* No log_write() here: the broken invariant may be the logger's own. */
	dprintf(STDERR_FILENO, "level=error event=base.check_failed at=%s:%d expr=\"%s\"\n", file,
		line, expr);
	n = backtrace(frames, (int)ARRAY_LEN(frames));
	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	abort();
}

void *base_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	CHECK(p != NULL);
	return p;
}

void *base_realloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);

	CHECK(q != NULL);
	return q;
}

char *base_strdup(const char *s)
{
	char *copy = strdup(s);

	CHECK(copy != NULL);
	return copy;
}

void base_cleanup_free(void *p)
{
	free(*(void **)p);
}

void base_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void base_cleanup_file(void *p)
{
	FILE *file = *(FILE **)p;

	if (file)
		fclose(file);
}

#ifdef LGSP_CRASH_POINTS
static void crash_note(const char *name)
{
	const char *path = getenv("LGSP_CRASH_LOG");
	CLEANUP_FD int fd = -1;

	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK(dprintf(fd, "%s %d\n", name, (int)getpid()) > 0);
	CHECK(fsync(fd) == 0);
}

void base_crash_point(const char *name)
{
	const char *armed = getenv("LGSP_CRASH_POINT");

	if (!armed || strcmp(armed, name) != 0)
		return;
	crash_note(name);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}
#endif
