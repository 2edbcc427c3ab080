// with: services/bus/records.c services/bus/record_ring.c services/bus/record_store.c
/*
 * Operational records: the ring and its gaps, files that are closed by size and age, chained and
 * removed, what a crash leaves, a disk that refuses, files that were touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/record/record.h"
#include "services/bus/records.h"

#define BROKER "bus-1"
#define T0     1716253200000000LL /* 2024-05-21T01:00:00Z */
#define SECOND CLOCK_US_PER_S

struct fixture {
	char dir[64];
	struct record_store_config config;
	struct arena arena;
};

static int setup(void **state)
{
	struct fixture *f = base_alloc(sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/bus-records-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->config = (struct record_store_config){.dir = f->dir,
						 .broker = BROKER,
						 .max_bytes = 1 << 20,
						 .max_age_us = 600 * SECOND,
						 .keep_us = 86400 * SECOND,
						 .keep_bytes = 1 << 30};
	arena_init(&f->arena, 16 << 20);
	*state = f;
	return 0;
}

static void empty_folder(const char *dir)
{
	char path[512];
	struct dirent *d;
	DIR *it = opendir(dir);

	while (it && (d = readdir(it))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		unlink(path);
	}
	if (it)
		closedir(it);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	empty_folder(f->dir);
	rmdir(f->dir);
	arena_done(&f->arena);
	free(f);
	return 0;
}

/* --- what is in the folder --- */

static int names_of(struct fixture *f, char ***ret)
{
	int n = record_list(f->dir, &f->arena, ret);

	assert_true(n >= 0);
	return n;
}

struct seen {
	uint64_t requests, missing;
	char methods[4096]; /* one after the other */
	bool ended, recovered;
	char previous[RECORD_NAME_MAX];
	uint8_t previous_sha256[CRYPT_SHA256_BYTES];
	int rc;
};

static void see_entry(struct seen *s, const Bus__RecordEntry *e)
{
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_HEAD) {
		snprintf(s->previous, sizeof(s->previous), "%s", e->head->previous_file);
		if (e->head->previous_sha256.len == sizeof(s->previous_sha256))
			memcpy(s->previous_sha256, e->head->previous_sha256.data,
			       sizeof(s->previous_sha256));
	}
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_REQUEST)
		strncat(s->methods, e->request->method,
			sizeof(s->methods) - strlen(s->methods) - 1);
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_END)
		s->recovered = e->end->recovered;
}

static struct seen read_file(struct fixture *f, const char *name)
{
	struct seen s = {0};
	struct record_reader *r;
	Bus__RecordEntry *e;
	char path[512];
	struct err err = {0};

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(record_open(path, &r), 0);
	while ((s.rc = record_next(r, &f->arena, &e, &err)) > 0)
		see_entry(&s, e);
	s.requests = record_requests(r);
	s.missing = record_missing(r);
	s.ended = record_ended(r);
	record_close(r);
	return s;
}

static struct record make(const char *method)
{
	struct record r = {.member = "VN/GOV/H40/one-stop",
			   .provider = "VN/GOV/H40/lgsp-dossier",
			   .arrived_us = T0,
			   .dispatched_us = T0 + 10,
			   .answered_us = T0 + 20,
			   .forwarded_us = T0 + 30,
			   .request_bytes = 100,
			   .reply_bytes = 200,
			   .attempt = 1,
			   .dispatches = 1,
			   .by_worker = true,
			   .has_id = true,
			   .message_id = "0123456789abcde",
			   .service = "dossier",
			   .worker = "dossier-1"};

	snprintf(r.method, sizeof(r.method), "%s", method);
	return r;
}

static void add(struct record_store *s, const char *method, int64_t now_us)
{
	struct record r = make(method);

	record_store_add(s, &r, now_us);
}

/* --- the ring --- */

static void put(struct record_ring *ring, const char *method, bool expected)
{
	struct record r = make(method);

	assert_int_equal(record_ring_put(ring, &r), expected);
}

static void assert_oldest(struct record_ring *ring, const char *method, uint64_t gap)
{
	const struct record *r = record_ring_oldest(ring);

	assert_non_null(r);
	assert_int_equal(r->gap, gap);
	if (gap == 0)
		assert_string_equal(r->method, method);
	record_ring_take(ring);
}

static void full_ring_becomes_a_gap_in_its_place(void **state)
{
	struct record_ring *ring = record_ring_new(4);

	(void)state;
	put(ring, "A", true);
	put(ring, "B", true);
	put(ring, "C", true);
	put(ring, "D", true);
	put(ring, "E", false);
	put(ring, "F", false);
	assert_int_equal(record_ring_missing(ring), 2);
	assert_true(record_ring_settle(ring));
	assert_oldest(ring, "A", 0);
	/* One slot: the gap takes it, and the next record joins another gap. */
	put(ring, "G", false);
	assert_oldest(ring, "B", 0);
	assert_oldest(ring, "C", 0);
	assert_oldest(ring, "D", 0);
	put(ring, "H", true);
	assert_oldest(ring, "", 2);
	assert_oldest(ring, "", 1);
	assert_oldest(ring, "H", 0);
	assert_null(record_ring_oldest(ring));
	assert_int_equal(record_ring_missing(ring), 3);
	record_ring_free(ring);
}

static void newest_records_can_be_looked_back_at(void **state)
{
	struct record_ring *ring = record_ring_new(4);

	(void)state;
	assert_null(record_ring_recent(ring, 0));
	for (const char *m = "ABCDEF"; *m; m++) {
		put(ring, (char[]){*m, 0}, true);
		record_ring_take(ring);
	}
	assert_string_equal(record_ring_recent(ring, 0)->method, "F");
	assert_string_equal(record_ring_recent(ring, 3)->method, "C");
	assert_null(record_ring_recent(ring, 4));
	record_ring_free(ring);
}

/* --- files --- */

static void every_field_survives(void **state)
{
	struct fixture *f = *state;
	struct record_store *s = record_store_new(&f->config);
	struct record r = make("Submit");
	Bus__RecordEntry *e;
	struct record_reader *reader;
	struct err err = {0};
	char **names, path[512];

	snprintf(r.subject, sizeof(r.subject), "officer-1");
	snprintf(r.purpose, sizeof(r.purpose), "audit");
	snprintf(r.code, sizeof(r.code), "QUEUE_FULL");
	snprintf(r.trace_id, sizeof(r.trace_id), "0af7651916cd43dd8448eb211c80319c");
	r.status = ERR_BUSY;
	r.unknown = true;
	record_store_add(s, &r, T0);
	record_store_free(s, T0 + 1);
	assert_int_equal(names_of(f, &names), 1);
	assert_string_equal(names[0], "20240521T010000.000000Z.bus-1.1.rec");
	snprintf(path, sizeof(path), "%s/%s", f->dir, names[0]);
	assert_int_equal(record_open(path, &reader), 0);
	assert_int_equal(record_next(reader, &f->arena, &e, &err), 1);
	assert_string_equal(e->head->broker, BROKER);
	assert_int_equal(record_next(reader, &f->arena, &e, &err), 1);
	assert_string_equal(e->request->member, r.member);
	assert_string_equal(e->request->provider, r.provider);
	assert_string_equal(e->request->subject, "officer-1");
	assert_string_equal(e->request->purpose, "audit");
	assert_string_equal(e->request->code, "QUEUE_FULL");
	assert_string_equal(e->request->trace_id, r.trace_id);
	assert_string_equal(e->request->worker, "dossier-1");
	assert_memory_equal(e->request->message_id.data, r.message_id, 16);
	assert_int_equal(e->request->status, COMMON__STATUS__STATUS_BUSY);
	assert_int_equal(e->request->outcome, COMMON__OUTCOME__OUTCOME_UNKNOWN);
	assert_int_equal(e->request->decided_by, BUS__RECORD_DECIDER__RECORD_DECIDER_WORKER);
	assert_int_equal(e->request->arrived_us, T0);
	assert_int_equal(e->request->dispatched_us, T0 + 10);
	assert_int_equal(e->request->answered_us, T0 + 20);
	assert_int_equal(e->request->forwarded_us, T0 + 30);
	assert_int_equal(e->request->request_bytes, 100);
	assert_int_equal(e->request->reply_bytes, 200);
	record_close(reader);
}

static void files_are_closed_by_size_and_age_and_chained(void **state)
{
	struct fixture *f = *state;
	struct record_store *s;
	struct seen first, second;
	uint8_t digest[CRYPT_SHA256_BYTES];
	struct record_reader *r;
	Bus__RecordEntry *e;
	struct err err = {0};
	char **names, path[512];

	f->config.max_bytes = 4096;
	s = record_store_new(&f->config);
	for (int i = 0; i < 40; i++)
		add(s, "A", T0 + i);
	record_store_flush(s, T0 + 50);
	assert_int_equal(names_of(f, &names), 1);
	assert_true(record_is_closed(names[0], BROKER));
	add(s, "B", T0 + SECOND);
	record_store_flush(s, T0 + 600 * SECOND);
	assert_int_equal(names_of(f, &names), 2);
	assert_true(record_is_open(names[1], BROKER));
	record_store_flush(s, T0 + 601 * SECOND);
	assert_int_equal(names_of(f, &names), 2);
	assert_true(record_is_closed(names[1], BROKER));
	record_store_free(s, T0 + 602 * SECOND);
	first = read_file(f, names[0]);
	second = read_file(f, names[1]);
	assert_int_equal(first.requests, 40);
	assert_true(first.ended && second.ended && !second.recovered);
	assert_string_equal(first.previous, "");
	assert_string_equal(second.previous, names[0]);
	snprintf(path, sizeof(path), "%s/%s", f->dir, names[0]);
	assert_int_equal(record_open(path, &r), 0);
	while (record_next(r, &f->arena, &e, &err) > 0)
		;
	record_digest(r, digest);
	record_close(r);
	assert_memory_equal(second.previous_sha256, digest, sizeof(digest));
	/* A new process goes on with the chain. */
	s = record_store_new(&f->config);
	add(s, "C", T0 + 700 * SECOND);
	record_store_free(s, T0 + 701 * SECOND);
	assert_int_equal(names_of(f, &names), 3);
	assert_string_equal(read_file(f, names[2]).previous, names[1]);
}

static void nothing_to_record_makes_no_file(void **state)
{
	struct fixture *f = *state;
	struct record_store *s = record_store_new(&f->config);
	char **names;

	record_store_flush(s, T0);
	record_store_flush(s, T0 + 700 * SECOND);
	record_store_free(s, T0 + 701 * SECOND);
	assert_int_equal(names_of(f, &names), 0);
}

/* Another broker's files stay; of ours the newest does. */
static void old_files_are_removed(void **state)
{
	struct fixture *f = *state;
	struct record_store *s;
	char **names, path[512];
	FILE *other;

	snprintf(path, sizeof(path), "%s/20200101T000000.000000Z.bus-2.0.rec", f->dir);
	other = fopen(path, "we");
	assert_non_null(other);
	fclose(other);
	f->config.max_bytes = 1;
	f->config.keep_bytes = 1;
	s = record_store_new(&f->config);
	for (int i = 0; i < 5; i++) {
		add(s, "A", T0 + i * SECOND);
		record_store_flush(s, T0 + i * SECOND);
	}
	assert_int_equal(names_of(f, &names), 2);
	assert_string_equal(names[0], "20200101T000000.000000Z.bus-2.0.rec");
	assert_string_equal(names[1], "20240521T010004.000000Z.bus-1.1.rec");
	/* By age: the files were written today, far beyond a day after 2024. */
	f->config.keep_bytes = 1 << 30;
	record_store_free(s, T0 + 10 * SECOND);
	s = record_store_new(&f->config);
	add(s, "B", clock_wall_us() + 2 * f->config.keep_us);
	record_store_flush(s, clock_wall_us() + 2 * f->config.keep_us);
	assert_int_equal(names_of(f, &names), 2);
	assert_int_equal(read_file(f, names[1]).requests, 1);
	record_store_free(s, clock_wall_us() + 2 * f->config.keep_us);
}

/* --- crashes --- */

/* A child writes and is killed in the middle; cut: bytes of the last record taken away. */
static void crash(struct fixture *f, off_t cut)
{
	char **names, path[512];
	struct stat st;
	struct record_link link = {0};
	struct record_writer *w;
	uint64_t lost;

	assert_int_equal(record_create(f->dir, BROKER, T0, &link, &w), 0);
	for (const char *m = "ABC"; *m; m++) {
		char method[] = {*m, 0};
		Bus__Record r = BUS__RECORD__INIT;
		Bus__RecordEntry e = BUS__RECORD_ENTRY__INIT;

		r.method = method;
		e.entry_case = BUS__RECORD_ENTRY__ENTRY_REQUEST;
		e.request = &r;
		record_append(w, &e);
	}
	assert_int_equal(record_flush(w, &lost), 0);
	record_abandon(w);
	assert_int_equal(names_of(f, &names), 1);
	snprintf(path, sizeof(path), "%s/%s", f->dir, names[0]);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - cut), 0);
}

static void torn_tail_is_readable_and_closed_up(void **state)
{
	struct fixture *f = *state;
	struct record_store *s;
	struct seen seen;
	char **names;

	crash(f, 2);
	assert_int_equal(names_of(f, &names), 1);
	seen = read_file(f, names[0]);
	assert_int_equal(seen.rc, 0);
	assert_string_equal(seen.methods, "AB");
	assert_false(seen.ended);
	s = record_store_new(&f->config);
	add(s, "D", T0 + SECOND);
	record_store_free(s, T0 + 2 * SECOND);
	assert_int_equal(names_of(f, &names), 2);
	assert_string_equal(names[0], "20240521T010000.000000Z.bus-1.2.rec");
	seen = read_file(f, names[0]);
	assert_true(seen.ended && seen.recovered);
	assert_string_equal(seen.methods, "AB");
	assert_string_equal(read_file(f, names[1]).previous, names[0]);
}

static void file_without_a_head_is_removed(void **state)
{
	struct fixture *f = *state;
	struct record_link link;
	char **names, path[512], fault[RECORD_NAME_MAX];

	crash(f, 0);
	assert_int_equal(names_of(f, &names), 1);
	snprintf(path, sizeof(path), "%s/%s", f->dir, names[0]);
	assert_int_equal(truncate(path, 3), 0);
	assert_int_equal(record_recover(f->dir, BROKER, T0, &link, fault), 0);
	assert_int_equal(names_of(f, &names), 0);
	assert_string_equal(link.name, "");
}

static void file_of_a_living_writer_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct record_link link = {0};
	struct record_writer *w;
	char **names, fault[RECORD_NAME_MAX];

	assert_int_equal(record_create(f->dir, BROKER, T0, &link, &w), 0);
	assert_int_equal(record_recover(f->dir, BROKER, T0, &link, fault), 0);
	assert_int_equal(names_of(f, &names), 1);
	assert_true(record_is_open(names[0], BROKER));
	assert_int_equal(record_finish(w, T0, &link), 0);
	assert_string_equal(link.name, "20240521T010000.000000Z.bus-1.0.rec");
}

/* --- files that were touched --- */

static int read_changed(struct fixture *f, off_t at, const char *bytes, size_t n)
{
	char **names, path[512];
	int fd;

	assert_true(names_of(f, &names) == 1);
	snprintf(path, sizeof(path), "%s/%s", f->dir, names[0]);
	fd = open(path, O_WRONLY | O_CLOEXEC | (at < 0 ? O_APPEND : 0));
	assert_true(fd >= 0);
	assert_int_equal(at < 0 ? write(fd, bytes, n) : pwrite(fd, bytes, n, at), n);
	close(fd);
	return read_file(f, names[0]).rc;
}

static void changed_files_are_found(void **state)
{
	static const struct {
		off_t at; /* -1: behind the end */
		const char *bytes;
		size_t n;
	} changes[] = {
		{0, "\0", 1},          /* a length of nothing */
		{3, "X", 1},           /* another format */
		{90, "\x7f", 1},       /* a record's bytes */
		{-1, "\x02\x1a\0", 3}, /* a gap behind the end */
		{-1, "\xff\xff\x01", 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct fixture *f;
		struct record_store *s;
		void *own;

		setup(&own);
		f = own;
		s = record_store_new(&f->config);
		add(s, "Submit", T0);
		record_store_free(s, T0);
		assert_int_equal(read_changed(f, changes[i].at, changes[i].bytes, changes[i].n),
				 ERR_INVALID);
		teardown(&own);
	}
}

/* --- a disk that refuses --- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static rlim_t file_size(struct fixture *f, const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(stat(path, &st), 0);
	return (rlim_t)st.st_size;
}

static void full_disk_becomes_a_gap(void **state)
{
	struct fixture *f = *state;
	struct record_store *s = record_store_new(&f->config);
	struct seen seen;
	char **names;

	add(s, "A", T0);
	record_store_flush(s, T0);
	assert_int_equal(names_of(f, &names), 1);
	limit_files(file_size(f, names[0]) + 10);
	for (int i = 0; i < 3; i++)
		add(s, "B", T0 + 1);
	record_store_flush(s, T0 + 1);
	assert_int_equal(record_store_lost(s), 3);
	add(s, "C", T0 + 2);
	record_store_flush(s, T0 + 2); /* the gap and C do not fit either */
	assert_int_equal(record_store_lost(s), 4);
	limit_files(RLIM_INFINITY);
	add(s, "D", T0 + 3);
	record_store_free(s, T0 + 3);
	assert_int_equal(names_of(f, &names), 1);
	seen = read_file(f, names[0]);
	assert_true(seen.ended);
	assert_string_equal(seen.methods, "AD");
	assert_int_equal(seen.missing, 4);
}

static void missing_folder_becomes_a_gap(void **state)
{
	struct fixture *f = *state;
	struct record_store *s;
	struct seen seen;
	char **names;

	assert_int_equal(rmdir(f->dir), 0);
	s = record_store_new(&f->config);
	add(s, "A", T0);
	add(s, "B", T0 + 1);
	record_store_flush(s, T0 + 1);
	assert_int_equal(record_store_lost(s), 2);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	record_store_flush(s, T0 + 2 * SECOND);
	add(s, "C", T0 + 2 * SECOND);
	record_store_free(s, T0 + 3 * SECOND);
	assert_int_equal(names_of(f, &names), 1);
	seen = read_file(f, names[0]);
	assert_string_equal(seen.methods, "C");
	assert_int_equal(seen.missing, 2);
}

/* --- with its thread --- */

static void thread_writes_all_it_was_given(void **state)
{
	struct fixture *f = *state;
	struct records *r = records_new(&f->config, 1024);
	struct record one = make("A");
	uint64_t requests = 0, missing = 0;
	char **names;

	for (int i = 0; i < 5000; i++) {
		records_put(r, &one);
		if (i % 100 == 0)
			records_tick(r);
	}
	records_free(r);
	for (int i = 0, n = names_of(f, &names); i < n; i++) {
		struct seen seen = read_file(f, names[i]);

		assert_true(seen.ended);
		requests += seen.requests;
		missing += seen.missing;
	}
	assert_int_equal(requests + missing, 5000);
}

static void without_a_folder_the_newest_are_kept(void **state)
{
	static const struct record_store_config none = {.dir = "", .broker = BROKER};
	struct records *r = records_new(&none, 64);
	struct record one = make("A");

	(void)state;
	for (int i = 0; i < 100; i++)
		records_put(r, &one);
	records_tick(r);
	one = make("Z");
	records_put(r, &one);
	assert_string_equal(records_recent(r, 0)->method, "Z");
	assert_string_equal(records_recent(r, 63)->method, "A");
	assert_null(records_recent(r, 64));
	records_free(r);
}

static void names_are_told_apart(void **state)
{
	(void)state;
	assert_true(record_broker_valid("bus-1"));
	assert_false(record_broker_valid(""));
	assert_false(record_broker_valid("../bus"));
	assert_false(record_broker_valid("bus.1"));
	assert_true(record_is_open("20240521T010000.000000Z.bus-1.open", "bus-1"));
	assert_false(record_is_open("20240521T010000.000000Z.bus-1.open", "bus-11"));
	assert_false(record_is_open("20240521T010000.000000Z.bus-11.open", "bus-1"));
	assert_false(record_is_closed("20240521T010000.000000Z.bus-1.open", NULL));
	assert_true(record_is_closed("20240521T010000.000000Z.bus-1.17.rec", NULL));
	assert_false(record_is_closed("20240521T010000.000000Z.bus-1.rec", NULL));
	assert_false(record_is_closed("20240521T010000.000000Z.bus-1.1.rec.gz", NULL));
	assert_false(record_is_closed("notes", NULL));
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_ring_becomes_a_gap_in_its_place),
		cmocka_unit_test(newest_records_can_be_looked_back_at),
		TEST(every_field_survives),
		TEST(files_are_closed_by_size_and_age_and_chained),
		TEST(nothing_to_record_makes_no_file),
		TEST(old_files_are_removed),
		TEST(torn_tail_is_readable_and_closed_up),
		TEST(file_without_a_head_is_removed),
		TEST(file_of_a_living_writer_is_left_alone),
		cmocka_unit_test(changed_files_are_found),
		TEST(full_disk_becomes_a_gap),
		TEST(missing_folder_becomes_a_gap),
		TEST(thread_writes_all_it_was_given),
		cmocka_unit_test(without_a_folder_the_newest_are_kept),
		cmocka_unit_test(names_are_told_apart),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
