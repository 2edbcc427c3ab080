/*
 * Keeping the inbox small. Rows of requests older than INBOX_KEEP_US may go, except those of money:
 * a retry of a month ago is nobody's retry any more.
 */
#ifndef LGSP_DB_INBOX_H
#define LGSP_DB_INBOX_H

#include "common/db/db.h"

#define INBOX_KEEP_US (30LL * 86400 * 1000000)

/*
 * For transactions shared by several requests (common/svc/group.h). inbox_find() queues one look
 * for n of them and returns its slot: a row per request that is there already, its ordinal from 1.
 * inbox_add_done() queues a request's row with its reply; when it is there after all the whole
 * transaction fails, and each of its requests settles its own outcome alone.
 */
int inbox_find(struct db_tx *tx, const struct db_inbox *requests, size_t n);
void inbox_add_done(struct db_tx *tx, const struct db_inbox *request, const void *reply,
		    size_t reply_len);

/*
 * Deletes at most limit rows received before before_us (technical clock) that are not kept for
 * ever. For a job of the service: run it again while *ret_deleted equals limit. 0 or the error.
 */
int inbox_prune(struct db_conn *conn, int64_t before_us, uint32_t limit, struct arena *arena,
		int64_t deadline_us, int64_t *ret_deleted, struct err *err);

#endif
