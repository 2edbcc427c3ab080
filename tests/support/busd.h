/*
 * A real broker for tests: lgsp-bus as a process in a folder of its own under /tmp, with fresh
 * keys, on unix sockets. Nothing of it outlives busd_free().
 */
#ifndef LGSP_TESTS_SUPPORT_BUSD_H
#define LGSP_TESTS_SUPPORT_BUSD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/bus/bus.h"

struct busd;

struct busd_member {
	const char *name; /* file name, e.g. "dossier": <dir>/dossier.key_secret */
	const char *member;
};

/*
 * Starts it and waits until it serves. env: further "NAME=value" strings, NULL-terminated, or NULL.
 * Aborts the test when it cannot.
 */
struct busd *busd_start(const struct busd_member *members, unsigned n, const char *rights,
			const char *const *env);
/*
 * A second broker beside the first: the same key, members and rights, sockets and name of its own.
 * Free it before the first, whose files it reads.
 */
struct busd *busd_start_beside(const struct busd *first, const char *instance,
			       const char *const *env);
/* Ends the process (SIGTERM, then SIGKILL) and removes the folder. NULL is fine. */
void busd_free(struct busd *d);

pid_t busd_pid(const struct busd *d);
const char *busd_dir(const struct busd *d);
const char *busd_member_endpoint(const struct busd *d);
const char *busd_backend_endpoint(const struct busd *d);
const char *busd_admin_endpoint(const struct busd *d);
const char *busd_http(const struct busd *d);     /* as LGSP_HTTP */
const char *busd_key_path(const struct busd *d); /* the broker's public certificate */
void busd_secret_path(const struct busd *d, const char *name, char out[static 256]);
struct bus_keys busd_keys(const struct busd *d, const char *name);
/* A key pair that is in no file, with this broker's public key. */
struct bus_keys busd_stranger(const struct busd *d);

/* kill -9 and wait; then busd_restart() brings it back with the same keys and sockets. */
void busd_kill(struct busd *d);
void busd_restart(struct busd *d);
void busd_signal(struct busd *d, int signal);
/* Waits for its end: exit code, or 128 + signal. */
int busd_wait(struct busd *d);
/* Replaces the rights file or removes a member's certificate; takes effect at SIGHUP. */
void busd_write_rights(struct busd *d, const char *rights);
void busd_remove_member(struct busd *d, const char *name);
/* Lines logged so far contain the text; waits up to 10 s for it. */
bool busd_logged(const struct busd *d, const char *text);
/* Value of a metric, e.g. "lgsp_bus_dropped_total{reason=\"forged_reply\"}"; -1 when absent. */
long long busd_metric(const struct busd *d, const char *name);

#endif
