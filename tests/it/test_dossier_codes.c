// with: tests/it/dossier_rig.c
/* Codes of dossiers are dense per agency and day: many at once, two replicas, one killed meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/uuid.h"
#include "tests/it/dossier_rig.h"

#define THREADS 8
#define EACH    20
#define TRIES   40

/*
 * What is wrong with the codes of an agency: ordinals that are missing, given twice, or not what
 * the counter says. 0 when they are 1 … n without a gap.
 */
static int64_t gaps(const char *agency)
{
	char sql[600];

	snprintf(sql, sizeof(sql),
		 "SELECT coalesce(sum(abs(n - last) + abs(n - highest) + abs(n - different)), 0)"
		 " FROM (SELECT split_part(code, '-', 2) AS day, count(*) AS n,"
		 "   max(split_part(code, '-', 3)::bigint) AS highest,"
		 "   count(DISTINCT split_part(code, '-', 3)::bigint) AS different"
		 "  FROM dossier WHERE receiving_agency = '%s' GROUP BY 1) d"
		 " JOIN code_counter k ON k.agency = '%s' AND to_char(k.day, 'YYMMDD') = d.day",
		 agency, agency);
	return count(sql);
}

struct worker {
	pthread_t thread;
	unsigned filed, refused, lost;
};

static atomic_uint acknowledged;

/* Files until it is acknowledged, with the same message id: whatever was killed, it is one. */
static void file_surely(struct worker *w, struct ask *a, const struct filing *f)
{
	uuid_v7(a->message_id);
	for (int i = 0; i < TRIES; i++) {
		int r = submit(a, &citizen, f, NULL);

		if (r == 0) {
			w->filed++;
			acknowledged++;
			return;
		}
		if (ask_has(a, "AGENCY_NOT_IN_FORCE", NULL)) {
			w->refused++;
			return;
		}
	}
	w->lost++;
}

static void *file_many(void *arg)
{
	struct worker *w = arg;
	struct filing f;
	struct ask a;

	ask_init(&a, rig.gateway, "dossier");
	for (int i = 0; i < EACH; i++) {
		make_plain(&f);
		f.in.agency_code = OTHER;
		if (i % 5 == 4)
			f.in.competent_agency_code = GONE;
		file_surely(w, &a, &f);
	}
	ask_done(&a);
	return NULL;
}

static bool some_filed(void *arg)
{
	return acknowledged >= *(unsigned *)arg;
}

static void test_dense_over_replicas_and_deaths(void **state)
{
	static const char *const env[] = {"LGSP_INSTANCE=dossier-2", NULL};
	static struct worker workers[THREADS];
	struct svcd *replica = start_service(env);
	unsigned enough = THREADS * EACH / 4;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, file_many, &workers[i]),
				 0);
	assert_true(svcd_until(some_filed, &enough));
	svcd_kill(rig.svc);
	svcd_restart(rig.svc);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].lost, 0);
		assert_int_equal(workers[i].refused, EACH / 5);
		assert_int_equal(workers[i].filed, EACH - EACH / 5);
	}
	assert_int_equal(count("SELECT count(*) FROM dossier WHERE receiving_agency = '" OTHER "'"),
			 THREADS * (EACH - EACH / 5));
	assert_int_equal(gaps(OTHER), 0);
	svcd_kill(replica);
	svcd_free(replica);
}

/* The last of four and of five digits, and the one behind it. */
static void test_past_four_and_five_digits(void **state)
{
	static const struct {
		const char *before, *last, *behind;
	} cases[] = {
		{"9998", COMMUNE "-240521-9999", COMMUNE "-240521-10000"},
		{"99998", COMMUNE "-240521-99999", COMMUNE "-240521-100000"},
	};
	char code[64], secret[64], sql[200];
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(gaps(COMMUNE), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(sql, sizeof(sql),
			 "UPDATE code_counter SET last = %s WHERE agency = '" COMMUNE "'",
			 cases[i].before);
		pg_exec(rig.pg, "dossier", sql);
		file_one(&a, &f, code, secret);
		assert_string_equal(code, cases[i].last);
		file_one(&a, &f, code, secret);
		assert_string_equal(code, cases[i].behind);
		assert_int_equal(track_it(&a, code, secret, NULL), 0);
		assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	}
	/* The question sees the gaps that were made here. */
	assert_int_not_equal(gaps(COMMUNE), 0);
	ask_done(&a);
}

/* Each day begins with 1. */
static void test_each_day_begins_anew(void **state)
{
	char code[64], secret[64];
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	f.in.agency_code = OTHER;
	set_clock("2024-05-22 00:00");
	file_one(&a, &f, code, secret);
	assert_string_equal(code, OTHER "-240522-0001");
	file_one(&a, &f, code, secret);
	assert_string_equal(code, OTHER "-240522-0002");
	set_clock(NULL);
	assert_int_equal(gaps(OTHER), 0);
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dense_over_replicas_and_deaths),
		cmocka_unit_test(test_past_four_and_five_digits),
		cmocka_unit_test(test_each_day_begins_anew),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
