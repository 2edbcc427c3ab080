/*
 * A broker's folder of operational records, for tests: made under /tmp, read while the broker runs.
 */
#ifndef LGSP_TESTS_SUPPORT_RECDIR_H
#define LGSP_TESTS_SUPPORT_RECDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "lgsp/bus/v1/record.pb-c.h"

/* An empty folder; its path and "LGSP_RECORDS_DIR=<path>". */
struct recdir {
	char path[64];
	char env[128];
};

void recdir_make(struct recdir *d);
void recdir_remove(const struct recdir *d);

/* Calls fn for every entry in all files, in order; stops when it says true, and returns that. */
bool recdir_each(const struct recdir *d, bool (*fn)(const Bus__RecordEntry *e, void *arg),
		 void *arg);
/* Waits up to 10 s for a request with this code ("" is OK) and method; a copy in the arena. */
const Bus__Record *recdir_wait(const struct recdir *d, const char *code, const char *method,
			       struct arena *arena);
/* Requests recorded, and those gaps stand for. */
void recdir_count(const struct recdir *d, uint64_t *ret_requests, uint64_t *ret_missing);

#endif
