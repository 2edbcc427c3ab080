/*
 * Feed.Pull and Feed.Head of the service's own feed and of those it publishes. A pull is read by a
 * worker thread; when nothing is there and the caller is willing to wait, the request is parked in
 * the loop thread - it holds no worker and no credit - until the relay has moved something, its
 * time is over, or the process drains.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/svc/publisher.h"
#include "common/svc/runtime.h"
#include "common/wire/pb.h"

#define FEED_LIMIT_DEFAULT     500
#define FEED_LIMIT_MAX         1000
#define FEED_MAX_BYTES_DEFAULT (512 * 1024)
#define FEED_MAX_BYTES_MAX     917504
#define FEED_WAIT_MAX_MS       5000
#define FEED_PARKED_PER_MEMBER 2
#define FEED_READS_MAX         5
#define FEED_OWN               (-1)
/* A parked pull is answered this long before its deadline. */
#define FEED_MARGIN_US (200 * 1000)

static const struct err_kind unknown_feed = {ERR_NOT_FOUND, "UNKNOWN_FEED", "Không có nguồn %s",
					     "no feed %s"};
static const struct err_kind unknown_feed_method = {ERR_NOT_FOUND, "UNKNOWN_METHOD",
						    "Không có chức năng %s", "no method %s"};
static const struct err_kind too_many_parked = {
	ERR_BUSY, "TOO_MANY_WAITING", "Thành viên đã có %s yêu cầu đang chờ ở nguồn này",
	"the member has %s pulls waiting at this feed already"};
static const struct err_kind feed_not_for_persons = {
	ERR_DENIED, "EXPOSURE_DENIED", "Nguồn sự kiện chỉ mở cho hệ thống và người vận hành",
	"feeds are open to systems and operators"};

static const struct err_kind feed_not_granted = {ERR_DENIED, "FEED_NOT_GRANTED",
						 "Hệ thống chưa được cấp quyền đọc nguồn %s",
						 "this system is not granted the feed %s"};

static const struct rpc_row feed_row = {
	.method = "Feed",
	.exposure = RPC_SYSTEM | RPC_STAFF,
	.effect = RPC_READ,
	.roles = "operator statistician",
};

/* One pull, from its arrival to its answer; in the request's arena. */
struct feed_wait {
	struct pool_task task;
	struct svc_runtime *rt;
	struct bus_request *req;
	const Feed__PullRequest *in;
	int publication;  /* which of the service's, or FEED_OWN */
	int64_t until_us; /* monotonic */
	unsigned reads;
	bool parked; /* its credit is given back, once */
	struct loop_timer *timer;
	struct feed_wait *next;
	/* of the last read, for the empty answer */
	int64_t high_water;
	const char *epoch;
};

struct feed_desk {
	struct svc_runtime *rt;
	struct feed_wait *parked; /* loop thread */
	struct metric *n_parked;
};

struct feed_desk *feed_desk_new(struct svc_runtime *rt)
{
	struct feed_desk *desk = base_alloc(sizeof(*desk));

	desk->rt = rt;
	desk->n_parked = metric_gauge("lgsp_feed_parked", "", "Pulls waiting for an event");
	return desk;
}

void feed_desk_free(struct feed_desk *desk)
{
	free(desk);
}

bool feed_is_method(const char *method)
{
	return strncmp(method, "Feed.", 5) == 0;
}

/* --- answers --- */

static void feed_answer(struct bus_request *req, struct err *err, const ProtobufCMessage *out)
{
	uint8_t *bytes = NULL;
	size_t n = 0;

	if (err->status == 0)
		pb_pack(out, &req->arena, &bytes, &n, err);
	if (err->status != 0 && err_side(err->status) != ERR_SIDE_CALLER)
		log_warn("svc.feed_failed", LOG_STR("method", req->header->method),
			 LOG_STR("err", err_code(err)));
	bus_reply(req, err->status != 0 ? err : NULL, bytes, n, false);
}

static void feed_answer_empty(struct feed_wait *wait)
{
	Feed__PullReply out = FEED__PULL_REPLY__INIT;
	struct err err = {0};

	out.next = wait->in->after;
	out.high_water = wait->high_water;
	out.epoch = wait->epoch;
	feed_answer(wait->req, &err, &out.base);
}

static Feed__Seal *feed_seal_of(struct arena *arena, const struct feed_seal *from)
{
	Feed__Seal *seal = arena_alloc(arena, sizeof(*seal));

	if (seal == NULL)
		return NULL;
	feed__seal__init(seal);
	seal->pos_to = from->pos_to;
	seal->count = from->count;
	seal->digest = (ProtobufCBinaryData){.len = 32, .data = (uint8_t *)from->digest};
	return seal;
}

static Feed__Entry *feed_entry_of(struct arena *arena, const struct feed_entry *from)
{
	Feed__Entry *entry = arena_alloc(arena, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	feed__entry__init(entry);
	entry->pos = from->pos;
	/* The bytes as they are stored and sealed. */
	entry->event =
		(ProtobufCBinaryData){.len = from->event_len, .data = (uint8_t *)from->event};
	return entry;
}

static int feed_page_reply(struct arena *arena, const struct feed_page *page, Feed__PullReply *out,
			   struct err *err)
{
	out->entries = arena_calloc(arena, page->n_entries, sizeof(out->entries[0]));
	out->seals = arena_calloc(arena, page->n_seals, sizeof(out->seals[0]));
	if (out->entries == NULL || out->seals == NULL)
		return err_set(err, &err_too_large, NULL, "feed page");
	for (; out->n_entries < page->n_entries; out->n_entries++) {
		Feed__Entry *e = feed_entry_of(arena, &page->entries[out->n_entries]);

		if (e == NULL)
			return err_set(err, &err_too_large, NULL, "feed page");
		out->entries[out->n_entries] = e;
		out->next = e->pos;
	}
	for (; out->n_seals < page->n_seals; out->n_seals++) {
		Feed__Seal *s = feed_seal_of(arena, &page->seals[out->n_seals]);

		if (s == NULL)
			return err_set(err, &err_too_large, NULL, "feed page");
		out->seals[out->n_seals] = s;
	}
	out->high_water = page->high_water;
	out->epoch = page->epoch;
	return 0;
}

/* --- parking: loop thread --- */

static void feed_requeue(struct feed_wait *wait)
{
	if (!pool_push(wait->rt->pool, &wait->task))
		feed_answer_empty(wait);
}

static void feed_unpark(struct feed_desk *desk, struct feed_wait *wait)
{
	struct feed_wait **p = &desk->parked;

	while (*p != wait)
		p = &(*p)->next;
	*p = wait->next;
	loop_timer_stop(wait->timer);
	wait->timer = NULL;
	metric_add(desk->n_parked, -1);
}

static void feed_on_time(void *arg)
{
	struct feed_wait *wait = arg;

	feed_unpark(wait->rt->feed, wait);
	feed_answer_empty(wait);
}

/* Waiting pulls of the same member at the same feed. */
static unsigned feed_parked_like(const struct feed_desk *desk, const struct feed_wait *wait)
{
	unsigned n = 0;

	for (const struct feed_wait *w = desk->parked; w != NULL; w = w->next)
		n += w->publication == wait->publication &&
		     strcmp(w->req->caller->member, wait->req->caller->member) == 0;
	return n;
}

/* The newest position this process knows of. */
static int64_t feed_high_water(const struct feed_wait *wait)
{
	struct relay *relay = atomic_load(&wait->rt->relay);

	if (wait->publication != FEED_OWN)
		return publisher_high_water(wait->rt->publisher, (unsigned)wait->publication);
	return relay != NULL ? relay_high_water(relay) : 0;
}

static void feed_park(void *arg)
{
	struct feed_wait *wait = arg;
	struct feed_desk *desk = wait->rt->feed;
	int64_t left_us = wait->until_us - clock_mono_us();
	struct err err = {0};

	if (wait->rt->draining || wait->req->hurried || left_us <= 0) {
		feed_answer_empty(wait);
		return;
	}
	if (feed_parked_like(desk, wait) >= FEED_PARKED_PER_MEMBER) {
		err_set_retry(&err, &too_many_parked, "2", 1000);
		feed_answer(wait->req, &err, NULL);
		return;
	}
	/* Moved between the read and now: the wake-up has passed already. */
	if (feed_high_water(wait) > wait->in->after && wait->reads < FEED_READS_MAX) {
		feed_requeue(wait);
		return;
	}
	if (!wait->parked)
		bus_request_park(wait->req);
	wait->parked = true;
	wait->next = desk->parked;
	desk->parked = wait;
	wait->timer = loop_timer_start(wait->rt->loop, (uint64_t)left_us / 1000 + 1, 0,
				       feed_on_time, wait);
	metric_add(desk->n_parked, 1);
}

static void feed_wake(void *arg)
{
	struct svc_runtime *rt = arg;
	struct feed_wait *next;

	for (struct feed_wait *wait = rt->feed->parked; wait != NULL; wait = next) {
		next = wait->next;
		if (wait->in->after >= feed_high_water(wait))
			continue;
		feed_unpark(rt->feed, wait);
		feed_requeue(wait);
	}
}

void feed_on_moved(int64_t high_water, void *arg)
{
	struct svc_runtime *rt = arg;

	(void)high_water; /* the newest is asked for in the loop's thread */
	publisher_wake(rt->publisher);
	loop_post(rt->loop, feed_wake, rt);
}

void feed_on_unpark(struct bus_request *req, void *arg)
{
	struct feed_desk *desk = ((struct svc_runtime *)arg)->feed;
	struct feed_wait *wait = desk->parked;

	while (wait != NULL && wait->req != req)
		wait = wait->next;
	/* Not here: a worker thread reads for it, and feed_park() will see that it is hurried. */
	if (wait == NULL)
		return;
	feed_unpark(desk, wait);
	feed_answer_empty(wait);
}

void feed_desk_drain(struct feed_desk *desk)
{
	while (desk->parked != NULL) {
		struct feed_wait *wait = desk->parked;

		feed_unpark(desk, wait);
		feed_answer_empty(wait);
	}
}

/* --- serving: worker thread --- */

static uint32_t feed_bound(uint32_t value, uint32_t def, uint32_t max)
{
	if (value == 0)
		return def;
	return value < max ? value : max;
}

/* NULL: the service's own. */
static const char *feed_name_of(const struct svc *def, int publication)
{
	return publication == FEED_OWN ? NULL : def->publications[publication].feed;
}

static void feed_pull_read(struct pool_worker *w, struct pool_task *task)
{
	struct feed_wait *wait = (struct feed_wait *)task;
	const Feed__PullRequest *in = wait->in;
	struct arena *arena = &wait->req->arena;
	Feed__PullReply out = FEED__PULL_REPLY__INIT;
	struct feed_page page = {0};
	struct err err = {0};

	wait->reads++;
	if (feed_read(w->conn, feed_name_of(wait->rt->def, wait->publication), in->after,
		      feed_bound(in->limit, FEED_LIMIT_DEFAULT, FEED_LIMIT_MAX),
		      feed_bound(in->max_bytes, FEED_MAX_BYTES_DEFAULT, FEED_MAX_BYTES_MAX),
		      in->epoch, arena, wait->req->deadline_us, &page, &err) < 0) {
		feed_answer(wait->req, &err, NULL);
		return;
	}
	wait->high_water = page.high_water;
	wait->epoch = page.epoch;
	if (page.n_entries == 0 && clock_mono_us() < wait->until_us) {
		loop_post(w->rt->loop, feed_park, wait);
		return;
	}
	out.next = in->after;
	if (feed_page_reply(arena, &page, &out, &err) < 0)
		log_error("svc.feed_page_too_large", LOG_NUM("after", in->after));
	feed_answer(wait->req, &err, &out.base);
}

/* Which feeds the member may read is the broker's word. */
static int feed_find(const struct pool_worker *w, const struct bus_request *req, const char *name,
		     int *ret_publication, struct err *err)
{
	const struct svc *def = w->rt->def;
	const Bus__Caller *caller = req->caller;
	bool may = false;

	for (size_t i = 0; i < caller->n_feeds && !may; i++)
		may = strcmp(caller->feeds[i], "*") == 0 || strcmp(caller->feeds[i], name) == 0;
	if (!may)
		return err_set(err, &feed_not_granted, "feed", name);
	*ret_publication = FEED_OWN;
	if (strcmp(name, def->name) == 0)
		return 0;
	for (size_t i = 0; i < def->n_publications; i++) {
		if (strcmp(name, def->publications[i].feed) != 0)
			continue;
		*ret_publication = (int)i;
		return 0;
	}
	return err_set(err, &unknown_feed, "feed", name);
}

static int feed_pull(struct pool_worker *w, struct bus_request *req, struct err *err)
{
	struct feed_wait *wait = arena_alloc(&req->arena, sizeof(*wait));
	int64_t latest_us = req->deadline_us - FEED_MARGIN_US;
	ProtobufCMessage *msg;

	if (wait == NULL)
		return err_set(err, &err_too_large, NULL, "request");
	if (pb_unpack(&feed__pull_request__descriptor, req->body, req->body_len, NULL, &req->arena,
		      &msg, err) < 0)
		return err->status;
	wait->in = (const Feed__PullRequest *)msg;
	if (feed_find(w, req, wait->in->feed, &wait->publication, err) < 0)
		return err->status;
	if (wait->in->after < 0)
		return err_set(err, &err_invalid_field, "after", ">= 0");
	wait->rt = w->rt;
	wait->req = req;
	wait->task.run = feed_pull_read;
	wait->until_us = clock_mono_us() + 1000LL * (wait->in->wait_ms < FEED_WAIT_MAX_MS
							     ? wait->in->wait_ms
							     : FEED_WAIT_MAX_MS);
	if (wait->until_us > latest_us)
		wait->until_us = latest_us;
	feed_pull_read(w, &wait->task);
	return 0;
}

static int feed_head_of(struct pool_worker *w, struct bus_request *req, struct err *err)
{
	Feed__HeadReply out = FEED__HEAD_REPLY__INIT;
	struct feed_page page = {0};
	ProtobufCMessage *msg;
	const char *name;
	int publication;

	if (pb_unpack(&feed__head_request__descriptor, req->body, req->body_len, NULL, &req->arena,
		      &msg, err) < 0)
		return err->status;
	name = ((const Feed__HeadRequest *)msg)->feed;
	if (feed_find(w, req, name, &publication, err) < 0)
		return err->status;
	if (feed_head(w->conn, feed_name_of(w->rt->def, publication), &req->arena, req->deadline_us,
		      &page, &out.pending, err) < 0)
		return err->status;
	out.high_water = page.high_water;
	out.epoch = page.epoch;
	if (page.n_seals > 0)
		out.seal = feed_seal_of(&req->arena, &page.seals[0]);
	feed_answer(req, err, &out.base);
	return 0;
}

static int feed_admit(struct pool_worker *w, struct bus_request *req, struct err *err)
{
	struct call_state st = {0};
	struct call c = {0};

	if (clock_mono_us() >= req->deadline_us)
		return err_set(err, &err_deadline_passed, NULL, NULL);
	dispatch_call_of(req, w, &c, &st);
	if (admit_check(&feed_row, &c.caller, req->caller->on_behalf_of != NULL, err) == 0)
		return 0;
	return err_set(err, &feed_not_for_persons, NULL, NULL);
}

void feed_serve(struct pool_worker *w, struct bus_request *req)
{
	const char *method = req->header->method;
	struct err err = {0};

	if (feed_admit(w, req, &err) == 0) {
		if (strcmp(method, "Feed.Pull") == 0)
			feed_pull(w, req, &err);
		else if (strcmp(method, "Feed.Head") == 0)
			feed_head_of(w, req, &err);
		else
			err_set(&err, &unknown_feed_method, NULL, method);
	}
	/* Without an error the request is answered or parked, and no longer ours. */
	if (err.status != 0)
		feed_answer(req, &err, NULL);
}
