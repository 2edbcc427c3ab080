// with: tests/it/dossier_rig.c
/* The state of the national synchronisation: offered, acknowledged, refused, offered again. */
#include "tests/it/dossier_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lgsp/dossier/v1/lists.pb-c.h"

#define DOSSIERS 3

static char codes[DOSSIERS][64], secret[64];
static char long_message[600];

/* Until the job has seen a version of a dossier. */
static void wait_version(const char *code, int version)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "SELECT version FROM national_sync WHERE dossier = '%s'", code);
	assert_true(pg_wait_int(rig.pg, "dossier", sql, version, 10000));
}

static int start(void **state)
{
	struct filing f;
	struct ask a;

	set_up(state);
	memset(long_message, 'x', sizeof(long_message) - 1);
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	for (int i = 0; i < DOSSIERS; i++) {
		file_one(&a, &f, codes[i], secret);
		wait_version(codes[i], 1);
	}
	ask_done(&a);
	return 0;
}

static int pending(struct ask *a, const char *after, uint32_t limit, bool failed,
		   Dossier__SyncPendingReply **out)
{
	return CALL(a, NULL, SyncPending, sync_pending, out, in_.after_code = after;
		    in_.limit = limit; in_.with_failed = failed);
}

static int report(struct ask *a, const char *code, int version, bool acknowledged,
		  const char *message, Dossier__SyncReportReply **out)
{
	return CALL(a, NULL, SyncReport, sync_report, out, in_.code = code; in_.version = version;
		    in_.acknowledged = acknowledged; in_.message = message);
}

static void test_what_the_portal_does_not_know_is_offered(void **state)
{
	Dossier__SyncPendingReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	assert_int_equal(pending(&a, "", 2, false, &out), 0);
	assert_int_equal(out->n_items, 2);
	assert_true(out->more);
	assert_string_equal(out->items[0]->code, codes[0]);
	assert_int_equal(out->items[0]->version, 1);
	assert_int_equal(out->items[0]->version_acknowledged, 0);
	assert_int_equal(out->items[0]->dossier_state, 1);
	assert_int_equal(pending(&a, codes[1], 2, false, &out), 0);
	assert_int_equal(out->n_items, 1);
	assert_false(out->more);
	assert_string_equal(out->items[0]->code, codes[2]);
	/* Procedures are in the feed too; they are none of its dossiers. */
	assert_int_equal(count("SELECT count(*) FROM national_sync"), DOSSIERS);
	ask_done(&a);
}

static void test_acknowledged_until_something_new_happens(void **state)
{
	Dossier__SyncReportReply *out;
	Dossier__SyncPendingReply *list;
	struct ask a, b;

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	assert_int_equal(report(&a, codes[0], 1, true, "", &out), 0);
	assert_int_equal(out->state, DOSSIER__SYNC_STATE__SYNC_STATE_ACKNOWLEDGED);
	assert_int_equal(pending(&a, "", 0, true, &list), 0);
	assert_int_equal(list->n_items, 2);

	assert_int_equal(accept_it(&b, &clerk, codes[0], NULL), 0);
	wait_version(codes[0], 2);
	assert_int_equal(pending(&a, "", 0, false, &list), 0);
	assert_int_equal(list->n_items, 3);
	assert_int_equal(list->items[0]->version, 2);
	assert_int_equal(list->items[0]->version_acknowledged, 1);
	/* An answer to the older version comes late, twice: what is new stays pending. */
	assert_int_equal(report(&a, codes[0], 1, true, "", &out), 0);
	assert_int_equal(out->state, DOSSIER__SYNC_STATE__SYNC_STATE_PENDING);
	assert_int_equal(report(&a, codes[0], 1, false, "chậm", &out), 0);
	assert_int_equal(out->state, DOSSIER__SYNC_STATE__SYNC_STATE_PENDING);
	assert_int_equal(report(&a, codes[0], 2, true, "", &out), 0);
	assert_int_equal(out->state, DOSSIER__SYNC_STATE__SYNC_STATE_ACKNOWLEDGED);
	/* A refusal of what it has acknowledged changes nothing. */
	assert_int_equal(report(&a, codes[0], 2, false, "đã tồn tại", &out), 0);
	assert_int_equal(out->state, DOSSIER__SYNC_STATE__SYNC_STATE_ACKNOWLEDGED);
	ask_done(&a);
	ask_done(&b);
}

static void test_refused_is_kept_apart_and_never_touches_the_dossier(void **state)
{
	Dossier__SyncReportReply *out;
	Dossier__SyncPendingReply *list;
	struct ask a, b;
	char sql[200];

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	assert_int_equal(report(&a, codes[1], 1, false, "Thiếu mã lĩnh vực", &out), 0);
	assert_int_equal(out->state, DOSSIER__SYNC_STATE__SYNC_STATE_FAILED);
	assert_int_equal(report(&a, codes[1], 1, false, "Thiếu mã lĩnh vực", &out), 0);
	assert_int_equal(pending(&a, "", 0, false, &list), 0);
	assert_int_equal(list->n_items, 1);
	assert_int_equal(pending(&a, "", 0, true, &list), 0);
	assert_int_equal(list->n_items, 2);
	assert_string_equal(list->items[0]->message, "Thiếu mã lĩnh vực");
	assert_int_equal(list->items[0]->attempts, 2);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM dossier WHERE code = '%s' AND state = 1 AND version = 1",
		 codes[1]);
	assert_int_equal(count(sql), 1);
	/* The next version is a new try. */
	assert_int_equal(accept_it(&b, &clerk, codes[1], NULL), 0);
	wait_version(codes[1], 2);
	assert_int_equal(pending(&a, "", 0, false, &list), 0);
	assert_int_equal(list->n_items, 2);
	ask_done(&a);
	ask_done(&b);
}

static void test_reports_are_done_once(void **state)
{
	Dossier__SyncReportReply *out;
	struct ask a;
	char sql[200];

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	memset(a.message_id, 7, sizeof(a.message_id));
	assert_int_equal(report(&a, codes[2], 1, false, "bận", &out), 0);
	assert_int_equal(report(&a, codes[2], 1, false, "bận", &out), 0);
	assert_true(a.reply.replayed);
	snprintf(sql, sizeof(sql), "SELECT attempts FROM national_sync WHERE dossier = '%s'",
		 codes[2]);
	assert_int_equal(count(sql), 1);
	ask_done(&a);
}

static void test_refusals(void **state)
{
	struct ask a, b;

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	assert_int_equal(report(&a, codes[0], 3, true, "", NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "SYNC_NOT_OFFERED", "version"));
	assert_int_equal(report(&a, codes[0], 0, true, "", NULL), ERR_CONFLICT);
	assert_int_equal(report(&a, COMMUNE "-240521-7777", 1, true, "", NULL), ERR_NOT_FOUND);
	assert_true(ask_has(&a, "UNKNOWN_DOSSIER", "code"));
	assert_int_equal(report(&a, codes[0], 2, true, long_message, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "message"));
	assert_int_equal(pending(&a, "", 501, false, NULL), ERR_INVALID);
	assert_int_equal(CALL(&b, &clerk, SyncPending, sync_pending, NULL, (void)0), ERR_DENIED);
	assert_true(ask_has(&b, "EXPOSURE_DENIED", NULL));
	assert_int_equal(CALL(&b, &clerk, SyncReport, sync_report, NULL, in_.code = codes[0]),
			 ERR_DENIED);
	ask_done(&a);
	ask_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_portal_does_not_know_is_offered),
		cmocka_unit_test(test_acknowledged_until_something_new_happens),
		cmocka_unit_test(test_refused_is_kept_apart_and_never_touches_the_dossier),
		cmocka_unit_test(test_reports_are_done_once),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, start, tear_down);
}
