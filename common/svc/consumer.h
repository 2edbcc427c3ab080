/*
 * The inside of a consumer, shared by its three files: consumer.c (the thread: cursor, pulls,
 * alarms), consumer_page.c (a page into the database), consumer_pull.c (a page from the source);
 * private to common/svc. Everything belongs to the consumer's thread but what status_mutex guards.
 */
#ifndef LGSP_SVC_CONSUMER_H
#define LGSP_SVC_CONSUMER_H

#include "common/svc/runtime.h"

/* A page is one transaction: leaves each event some 20 of its DB_TX_STATEMENTS_MAX. */
#define CONSUMER_PAGE_EVENTS 200

struct consumer {
	struct svc_runtime *rt;
	const struct svc_consumer *def;
	struct db_conn *conn;
	pthread_t thread;

	/* the cursor as last read */
	const char *epoch; /* owned; "" before the first page */
	int64_t pos;
	int64_t single_to; /* events up to here are applied one by one */
	bool owes_attempt; /* the last attempt ended alive, its note stands at owed_pos */
	int64_t owed_pos;
	bool check_in_a_row; /* something was parked: are there too many? */
	bool stopped;

	struct metric *lag;
	struct metric *applied;
	struct metric *parked;

	pthread_mutex_t status_mutex;
	const char *state;
	int64_t status_pos;
	int64_t high_water;
};

/*
 * Pulls the page behind the cursor, waiting at the source for an event. Returns 0, an error, or
 * ERR_DRAINING at once when the process ends. The reply lives in the arena.
 */
int consumer_pull(struct consumer *con, struct arena *arena, const Feed__PullReply **ret_page,
		  struct err *err);

enum page_end {
	PAGE_DONE,    /* applied or parked; the cursor has moved */
	PAGE_MOVED,   /* another replica has it, or moved the cursor */
	PAGE_AGAIN,   /* refused or too much at once: again, singly */
	PAGE_TROUBLE, /* the database: later again */
};

/* Applies what the crash notes allow of a page that begins behind con->pos. */
enum page_end consumer_apply_page(struct consumer *con, const Feed__PullReply *page,
				  struct arena *arena, struct err *err);
/* Takes back the note of an attempt that ended alive, when the database can be reached. */
void consumer_settle_note(struct consumer *con);

/* An entry of the feed, read as far as it can be. */
struct consumer_item {
	const Feed__Entry *entry;
	const Feed__Event *event; /* NULL when unreadable */
	const char *subject;
	const char *type;
};
/* 0 also for an unreadable event; lives in the call's arena. */
int consumer_item_read(struct call *c, const Feed__Entry *entry, struct consumer_item *ret_item);
/* As consumers and publications get it; ERR_INVALID when the event or its payload is malformed. */
int consumer_event_of(struct call *c, const struct consumer_item *item, struct svc_event *ret_ev);
/* Its effects, in the open transaction. */
int consumer_item_apply(const struct svc_consumer *def, struct call *c,
			const struct consumer_item *item);

/* A call of the consumer; all zero before. */
void consumer_call_init(struct consumer *con, struct call *c, struct call_state *st,
			struct arena *arena);

#endif
