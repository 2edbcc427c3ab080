/*
 * The operational record: one for every request, filled in the loop's thread and written to files
 * by a thread of its own (docs/records.md). The loop's thread makes no system call for it but one
 * per tick; what the writer cannot take in time becomes a gap.
 *
 * Without a folder there are no files; the newest records can be asked for all the same.
 */
#ifndef LGSP_SERVICES_BUS_RECORDS_H
#define LGSP_SERVICES_BUS_RECORDS_H

#include "services/bus/record_ring.h"
#include "services/bus/record_store.h"

struct records;

/* slots: of the ring, a power of two. store.dir "": no files. */
struct records *records_new(const struct record_store_config *store, uint32_t slots);
/* Writes what waits, closes the file, joins the thread. NULL is fine. */
void records_free(struct records *records);

/* Loop thread. */
void records_put(struct records *records, const struct record *record);
/* Loop thread, every 100 ms or so: wakes the writer, sets the metrics, says what was lost. */
void records_tick(struct records *records);
/* Loop thread: the i-th newest record, a gap among them; NULL when it is no more. */
const struct record *records_recent(const struct records *records, uint32_t i);

#endif
