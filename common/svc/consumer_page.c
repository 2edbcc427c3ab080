/*
 * A page of events into the database: one transaction for the effects and the cursor. What an event
 * can do to it, and what is done about it (architecture section 5):
 *
 *	the process dies     the attempt's note stays; after two deaths the page is applied singly,
 *	                     after two more at one event that event is parked
 *	apply() refuses      rolled back, applied singly up to there, the refused one is parked
 *	a subject is parked  later events of it are parked behind
 *	the database fails   the note is taken back, the page is tried again later; nothing is
 *parked
 */
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/svc/consumer.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"

#define PAGE_DEADLINE_US    (30 * CLOCK_US_PER_S)
#define PAGE_FLUSH_EVENTS   25
#define PAGE_ELEMENTS_MAX   20000
#define PAGE_CRASHES_SINGLE 2
#define PAGE_CRASHES_PARK   4
/* Before an event is parked for its crashes, replicas at work on it get this long to move on. */
#define PAGE_PARK_PAUSE_MS 2000

static const struct err_kind event_crashes = {
	ERR_INTERNAL, "EVENT_CRASHES", "Tiến trình dừng đột ngột %s lần khi xử lý sự kiện này",
	"the process died %s times while applying this event"};
static const struct err_kind event_behind = {
	ERR_CONFLICT, "BEHIND_PARKED", "Chờ sau một sự kiện trước đó của %s chưa xử lý được",
	"waits behind an earlier event of %s that could not be applied"};

/* Only who finds the cursor free and unmoved notes an attempt. $4: take back one's last. */
static const struct db_stmt note_attempt = {
	"WITH free AS (SELECT 1 FROM applied WHERE source = $1 AND pos = $2 FOR UPDATE SKIP LOCKED)"
	" INSERT INTO page_start AS p (source, pos, page_to, tries)"
	" SELECT $1, $2, $3, 1 FROM free"
	" ON CONFLICT (source) DO UPDATE SET"
	" tries = CASE WHEN p.pos = $2 THEN greatest(p.tries - $4, 0) + 1"
	"  WHEN p.tries > 2 AND $2 < p.page_to THEN 3 ELSE 1 END,"
	" page_to = CASE WHEN p.pos = $2 OR (p.tries > 2 AND $2 < p.page_to) THEN p.page_to"
	"  ELSE $3 END,"
	" pos = $2"
	" RETURNING tries"};
static const struct db_stmt settle_attempt = {
	"UPDATE page_start SET tries = greatest(tries - 1, 0) WHERE source = $1 AND pos = $2"};
static const struct db_stmt lock_cursor = {
	"SELECT pos FROM applied WHERE source = $1 AND pos = $2 FOR UPDATE"};
static const struct db_stmt parked_subjects = {
	"SELECT DISTINCT subject FROM dead_letter"
	" WHERE source = $1 AND settled_at IS NULL AND subject = ANY($2)"};
static const struct db_stmt move_cursor = {
	"UPDATE applied SET pos = $2, epoch = $3 WHERE source = $1"};
static const struct db_stmt insert_dead_letter = {
	"INSERT INTO dead_letter (source, pos, subject, type, event, behind, code, reason_vi,"
	" reason_en, parked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"};

/* What is applied in one transaction: entries [first, end) of a page. */
struct page_part {
	struct consumer *con;
	const Feed__PullReply *page;
	size_t end;
	size_t reached; /* entry at hand when it failed */
	struct consumer_item *items;
	struct call c;
	struct call_state st;
};

/* --- an event --- */

static const struct pb_limits event_limits = {.elements = PAGE_ELEMENTS_MAX, .open_enums = true};

static int item_unpack(struct call *c, const Feed__Entry *entry, const Feed__Event **ret_event)
{
	ProtobufCMessage *msg;

	if (pb_unpack(&feed__event__descriptor, entry->event.data, entry->event.len, &event_limits,
		      c->arena, &msg, &c->err) < 0)
		return c->err.status;
	if (((const Feed__Event *)msg)->id.len != sizeof(c->message_id))
		return err_set(&c->err, &err_invalid_field, "id", "16 bytes");
	*ret_event = (const Feed__Event *)msg;
	return 0;
}

int consumer_item_read(struct call *c, const Feed__Entry *entry, struct consumer_item *ret_item)
{
	struct consumer_item item = {.entry = entry, .type = ""};

	if (item_unpack(c, entry, &item.event) == 0) {
		item.subject = item.event->subject;
		item.type = item.event->type;
	} else {
		/* Unreadable: a subject of its own, so that nothing waits behind it. */
		err_clear(&c->err);
		item.subject = arena_printf(c->arena, "#%lld", (long long)entry->pos);
		if (item.subject == NULL)
			return err_set(&c->err, &err_too_large, NULL, "feed page");
	}
	*ret_item = item;
	return 0;
}

int consumer_event_of(struct call *c, const struct consumer_item *item, struct svc_event *ret_ev)
{
	const Feed__Event *event = item->event;
	const ProtobufCMessageDescriptor *desc;
	ProtobufCMessage *payload = NULL;

	if (event == NULL)
		return item_unpack(c, item->entry, &event);
	desc = pb_event_descriptor(event->type);
	if (desc != NULL && pb_unpack(desc, event->payload.data, event->payload.len, &event_limits,
				      c->arena, &payload, &c->err) < 0)
		return c->err.status;
	*ret_ev = (struct svc_event){
		.pos = item->entry->pos,
		.type = event->type,
		.subject = event->subject,
		.version = event->version,
		.time_us = event->time_us,
		.payload = payload,
	};
	return 0;
}

int consumer_item_apply(const struct svc_consumer *def, struct call *c,
			const struct consumer_item *item)
{
	struct svc_event ev;

	if (consumer_event_of(c, item, &ev) < 0)
		return c->err.status;
	memcpy(c->message_id, item->event->id.data, sizeof(c->message_id));
	if (def->apply(c, &ev) < 0) {
		if (c->err.status == 0)
			err_set(&c->err, &err_internal, NULL, NULL);
		return c->err.status;
	}
	return 0;
}

static void part_add_dead_letter(struct page_part *part, const struct consumer_item *item,
				 bool behind, const struct err *why)
{
	struct call *c = &part->c;
	const Feed__Entry *entry = item->entry;

	tx_add(c, &insert_dead_letter, DB_TEXT(part->con->def->source), DB_INT8(entry->pos),
	       DB_TEXT(item->subject), DB_TEXT(item->type),
	       DB_BYTEA(entry->event.data, entry->event.len), DB_BOOL(behind),
	       DB_TEXT(err_code(why)), DB_TEXT(why->items[0].vi), DB_TEXT(why->items[0].en),
	       DB_TIME(c->now_us));
	log_warn("svc.event_parked", LOG_STR("source", part->con->def->source),
		 LOG_NUM("pos", entry->pos), LOG_STR("type", item->type), LOG_NUM("behind", behind),
		 LOG_STR("err", err_code(why)));
	metric_add(part->con->parked, 1);
	part->con->check_in_a_row = true;
}

/* --- a transaction --- */

static void part_init(struct page_part *part, struct consumer *con, const Feed__PullReply *page,
		      struct arena *arena)
{
	memset(part, 0, sizeof(*part));
	part->con = con;
	part->page = page;
	consumer_call_init(con, &part->c, &part->st, arena);
	part->c.deadline_us = clock_mono_us() + PAGE_DEADLINE_US;
}

static int part_read_items(struct page_part *part)
{
	struct call *c = &part->c;

	part->items = arena_calloc(c->arena, part->end, sizeof(part->items[0]));
	if (part->items == NULL)
		return err_set(&c->err, &err_too_large, NULL, "feed page");
	for (size_t i = 0; i < part->end; i++)
		if (consumer_item_read(c, part->page->entries[i], &part->items[i]) < 0)
			return c->err.status;
	return 0;
}

/* Locks the cursor and learns which subjects are parked. >0 ours, 0 moved, <0 error. */
static int part_begin(struct page_part *part, int *ret_parked)
{
	struct call *c = &part->c;
	const char *source = part->con->def->source;
	const char **subjects = arena_calloc(c->arena, part->end, sizeof(subjects[0]));
	int cursor;

	if (subjects == NULL)
		return err_set(&c->err, &err_too_large, NULL, "feed page");
	for (size_t i = 0; i < part->end; i++)
		subjects[i] = part->items[i].subject;
	call_begin(c);
	cursor = tx_add(c, &lock_cursor, DB_TEXT(source), DB_INT8(part->page->entries[0]->pos - 1));
	*ret_parked = tx_add(c, &parked_subjects, DB_TEXT(source), DB_TEXTS(subjects, part->end));
	if (tx_flush(c) < 0)
		return c->err.status;
	return db_rows(&c->tx, cursor);
}

static int part_commit(struct page_part *part)
{
	struct call *c = &part->c;
	int64_t pos = part->page->entries[part->end - 1]->pos;

	tx_add(c, &move_cursor, DB_TEXT(part->con->def->source), DB_INT8(pos),
	       DB_TEXT(part->page->epoch));
	CRASH_POINT("consumer.before_commit");
	if (db_commit(&c->tx, NULL, 0) < 0)
		return c->err.status;
	CRASH_POINT("consumer.after_commit");
	part->con->pos = pos;
	metric_add(part->con->applied, (int64_t)part->end);
	call_wake_relay(c);
	return 0;
}

static bool part_is_parked(const struct page_part *part, int slot, const char *subject)
{
	const struct db_tx *tx = &part->c.tx;

	for (int i = 0; i < db_rows(tx, slot); i++)
		if (strcmp(db_get_text(tx, slot, i, 0), subject) == 0)
			return true;
	return false;
}

static void part_park_behind(struct page_part *part, const struct consumer_item *item)
{
	struct err why = {0};

	err_set(&why, &event_behind, NULL, item->subject);
	part_add_dead_letter(part, item, true, &why);
}

static int part_apply_items(struct page_part *part, int parked)
{
	struct call *c = &part->c;

	for (size_t i = 0; i < part->end; i++) {
		const struct consumer_item *item = &part->items[i];

		part->reached = i;
		if (part_is_parked(part, parked, item->subject))
			part_park_behind(part, item);
		else if (consumer_item_apply(part->con->def, c, item) < 0)
			return c->err.status;
		/* Bounds what is queued, and finds what the database refuses early. */
		if (i % PAGE_FLUSH_EVENTS == PAGE_FLUSH_EVENTS - 1 && tx_flush(c) < 0)
			return c->err.status;
	}
	return 0;
}

/* >0 done, 0 moved by another replica, <0 error. */
static int part_run(struct page_part *part)
{
	int parked;
	int rc;

	if (part_read_items(part) < 0)
		return part->c.err.status;
	rc = part_begin(part, &parked);
	if (rc <= 0)
		return rc;
	if (part_apply_items(part, parked) < 0 || part_commit(part) < 0)
		return part->c.err.status;
	return 1;
}

static void part_done(struct page_part *part)
{
	if (part->c.tx.magic != 0)
		db_end(&part->c.tx);
}

/* --- notes of attempts --- */

/* >0 attempts at this position, this one included; 0 another replica has it; <0 error. */
static int page_note(struct page_part *part)
{
	struct consumer *con = part->con;
	struct call *c = &part->c;
	int64_t after = part->page->entries[0]->pos - 1;
	int64_t page_to = part->page->entries[part->page->n_entries - 1]->pos;
	int owed = con->owes_attempt && con->owed_pos == after;
	int slot = call_query(c, &note_attempt, DB_TEXT(con->def->source), DB_INT8(after),
			      DB_INT8(page_to), DB_INT4(owed));

	if (slot < 0)
		return slot;
	con->owes_attempt = false;
	return db_rows(&c->tx, slot) == 0 ? 0 : (int)db_get_int(&c->tx, slot, 0, 0);
}

void consumer_settle_note(struct consumer *con)
{
	struct call_state st = {0};
	struct call c = {0};
	struct arena arena;

	if (!con->owes_attempt)
		return;
	arena_init(&arena, 256 * 1024);
	consumer_call_init(con, &c, &st, &arena);
	c.deadline_us = clock_mono_us() + CLOCK_US_PER_S;
	if (call_query(&c, &settle_attempt, DB_TEXT(con->def->source), DB_INT8(con->owed_pos)) >= 0)
		con->owes_attempt = false;
	if (c.tx.magic != 0)
		db_end(&c.tx);
	arena_done(&arena);
}

/* --- a page --- */

static bool page_is_refusal(int status)
{
	return status == ERR_INVALID || status == ERR_NOT_FOUND || status == ERR_CONFLICT ||
	       status == ERR_DENIED || status == ERR_TOO_LARGE;
}

/* Away or overloaded: no event is at fault. A page too slow for its deadline is tried singly. */
static bool page_is_trouble(int status)
{
	return status != ERR_INTERNAL && status != ERR_EXPIRED && !page_is_refusal(status);
}

/* Parks the first entry: the cursor moves over it. */
static enum page_end page_park(struct consumer *con, const Feed__PullReply *page,
			       struct arena *arena, const struct err *why)
{
	struct page_part part;
	enum page_end end = PAGE_TROUBLE;
	int parked;

	part_init(&part, con, page, arena);
	part.end = 1;
	if (part_read_items(&part) == 0) {
		int rc = part_begin(&part, &parked);

		if (rc == 0)
			end = PAGE_MOVED;
		if (rc > 0) {
			part_add_dead_letter(&part, &part.items[0], false, why);
			end = part_commit(&part) == 0 ? PAGE_DONE : PAGE_TROUBLE;
		}
	}
	part_done(&part);
	return end;
}

static enum page_end page_park_crasher(struct consumer *con, const Feed__PullReply *page,
				       struct arena *arena, int crashes)
{
	char times[16];
	struct err why = {0};

	if (runtime_pause(con->rt, PAGE_PARK_PAUSE_MS))
		return PAGE_TROUBLE;
	snprintf(times, sizeof(times), "%d", crashes);
	err_set(&why, &event_crashes, NULL, times);
	return page_park(con, page, arena, &why);
}

/* What an error of a part means for the page; c->err is copied out. */
static enum page_end page_failed(struct consumer *con, struct page_part *part, struct arena *arena,
				 struct err *err)
{
	bool single = part->end == 1;
	enum page_end end = PAGE_TROUBLE;

	*err = part->c.err;
	part_done(part);
	if (page_is_refusal(err->status) && single)
		end = page_park(con, part->page, arena, err);
	else if (!single && !page_is_trouble(err->status)) {
		con->single_to = part->page->entries[part->reached]->pos;
		end = PAGE_AGAIN;
	}
	return end;
}

enum page_end consumer_apply_page(struct consumer *con, const Feed__PullReply *page,
				  struct arena *arena, struct err *err)
{
	struct page_part part;
	enum page_end end = PAGE_DONE;
	int tries, rc;

	part_init(&part, con, page, arena);
	tries = page_note(&part);
	if (tries <= 0) {
		*err = part.c.err;
		part_done(&part);
		return tries == 0 ? PAGE_MOVED : PAGE_TROUBLE;
	}
	con->owes_attempt = true;
	con->owed_pos = con->pos;
	if (tries > PAGE_CRASHES_PARK) {
		part_done(&part);
		end = page_park_crasher(con, page, arena, tries - 1);
	} else {
		bool single = tries > PAGE_CRASHES_SINGLE || con->pos < con->single_to;

		part.end = single ? 1 : page->n_entries;
		rc = part_run(&part);
		if (rc < 0)
			end = page_failed(con, &part, arena, err);
		else
			end = rc == 0 ? PAGE_MOVED : PAGE_DONE;
		part_done(&part);
	}
	/* A note behind the cursor counts for nothing; one at the cursor is to be taken back. */
	if (end == PAGE_DONE)
		con->owes_attempt = false;
	return end;
}
