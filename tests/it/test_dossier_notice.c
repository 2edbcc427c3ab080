// with: tests/it/dossier_rig.c
/* Which way an applicant hears of what: by template, language and the addresses they gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "lgsp/dossier/v1/events.pb-c.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "tests/it/dossier_rig.h"

/* Ways and language of the notice of an act, as one text: "portal sms email, vi". */
static void notice(const char *code, int version, char out[static 80])
{
	Dossier__DossierNotice *n;
	Feed__Event *event;
	char sql[256];
	PGresult *r;

	relay_all();
	snprintf(sql, sizeof(sql),
		 "SELECT event FROM dossier.feed WHERE type = 'dossier.notice' AND subject = '%s'"
		 " AND version = %d",
		 code, version);
	r = PQexecParams(pg_admin(rig.pg), sql, 0, NULL, NULL, NULL, NULL, 1);
	assert_int_equal(PQntuples(r), 1);
	event = feed__event__unpack(NULL, (size_t)PQgetlength(r, 0, 0),
				    (const uint8_t *)PQgetvalue(r, 0, 0));
	assert_non_null(event);
	n = dossier__dossier_notice__unpack(NULL, event->payload.len, event->payload.data);
	assert_non_null(n);
	out[0] = '\0';
	for (size_t i = 0; i < n->n_channels; i++)
		snprintf(out + strlen(out), 80 - strlen(out), "%s ", n->channels[i]);
	snprintf(out + strlen(out), 80 - strlen(out), "%s", n->language);
	dossier__dossier_notice__free_unpacked(n, NULL);
	feed__event__free_unpacked(event, NULL);
	PQclear(r);
}

static void test_ways_and_language(void **state)
{
	static const struct {
		const char *phone, *email, *address, *language;
		const char *submitted, *refused;
	} cases[] = {
		{"0912345678", "mau@example.vn", "Hạ Long", "en", "portal email en",
		 "portal sms email post en"},
		{"0912345678", "", "Hạ Long", "", "portal vi", "portal sms post vi"},
		{"", "mau@example.vn", "", "vi", "portal email vi", "portal email vi"},
		{"", "", "", "", "portal vi", "portal vi"},
	};
	Dossier__GetReply *got;
	struct filing f;
	struct ask a;
	char code[64], secret[64], said[80];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		make_plain(&f);
		f.applicant.phone = cases[i].phone;
		f.applicant.email = cases[i].email;
		f.applicant.address = cases[i].address;
		f.applicant.language = cases[i].language;
		file_one(&a, &f, code, secret);
		notice(code, 1, said);
		assert_string_equal(said, cases[i].submitted);
		assert_int_equal(get_it(&a, &clerk, code, &got), 0);
		assert_string_equal(got->dossier->applicant->email, cases[i].email);
		assert_int_equal(CALL(&a, &clerk, Refuse, refuse, NULL, in_.code = code;
				      in_.reason = "duplicate"; in_.note = "Trùng"),
				 0);
		notice(code, 2, said);
		assert_string_equal(said, cases[i].refused);
	}
	ask_done(&a);
}

/* Who came to the desk and gave a postal address only is written to. */
static void test_post_when_nothing_else(void **state)
{
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;
	char said[80];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	f.applicant.phone = "";
	assert_int_equal(submit(&a, &clerk, &f, &out), 0);
	notice(out->code, 1, said);
	assert_string_equal(said, "post vi");
	f.applicant.email = "mau@@example.vn";
	assert_int_equal(refuse(&a, &clerk, &f, "BAD_EMAIL", "applicant.email"), ERR_INVALID);
	f.applicant.email = "";
	f.applicant.language = "fr";
	assert_int_equal(refuse(&a, &clerk, &f, "INVALID_FIELD", "applicant.language"),
			 ERR_INVALID);
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways_and_language),
		cmocka_unit_test(test_post_when_nothing_else),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
