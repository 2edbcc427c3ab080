/*
 * A service of the suite as a process of its own (lgsp-<service> of the same build), beside a
 * test's broker and database, in a folder of its own under /tmp. Nothing of it outlives
 * svcd_free().
 */
#ifndef LGSP_TESTS_SUPPORT_SVCD_H
#define LGSP_TESTS_SUPPORT_SVCD_H

#include <stdbool.h>

#include "tests/support/busd.h"

struct svcd;

/* The 32 bytes of LGSP_OWNER_KEY, unless a test gives another. */
#define SVCD_OWNER_KEY "0123456789abcdef0123456789abcdef"

struct svcd_config {
	const char *service; /* "dossier": also the name of its key in the broker's folder */
	const struct busd *bus;
	const char *dsn;        /* of pg_dsn() */
	const char *const *env; /* further "NAME=value" strings, NULL-terminated, or NULL */
	/*
	 * NULL: lgsp-<service>. Else this test program is run with the option, and its main()
	 * becomes the service.
	 */
	const char *self_option;
	bool no_wait; /* it will not become ready, or is waited for later */
};

/* Starts it and waits until it is ready. Aborts the test when it cannot. */
struct svcd *svcd_start(const struct svcd_config *config);
/* Ends it by SIGTERM; it must end well (no abort, no leak). NULL is fine. */
void svcd_free(struct svcd *d);

/* kill -9 and wait; svcd_restart() brings it back as it was configured. */
void svcd_kill(struct svcd *d);
void svcd_restart(struct svcd *d);
void svcd_restart_no_wait(struct svcd *d);
void svcd_signal(struct svcd *d, int signal);
/* Waits for its end: exit code, or 128 + signal. */
int svcd_wait(struct svcd *d);
bool svcd_running(struct svcd *d);
/* /readyz says 200: now; within 30 s, else the test is aborted. */
bool svcd_is_ready(const struct svcd *d);
void svcd_wait_ready(struct svcd *d);

/* Its folder: the log is in <dir>/log. */
const char *svcd_dir(const struct svcd *d);
/* The whole answer of its health server, in a static buffer; *ret_status 0 when there is none. */
const char *svcd_get(const struct svcd *d, const char *path, int *ret_status);
/* Value of a metric, labels included in the name; -1 when absent. */
long long svcd_metric(const struct svcd *d, const char *name);
/* Waits up to 30 s until fn(arg) holds. */
bool svcd_until(bool (*fn)(void *arg), void *arg);
/* Lines logged so far contain the text; waits up to 10 s for it. */
bool svcd_logged(const struct svcd *d, const char *text);
/* The log holds the text now. */
bool svcd_log_has(const struct svcd *d, const char *text);

#endif
