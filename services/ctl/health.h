/* Asks the processes in LGSP_HEALTH ("name=unix:/path name=127.0.0.1:port ...") about themselves.
 */
#ifndef SERVICES_CTL_HEALTH_H
#define SERVICES_CTL_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

/* GET path of an address. The HTTP status, 0 when nobody answers; *ret_json is the document, a new
 * reference, or NULL. */
int health_get(const char *address, const char *path, struct json_t **ret_json);

/* Calls fn for each process of the list. Stops at and returns the first non-zero result. */
int health_each(const char *list, int (*fn)(const char *name, const char *address, void *arg),
		void *arg);

/*
 * Waits until the consumers of a feed - of one service, or of all (NULL) - have applied it up to a
 * position, as far as LGSP_HEALTH names their processes. 0 or -1 (said).
 */
int health_wait_consumers(const char *service, const char *source, int64_t pos, int64_t wait_us);

#endif
