/*
 * A program of the build under test (build/<variant>/bin/lgsp-<name>) as a child process: in a
 * folder of its own under /tmp, with an environment said in full, its log in <dir>/log and its
 * health server on the unix socket <dir>/h. It dies with the test; child_done() leaves nothing.
 */
#ifndef LGSP_TESTS_SUPPORT_CHILD_H
#define LGSP_TESTS_SUPPORT_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#define CHILD_ENV_MAX 32

struct child {
	char name[32];
	const char *self_option; /* not NULL: this test program itself, run with the option */
	char dir[64];
	char env_text[CHILD_ENV_MAX][512];
	char *env[CHILD_ENV_MAX + 1];
	unsigned n_env;
	pid_t pid; /* 0: not running */
};

/* Makes the folder. The test's own sanitizer options and PATH are passed on, nothing else. */
void child_init(struct child *c, const char *name);
/* Of two equal names the first counts. */
void child_env(struct child *c, const char *name, const char *value);
/* "NAME=value" strings, NULL-terminated; NULL is none. */
void child_env_list(struct child *c, const char *const *env);
void child_spawn(struct child *c);
bool child_running(struct child *c);
void child_signal(struct child *c, int signal);
/* Waits for its end: exit code, or 128 + signal. */
int child_wait(struct child *c);
void child_kill(struct child *c); /* kill -9 and wait */
/* Ends it by SIGTERM, if it runs: it must end well (no abort, no leak). Removes the folder. */
void child_done(struct child *c);

/* Whole answer of its health server in a static buffer; *ret_status 0 when there is none. */
const char *child_get(const struct child *c, const char *path, int *ret_status);
/* Value of a metric, labels included in the name; -1 when absent. */
long long child_metric(const struct child *c, const char *name);
/* The log holds the text: now; within 10 s. */
bool child_log_has(const struct child *c, const char *text);
bool child_logged(const struct child *c, const char *text);

#endif
