/*
 * GET /feeds/<service>?feed=&after=&limit=: a page of a service's feed as CloudEvents 1.0 in JSON
 * (cloudevents.io, JSON event format), for systems and for officers who run or count the suite.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "services/gateway/gateway.h"

#define LIMIT_USUAL    100
#define LIMIT_MAX      1000
#define WAIT_MAX_MS    5000
#define PULL_MAX_BYTES (256 * 1024)
#define PULL_MS        15000
#define PAGE_MAX_BYTES (16 * 1024 * 1024)

#define FEED_ROLES "operator statistician"

static const struct err_kind no_feed = {ERR_NOT_FOUND, "NO_SUCH_FEED", "Không có luồng sự kiện này",
					"there is no such feed"};
static const struct err_kind bad_param = {ERR_INVALID, "BAD_PARAMETER", "Tham số %s không hợp lệ",
					  "the parameter %s is not valid"};
static const struct err_kind not_reader = {ERR_DENIED, "NOT_ALLOWED",
					   "Bạn không được phép đọc luồng sự kiện này",
					   "you may not read this feed"};
static const struct err_kind bad_page = {ERR_INTERNAL, "FEED_UNREADABLE",
					 "Không đọc được trang sự kiện",
					 "a page of the feed could not be read"};

struct feed_ask {
	const char *service;
	const char *feed; /* the service's own, or a published one */
	int64_t after;
	int64_t limit, wait_ms;
	const char *epoch;
	bool proof; /* with the stored bytes that the seals are over */
};

/* --- request --- */

static bool is_given(const char *query, const char *name)
{
	size_t n = strlen(name);

	for (const char *s = query; s; s = strchr(s, '&')) {
		s += *s == '&';
		if (strncmp(s, name, n) == 0 && strchr("=&", s[n]))
			return true;
	}
	return false;
}

/* An absent parameter leaves *ret as it is; a bad cursor must not start from 0 again. */
static int read_number(struct visit *v, const char *name, int64_t max, int64_t *ret)
{
	const char *text = http_param(v->arena, v->req->query, name);
	char *end;
	long long n;

	if (!text)
		return is_given(v->req->query, name) ? err_set(&v->err, &bad_param, name, name) : 0;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n > max)
		return err_set(&v->err, &bad_param, name, name);
	*ret = n;
	return 0;
}

static int read_ask(struct visit *v, struct feed_ask *ask)
{
	const char *service = v->req->path + strlen("/feeds/");
	int64_t proof = 0;

	ask->service = service;
	ask->limit = LIMIT_USUAL;
	if (!rpc_find_service(service))
		return err_set(&v->err, &no_feed, NULL, NULL);
	v->label = service;
	if (read_number(v, "after", INT64_MAX, &ask->after) < 0 ||
	    read_number(v, "limit", LIMIT_MAX, &ask->limit) < 0 ||
	    read_number(v, "wait_ms", WAIT_MAX_MS, &ask->wait_ms) < 0 ||
	    read_number(v, "proof", 1, &proof) < 0)
		return v->err.status;
	ask->proof = proof == 1;
	ask->epoch = http_param(v->arena, v->req->query, "epoch");
	ask->feed = http_param(v->arena, v->req->query, "feed");
	if (!ask->feed)
		ask->feed = service;
	return is_given(v->req->query, "feed") && !bus_name_valid(ask->feed, strlen(ask->feed))
		       ? err_set(&v->err, &bad_param, "feed", "feed")
		       : 0;
}

static bool may_read(const struct visit *v, const struct feed_ask *ask)
{
	switch (v->who.kind) {
	case WHO_OFFICER:
		return identity_has_role(&v->who, FEED_ROLES);
	case WHO_SYSTEM:
		return system_rights_feed(v->gw->rights, v->who.subject, ask->service, ask->feed);
	case WHO_ANONYMOUS:
	case WHO_CITIZEN:
		return false;
	}
	return false;
}

/* --- answer --- */

/* Sets data, or data_base64 for a payload nobody here can read. */
static int add_data(struct visit *v, const Feed__Event *ev, json_t *out)
{
	const ProtobufCMessageDescriptor *desc = pb_event_descriptor(ev->type);
	const struct pb_limits limits = {.open_enums = true};
	struct err ignored = {0};
	ProtobufCMessage *msg;
	json_t *data = NULL;
	char *text;

	if (desc &&
	    pb_unpack(desc, ev->payload.data, ev->payload.len, &limits, v->arena, &msg, &ignored) ==
		    0 &&
	    pbjson_to_json(msg, false, &data) == 0) {
		json_object_set_new(out, "datacontenttype", json_string("application/json"));
		return json_object_set_new(out, "data", data);
	}
	text = crypt_base64(v->arena, ev->payload.data, ev->payload.len);
	json_object_set_new(out, "datacontenttype", json_string("application/protobuf"));
	return text ? json_object_set_new(out, "data_base64", json_string(text)) : -1;
}

static json_t *envelope(struct visit *v, const Feed__Event *ev, int64_t pos, const char *source)
{
	char id[UUID_TEXT_BYTES], time[28], pos_text[24];
	json_t *out;

	if (ev->id.len != UUID_BYTES)
		return NULL;
	uuid_format(ev->id.data, id);
	clock_format_utc(ev->time_us, time);
	/* CloudEvents integers have 32 bits, so the position is text. */
	snprintf(pos_text, sizeof(pos_text), "%lld", (long long)pos);
	out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "specversion", "1.0", "id", id,
			"source", source, "type", ev->type, "subject", ev->subject, "time", time,
			"pos", pos_text, "subjectversion", (int)ev->version);
	if (out && ev->causation_id.len == UUID_BYTES) {
		uuid_format(ev->causation_id.data, id);
		json_object_set_new(out, "causationid", json_string(id));
	}
	if (out && add_data(v, ev, out) == 0)
		return out;
	json_decref(out);
	return NULL;
}

static json_t *read_entry(struct visit *v, const Feed__Entry *entry, const struct feed_ask *ask)
{
	const char *source = arena_printf(v->arena, "/lgsp/%s", ask->service);
	ProtobufCMessage *msg;
	json_t *out;
	char *stored;

	if (!source || pb_unpack(&feed__event__descriptor, entry->event.data, entry->event.len,
				 NULL, v->arena, &msg, &v->err) < 0)
		return NULL;
	out = envelope(v, (const Feed__Event *)msg, entry->pos, source);
	if (!out || !ask->proof)
		return out;
	stored = crypt_base64(v->arena, entry->event.data, entry->event.len);
	json_object_set_new(out, "storedbytes", stored ? json_string(stored) : NULL);
	return out;
}

static json_t *read_seal(const Feed__Seal *seal)
{
	char hex[CRYPT_SHA256_HEX] = "";

	if (seal->digest.len == CRYPT_SHA256_BYTES)
		crypt_hex(seal->digest.data, seal->digest.len, hex);
	return json_pack("{s:o, s:i, s:s}", "posTo", json_sprintf("%lld", (long long)seal->pos_to),
			 "count", (int)seal->count, "digest", hex);
}

/* 64-bit numbers are text, as in all our JSON. NULL when an entry cannot be read. */
static json_t *read_page(struct visit *v, const Feed__PullReply *page)
{
	json_t *events = json_array();
	json_t *seals = json_array();
	bool good = true;

	for (size_t i = 0; i < page->n_entries && good; i++) {
		json_t *e = read_entry(v, page->entries[i], v->user);

		good = e && json_array_append_new(events, e) == 0;
	}
	for (size_t i = 0; i < page->n_seals; i++)
		json_array_append_new(seals, read_seal(page->seals[i]));
	if (!good) {
		json_decref(events);
		json_decref(seals);
		return NULL;
	}
	return json_pack("{s:o, s:o, s:o, s:s, s:o}", "events", events, "next",
			 json_sprintf("%lld", (long long)page->next), "highWater",
			 json_sprintf("%lld", (long long)page->high_water), "epoch", page->epoch,
			 "seals", seals);
}

static int append_json(const char *bytes, size_t n, void *out)
{
	return buf_append(out, bytes, n) < 0 ? -1 : 0;
}

static int write_page(struct visit *v, const struct bus_reply_in *reply, struct buf *out)
{
	const struct pb_limits limits = {.elements = 20 * LIMIT_MAX};
	ProtobufCMessage *msg;
	json_t *json = NULL;
	int r;

	if (pb_unpack(&feed__pull_reply__descriptor, reply->body, reply->body_len, &limits,
		      v->arena, &msg, &v->err) == 0)
		json = read_page(v, (const Feed__PullReply *)msg);
	if (!json)
		return err_set(&v->err, &bad_page, NULL, NULL);
	r = json_dump_callback(json, append_json, out, JSON_COMPACT);
	json_decref(json);
	return r == 0 ? 0 : err_set(&v->err, &err_too_large, NULL, "page");
}

static void on_reply(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	static const struct http_header no_store = {"Cache-Control", "no-store"};
	struct visit *v = visit_of(arg);
	struct http_response res = {.status = 200,
				    .content_type = "application/json",
				    .headers = &no_store,
				    .n_headers = 1};
	struct buf json;

	if (reply->status < 0) {
		v->err = *err;
		visit_fail(v, NULL);
		return;
	}
	buf_init(&json, PAGE_MAX_BYTES);
	if (write_page(v, reply, &json) < 0) {
		visit_fail(v, NULL);
	} else {
		res.body = buf_str(&json);
		res.body_len = json.len;
		visit_answer(v, &res);
	}
	buf_done(&json);
}

static int pull(struct visit *v, const struct feed_ask *ask)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	struct visit_call call = {.service = ask->service,
				  .method = "Feed.Pull",
				  .deadline_ms = PULL_MS,
				  .who = &v->who,
				  .flags = HEADER_FLAG_REPEATABLE};
	uint8_t *body;

	in.feed = ask->feed;
	in.after = ask->after;
	in.limit = (uint32_t)ask->limit;
	in.max_bytes = PULL_MAX_BYTES;
	in.wait_ms = (uint32_t)ask->wait_ms;
	in.epoch = ask->epoch ? ask->epoch : "";
	if (pb_pack(&in.base, v->arena, &body, &call.body_len, &v->err) < 0)
		return v->err.status;
	call.body = body;
	visit_call(v, &call, on_reply);
	return 0;
}

static void on_known(struct visit *v, int status)
{
	struct feed_ask *ask = v->user;

	if (status < 0) {
		visit_fail(v, status == ERR_DENIED ? "unauthenticated" : NULL);
		return;
	}
	if (read_ask(v, ask) < 0) {
		visit_fail(v, NULL);
		return;
	}
	if (!may_read(v, ask)) {
		err_set(&v->err, &not_reader, NULL, NULL);
		visit_fail(v, NULL);
		return;
	}
	if (pull(v, ask) < 0)
		visit_fail(v, NULL);
}

void feeds_serve(struct visit *v)
{
	struct feed_ask *ask = arena_alloc(v->arena, sizeof(*ask));

	CHECK(ask); /* first in a fresh arena */
	v->user = ask;
	if (strcmp(v->req->method, "GET") != 0) {
		visit_fail_method(v, "GET");
		return;
	}
	auth_identify(v, on_known);
}
