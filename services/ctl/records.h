/* Record files as lgspctl reads them: one after the other, filtered, shown. */
#ifndef SERVICES_CTL_RECORDS_H
#define SERVICES_CTL_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "lgsp/bus/v1/record.pb-c.h"

/* One entry of a file: its broker is that of the file's head. */
struct records_entry {
	const char *file, *broker;
	int64_t business_offset_us;
	const Bus__RecordEntry *entry;
};

/*
 * Calls fn with every entry of every file in the folder, in order of their names; a file that is
 * not as it should be is said and left at that place. 0 or an exit code (said).
 */
int records_each(const char *dir, void (*fn)(const struct records_entry *e, void *arg), void *arg);
/* The folder given, or LGSP_RECORDS_DIR; NULL when neither is (said, but with quiet). */
const char *records_dir(const char *given, bool quiet);

/* Empty and zero fields match everything. */
struct records_filter {
	const char *member, *service, *method, *code;
	const char *trace; /* a trace id, or a message id as a UUID */
	int status;        /* the wire's number */
	int64_t since_us, until_us;
};

bool records_match(const struct records_filter *f, const Bus__Record *r);
/* Appends one line without its end: a row of the table, or JSON with the broker's name. */
void records_line(struct buf *out, const char *broker, const Bus__Record *r, const char *json);
/* The head of the table. */
void records_head(void);

#endif
