#include "services/ctl/usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/record/record.h"
#include "services/ctl/ctl.h"

#define HOUR_US   (3600 * CLOCK_US_PER_S)
#define ENTRY_CAP (1u << 20)
#define SUMS_CAP  (1u << 30)
#define BUCKETS   4096

/* Requests of one kind within an hour. */
struct sum {
	struct sum *next;
	int64_t hour_us;
	Directory__UsageRow row;
};

struct sums {
	struct sum *buckets[BUCKETS];
	size_t n;
	struct arena arena;
	/* of the file */
	char *broker;
	int64_t offset_us, opened_us;
};

static unsigned hash_of(const struct sum *s)
{
	const char *texts[] = {s->row.member, s->row.provider, s->row.service, s->row.method};
	uint32_t h = (uint32_t)(s->hour_us / HOUR_US) * 31 + (uint32_t)s->row.status;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (const char *p = texts[i]; *p; p++)
			h = (h ^ (unsigned char)*p) * 16777619u;
	return h % BUCKETS;
}

/* By hour, then by who and what: reports begin at the same rows each time. */
static int compare(const struct sum *a, const struct sum *b)
{
	int order = a->hour_us < b->hour_us ? -1 : a->hour_us > b->hour_us;

	if (order == 0)
		order = strcmp(a->row.member, b->row.member);
	if (order == 0)
		order = strcmp(a->row.provider, b->row.provider);
	if (order == 0)
		order = strcmp(a->row.service, b->row.service);
	if (order == 0)
		order = strcmp(a->row.method, b->row.method);
	return order ? order : (int)a->row.status - (int)b->row.status;
}

static int compare_pointers(const void *a, const void *b)
{
	return compare(*(struct sum *const *)a, *(struct sum *const *)b);
}

static struct sum *find(struct sums *sums, const struct sum *key)
{
	struct sum **bucket = &sums->buckets[hash_of(key)], *s = *bucket;

	while (s && compare(s, key) != 0)
		s = s->next;
	if (s)
		return s;
	s = arena_alloc(&sums->arena, sizeof(*s));
	CHECK(s); /* a file holds no more kinds than requests */
	directory__usage_row__init(&s->row);
	s->hour_us = key->hour_us;
	s->row.member = arena_strdup(&sums->arena, key->row.member);
	s->row.provider = arena_strdup(&sums->arena, key->row.provider);
	s->row.service = arena_strdup(&sums->arena, key->row.service);
	s->row.method = arena_strdup(&sums->arena, key->row.method);
	s->row.status = key->row.status;
	s->next = *bucket;
	*bucket = s;
	sums->n++;
	return s;
}

static void add(struct sums *sums, const Bus__Record *r)
{
	int64_t business_us = r->arrived_us + sums->offset_us;
	struct sum key = {.hour_us = business_us - business_us % HOUR_US}, *s;

	directory__usage_row__init(&key.row);
	key.row.member = r->member;
	key.row.provider = r->provider;
	key.row.service = r->service;
	key.row.method = r->method;
	key.row.status = r->status;
	s = find(sums, &key);
	s->row.requests++;
	s->row.request_bytes += (int64_t)r->request_bytes;
	s->row.reply_bytes += (int64_t)r->reply_bytes;
}

/* --- reading --- */

static int fault(const char *path, const char *what)
{
	return ctl_say(CTL_FAILED, "%s: %s; its usage is not counted", path, what);
}

static void take(struct sums *sums, const Bus__RecordEntry *e)
{
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_HEAD) {
		sums->broker = arena_strdup(&sums->arena, e->head->broker);
		sums->offset_us = e->head->business_offset_us;
		sums->opened_us = e->head->opened_us;
	}
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_REQUEST)
		add(sums, e->request);
}

/* Sums up the file; digest is that of its end, in hex. */
static int read_file(const char *path, struct sums *sums, char digest[static CRYPT_SHA256_HEX])
{
	uint8_t bytes[CRYPT_SHA256_BYTES];
	struct record_reader *r;
	Bus__RecordEntry *e;
	struct arena arena;
	struct err err = {0};
	int rc;

	if (record_open(path, &r) < 0)
		return fault(path, strerror(errno));
	arena_init(&arena, ENTRY_CAP);
	while ((rc = record_next(r, &arena, &e, &err)) > 0) {
		take(sums, e);
		arena_done(&arena);
	}
	arena_done(&arena);
	if (rc < 0)
		rc = fault(path, err.items[0].en);
	else if (!record_ended(r))
		rc = fault(path, "it has no end");
	record_digest(r, bytes);
	crypt_hex(bytes, sizeof(bytes), digest);
	record_close(r);
	return rc;
}

/* --- reporting --- */

static struct sum **sorted(struct sums *sums)
{
	struct sum **list = base_alloc((sums->n + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct sum *s = sums->buckets[i]; s; s = s->next)
			list[n++] = s;
	qsort(list, n, sizeof(*list), compare_pointers);
	return list;
}

/* Rows of the report that begins at `from`: of one hour, and not too many. */
static size_t report_rows(struct sum *const *list, size_t from, size_t n,
			  Directory__UsageRow **rows)
{
	size_t k = 0;

	while (from + k < n && k < USAGE_ROWS_MAX &&
	       list[from + k]->hour_us == list[from]->hour_us) {
		rows[k] = &list[from + k]->row;
		k++;
	}
	return k;
}

static int report_all(const struct sums *sums, struct sum *const *list,
		      Directory__UsageReport *report, usage_report_fn *fn, void *arg)
{
	Directory__UsageRow *rows[USAGE_ROWS_MAX];
	int64_t first_us = sums->opened_us + sums->offset_us;
	size_t at = 0;
	int rc;

	report->rows = rows;
	do {
		int64_t hour_us = at < sums->n ? list[at]->hour_us : first_us - first_us % HOUR_US;

		report->part = at > 0 && hour_us == report->hour_us ? report->part + 1 : 0;
		report->hour_us = hour_us;
		report->n_rows = report_rows(list, at, sums->n, rows);
		at += report->n_rows;
		report->complete = at == sums->n;
		rc = fn(report, arg);
	} while (rc == 0 && at < sums->n);
	return rc;
}

int usage_of_file(const char *dir, const char *name, usage_report_fn *fn, void *arg)
{
	Directory__UsageReport report = DIRECTORY__USAGE_REPORT__INIT;
	CLEANUP_FREE struct sums *sums = base_alloc(sizeof(*sums));
	CLEANUP_FREE struct sum **list = NULL;
	char digest[CRYPT_SHA256_HEX], path[4096];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	arena_init(&sums->arena, SUMS_CAP);
	rc = read_file(path, sums, digest);
	if (rc == 0) {
		list = sorted(sums);
		report.broker = sums->broker;
		report.file = name;
		report.file_sha256 = digest;
		rc = report_all(sums, list, &report, fn, arg);
	}
	arena_done(&sums->arena);
	return rc;
}
