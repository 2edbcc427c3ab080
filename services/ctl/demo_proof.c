#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "lgsp/kpi/v1/kpi.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/demo.h"
#include "services/ctl/health.h"

#define PATIENCE_MS 30000 /* a service that ends is back by then */
#define WAIT_US     (60 * CLOCK_US_PER_S)
#define AGAIN_US    50000
#define PULL_MS     1000

static const char *const feed_names[DEMO_FEEDS] = {"dossier", "payment", "digitisation", "task"};

const ProtobufCMessage *demo_call(struct demo *d, const char *service, const char *method,
				  const struct demo_person *as, const ProtobufCMessage *in,
				  const ProtobufCMessageDescriptor *out_desc)
{
	Bus__OnBehalfOf who = BUS__ON_BEHALF_OF__INIT;
	struct session_how how = {.on_behalf_of = as ? &who : NULL, .patience_ms = PATIENCE_MS};
	ProtobufCMessage *out = NULL;

	if (as) {
		who.subject = as->subject;
		who.roles = (const char **)(uintptr_t)&as->role;
		who.n_roles = 1;
		who.agency = as->agency;
	}
	if (session_call(d->session, service, method, in, out_desc, &how, &d->arena, &out,
			 &d->err) == 0)
		return out;
	fflush(stdout);
	ctl_fail(method, &d->err);
	return NULL;
}

void demo_say(struct demo *d, const char *fmt, ...)
{
	va_list ap;

	printf("%2d  ", ++d->step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* --- indicators --- */

static struct demo_measure *measure_of(struct demo *d, const char *id)
{
	for (size_t i = 0; i < d->n_measures; i++) {
		if (strcmp(d->measures[i].id, id) == 0)
			return &d->measures[i];
	}
	if (d->n_measures == DEMO_MEASURES_MAX)
		return NULL;
	struct demo_measure *m = &d->measures[d->n_measures++];

	*m = (struct demo_measure){.id = arena_strdup(&d->arena, id)};
	return m;
}

static const char *verdict_text(const Kpi__Measure *m)
{
	switch (m->verdict) {
	case KPI__TARGET_VERDICT__TARGET_VERDICT_MET:
		return "met";
	case KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MET:
		return "not met";
	case KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_YET_DUE:
		return "not yet due";
	case KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MEASURABLE:
		return "not measurable";
	case KPI__TARGET_VERDICT__TARGET_VERDICT_UNSPECIFIED:
	case _KPI__TARGET_VERDICT_IS_INT_SIZE:
		break;
	}
	return "no target";
}

static void print_measure(const struct demo_measure *old, const Kpi__Measure *m)
{
	printf("      %-15s %" PRId64 " of %" PRId64 " -> %" PRId64 " of %" PRId64, m->indicator_id,
	       old->numerator, old->denominator, m->numerator, m->denominator);
	if (m->measurable)
		printf(" = %" PRId64 ".%02" PRId64 " %%", m->value_hundredths / 100,
		       m->value_hundredths % 100);
	if (m->target)
		printf("; target %" PRId64 " by %s: %s", m->target->value_hundredths / 100,
		       m->target->due, verdict_text(m));
	putchar('\n');
}

/* Reads all indicators of the province for the month; prints those that changed. */
static int look_at_measures(struct demo *d, bool print)
{
	Kpi__ListRequest in = KPI__LIST_REQUEST__INIT;

	in.period = d->period;
	const Kpi__ListReply *reply = (const void *)demo_call(d, "kpi", "List", NULL, &in.base,
							      &kpi__list_reply__descriptor);

	if (!reply)
		return -1;
	for (size_t i = 0; i < reply->n_measures; i++) {
		const Kpi__Measure *m = reply->measures[i];
		struct demo_measure *old = measure_of(d, m->indicator_id);

		if (!old || (m->numerator == old->numerator && m->denominator == old->denominator))
			continue;
		if (print) {
			print_measure(old, m);
			old->changed = true;
		}
		old->numerator = m->numerator;
		old->denominator = m->denominator;
	}
	fflush(stdout);
	return 0;
}

/* Waits until kpi has counted a feed up to a position. */
static int wait_counted(struct demo *d, enum demo_feed feed, int64_t pos)
{
	int64_t end_us = clock_mono_us() + WAIT_US;

	for (;;) {
		Kpi__CursorsRequest in = KPI__CURSORS_REQUEST__INIT;
		const Kpi__CursorsReply *reply = (const void *)demo_call(
			d, "kpi", "Cursors", NULL, &in.base, &kpi__cursors_reply__descriptor);

		for (size_t i = 0; reply && i < reply->n_cursors; i++) {
			if (strcmp(reply->cursors[i]->source, feed_names[feed]) == 0 &&
			    reply->cursors[i]->pos >= pos)
				return 0;
		}
		if (!reply)
			return -1;
		if (clock_mono_us() > end_us)
			return ctl_say(-1, "kpi has not counted %s#%" PRId64 " in time",
				       feed_names[feed], pos);
		usleep(AGAIN_US);
	}
}

/* --- feeds --- */

static int add_event(struct demo *d, struct demo_cursor *cursor, const Feed__Entry *entry)
{
	const struct pb_limits open = {.open_enums = true};
	struct demo_event *e = arena_alloc(&d->arena, sizeof *e);
	ProtobufCMessage *msg = NULL;

	CHECK(e);
	if (pb_unpack(&feed__event__descriptor, entry->event.data, entry->event.len, &open,
		      &d->arena, &msg, &d->err) < 0)
		return ctl_fail("event", &d->err) * -1;
	const Feed__Event *event = (const Feed__Event *)msg;

	*e = (struct demo_event){.pos = entry->pos,
				 .type = event->type,
				 .subject = event->subject,
				 .payload = event->payload};
	if (cursor->last)
		cursor->last->next = e;
	else
		cursor->first = e;
	cursor->last = e;
	return 0;
}

/* The next page, waited for. */
static int pull(struct demo *d, enum demo_feed feed)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	struct demo_cursor *cursor = &d->feeds[feed];

	in.feed = feed_names[feed];
	in.after = cursor->pos;
	in.wait_ms = PULL_MS;
	const Feed__PullReply *page = (const void *)demo_call(
		d, feed_names[feed], "Feed.Pull", NULL, &in.base, &feed__pull_reply__descriptor);

	if (!page)
		return -1;
	for (size_t i = 0; i < page->n_entries; i++) {
		if (add_event(d, cursor, page->entries[i]) < 0)
			return -1;
	}
	cursor->pos = page->next;
	return 0;
}

static bool is_about(const struct demo_event *e, const char *key)
{
	return strcmp(e->subject, key) == 0 ||
	       memmem(e->payload.data, e->payload.len, key, strlen(key));
}

static struct demo_event *find_event(struct demo_cursor *cursor, const char *type, const char *key)
{
	for (struct demo_event *e = cursor->first; e; e = e->next) {
		if (!e->matched && strcmp(e->type, type) == 0 && is_about(e, key))
			return e;
	}
	return NULL;
}

int demo_prove(struct demo *d, enum demo_feed feed, const char *type, const char *key,
	       const struct demo_event **ret_event)
{
	int64_t end_us = clock_mono_us() + WAIT_US;
	struct demo_event *e;

	while (!(e = find_event(&d->feeds[feed], type, key))) {
		if (clock_mono_us() > end_us)
			return ctl_say(-1, "no %s about %s in time", type, key);
		if (pull(d, feed) < 0)
			return -1;
	}
	e->matched = true;
	if (ret_event)
		*ret_event = e;
	printf("      %s#%" PRId64 " %s\n", feed_names[feed], e->pos, type);
	fflush(stdout);
	return wait_counted(d, feed, e->pos) < 0 ? -1 : look_at_measures(d, true);
}

static int head(struct demo *d, enum demo_feed feed, int64_t *ret_pos, int64_t *ret_pending)
{
	Feed__HeadRequest in = FEED__HEAD_REQUEST__INIT;

	in.feed = feed_names[feed];
	const Feed__HeadReply *reply = (const void *)demo_call(
		d, feed_names[feed], "Feed.Head", NULL, &in.base, &feed__head_reply__descriptor);

	if (!reply)
		return -1;
	*ret_pos = reply->high_water;
	*ret_pending = reply->pending;
	return 0;
}

int demo_begin(struct demo *d)
{
	int year, month, day;

	d->now_us = clock_business_us();
	civil_to_ymd(civil_of_us(d->now_us), &year, &month, &day);
	snprintf(d->period, sizeof d->period, "%04u-%02u", (unsigned)year % 10000,
		 (unsigned)month % 100);
	for (int f = 0; f < DEMO_FEEDS; f++) {
		struct demo_cursor *cursor = &d->feeds[f];
		int64_t pending = 0;

		if (head(d, (enum demo_feed)f, &cursor->start, &pending) < 0 ||
		    wait_counted(d, (enum demo_feed)f, cursor->start) < 0)
			return -1;
		cursor->pos = cursor->start;
	}
	return look_at_measures(d, false);
}

int demo_end(struct demo *d, int64_t *ret_events, int64_t *ret_indicators)
{
	*ret_events = 0;
	*ret_indicators = 0;
	for (int f = 0; f < DEMO_FEEDS; f++) {
		int64_t pos = 0, pending = 1, end_us = clock_mono_us() + WAIT_US;

		while (pending > 0) {
			if (head(d, (enum demo_feed)f, &pos, &pending) < 0)
				return -1;
			if (clock_mono_us() > end_us)
				return ctl_say(-1, "%s does not settle", feed_names[f]);
			if (pending > 0)
				usleep(AGAIN_US);
		}
		if (wait_counted(d, (enum demo_feed)f, pos) < 0)
			return -1;
		*ret_events += pos - d->feeds[f].start;
	}
	if (look_at_measures(d, true) < 0)
		return -1;
	for (size_t i = 0; i < d->n_measures; i++)
		*ret_indicators += d->measures[i].changed;
	return 0;
}

/* --- consumers of other services --- */

int demo_wait_consumer(struct demo *d, const char *service, enum demo_feed feed, int64_t pos)
{
	(void)d;
	return health_wait_consumers(service, feed_names[feed], pos, WAIT_US);
}

int demo_wait_directory(struct demo *d, const char *service)
{
	Feed__HeadRequest in = FEED__HEAD_REQUEST__INIT;
	const Feed__HeadReply *head;
	int64_t end_us = clock_mono_us() + WAIT_US;

	in.feed = "directory";
	for (;;) {
		head = (const void *)demo_call(d, "directory", "Feed.Head", NULL, &in.base,
					       &feed__head_reply__descriptor);
		if (!head || head->pending == 0 || clock_mono_us() > end_us)
			break;
		usleep(AGAIN_US);
	}
	return head ? health_wait_consumers(service, "directory", head->high_water, WAIT_US) : -1;
}
