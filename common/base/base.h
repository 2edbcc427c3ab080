/*
 * What every file of the suite may use without asking: checks, cleanup attributes, array lengths.
 *
 * CHECK() guards invariants of our own code. It is always compiled in and must never see a value
 * that a peer, a user or the database can choose: those get an error.
 */
#ifndef LGSP_BASE_BASE_H
#define LGSP_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Logs the expression with a backtrace and aborts. */
_Noreturn void base_check_failed(const char *expr, const char *file, int line);

#define CHECK(expr)                                                                                \
	do {                                                                                       \
		if (!(expr))                                                                       \
			base_check_failed(#expr, __FILE__, __LINE__);                              \
	} while (0)

/* Allocation for process-lifetime objects: zeroed, never NULL; heap exhaustion aborts. */
void *base_alloc(size_t size);
void *base_realloc(void *p, size_t size);
char *base_strdup(const char *s);

/* __attribute__((cleanup)) helpers: the variable's resource is released when it leaves scope. */
void base_cleanup_free(void *p);
void base_cleanup_fd(int *fd);
void base_cleanup_file(void *p);
#define CLEANUP_FREE __attribute__((cleanup(base_cleanup_free)))
#define CLEANUP_FD   __attribute__((cleanup(base_cleanup_fd)))
#define CLEANUP_FILE __attribute__((cleanup(base_cleanup_file)))

/*
 * Version of the build, e.g. "0.1.0+1a2b3c4". */
const char *base_version(void);

/*
 * Named crash points (test builds: -DLGSP_CRASH_POINTS). When the environment variable
 * LGSP_CRASH_POINT names this point, the process appends the name and its pid to the file
 * LGSP_CRASH_LOG (fsynced) and ends by SIGKILL. In release builds the macro is empty.
 *
 * "@<file>" arms a running suite: the file holds the name, and every program dies there once, as
 * long as the log lasts; its line then ends with the program's name.
 */
#ifdef LGSP_CRASH_POINTS
void base_crash_point(const char *name);
#define CRASH_POINT(name) base_crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif

/*
 * Named faults of the same builds: true once LGSP_FAULT_POINT is "@<file>" and the file holds this
 * name, so that a running process can be made to misbehave. Always false in release builds.
 */
#ifdef LGSP_CRASH_POINTS
bool base_fault_point(const char *name);
#define FAULT_POINT(name) base_fault_point(name)
#else
#define FAULT_POINT(name) false
#endif

#endif
