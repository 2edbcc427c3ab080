/*
 * Keeping the inbox small. Rows of requests older than INBOX_KEEP_US may go, except those of money:
 * a retry of a month ago is nobody's retry any more.
 */
#ifndef LGSP_DB_INBOX_H
#define LGSP_DB_INBOX_H

#include "common/db/db.h"

#define INBOX_KEEP_US (30LL * 86400 * 1000000)

/*
 * Deletes at most limit rows received before before_us (technical clock) that are not kept for
 * ever. For a job of the service: run it again while *ret_deleted equals limit. 0 or the error.
 */
int inbox_prune(struct db_conn *conn, int64_t before_us, uint32_t limit, struct arena *arena,
		int64_t deadline_us, int64_t *ret_deleted, struct err *err);

#endif
