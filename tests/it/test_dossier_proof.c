// with: tests/it/dossier_rig.c services/dossier/rules.c
/* lgspctl dossier states and verify: what was tampered with, by whoever, is named. */
#include "tests/it/dossier_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "services/dossier/rules.h"

static char out[CTL_OUT_BYTES];
static char code[64], secret[64];

/* Runs a statement with the dossier's code for each %s; append-only tables let it. */
static void tamper(const char *fmt)
{
	char sql[1200];

	pg_exec(rig.pg, "dossier", "SET session_replication_role = replica");
	/* cppcheck-suppress wrongPrintfScanfArgNum; some need the code once, some twice */
	snprintf(sql, sizeof(sql), fmt, code, code);
	pg_exec(rig.pg, "dossier", sql);
	pg_exec(rig.pg, "dossier", "SET session_replication_role = origin");
}

static int verify(const char *what)
{
	char words[128];

	snprintf(words, sizeof(words), "dossier verify %s", what);
	return run_ctl(words, out);
}

/* One dossier from filing to rating, and others around it. */
static int play(void **state)
{
	struct filing f;
	struct ask a;
	char other[64], other_secret[64];

	set_up(state);
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_officer VALUES ('clerk-31-01', '" COMMUNE "', 'Nguyễn Thị Một',"
		" 'Công chức Tư pháp - Hộ tịch', '{clerk}', '2021-01-01', 'infinity')");
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, other, other_secret);
	make_filing(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(accept_it(&a, &clerk, other, NULL), 0);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(ask_payment(&a, &clerk, code, 1, NULL), 0);
	say_paid(code, 15000);
	wait_state(code, 4);
	relay_all();
	assert_int_equal(forward_it(&a, &officer, code, DISTRICT), 0);
	assert_int_equal(issue_it(&a, &district, code, FILE_1, NULL), 0);
	assert_int_equal(return_it(&a, &clerk, code, "desk"), 0);
	assert_int_equal(rate_it(&a, &public, code, secret), 0);
	relay_all();
	ask_done(&a);
	return 0;
}

static void test_an_honest_dossier_is_proved(void **state)
{
	(void)state;
	if (verify(code) != 0)
		fail_msg("%s", out);
	assert_non_null(strstr(out, "  submit               - -> FILED  dossier.submitted#"));
	assert_non_null(strstr(out, "PAYMENT_REQUESTED -> PROCESSING"));
	assert_non_null(strstr(out, "RESULT_READY -> RETURNED"));
	assert_non_null(strstr(out, "8 entries, 14 events under the seals"));
}

static void test_unknown_and_bad_words(void **state)
{
	(void)state;
	assert_int_equal(verify(COMMUNE "-240521-9999"), 1);
	assert_non_null(strstr(out, "UNKNOWN_DOSSIER"));
	assert_int_equal(run_ctl("dossier verify", out), 2);
	assert_int_equal(run_ctl("dossier states now", out), 2);
}

static void test_what_was_tampered_with_is_named(void **state)
{
	static const struct {
		const char *what, *act, *undo, *says;
	} cases[] = {
		{"a note", "UPDATE history SET note = 'x' WHERE dossier = '%s' AND version = 5",
		 "UPDATE history SET note = 'Chuyển xử lý' WHERE dossier = '%s' AND version = 5",
		 "entry 5 (forward): the entry was changed: dossier.forwarded vouches"},
		{"who did it",
		 "UPDATE history SET actor = 'me' WHERE dossier = '%s' AND version = 2",
		 "UPDATE history SET actor = 'clerk-31-01' WHERE dossier = '%s' AND version = 2",
		 "entry 2 (accept): the entry was changed"},
		{"who they were",
		 "UPDATE history SET post = 'Chủ tịch' WHERE dossier = '%s' AND version = 2",
		 "UPDATE history SET post = 'Công chức Tư pháp - Hộ tịch' WHERE dossier = '%s'"
		 " AND version = 2",
		 "entry 2 (accept): the entry was changed"},
		{"the time",
		 "UPDATE history SET at = at + interval '1 microsecond' WHERE dossier = '%s'"
		 " AND version = 8",
		 "UPDATE history SET at = at - interval '1 microsecond' WHERE dossier = '%s'"
		 " AND version = 8",
		 "entry 8 (rate): the entry was changed"},
		{"the promised date",
		 "UPDATE history SET due_at = due_at + interval '1 day' WHERE dossier = '%s'"
		 " AND version = 2",
		 "UPDATE history SET due_at = due_at - interval '1 day' WHERE dossier = '%s'"
		 " AND version = 2",
		 "entry 2 (accept): the entry was changed"},
		{"the order of time",
		 "UPDATE history SET at = at - interval '1 day' WHERE dossier = '%s'"
		 " AND version = 6",
		 "UPDATE history SET at = at + interval '1 day' WHERE dossier = '%s'"
		 " AND version = 6",
		 "entry 6 (issue_result): it is older than the entry before"},
		{"the state", "UPDATE history SET state = 2 WHERE dossier = '%s' AND version = 5",
		 "UPDATE history SET state = 4 WHERE dossier = '%s' AND version = 5",
		 "forward leads from PROCESSING to ACCEPTED: not in the state table"},
		{"a version in the middle",
		 "UPDATE history SET version = 1003 WHERE dossier = '%s' AND version = 3",
		 "UPDATE history SET version = 3 WHERE dossier = '%s' AND version = 1003",
		 "version 3 is missing"},
		{"the last version",
		 "UPDATE history SET version = 1008 WHERE dossier = '%s' AND version = 8",
		 "UPDATE history SET version = 8 WHERE dossier = '%s' AND version = 1008",
		 "the dossier has version 8, its history 7"},
		{"the row", "UPDATE dossier SET state = 9 WHERE code = '%s'",
		 "UPDATE dossier SET state = 10 WHERE code = '%s'",
		 "the dossier is RESULT_READY, its history ends with RETURNED"},
		{"an event's payload",
		 "UPDATE feed SET event = set_byte(event, length(event) - 40,"
		 " get_byte(event, length(event) - 40) # 1) WHERE subject = '%s' AND version = 6",
		 "UPDATE feed SET event = set_byte(event, length(event) - 40,"
		 " get_byte(event, length(event) - 40) # 1) WHERE subject = '%s' AND version = 6",
		 "does not fit the events"},
		{"an event taken out",
		 "UPDATE feed SET subject = 'x' WHERE subject = '%s' AND version = 4",
		 "UPDATE feed SET subject = '%s' WHERE subject = 'x' AND version = 4",
		 "entry 4 (pay): no event vouches for the entry"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		tamper(cases[i].act);
		if (verify(code) != 1 || !strstr(out, cases[i].says))
			fail_msg("%s: %s", cases[i].what, out);
		tamper(cases[i].undo);
	}
	if (verify(code) != 0)
		fail_msg("not undone: %s", out);
}

/* An event changed together with the seal over it: the next seal does not fit any more. */
static void test_a_batch_sealed_anew_breaks_the_chain(void **state)
{
	(void)state;
	pg_exec(rig.pg, "dossier", "CREATE TABLE was AS SELECT * FROM seal");
	pg_exec(rig.pg, "dossier", "CREATE TABLE fed AS SELECT * FROM feed");
	tamper("UPDATE feed SET event = set_byte(event, length(event) - 40,"
	       " get_byte(event, length(event) - 40) # 1) WHERE subject = '%s' AND version = 1");
	tamper("UPDATE seal s SET digest = (SELECT sha256(coalesce((SELECT digest FROM seal p"
	       " WHERE p.pos_to < s.pos_to ORDER BY p.pos_to DESC LIMIT 1),"
	       " decode(repeat('00', 32), 'hex')) || string_agg(sha256(f.event), ''::bytea"
	       " ORDER BY f.pos)) FROM feed f WHERE f.pos > s.pos_to - s.count AND f.pos <="
	       " s.pos_to) WHERE s.pos_to = (SELECT min(pos_to) FROM seal WHERE pos_to >="
	       " (SELECT pos FROM feed WHERE subject = '%s' AND version = 1"
	       " AND type <> 'dossier.notice'))");
	assert_int_equal(verify(code), 1);
	assert_non_null(strstr(out, "does not fit the events"));
	tamper("UPDATE seal s SET digest = w.digest FROM was w WHERE w.pos_to = s.pos_to");
	tamper("UPDATE feed f SET event = w.event FROM fed w WHERE w.pos = f.pos");
	assert_int_equal(verify(code), 0);
	pg_exec(rig.pg, "dossier", "DROP TABLE was, fed");
}

static void test_states_prints_the_table(void **state)
{
	char row[200];
	size_t lines = 0;

	(void)state;
	assert_int_equal(run_ctl("dossier states", out), 0);
	for (const char *p = out; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, rules_n_transitions + 2);
	for (size_t i = 0; i < rules_n_transitions; i++) {
		const struct rules_transition *t = &rules_transitions[i];

		snprintf(row, sizeof(row), "| %d %s | %s | %d %s | %s | ", (int)t->from,
			 rules_state_name(t->from), rules_action_name(t->action), (int)t->to,
			 rules_state_name(t->to), t->back ? rules_state_name(t->back) : "");
		assert_non_null(strstr(out, row));
	}
	assert_non_null(strstr(out, "| 1 FILED | accept | 2 ACCEPTED |  | receiver |\n"));
}

/* The proof names the actors: for the operator, not through the gateway. */
static void test_proof_is_the_operators(void **state)
{
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(CALL(&a, &clerk, Proof, proof, NULL, in_.code = code), ERR_DENIED);
	assert_true(ask_has(&a, "EXPOSURE_DENIED", NULL));
	assert_int_equal(CALL(&a, &public, States, states, NULL, (void)0), 0);
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_honest_dossier_is_proved),
		cmocka_unit_test(test_unknown_and_bad_words),
		cmocka_unit_test(test_what_was_tampered_with_is_named),
		cmocka_unit_test(test_a_batch_sealed_anew_breaks_the_chain),
		cmocka_unit_test(test_states_prints_the_table),
		cmocka_unit_test(test_proof_is_the_operators),
	};

	return cmocka_run_group_tests(tests, play, tear_down);
}
