/* feed: events as JSON lines; with --verify the seal chain from the beginning. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/env.h"
#include "common/base/uuid.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "services/ctl/ctl.h"
#include "services/ctl/seals.h"
#include "services/ctl/session.h"

#define PAGE_EVENTS 500

struct reading {
	const char *service;
	const char *feed; /* its own, or a published one */
	int64_t after;    /* print events behind it */
	int64_t limit;    /* print at most so many */
	bool print;
	bool verify;
	int64_t printed;
	int64_t high_water;
	struct seals seals;
};

static json_t *payload_json(const Feed__Event *event, struct arena *arena)
{
	const ProtobufCMessageDescriptor *desc = pb_event_descriptor(event->type);
	const struct pb_limits open = {.open_enums = true};
	ProtobufCMessage *payload = NULL;
	struct err err = {0};
	json_t *json = NULL;

	if (desc &&
	    pb_unpack(desc, event->payload.data, event->payload.len, &open, arena, &payload,
		      &err) == 0 &&
	    pbjson_to_json(payload, false, &json) == 0)
		return json;
	return json_string(crypt_base64(arena, event->payload.data, event->payload.len));
}

static void put_uuid(json_t *object, const char *key, const ProtobufCBinaryData *id)
{
	char text[UUID_TEXT_BYTES];

	if (id->len != UUID_BYTES)
		return;
	uuid_format(id->data, text);
	json_object_set_new(object, key, json_string(text));
}

static int print_entry(const Feed__Entry *entry)
{
	const struct pb_limits open = {.open_enums = true};
	ProtobufCMessage *msg = NULL;
	struct err err = {0};
	struct arena arena;
	char time[28];

	arena_init(&arena, 16 << 20);
	if (pb_unpack(&feed__event__descriptor, entry->event.data, entry->event.len, &open, &arena,
		      &msg, &err) < 0) {
		arena_done(&arena);
		return ctl_fail("event", &err);
	}
	const Feed__Event *event = (const Feed__Event *)msg;
	json_t *line = json_object();

	clock_format_utc(event->time_us, time);
	json_object_set_new(line, "pos", json_integer(entry->pos));
	put_uuid(line, "id", &event->id);
	json_object_set_new(line, "type", json_string(event->type));
	json_object_set_new(line, "subject", json_string(event->subject));
	json_object_set_new(line, "version", json_integer(event->version));
	json_object_set_new(line, "time", json_string(time));
	put_uuid(line, "causation", &event->causation_id);
	json_object_set_new(line, "payload", payload_json(event, &arena));
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
	arena_done(&arena);
	return 0;
}

static int take_page(struct reading *r, const Feed__PullReply *page)
{
	r->high_water = page->high_water;
	if (r->verify && seals_take(&r->seals, page) < 0)
		return ctl_say(CTL_FAILED, "feed %s: %s", r->feed, r->seals.fault);
	for (size_t i = 0; i < page->n_entries && r->print; i++) {
		if (page->entries[i]->pos <= r->after)
			continue;
		if (r->printed == r->limit)
			break;
		int rc = print_entry(page->entries[i]);

		if (rc != 0)
			return rc;
		r->printed++;
	}
	return 0;
}

/* One page behind a cursor. Returns an exit code; *ret_cursor moves, *ret_end says there is no
 * more. */
static int pull(struct reading *r, struct session *session, int64_t *cursor, bool *ret_end)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;

	arena_init(&arena, 16 << 20);
	in.feed = r->feed;
	in.after = *cursor;
	in.limit = PAGE_EVENTS;
	int rc = session_call(session, r->service, "Feed.Pull", &in.base,
			      &feed__pull_reply__descriptor, NULL, &arena, &out, &err);

	if (rc < 0) {
		arena_done(&arena);
		return ctl_fail("feed", &err);
	}
	const Feed__PullReply *page = (const Feed__PullReply *)out;

	rc = take_page(r, page);
	*ret_end = page->n_entries == 0 || page->next >= page->high_water ||
		   (!r->verify && r->printed == r->limit);
	*cursor = page->next;
	arena_done(&arena);
	return rc;
}

static int read_all(struct reading *r, struct session *session)
{
	int64_t cursor = r->verify ? 0 : r->after;
	bool end = false;
	int rc = 0;

	while (rc == 0 && !end)
		rc = pull(r, session, &cursor, &end);
	if (rc != 0 || !r->verify)
		return rc;
	if (r->seals.sealed != r->seals.pos)
		return ctl_say(CTL_FAILED,
			       "feed %s: events %" PRId64 " to %" PRId64 " are not sealed", r->feed,
			       r->seals.sealed + 1, r->seals.pos);
	fprintf(r->print ? stderr : stdout,
		"feed %s: %" PRId64 " events under %" PRId64 " seals, nothing missing or changed\n",
		r->feed, r->seals.pos, r->seals.n_seals);
	return 0;
}

int ctl_feed(int argc, char **argv)
{
	const char *feed = NULL, *after = NULL, *limit = NULL, *verify = NULL;
	const struct ctl_option options[] = {
		{"--feed", true, &feed},
		{"--after", true, &after},
		{"--limit", true, &limit},
		{"--verify", false, &verify},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	struct reading r = {.limit = INT64_MAX};
	struct session *session = NULL;

	if (words < 0)
		return -words;
	if (words != 2)
		return ctl_say(EXIT_USAGE, "feed needs a service");
	r.service = argv[1];
	r.feed = feed ? feed : argv[1];
	r.verify = verify != NULL;
	r.print = !verify || after || limit;
	int rc = after ? ctl_number("--after", after, 0, INT64_MAX, &r.after) : 0;

	if (rc == 0 && limit)
		rc = ctl_number("--limit", limit, 1, INT64_MAX, &r.limit);
	if (rc == 0)
		rc = session_open("LGSP_BUS_MEMBER", &session);
	if (rc != 0)
		return rc;
	seals_init(&r.seals);
	rc = read_all(&r, session);
	seals_done(&r.seals);
	session_close(session);
	return rc;
}
