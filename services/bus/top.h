/*
 * Who is busy: requests by member, service and method over the last minute, by the second. A fixed
 * table: what finds no place counts for "other members". What was refused counts for its member
 * alone, since nobody checked what it says it wants. Pure data: time is given. One thread.
 */
#ifndef LGSP_SERVICES_BUS_TOP_H
#define LGSP_SERVICES_BUS_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "services/bus/record_ring.h"

#define TOP_SECONDS 60
#define TOP_ROWS    1024

struct top;

/* One row over the seconds asked for. member "": all that found no place. service "": refused. */
struct top_row {
	const char *member, *service, *method; /* valid until the next top_note() */
	uint64_t requests, failed, request_bytes, reply_bytes;
	int64_t took_us; /* all together */
};

struct top *top_new(void);
void top_free(struct top *top); /* NULL is fine */

/* The record of a request that ended now. */
void top_note(struct top *top, const struct record *r, int64_t took_us, int64_t now_us);
/*
 * The busiest of the last `seconds` (1..TOP_SECONDS, the running one among them), most requests
 * first; their number, at most max.
 */
unsigned top_read(const struct top *top, unsigned seconds, int64_t now_us, struct top_row *ret_rows,
		  unsigned max);
/* Requests of one member, by its name's address. */
uint64_t top_of_member(const struct top *top, const char *member, unsigned seconds, int64_t now_us);

#endif
