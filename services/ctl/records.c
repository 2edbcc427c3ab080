/* records query, records verify. */
#include "services/ctl/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/base/uuid.h"
#include "common/record/record.h"
#include "common/wire/pbjson.h"
#include "services/ctl/ctl.h"

#define NAMES_CAP  (64u << 20)
#define ENTRY_CAP  (1u << 20)
#define LINE_BYTES 8192

/* --- reading --- */

const char *records_dir(const char *given, bool quiet)
{
	if (given)
		return given;
	return ctl_setting("LGSP_RECORDS_DIR", quiet ? "" : NULL);
}

static int each_of_file(const char *dir, const char *name,
			void (*fn)(const struct records_entry *e, void *arg), void *arg)
{
	char broker[64] = "";
	struct records_entry e = {.file = name, .broker = broker};
	struct record_reader *r;
	Bus__RecordEntry *entry;
	struct arena arena;
	struct err err = {0};
	char path[4096];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (record_open(path, &r) < 0) /* closed or removed while we looked */
		return errno == ENOENT ? 0 : ctl_say(CTL_FAILED, "%s: %s", path, strerror(errno));
	arena_init(&arena, ENTRY_CAP);
	while ((rc = record_next(r, &arena, &entry, &err)) > 0) {
		if (entry->entry_case == BUS__RECORD_ENTRY__ENTRY_HEAD) {
			snprintf(broker, sizeof(broker), "%s", entry->head->broker);
			e.business_offset_us = entry->head->business_offset_us;
		}
		e.entry = entry;
		fn(&e, arg);
		arena_done(&arena);
	}
	arena_done(&arena);
	record_close(r);
	return rc < 0 ? ctl_say(CTL_FAILED, "%s: %s", path, err.items[0].en) : 0;
}

int records_each(const char *dir, void (*fn)(const struct records_entry *e, void *arg), void *arg)
{
	struct arena arena;
	char **names;
	int n, rc = 0;

	arena_init(&arena, NAMES_CAP);
	n = record_list(dir, &arena, &names);
	if (n < 0)
		rc = ctl_say(CTL_FAILED, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++)
		if (each_of_file(dir, names[i], fn, arg) != 0)
			rc = CTL_FAILED;
	arena_done(&arena);
	return rc;
}

/* --- choosing --- */

static bool same(const char *wanted, const char *have)
{
	return !wanted || !*wanted || strcmp(wanted, have) == 0;
}

static bool id_matches(const char *wanted, const Bus__Record *r)
{
	char id[UUID_TEXT_BYTES];

	if (!wanted || !*wanted || strcmp(wanted, r->trace_id) == 0)
		return true;
	if (r->message_id.len != UUID_BYTES)
		return false;
	uuid_format(r->message_id.data, id);
	return strcasecmp(wanted, id) == 0;
}

bool records_match(const struct records_filter *f, const Bus__Record *r)
{
	return same(f->member, r->member) && same(f->service, r->service) &&
	       same(f->method, r->method) && same(f->code, r->code) && id_matches(f->trace, r) &&
	       (f->status == 0 || (int)r->status == f->status) && r->arrived_us >= f->since_us &&
	       (f->until_us == 0 || r->arrived_us < f->until_us);
}

/* --- showing --- */

static double ms_between(int64_t from_us, int64_t to_us)
{
	return from_us > 0 && to_us >= from_us ? (double)(to_us - from_us) / 1000 : 0;
}

void records_head(void)
{
	printf("%-27s %-7s %-26s %-30s %-12s %9s %9s %9s %9s %-12s %-36s %s\n", "arrived", "broker",
	       "member", "method", "status", "wait ms", "work ms", "bytes in", "out", "worker",
	       "message id", "trace, code");
}

static void append_row(struct buf *out, const char *broker, const Bus__Record *r)
{
	char when[28], id[UUID_TEXT_BYTES] = "-", what[160];
	int status = (int)r->status;

	clock_format_utc(r->arrived_us, when);
	if (r->message_id.len == UUID_BYTES)
		uuid_format(r->message_id.data, id);
	snprintf(what, sizeof(what), "%s.%s", *r->service ? r->service : "?",
		 *r->method ? r->method : "?");
	buf_printf(out,
		   "%-27s %-7s %-26s %-30s %-12s %9.3f %9.3f %9" PRIu64 " %9" PRIu64
		   " %-12s %-36s %s %s",
		   when, broker, *r->member ? r->member : "(unknown key)", what,
		   err_status_name(status == 1 ? 0 : -status),
		   ms_between(r->arrived_us, r->dispatched_us),
		   ms_between(r->dispatched_us, r->answered_us), r->request_bytes, r->reply_bytes,
		   *r->worker ? r->worker : "-", id, *r->trace_id ? r->trace_id : "-", r->code);
}

/* {"broker":"bus-1",...}: broker names need no quoting. */
static void append_json(struct buf *out, const char *broker, const Bus__Record *r)
{
	struct buf json;

	buf_init(&json, LINE_BYTES);
	if (pbjson_write(&r->base, false, &json) == 0)
		buf_printf(out, "{\"broker\":\"%s\"%s%s", broker, json.len > 2 ? "," : "",
			   buf_str(&json) + 1);
	buf_done(&json);
}

void records_line(struct buf *out, const char *broker, const Bus__Record *r, const char *json)
{
	if (json)
		append_json(out, broker, r);
	else
		append_row(out, broker, r);
}

/* --- records query --- */

/* The newest `limit` lines. */
struct query {
	struct records_filter filter;
	const char *json;
	char **lines;
	uint64_t found, limit, missing;
};

static void query_one(const struct records_entry *e, void *arg)
{
	struct query *q = arg;
	struct buf line;

	if (e->entry->entry_case == BUS__RECORD_ENTRY__ENTRY_GAP)
		q->missing += e->entry->gap->count;
	if (e->entry->entry_case != BUS__RECORD_ENTRY__ENTRY_REQUEST ||
	    !records_match(&q->filter, e->entry->request))
		return;
	buf_init(&line, LINE_BYTES);
	records_line(&line, e->broker, e->entry->request, q->json);
	free(q->lines[q->found % q->limit]);
	q->lines[q->found++ % q->limit] = base_strdup(buf_str(&line));
	buf_done(&line);
}

static void print_query(const struct query *q)
{
	uint64_t from = q->found > q->limit ? q->found - q->limit : 0;

	if (!q->json && q->found > 0)
		records_head();
	for (uint64_t i = from; i < q->found; i++)
		puts(q->lines[i % q->limit]);
	if (from > 0)
		fprintf(stderr, "lgspctl: %" PRIu64 " older ones are not shown; see --limit\n",
			from);
	if (q->missing > 0)
		fprintf(stderr, "lgspctl: %" PRIu64 " requests have no record (gaps)\n",
			q->missing);
}

static int parse_status(const char *text, int *ret)
{
	for (int i = 1; i <= 14 && *text; i++)
		if (strcmp(text, err_status_name(i == 1 ? 0 : -i)) == 0) {
			*ret = i;
			return 0;
		}
	return *text ? ctl_say(EXIT_USAGE, "--status: no status %s", text) : 0;
}

static int parse_time(const char *option, const char *text, int64_t *ret)
{
	if (*text && clock_parse_rfc3339(text, ret) < 0)
		return ctl_say(EXIT_USAGE, "%s: \"%s\" is not like 2024-05-21T08:00:00+07:00",
			       option, text);
	return 0;
}

static int run_query(struct query *q, const char *dir)
{
	int rc;

	q->lines = base_alloc(q->limit * sizeof(*q->lines));
	rc = records_each(dir, query_one, q);
	print_query(q);
	for (uint64_t i = 0; i < q->limit; i++)
		free(q->lines[i]);
	free(q->lines);
	return rc;
}

int ctl_records_query(int argc, char **argv)
{
	const char *status = "", *since = "", *until = "", *limit = "1000", *id = NULL;
	struct query q = {0};
	char member[128];
	const struct ctl_option options[] = {{"--member", true, &q.filter.member},
					     {"--service", true, &q.filter.service},
					     {"--method", true, &q.filter.method},
					     {"--trace", true, &q.filter.trace},
					     {"--message-id", true, &id},
					     {"--status", true, &status},
					     {"--code", true, &q.filter.code},
					     {"--since", true, &since},
					     {"--until", true, &until},
					     {"--limit", true, &limit},
					     {"--json", false, &q.json}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	int64_t n_limit = 0;
	const char *dir;

	if (words < 0)
		return -words;
	if (words > 2 || (id && q.filter.trace))
		return ctl_say(EXIT_USAGE, "records query takes one folder, and one id");
	if (parse_status(status, &q.filter.status) != 0 ||
	    parse_time("--since", since, &q.filter.since_us) != 0 ||
	    parse_time("--until", until, &q.filter.until_us) != 0 ||
	    ctl_number("--limit", limit, 1, 1000000, &n_limit) != 0)
		return EXIT_USAGE;
	dir = records_dir(words == 2 ? argv[1] : NULL, false);
	if (!dir)
		return EXIT_CONFIG;
	if (id)
		q.filter.trace = id;
	if (q.filter.member)
		q.filter.member = ctl_member_address(q.filter.member, member);
	q.limit = (uint64_t)n_limit;
	return run_query(&q, dir);
}

/* --- records verify --- */

#define BROKERS_SEEN 64

/* Where each broker's chain stands. */
struct chain {
	char broker[64], file[RECORD_NAME_MAX];
	uint8_t sha256[CRYPT_SHA256_BYTES];
	bool closed;
};

struct verify {
	const char *dir;
	struct chain chains[BROKERS_SEEN];
	unsigned n;
	int rc;
};

static struct chain *chain_of(struct verify *v, const char *broker)
{
	for (unsigned i = 0; i < v->n; i++)
		if (strcmp(v->chains[i].broker, broker) == 0)
			return &v->chains[i];
	if (v->n == BROKERS_SEEN)
		return NULL;
	snprintf(v->chains[v->n].broker, sizeof(v->chains[0].broker), "%s", broker);
	return &v->chains[v->n++];
}

/* The first file we have of a broker may follow one that was removed in time. */
static const char *check_head(const struct chain *c, const Bus__RecordFileHead *head)
{
	if (!c)
		return "more brokers than this command looks after";
	if (!c->file[0])
		return NULL;
	if (!c->closed)
		return "the file before it has no end";
	if (strcmp(head->previous_file, c->file) != 0)
		return "it does not follow the file before it: one was taken away";
	if (head->previous_sha256.len != CRYPT_SHA256_BYTES ||
	    memcmp(head->previous_sha256.data, c->sha256, CRYPT_SHA256_BYTES) != 0)
		return "the file before it is not the one it followed";
	return NULL;
}

static void verify_file(struct verify *v, const char *name)
{
	struct record_reader *r = NULL;
	Bus__RecordEntry *entry;
	struct chain *c = NULL;
	const char *fault = NULL;
	struct arena arena;
	struct err err = {0};
	char path[4096];
	int rc = 0;

	snprintf(path, sizeof(path), "%s/%s", v->dir, name);
	arena_init(&arena, ENTRY_CAP);
	if (record_open(path, &r) < 0)
		fault = strerror(errno);
	while (!fault && (rc = record_next(r, &arena, &entry, &err)) > 0) {
		if (entry->entry_case == BUS__RECORD_ENTRY__ENTRY_HEAD) {
			c = chain_of(v, entry->head->broker);
			fault = check_head(c, entry->head);
		}
		arena_done(&arena);
	}
	if (!fault && rc < 0)
		fault = err.items[0].en;
	if (!fault && record_is_closed(name, NULL) && !record_ended(r))
		fault = "it is called closed and has no end";
	if (c) {
		snprintf(c->file, sizeof(c->file), "%s", name);
		c->closed = r && record_ended(r);
		record_digest(r, c->sha256);
	}
	printf("%s: %" PRIu64 " records, %" PRIu64 " missing, %s\n", name,
	       r ? record_requests(r) : 0, r ? record_missing(r) : 0,
	       fault             ? fault
	       : record_ended(r) ? "whole"
				 : "open");
	if (fault)
		v->rc = CTL_FAILED;
	record_close(r);
	arena_done(&arena);
}

int ctl_records_verify(int argc, char **argv)
{
	struct verify v = {0};
	struct arena arena;
	char **names;
	int n;

	if (argc > 2)
		return ctl_say(EXIT_USAGE, "records verify takes one folder");
	v.dir = records_dir(argc == 2 ? argv[1] : NULL, false);
	if (!v.dir)
		return EXIT_CONFIG;
	arena_init(&arena, NAMES_CAP);
	n = record_list(v.dir, &arena, &names);
	if (n < 0)
		v.rc = ctl_say(CTL_FAILED, "%s: %s", v.dir, strerror(errno));
	for (int i = 0; i < n; i++)
		verify_file(&v, names[i]);
	arena_done(&arena);
	return v.rc;
}
