/*
 * The files of a broker's records: one open, closed by size and by age, old ones removed. Trouble
 * with the disk loses records, never time: what is lost is counted, said, and written down as a gap
 * as soon as writing works again. The writer's thread only.
 */
#ifndef LGSP_SERVICES_BUS_RECORD_STORE_H
#define LGSP_SERVICES_BUS_RECORD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lgsp/bus/v1/record.pb-c.h"
#include "services/bus/record_ring.h"

struct record_store_config {
	const char *dir, *broker;
	uint64_t max_bytes;  /* of a file */
	int64_t max_age_us;  /* from a file's first record until it is closed */
	int64_t keep_us;     /* closed files are removed after that, */
	uint64_t keep_bytes; /* and the oldest when all are larger */
};

struct record_store;

struct record_store *record_store_new(const struct record_store_config *config);
/* Closes the open file. NULL is fine. */
void record_store_free(struct record_store *s, int64_t now_us);

/* Takes one; it is on the disk after record_store_flush(). */
void record_store_add(struct record_store *s, const struct record *r, int64_t now_us);
/*
 * Writes out what was added, closes the file when it is full or old, and removes old files. Call it
 * every second or so, though nothing was added.
 */
void record_store_flush(struct record_store *s, int64_t now_us);

/* Requests without a record because the disk refused, since the beginning. */
uint64_t record_store_lost(const struct record_store *s);

/* A record (no gap) as a message; its strings stay where they are. */
void record_store_message(const struct record *r, Bus__Record *ret_message);

#endif
