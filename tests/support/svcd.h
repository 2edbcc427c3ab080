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

struct svcd_config {
	const char *service; /* "dossier": also the name of its key in the broker's folder */
	const struct busd *bus;
	const char *dsn;        /* of pg_dsn() */
	const char *const *env; /* further "NAME=value" strings, NULL-terminated, or NULL */
};

/* Starts it and waits until it is ready. Aborts the test when it cannot. */
struct svcd *svcd_start(const struct svcd_config *config);
/* Ends it by SIGTERM; it must end well (no abort, no leak). NULL is fine. */
void svcd_free(struct svcd *d);

/* kill -9 and wait; svcd_restart() brings it back as it was configured. */
void svcd_kill(struct svcd *d);
void svcd_restart(struct svcd *d);
/* Lines logged so far contain the text; waits up to 10 s for it. */
bool svcd_logged(const struct svcd *d, const char *text);
/* The log holds the text now. */
bool svcd_log_has(const struct svcd *d, const char *text);

#endif
