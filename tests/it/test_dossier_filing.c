// with: tests/it/dossier_rig.c
/* Filing and looking up: refusals, replays, codes without gaps, races, locks, deaths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/uuid.h"
#include "tests/it/dossier_rig.h"

/* --- refusals --- */

static void test_refused_filings(void **state)
{
	int64_t dossiers = count("SELECT count(*) FROM dossier");
	int64_t events;
	int64_t counters = count("SELECT sum(last) FROM code_counter");
	struct filing f;
	struct ask a;

	(void)state;
	relay_all();
	events = count("SELECT count(*) FROM feed");
	ask_init(&a, rig.gateway, "dossier");
#define BROKEN(who, change, code, field)                                                           \
	do {                                                                                       \
		make_filing(&f);                                                                   \
		change;                                                                            \
		assert_int_equal(refuse(&a, &who, &f, code, field), ERR_INVALID);                  \
	} while (0)
	BROKEN(citizen, f.in.procedure_code = "9.9", "UNKNOWN_PROCEDURE", "procedure_code");
	BROKEN(citizen, f.in.procedure_code = FUTURE, "PROCEDURE_NOT_IN_FORCE", "procedure_code");
	BROKEN(citizen, f.in.agency_code = "H40.77", "AGENCY_NOT_IN_FORCE", "agency_code");
	BROKEN(citizen, f.in.agency_code = GONE, "AGENCY_NOT_IN_FORCE", "agency_code");
	BROKEN(citizen, f.in.competent_agency_code = GONE, "AGENCY_NOT_IN_FORCE",
	       "competent_agency_code");
	BROKEN(citizen, f.in.competent_agency_code = DISTRICT, "AGENCY_NOT_COMPETENT",
	       "competent_agency_code");
	BROKEN(citizen, f.applicant.number = "0361", "BAD_CITIZEN_NUMBER", "applicant.number");
	BROKEN(citizen, f.in.n_components = 0, "MISSING_COMPONENT", "components");
	BROKEN(citizen, f.in.n_form = 0, "MISSING_FORM_FIELD", "form.purpose");
	BROKEN(citizen, f.files[1] = NO_FILE, "FILE_UNKNOWN", "components[0].file_ids[1]");
	BROKEN(citizen, f.files[0] = BAD_FILE, "FILE_QUARANTINED", "components[0].file_ids[0]");
	BROKEN(citizen, f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER, "CHANNEL_NOT_ALLOWED",
	       "channel");
	BROKEN(clerk, (void)0, "CHANNEL_NOT_ALLOWED", "channel");
	/* All at once, from the request, the files and the database. */
	make_filing(&f);
	f.in.procedure_code = FUTURE;
	f.in.agency_code = GONE;
	f.applicant.number = "1";
	f.files[0] = NO_FILE;
	assert_int_equal(submit(&a, &citizen, &f, NULL), ERR_INVALID);
	assert_int_equal(a.err.n_items, 4);
	assert_true(ask_has(&a, "BAD_CITIZEN_NUMBER", "applicant.number"));
	assert_true(ask_has(&a, "FILE_UNKNOWN", "components[0].file_ids[0]"));
	assert_true(ask_has(&a, "PROCEDURE_NOT_IN_FORCE", "procedure_code"));
	assert_true(ask_has(&a, "AGENCY_NOT_IN_FORCE", "agency_code"));
	/* Who may not. */
	make_filing(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(refuse(&a, &other_clerk, &f, "NOT_IN_HAND", NULL), ERR_DENIED);
	assert_int_equal(refuse(&a, &officer, &f, "ROLE_REQUIRED", NULL), ERR_DENIED);
	assert_int_equal(refuse(&a, &public, &f, "EXPOSURE_DENIED", NULL), ERR_DENIED);
#undef BROKEN
	ask_done(&a);
	assert_int_equal(count("SELECT count(*) FROM dossier"), dossiers);
	assert_int_equal(count("SELECT sum(last) FROM code_counter"), counters);
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM feed"), events);
}

/* A system files for itself, from the national portal; it may not speak for people. */
static void test_system_files(void **state)
{
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;
	char sql[200];

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	make_filing(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
	assert_int_equal(submit(&a, NULL, &f, &out), 0);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM filing WHERE code = '%s' AND NOT filer_is_citizen"
		 " AND filer = 'VN/GOV/H40/one-stop'",
		 out->code);
	assert_int_equal(count(sql), 1);
	assert_int_equal(submit(&a, &citizen, &f, NULL), ERR_DENIED);
	assert_int_equal(accept_it(&a, NULL, "x", NULL), ERR_DENIED);
	assert_true(ask_has(&a, "EXPOSURE_DENIED", NULL));
	ask_done(&a);
}

/* --- idempotency and races --- */

static void test_replay(void **state)
{
	Dossier__SubmitReply *first, *again;
	struct filing f;
	struct ask a, b;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	uuid_v7(a.message_id);
	memcpy(b.message_id, a.message_id, sizeof(a.message_id));
	make_filing(&f);
	assert_int_equal(submit(&a, &citizen, &f, &first), 0);
	assert_false(a.reply.replayed);
	assert_int_equal(submit(&b, &citizen, &f, &again), 0);
	assert_true(b.reply.replayed);
	assert_string_equal(first->code, again->code);
	assert_string_equal(first->receipt_secret, again->receipt_secret);
	assert_int_equal(first->submitted_us, again->submitted_us);
	assert_int_equal(again->n_files, 2);

	/* The secret is in no table, not even in the stored reply. */
	snprintf(code, sizeof(code), "%s", first->code);
	{
		char sql[300];

		snprintf(sql, sizeof(sql),
			 "SELECT count(*) FROM inbox WHERE position('%s'::bytea IN reply) > 0",
			 code);
		assert_int_equal(count(sql), 1);
		snprintf(sql, sizeof(sql),
			 "SELECT count(*) FROM inbox WHERE position('%s'::bytea IN reply) > 0",
			 first->receipt_secret);
		assert_int_equal(count(sql), 0);
	}
	f.applicant.address = "Nơi khác";
	assert_int_equal(submit(&b, &citizen, &f, NULL), ERR_CONFLICT);
	assert_true(ask_has(&b, "MESSAGE_ID_REUSED", NULL));
	/* Another person's request with the same id is another request. */
	assert_int_equal(submit(&b, &other_citizen, &f, &again), 0);
	assert_string_not_equal(code, again->code);
	ask_done(&a);
	ask_done(&b);
}

#define THREADS 8
#define EACH    12

struct worker {
	pthread_t thread;
	char codes[EACH][64];
	unsigned n, refused;
};

static void *file_many(void *arg)
{
	struct worker *w = arg;
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;

	ask_init(&a, rig.gateway, "dossier");
	for (int i = 0; i < EACH; i++) {
		make_plain(&f);
		f.in.agency_code = OTHER;
		if (i % 4 == 3)
			f.in.competent_agency_code = GONE; /* refused after its ordinal was taken */
		if (submit(&a, &citizen, &f, &out) == 0)
			snprintf(w->codes[w->n++], 64, "%s", out->code);
		else
			w->refused += ask_has(&a, "AGENCY_NOT_IN_FORCE", NULL);
	}
	ask_done(&a);
	return NULL;
}

static void test_dense_codes(void **state)
{
	static struct worker workers[THREADS];
	struct filing f;
	struct ask a;
	char code[64], secret[64];
	int good = THREADS * EACH * 3 / 4;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, file_many, &workers[i]),
				 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].n, EACH * 3 / 4);
		assert_int_equal(workers[i].refused, EACH / 4);
	}
	assert_int_equal(count("SELECT count(DISTINCT right(code, 4)) FROM dossier WHERE"
			       " receiving_agency = '" OTHER "'"),
			 good);
	assert_int_equal(count("SELECT max(right(code, 4)::int) FROM dossier WHERE"
			       " receiving_agency = '" OTHER "'"),
			 good);
	assert_int_equal(count("SELECT last FROM code_counter WHERE agency = '" OTHER "'"), good);

	/* Past 9999. */
	pg_exec(rig.pg, "dossier",
		"UPDATE code_counter SET last = 9998 WHERE agency = '" OTHER "'");
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	f.in.agency_code = OTHER;
	file_one(&a, &f, code, secret);
	assert_string_equal(code, OTHER "-240521-9999");
	file_one(&a, &f, code, secret);
	assert_string_equal(code, OTHER "-240521-10000");
	assert_int_equal(track_it(&a, code, secret, NULL), 0);
	ask_done(&a);
}

struct racer {
	pthread_t thread;
	const char *code;
	int status;
	bool wrong_state;
};

static void *race_to_accept(void *arg)
{
	struct racer *r = arg;
	struct ask a;

	ask_init(&a, rig.gateway, "dossier");
	r->status = accept_it(&a, &clerk, r->code, NULL);
	r->wrong_state = ask_has(&a, "WRONG_STATE", NULL);
	ask_done(&a);
	return NULL;
}

/* Of many who accept at once one wins, and only the winner has an event and a history entry. */
static void test_lost_race(void **state)
{
	struct racer racers[THREADS] = {0};
	struct filing f;
	struct ask a;
	char code[64], secret[64], sql[200];
	int won = 0, lost = 0;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	for (int i = 0; i < THREADS; i++) {
		racers[i].code = code;
		pthread_create(&racers[i].thread, NULL, race_to_accept, &racers[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].status == 0;
		lost += racers[i].status == ERR_CONFLICT && racers[i].wrong_state;
	}
	assert_int_equal(won, 1);
	assert_int_equal(lost, THREADS - 1);
	relay_all();
	assert_int_equal(count_events("dossier.accepted", code), 1);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM history WHERE dossier = '%s'", code);
	assert_int_equal(count(sql), 2);
	ask_done(&a);
}

/* --- look-up --- */

/* Five failures lock a code, known or not; meanwhile the right secret is refused too. */
static void check_lock(struct ask *a, const char *code, const char *right)
{
	struct err first;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(track_it(a, code, "22222222222222222222222A", NULL),
				 ERR_NOT_FOUND);
		assert_int_equal(a->err.n_items, 1);
		assert_true(ask_has(a, "TRACK_NOT_FOUND", ""));
		if (i == 0)
			first = a->err;
		assert_string_equal(first.items[0].vi, a->err.items[0].vi);
		assert_string_equal(first.items[0].en, a->err.items[0].en);
	}
	assert_int_equal(track_it(a, code, right, NULL), ERR_DENIED);
	assert_true(ask_has(a, "TRACK_LOCKED", NULL));
	assert_int_equal(rate_it(a, &public, code, right), ERR_DENIED);
	assert_true(ask_has(a, "TRACK_LOCKED", NULL));
}

static void test_track_lock(void **state)
{
	Dossier__TrackReply *out;
	struct filing f;
	struct ask a;
	char code[64], secret[64], typed[80];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	/* As people type it. */
	snprintf(typed, sizeof(typed), "%.4s-%.4s %s", secret, secret + 4, secret + 8);
	for (char *p = typed; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	assert_int_equal(track_it(&a, code, typed, &out), 0);
	snprintf(typed, sizeof(typed), "%sA", secret);
	assert_int_equal(track_it(&a, code, typed, NULL), ERR_NOT_FOUND);
	assert_int_equal(track_it(&a, code, secret, NULL), 0);
	/* Success forgets the failures before it. */
	for (int i = 0; i < 6; i++) {
		for (int j = 0; j < 4; j++)
			assert_int_equal(track_it(&a, code, "X", NULL), ERR_NOT_FOUND);
		assert_int_equal(track_it(&a, code, secret, NULL), 0);
	}
	check_lock(&a, code, secret);
	check_lock(&a, COMMUNE "-240521-8888", secret);
	assert_int_equal(track_it(&a, "not a code", secret, NULL), ERR_NOT_FOUND);
	assert_true(ask_has(&a, "TRACK_NOT_FOUND", NULL));
	/* An hour later. */
	pg_exec(rig.pg, "dossier", "UPDATE track_lock SET last_at = last_at - interval '1 hour'");
	assert_int_equal(track_it(&a, code, secret, NULL), 0);
	assert_int_equal(track_it(&a, COMMUNE "-240521-8888", secret, NULL), ERR_NOT_FOUND);
	ask_done(&a);
}

/* --- trouble --- */

static void test_digitisation_away(void **state)
{
	int64_t before = count("SELECT count(*) FROM dossier");
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	rig.files_away = true;
	make_filing(&f);
	assert_int_equal(submit(&a, &citizen, &f, &out), ERR_UNAVAILABLE);
	assert_int_equal(count("SELECT count(*) FROM dossier"), before);
	make_plain(&f);
	assert_int_equal(submit(&a, &citizen, &f, &out), 0); /* no files: nobody to ask */
	rig.files_away = false;
	ask_done(&a);
}

/* The same life after the process was killed: nothing it acknowledged is lost. */
static void test_killed(void **state)
{
	struct filing f;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	svcd_kill(rig.svc);
	svcd_restart(rig.svc);
	assert_int_equal(track_it(&a, code, secret, NULL), 0);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	relay_all();
	assert_int_equal(count_events("dossier.submitted", code), 1);
	ask_done(&a);
}

/*
 * A process that dies at a named point while it files: before the commit nothing has happened,
 * after it everything; the same request then gets one dossier, and codes stay without gaps.
 */
static void check_crash(const char *point, bool committed)
{
	char point_env[64], log_env[96], log[64], expect[128], found[128] = "";
	const char *const env[] = {point_env, log_env, "LGSP_INSTANCE=dossier-2", NULL};
	int64_t before = count("SELECT last FROM code_counter WHERE agency = '" COMMUNE "'");
	Dossier__SubmitReply *out;
	struct filing f;
	struct svcd *dying;
	struct ask a;
	FILE *file;

	snprintf(log, sizeof(log), "%s/crash.%s", busd_dir(rig.bus), point);
	snprintf(point_env, sizeof(point_env), "LGSP_CRASH_POINT=%s", point);
	snprintf(log_env, sizeof(log_env), "LGSP_CRASH_LOG=%s", log);
	/* Nothing is left for a job of the dying process to commit before the filing does. */
	relay_all();
	assert_true(pg_wait_int(rig.pg, "dossier",
				"SELECT h.pos - c.pos FROM feed_head h, national_sync_cursor c", 0,
				10000));
	svcd_kill(rig.svc);
	dying = start_service(env);
	ask_init(&a, rig.gateway, "dossier");
	uuid_v7(a.message_id);
	make_plain(&f);
	assert_int_not_equal(submit(&a, &citizen, &f, NULL), 0);
	assert_true(a.err.outcome_unknown);
	file = fopen(log, "re");
	assert_non_null(file);
	assert_non_null(fgets(found, sizeof(found), file));
	fclose(file);
	snprintf(expect, sizeof(expect), "%s ", point);
	assert_true(strncmp(found, expect, strlen(expect)) == 0);
	assert_int_equal(count("SELECT last FROM code_counter WHERE agency = '" COMMUNE "'"),
			 before + committed);
	svcd_kill(dying);
	svcd_free(dying);

	svcd_restart(rig.svc);
	assert_int_equal(submit(&a, &citizen, &f, &out), 0);
	assert_int_equal(a.reply.replayed, committed);
	assert_int_equal(strlen(out->receipt_secret), 24);
	assert_int_equal(count("SELECT last FROM code_counter WHERE agency = '" COMMUNE "'"),
			 before + 1);
	ask_done(&a);
}

static void test_crash_points(void **state)
{
	(void)state;
	check_crash("svc.before_commit", false);
	check_crash("svc.after_commit", true);
	assert_int_equal(count("SELECT max(right(code, 4)::int) - count(*) FROM dossier WHERE"
			       " receiving_agency = '" COMMUNE "'"),
			 0);
}

/* A history entry and an event per version, over all that happened; notices come beside. */
static void test_books(void **state)
{
	(void)state;
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM dossier d WHERE d.version <> (SELECT count(*)"
			       " FROM history h WHERE h.dossier = d.code)"),
			 0);
	assert_int_equal(count("SELECT (SELECT sum(version) FROM dossier)"
			       " + (SELECT count(*) FROM procedure_version)"
			       " - (SELECT count(*) FROM feed WHERE type <> 'dossier.notice')"),
			 0);
	assert_int_equal(count("SELECT count(*) FROM dossier d JOIN history h ON h.dossier = d.code"
			       " AND h.version = d.version WHERE h.state <> d.state"),
			 0);
	assert_false(svcd_log_has(rig.svc, NUMBER));
	assert_false(svcd_log_has(rig.svc, "912345678"));
}

/* A lost receipt: the new secret opens, the old one does not; the history says who and why. */
static void test_a_receipt_given_anew(void **state)
{
	static const char why[] = "Mất giấy hẹn, đã xuất trình CCCD";
	Dossier__ReissueReceiptReply *out;
	Dossier__GetReply *got;
	struct filing f;
	struct ask a;
	char code[64], old[64], fresh[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, old);
#define REISSUE(who, ret, text)                                                                    \
	CALL(&a, who, ReissueReceipt, reissue_receipt, ret, in_.code = code; in_.note = text)
	assert_int_equal(REISSUE(&clerk, NULL, ""), ERR_INVALID);
	assert_int_equal(REISSUE(&other_clerk, NULL, why), ERR_DENIED);
	assert_true(ask_has(&a, "NOT_IN_HAND", NULL));
	assert_int_equal(REISSUE(&officer, NULL, why), ERR_DENIED);
	assert_int_equal(REISSUE(&citizen, NULL, why), ERR_DENIED);
	assert_int_equal(track_it(&a, code, old, NULL), 0);
	assert_int_equal(REISSUE(&clerk, &out, why), 0);
	assert_int_equal(out->version, 2);
	snprintf(fresh, sizeof(fresh), "%s", out->receipt_secret);
	assert_int_equal(strlen(fresh), 24);
	assert_int_equal(track_it(&a, code, old, NULL), ERR_NOT_FOUND);
	assert_int_equal(track_it(&a, code, fresh, NULL), 0);
	/* Once more: the newest counts. */
	assert_int_equal(REISSUE(&clerk, &out, why), 0);
	assert_string_not_equal(out->receipt_secret, fresh);
	assert_int_equal(track_it(&a, code, fresh, NULL), ERR_NOT_FOUND);
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_int_equal(got->dossier->state, 1);
	assert_string_equal(got->history[1]->action, "reissue_receipt");
	assert_string_equal(got->history[1]->note, why);
	assert_string_equal(got->history[1]->actor, "clerk-31-01");
	relay_all();
	assert_int_equal(count_events("dossier.receipt_reissued", code), 2);
	/* No secret is stored, not even in the answer kept for a repetition. */
	assert_int_equal(count("SELECT count(*) FROM inbox WHERE method = 'ReissueReceipt'"
			       " AND octet_length(reply) > 4"),
			 0);
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_receipt_given_anew),
		cmocka_unit_test(test_refused_filings),
		cmocka_unit_test(test_system_files),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_dense_codes),
		cmocka_unit_test(test_lost_race),
		cmocka_unit_test(test_track_lock),
		cmocka_unit_test(test_digitisation_away),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_crash_points),
		cmocka_unit_test(test_books),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
