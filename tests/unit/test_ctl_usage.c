// with: services/ctl/usage.c services/ctl/ctl.c
/*
 * Usage out of record files: hours of the business clock, sums, parts, files that are not whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/record/record.h"
#include "services/ctl/usage.h"

#define T0     1716253200000000LL /* 2024-05-21T01:00:00Z */
#define HOUR   (3600 * CLOCK_US_PER_S)
#define MINUTE (60 * CLOCK_US_PER_S)

struct fixture {
	char dir[64];
	struct record_writer *w;
	struct record_link link;
};

static int setup(void **state)
{
	struct fixture *f = base_alloc(sizeof(*f));

	clock_set_business_offset_us(0);
	snprintf(f->dir, sizeof(f->dir), "/tmp/ctl-usage-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[512];
	struct dirent *d;
	DIR *it = opendir(f->dir);

	while (it && (d = readdir(it))) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, d->d_name);
		unlink(path);
	}
	closedir(it);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void open_file(struct fixture *f)
{
	assert_int_equal(record_create(f->dir, "bus-1", T0, &f->link, &f->w), 0);
}

static void add(struct fixture *f, const char *method, Common__Status status, int64_t at_us)
{
	Bus__RecordEntry e = BUS__RECORD_ENTRY__INIT;
	Bus__Record r = BUS__RECORD__INIT;
	uint64_t lost;

	r.member = "VN/GOV/H40/one-stop";
	r.provider = "VN/GOV/H40/lgsp-dossier";
	r.service = "dossier";
	r.method = method;
	r.status = status;
	r.request_bytes = 10;
	r.reply_bytes = 100;
	r.arrived_us = at_us;
	e.entry_case = BUS__RECORD_ENTRY__ENTRY_REQUEST;
	e.request = &r;
	if (!record_has_room(f->w))
		assert_int_equal(record_flush(f->w, &lost), 0);
	record_append(f->w, &e);
}

static void close_file(struct fixture *f)
{
	uint64_t lost;

	assert_int_equal(record_flush(f->w, &lost), 0);
	assert_int_equal(record_finish(f->w, T0 + HOUR, &f->link), 0);
}

/* --- what was reported --- */

struct seen {
	unsigned reports, completes;
	size_t rows;
	int64_t requests, bytes, hours[8];
	uint32_t parts[8];
	size_t rows_of[8];
	char first[64];
	int answer;
};

static int see(const Directory__UsageReport *r, void *arg)
{
	struct seen *s = arg;

	assert_true(s->reports < ARRAY_LEN(s->hours));
	s->hours[s->reports] = r->hour_us;
	s->parts[s->reports] = r->part;
	s->rows_of[s->reports] = r->n_rows;
	s->reports++;
	s->completes += r->complete;
	s->rows += r->n_rows;
	assert_string_equal(r->broker, "bus-1");
	assert_int_equal(strlen(r->file_sha256), 64);
	for (size_t i = 0; i < r->n_rows; i++) {
		s->requests += r->rows[i]->requests;
		s->bytes += r->rows[i]->request_bytes + r->rows[i]->reply_bytes;
	}
	return s->answer;
}

static void hours_are_summed_up(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0};

	open_file(f);
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0 + MINUTE);
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0 + 59 * MINUTE);
	add(f, "Submit", COMMON__STATUS__STATUS_BUSY, T0 + 2 * MINUTE);
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0 + 60 * MINUTE);
	close_file(f);
	assert_int_equal(usage_of_file(f->dir, f->link.name, see, &s), 0);
	assert_int_equal(s.reports, 2);
	assert_int_equal(s.completes, 1);
	assert_int_equal(s.hours[0], T0);
	assert_int_equal(s.hours[1], T0 + HOUR);
	assert_int_equal(s.rows_of[0], 2);
	assert_int_equal(s.rows_of[1], 1);
	assert_int_equal(s.requests, 4);
	assert_int_equal(s.bytes, 440);
}

/* The business clock of the file's head says the hour. */
static void hours_are_business_hours(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0};

	clock_set_business_offset_us(-100 * 24 * HOUR);
	open_file(f);
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0 + MINUTE);
	close_file(f);
	assert_int_equal(usage_of_file(f->dir, f->link.name, see, &s), 0);
	assert_int_equal(s.hours[0], T0 - 100 * 24 * HOUR);
}

static void many_kinds_come_in_parts(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0};
	char method[32];

	open_file(f);
	for (int i = 0; i < 1200; i++) {
		snprintf(method, sizeof(method), "M%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
			 'a' + i / 676);
		add(f, method, COMMON__STATUS__STATUS_OK, T0 + i);
	}
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0 + HOUR);
	close_file(f);
	assert_int_equal(usage_of_file(f->dir, f->link.name, see, &s), 0);
	assert_int_equal(s.reports, 4);
	assert_int_equal(s.completes, 1);
	assert_int_equal(s.parts[2], 2);
	assert_int_equal(s.rows_of[2], 200);
	assert_int_equal(s.parts[3], 0);
	assert_int_equal(s.requests, 1201);
}

static void file_without_requests_is_reported_too(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0};

	open_file(f);
	close_file(f);
	assert_int_equal(usage_of_file(f->dir, f->link.name, see, &s), 0);
	assert_int_equal(s.reports, 1);
	assert_int_equal(s.completes, 1);
	assert_int_equal(s.rows, 0);
}

static void refusal_ends_the_file(void **state)
{
	struct fixture *f = *state;
	struct seen s = {.answer = 1};

	open_file(f);
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0);
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0 + HOUR);
	close_file(f);
	assert_int_equal(usage_of_file(f->dir, f->link.name, see, &s), 1);
	assert_int_equal(s.reports, 1);
}

static void file_that_is_not_whole_is_not_counted(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0};
	char path[512];

	open_file(f);
	add(f, "Submit", COMMON__STATUS__STATUS_OK, T0);
	close_file(f);
	snprintf(path, sizeof(path), "%s/%s", f->dir, f->link.name);
	assert_int_equal(truncate(path, 150), 0);
	assert_int_equal(usage_of_file(f->dir, f->link.name, see, &s), 1);
	assert_int_equal(usage_of_file(f->dir, "nothing", see, &s), 1);
	assert_int_equal(s.reports, 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hours_are_summed_up),      TEST(hours_are_business_hours),
		TEST(many_kinds_come_in_parts), TEST(file_without_requests_is_reported_too),
		TEST(refusal_ends_the_file),    TEST(file_that_is_not_whole_is_not_counted),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
