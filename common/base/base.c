#include "common/base/base.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LGSP_CRASH_POINTS
#include <errno.h>
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
static void crash_note(const char *line)
{
	const char *path = getenv("LGSP_CRASH_LOG");
	CLEANUP_FD int fd = -1;

	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
	CHECK(fsync(fd) == 0);
}

/* This program has died at this point already. */
static bool crash_noted(const char *name)
{
	const char *path = getenv("LGSP_CRASH_LOG");
	CLEANUP_FILE FILE *f = path ? fopen(path, "re") : NULL;
	char line[256], point[64], program[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*s %63s", point, program) == 2 &&
		    strcmp(point, name) == 0 && strcmp(program, program_invocation_short_name) == 0)
			return true;
	}
	return false;
}

/* The file that arms a running suite holds this name. */
static bool armed_by(const char *path, const char *name)
{
	CLEANUP_FILE FILE *f = fopen(path, "re");
	char point[64];

	return f && fscanf(f, "%63s", point) == 1 && strcmp(point, name) == 0;
}

static bool crash_armed_by(const char *path, const char *name)
{
	return armed_by(path, name) && !crash_noted(name);
}

bool base_fault_point(const char *name)
{
	const char *armed = getenv("LGSP_FAULT_POINT");

	return armed && armed[0] == '@' && armed_by(armed + 1, name);
}

void base_crash_point(const char *name)
{
	const char *armed = getenv("LGSP_CRASH_POINT");
	bool by_file = armed && armed[0] == '@';
	char line[192];

	if (!armed || (by_file ? !crash_armed_by(armed + 1, name) : strcmp(armed, name) != 0))
		return;
	if (by_file)
		snprintf(line, sizeof(line), "%s %d %s\n", name, (int)getpid(),
			 program_invocation_short_name);
	else
		snprintf(line, sizeof(line), "%s %d\n", name, (int)getpid());
	crash_note(line);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}
#endif
