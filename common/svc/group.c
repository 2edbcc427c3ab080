#include "common/svc/group.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/metric.h"
#include "common/db/inbox.h"
#include "common/svc/runtime.h"
#include "common/wire/pb.h"

/* A call with less time left than this does not bind others to its deadline. */
#define LEAST_LEFT_US (20 * 1000)

enum place { WAITING, LEADS, DONE };

/* What became of a call: committed or refused in the group, still to be run, run and status says.
 */
enum end { END_COMMITTED, END_REFUSED, END_ALONE, END_SETTLED };

struct seat {
	TAILQ_ENTRY(seat) link;
	pthread_cond_t cond;
	enum place place;
	enum end end;
	int status;
	struct call *c;
	void *item;
	struct db_tx before; /* the call's own, with the results of earlier reads */
};
TAILQ_HEAD(seats, seat);

struct group {
	const struct group_steps *steps;
	pthread_mutex_t mutex;
	struct seats waiting;
	bool busy;
	struct db_conn *conn; /* of whoever leads: one for all, however many workers wait */
	struct metric *calls, *transactions;
};

struct group *group_new(const struct group_steps *steps)
{
	struct group *g = base_alloc(sizeof(*g));

	g->steps = steps;
	CHECK(pthread_mutex_init(&g->mutex, NULL) == 0);
	TAILQ_INIT(&g->waiting);
	g->calls =
		metric_counter("lgsp_svc_group_calls_total", "", "Calls that went through a group");
	g->transactions = metric_counter("lgsp_svc_group_transactions_total", "",
					 "Transactions shared by calls of a group");
	return g;
}

void group_free(struct group *g)
{
	if (!g)
		return;
	db_conn_free(g->conn);
	pthread_mutex_destroy(&g->mutex);
	free(g);
}

/* Leaders only, one after the other. */
static struct db_conn *conn_of(struct group *g, const struct call *c)
{
	if (!g->conn) {
		struct db_config config = runtime_db_config(c->svc);

		g->conn = db_conn_new(&config);
	}
	return g->conn;
}

/* --- alone --- */

static int run_alone(struct call *c, const struct group_steps *steps, void *item)
{
	const ProtobufCMessage *reply;

	tx_begin(c);
	steps->reads(c, item);
	if (steps->reserve)
		steps->reserve(c, item);
	if (tx_flush(c) < 0 || steps->decide(c, item) < 0 || steps->write(c, item, &reply) < 0)
		return c->err.status;
	return tx_commit(c, reply);
}

/* --- together --- */

struct batch {
	const struct group_steps *steps;
	struct seat *seats[GROUP_MAX];
	unsigned n;
	struct db_tx tx;
	struct err err;
	struct arena arena;
};

/* Statements of the call go into the batch's transaction, its texts into its own arena. */
static void sit_down(struct batch *b, struct seat *s)
{
	s->before = s->c->tx;
	s->c->tx = b->tx;
	s->c->tx.arena = s->c->arena;
	s->c->tx.err = &s->c->err;
	s->end = END_COMMITTED;
}

static void stand_up(struct seat *s)
{
	s->c->tx = s->before;
}

static struct db_inbox inbox_of(const struct call *c)
{
	return (struct db_inbox){
		.caller = c->caller.member,
		.subject = c->caller.subject,
		.message_id = c->message_id,
		.method = c->state->method,
		.request_sha256 = c->state->request_sha256,
		.keep_for_ever = c->svc->def->inbox_for_ever,
	};
}

static void queue_reads(struct batch *b, int *ret_slot)
{
	struct db_inbox rows[GROUP_MAX];

	for (unsigned i = 0; i < b->n; i++)
		rows[i] = inbox_of(b->seats[i]->c);
	*ret_slot = inbox_find(&b->tx, rows, b->n);
	for (unsigned i = 0; i < b->n; i++)
		b->steps->reads(b->seats[i]->c, b->seats[i]->item);
}

/* Requests that were executed before leave: they get the stored reply on their own. */
static void decide_all(struct batch *b, int slot)
{
	for (int row = 0; row < db_rows(&b->tx, slot); row++)
		b->seats[db_get_int(&b->tx, slot, row, 0) - 1]->end = END_ALONE;
	for (unsigned i = 0; i < b->n; i++) {
		struct seat *s = b->seats[i];

		if (s->end == END_COMMITTED && b->steps->decide(s->c, s->item) < 0)
			s->end = END_REFUSED;
	}
}

static int reserve_all(struct batch *b)
{
	for (unsigned i = 0; i < b->n && b->steps->reserve; i++)
		if (b->seats[i]->end == END_COMMITTED)
			b->steps->reserve(b->seats[i]->c, b->seats[i]->item);
	return db_flush(&b->tx);
}

static int write_one(struct batch *b, struct seat *s)
{
	struct call_state *st = s->c->state;
	const struct db_inbox inbox = inbox_of(s->c);
	const ProtobufCMessage *reply;
	uint8_t *bytes;

	if (b->steps->write(s->c, s->item, &reply) < 0 ||
	    pb_pack(reply, s->c->arena, &bytes, &st->reply_len, &s->c->err) < 0)
		return -1;
	st->reply = bytes;
	inbox_add_done(&b->tx, &inbox, st->reply, st->reply_len);
	return 0;
}

/* 0 when the transaction is committed; nobody in it may be refused any more. */
static int write_all(struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->seats[i]->end == END_COMMITTED && write_one(b, b->seats[i]) < 0)
			return -1;
	CRASH_POINT("group.before_commit");
	if (db_commit(&b->tx, NULL, 0) < 0)
		return -1;
	CRASH_POINT("group.after_commit");
	return 0;
}

static int run_together(struct batch *b)
{
	int slot;

	queue_reads(b, &slot);
	if (db_flush(&b->tx) < 0)
		return -1;
	decide_all(b, slot);
	if (reserve_all(b) < 0)
		return -1;
	return write_all(b);
}

/* Whatever it was, the call settles it alone. */
static void send_away(struct batch *b, struct seat *s)
{
	bool unknown = b->err.outcome_unknown;

	if (s->end == END_REFUSED)
		return;
	s->end = END_ALONE;
	s->c->state->reply = NULL;
	s->c->state->reply_len = 0;
	s->c->state->has_events = false;
	err_clear(&s->c->err);
	s->c->state->outcome_unknown |= unknown;
}

static void wake_relay(const struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (b->seats[i]->end != END_COMMITTED || !b->seats[i]->c->state->has_events)
			continue;
		call_wake_relay(b->seats[i]->c);
		return;
	}
}

/* The latest one: the first to expire must not cut the connection under the others. */
static int64_t deadline_of(const struct batch *b)
{
	int64_t latest_us = 0;

	for (unsigned i = 0; i < b->n; i++)
		if (b->seats[i]->c->deadline_us > latest_us)
			latest_us = b->seats[i]->c->deadline_us;
	return latest_us;
}

static void run_batch(struct batch *b, struct group *g, struct call *leader)
{
	int rc;

	arena_init(&b->arena, 1 << 20);
	err_clear(&b->err);
	db_begin(&b->tx, conn_of(g, leader), NULL, &b->arena, deadline_of(b), &b->err);
	db_share_rows(&b->tx);
	for (unsigned i = 0; i < b->n; i++)
		sit_down(b, b->seats[i]);
	rc = run_together(b);
	for (unsigned i = 0; i < b->n; i++) {
		struct seat *s = b->seats[i];

		stand_up(s);
		if (rc < 0)
			send_away(b, s);
		else if (s->end == END_COMMITTED)
			s->c->state->committed = true;
	}
	if (rc == 0)
		wake_relay(b);
	db_end(&b->tx);
	arena_done(&b->arena);
	metric_add(g->transactions, 1);
	metric_add(g->calls, b->n);
}

/* --- who leads --- */

static bool has_time(const struct seat *s)
{
	return s->c->deadline_us - clock_mono_us() > LEAST_LEFT_US;
}

/* The first that wait; whoever leads is the first of all. Under the mutex. */
static unsigned take_waiting(struct group *g, struct seat *ret[static GROUP_MAX])
{
	unsigned n = 0;

	while (n < GROUP_MAX && !TAILQ_EMPTY(&g->waiting)) {
		ret[n] = TAILQ_FIRST(&g->waiting);
		TAILQ_REMOVE(&g->waiting, ret[n], link);
		n++;
	}
	return n;
}

/* On the leader's connection, which is another's as soon as the lead has passed on. */
static void run_lone(struct group *g, struct seat *own)
{
	struct call *c = own->c;
	struct db_conn *of_worker = c->conn;

	c->conn = conn_of(g, c);
	own->status = run_alone(c, g->steps, own->item);
	if (own->status < 0)
		call_note_failure(c);
	else
		db_end(&c->tx);
	c->conn = of_worker;
	own->end = END_SETTLED;
}

/* Calls at the end of their time go alone, when the others are done. */
static void run_taken(struct group *g, struct seat **taken, unsigned n)
{
	struct batch b = {.steps = g->steps};
	struct seat *own = taken[0];

	for (unsigned i = 0; i < n; i++) {
		taken[i]->end = END_ALONE;
		if (has_time(taken[i]))
			b.seats[b.n++] = taken[i];
	}
	if (b.n > 1) {
		run_batch(&b, g, own->c);
	} else if (b.n == 1 && b.seats[0] == own) {
		/* Under the lead all the same: those who come meanwhile will be a group. */
		run_lone(g, own);
	}
}

static void pass_lead_on(struct group *g)
{
	struct seat *next = TAILQ_FIRST(&g->waiting);

	if (!next) {
		g->busy = false;
		return;
	}
	next->place = LEADS;
	pthread_cond_signal(&next->cond);
}

static void lead(struct group *g)
{
	struct seat *taken[GROUP_MAX];
	unsigned n = take_waiting(g, taken);

	pthread_mutex_unlock(&g->mutex);
	run_taken(g, taken, n);
	pthread_mutex_lock(&g->mutex);
	for (unsigned i = 1; i < n; i++) {
		taken[i]->place = DONE;
		pthread_cond_signal(&taken[i]->cond);
	}
	pass_lead_on(g);
}

/* Waits for a turn and, when it is ours, runs it; own->end then says what became of us. */
static void take_part(struct group *g, struct seat *own)
{
	pthread_mutex_lock(&g->mutex);
	TAILQ_INSERT_TAIL(&g->waiting, own, link);
	if (!g->busy) {
		g->busy = true;
		own->place = LEADS;
	}
	while (own->place == WAITING)
		pthread_cond_wait(&own->cond, &g->mutex);
	if (own->place == LEADS)
		lead(g);
	pthread_mutex_unlock(&g->mutex);
}

int tx_group(struct call *c, struct group *g, void *item)
{
	struct seat own = {.c = c, .item = item};

	CHECK(c->row && c->row->effect == RPC_EFFECT && !c->state->committed && !c->tx.open);
	/* A second attempt has something to settle. */
	if (c->state->attempts > 1)
		return run_alone(c, g->steps, item);
	CHECK(pthread_cond_init(&own.cond, NULL) == 0);
	take_part(g, &own);
	pthread_cond_destroy(&own.cond);
	switch (own.end) {
	case END_COMMITTED:
		return 0;
	case END_REFUSED:
		return c->err.status;
	case END_SETTLED:
		return own.status;
	case END_ALONE:
		break;
	}
	return run_alone(c, g->steps, item);
}
