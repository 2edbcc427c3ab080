// with: tests/it/dossier_rig.c
/* Filing in all its ways: the national portal, drafts, for others, for other desks; duplicates. */
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

#define NATIONAL "000.00.00.G22-240521-000123"
#define FATHER   "036090000018"

/* One number of a row about a dossier. */
static int64_t of(const char *what, const char *from, const char *code)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT %s FROM %s = '%s'", what, from, code);
	return count(sql);
}

/* --- the national portal --- */

static int portal(struct ask *a, const struct person *who, const char *national,
		  Dossier__SubmitRequest *filing, Dossier__SubmitFromPortalReply **out)
{
	return CALL(a, who, SubmitFromPortal, submit_from_portal, out, in_.national_code = national;
		    in_.filing = filing);
}

static void make_national(struct filing *f)
{
	make_filing(f);
	f->in.channel = DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED;
}

static void test_national_code_is_the_key(void **state)
{
	Dossier__SubmitFromPortalReply *first, *second;
	struct filing f;
	struct ask a, b;

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	ask_init(&b, rig.one_stop, "dossier");
	make_national(&f);
	assert_int_equal(portal(&a, NULL, NATIONAL, &f.in, &first), 0);
	assert_false(first->already_filed);
	assert_int_equal(
		of("count(*)", "filing WHERE national_code = '" NATIONAL "' AND code", first->code),
		1);
	assert_int_equal(of("channel", "dossier WHERE code", first->code),
			 DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL);
	/* The same content under another message id: the same dossier, receipt and secret. */
	assert_int_equal(portal(&b, NULL, NATIONAL, &f.in, &second), 0);
	assert_true(second->already_filed);
	assert_string_equal(second->code, first->code);
	assert_string_equal(second->receipt_secret, first->receipt_secret);
	assert_int_equal(second->submitted_us, first->submitted_us);
	assert_int_equal(second->n_files, 2);
	assert_string_equal(second->files[1]->file_id, FILE_2);
	assert_string_equal(second->files[1]->sha256, first->files[1]->sha256);
	assert_int_equal(track_it(&a, "x", "y", NULL), ERR_DENIED); /* not for systems */
	/* Other content. */
	f.applicant.address = "Nơi khác";
	assert_int_equal(portal(&b, NULL, NATIONAL, &f.in, NULL), ERR_CONFLICT);
	assert_true(ask_has(&b, "NATIONAL_CODE_TAKEN", "national_code"));
	ask_done(&a);
	ask_done(&b);
}

static void test_refused_national_filings(void **state)
{
	int64_t counters = count("SELECT coalesce(sum(last), 0) FROM code_counter");
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	make_national(&f);
	assert_int_equal(portal(&a, NULL, "abc", &f.in, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "national_code"));
	assert_int_equal(portal(&a, NULL, NATIONAL "-X", NULL, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "REQUIRED_FIELD", "filing"));
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL;
	assert_int_equal(portal(&a, NULL, NATIONAL "-X", &f.in, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "filing.channel"));
	make_national(&f);
	f.applicant.number = "1";
	assert_int_equal(portal(&a, NULL, NATIONAL "-X", &f.in, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "BAD_CITIZEN_NUMBER", "applicant.number"));
	make_national(&f);
	f.in.procedure_code = FUTURE;
	assert_int_equal(portal(&a, NULL, NATIONAL "-X", &f.in, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "PROCEDURE_NOT_IN_FORCE", "procedure_code"));
	ask_done(&a);
	/* It is for systems. */
	ask_init(&a, rig.gateway, "dossier");
	make_national(&f);
	assert_int_equal(portal(&a, &citizen, NATIONAL "-X", &f.in, NULL), ERR_DENIED);
	assert_int_equal(portal(&a, &clerk, NATIONAL "-X", &f.in, NULL), ERR_DENIED);
	ask_done(&a);
	assert_int_equal(count("SELECT coalesce(sum(last), 0) FROM code_counter"), counters);
}

#define RACERS 8

struct racer {
	pthread_t thread;
	int status;
	bool before;
	char code[64];
};

static void *race_to_file(void *arg)
{
	Dossier__SubmitFromPortalReply *out;
	struct racer *r = arg;
	struct filing f;
	struct ask a;

	ask_init(&a, rig.one_stop, "dossier");
	make_national(&f);
	r->status = portal(&a, NULL, "H40.31.01-240521-RACE", &f.in, &out);
	if (r->status == 0) {
		r->before = out->already_filed;
		snprintf(r->code, sizeof(r->code), "%s", out->code);
	}
	ask_done(&a);
	return NULL;
}

static void test_race_of_one_national_code(void **state)
{
	struct racer racers[RACERS] = {0};
	int filed = 0;

	(void)state;
	for (int i = 0; i < RACERS; i++)
		pthread_create(&racers[i].thread, NULL, race_to_file, &racers[i]);
	for (int i = 0; i < RACERS; i++)
		pthread_join(racers[i].thread, NULL);
	for (int i = 0; i < RACERS; i++) {
		assert_int_equal(racers[i].status, 0);
		assert_string_equal(racers[i].code, racers[0].code);
		filed += !racers[i].before;
	}
	assert_int_equal(filed, 1);
}

/* --- whose account it is --- */

/* An account files as its holder: not before it is proven whose it is, and for nobody's number
 * else. */
static void test_account_is_its_holders(void **state)
{
	static const struct person holder = {"citizen-9", "citizen", ""};
	Dossier__Filer filer = DOSSIER__FILER__INIT;
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	refuse(&a, &holder, &f, "ACCOUNT_NOT_VERIFIED", "applicant.number");
	bind_account(holder.subject, FATHER);
	refuse(&a, &holder, &f, "NUMBER_NOT_OWN", "applicant.number");
	f.applicant.number = FATHER;
	assert_int_equal(submit(&a, &holder, &f, NULL), 0);
	/* For another, as themself and no other. */
	f.applicant.number = NUMBER;
	f.in.filer = &filer;
	filer.relation = DOSSIER__RELATION__RELATION_FAMILY;
	filer.name = "Trần Văn Cha";
	filer.number = "036090000019";
	refuse(&a, &holder, &f, "NUMBER_NOT_OWN", "filer.number");
	filer.number = FATHER;
	assert_int_equal(submit(&a, &holder, &f, NULL), 0);
	/* The desk and other systems answer for whom they file. */
	f.in.filer = NULL;
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(submit(&a, &clerk, &f, NULL), 0);
	ask_done(&a);
}

/* It is evidence, said or not, that who filed is proven. */
static void test_account_is_evidence(void **state)
{
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	assert_int_equal(submit(&a, &citizen, &f, &out), 0);
	assert_int_equal(
		of("identity_method * 10 + identity_verified::int", "filing WHERE code", out->code),
		11);
	ask_done(&a);
}

/* --- drafts --- */

static int save(struct ask *a, const struct person *who, const char *id, int32_t version,
		Dossier__SubmitRequest *filing, Dossier__SaveDraftReply **out)
{
	return CALL(a, who, SaveDraft, save_draft, out, in_.draft_id = id; in_.version = version;
		    in_.filing = filing);
}

static int get_draft(struct ask *a, const struct person *who, const char *id,
		     Dossier__GetDraftReply **out)
{
	return CALL(a, who, GetDraft, get_draft, out, in_.draft_id = id);
}

static int file_draft(struct ask *a, const struct person *who, const char *id, int32_t version,
		      Dossier__SubmitDraftReply **out)
{
	return CALL(a, who, SubmitDraft, submit_draft, out, in_.draft_id = id;
		    in_.version = version);
}

static size_t count_drafts(struct ask *a, const struct person *who)
{
	Dossier__ListDraftsReply *out;

	assert_int_equal(CALL(a, who, ListDrafts, list_drafts, &out, (void)in_), 0);
	return out->n_drafts;
}

static void save_new(struct ask *a, struct filing *f, char id[static 40])
{
	Dossier__SaveDraftReply *saved;

	assert_int_equal(save(a, &citizen, "", 0, &f->in, &saved), 0);
	assert_int_equal(saved->version, 1);
	snprintf(id, 40, "%s", saved->draft_id);
}

static void test_draft_from_save_to_filing(void **state)
{
	Dossier__SubmitDraftReply *filed;
	Dossier__SaveDraftReply *saved;
	Dossier__GetDraftReply *got;
	struct filing f;
	struct ask a;
	char id[40], code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.applicant.name = "Trần"; /* as far as it goes */
	f.in.n_form = 0;
	save_new(&a, &f, id);
	assert_int_equal(count_drafts(&a, &citizen), 1);
	assert_int_equal(get_draft(&a, &citizen, id, &got), 0);
	assert_string_equal(got->filing->applicant->name, "Trần");
	assert_int_equal(got->expires_us - got->saved_us, 30LL * 24 * 3600 * 1000000);
	/* Filed too early: every rule at once, and it stays. */
	assert_int_equal(file_draft(&a, &citizen, id, 1, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "MISSING_FORM_FIELD", "form.purpose"));
	make_filing(&f);
	assert_int_equal(save(&a, &citizen, id, 1, &f.in, &saved), 0);
	assert_int_equal(saved->version, 2);
	assert_int_equal(save(&a, &citizen, id, 1, &f.in, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "DRAFT_CHANGED", "version"));
	assert_int_equal(file_draft(&a, &citizen, id, 1, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "DRAFT_CHANGED", "version"));
	/* Filed; the same request again gets the same answer although the draft is gone. */
	uuid_v7(a.message_id);
	assert_int_equal(file_draft(&a, &citizen, id, 2, &filed), 0);
	assert_int_equal(filed->n_files, 2);
	snprintf(code, sizeof(code), "%s", filed->code);
	snprintf(secret, sizeof(secret), "%s", filed->receipt_secret);
	assert_int_equal(file_draft(&a, &citizen, id, 2, &filed), 0);
	assert_true(a.reply.replayed);
	assert_string_equal(filed->code, code);
	assert_string_equal(filed->receipt_secret, secret);
	memset(a.message_id, 0, sizeof(a.message_id));
	assert_int_equal(file_draft(&a, &citizen, id, 2, NULL), ERR_NOT_FOUND);
	assert_true(ask_has(&a, "UNKNOWN_DRAFT", "draft_id"));
	assert_int_equal(count_drafts(&a, &citizen), 0);
	assert_int_equal(track_it(&a, code, secret, NULL), 0);
	ask_done(&a);
}

/* Nobody but its author, not even at the same desk. */
static void test_drafts_are_their_authors(void **state)
{
	static const struct person colleague = {"clerk-31-01b", "clerk", COMMUNE};
	struct filing f;
	struct ask a;
	char id[40];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	save_new(&a, &f, id);
	assert_int_equal(get_draft(&a, &other_citizen, id, NULL), ERR_NOT_FOUND);
	assert_int_equal(get_draft(&a, &colleague, id, NULL), ERR_NOT_FOUND);
	assert_int_equal(save(&a, &other_citizen, id, 1, &f.in, NULL), ERR_NOT_FOUND);
	assert_int_equal(file_draft(&a, &other_citizen, id, 1, NULL), ERR_NOT_FOUND);
	assert_int_equal(
		CALL(&a, &other_citizen, DiscardDraft, discard_draft, NULL, in_.draft_id = id),
		ERR_NOT_FOUND);
	assert_int_equal(count_drafts(&a, &other_citizen), 0);
	assert_int_equal(get_draft(&a, &public, id, NULL), ERR_DENIED);
	assert_int_equal(save(&a, &officer, "", 0, &f.in, NULL), ERR_DENIED);
	assert_int_equal(get_draft(&a, &citizen, "no-id", NULL), ERR_NOT_FOUND);
	assert_int_equal(save(&a, &citizen, "no-id", 1, &f.in, NULL), ERR_NOT_FOUND);
	assert_int_equal(save(&a, &citizen, "", 0, NULL, NULL), ERR_INVALID);
	assert_int_equal(CALL(&a, &citizen, DiscardDraft, discard_draft, NULL, in_.draft_id = id),
			 0);
	assert_int_equal(get_draft(&a, &citizen, id, NULL), ERR_NOT_FOUND);
	ask_done(&a);
}

static void test_drafts_are_bounded(void **state)
{
	static const struct person writer = {"citizen-9", "citizen", ""};
	static char address[70000];
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	memset(address, 'a', sizeof(address) - 1);
	f.applicant.address = address;
	assert_int_equal(save(&a, &writer, "", 0, &f.in, NULL), ERR_TOO_LARGE);
	make_plain(&f);
	for (int i = 0; i < 50; i++)
		assert_int_equal(save(&a, &writer, "", 0, &f.in, NULL), 0);
	assert_int_equal(save(&a, &writer, "", 0, &f.in, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "TOO_MANY_DRAFTS", NULL));
	assert_int_equal(count_drafts(&a, &writer), 50);
	ask_done(&a);
}

/* At its time it is gone, whether the job has come by or not. */
static void test_drafts_expire(void **state)
{
	struct filing f;
	struct ask a;
	char id[40];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	set_clock("2024-05-21 09:00");
	save_new(&a, &f, id);
	set_clock("2024-06-20 08:59");
	assert_int_equal(get_draft(&a, &citizen, id, NULL), 0);
	set_clock("2024-06-20 09:00");
	assert_int_equal(get_draft(&a, &citizen, id, NULL), ERR_NOT_FOUND);
	assert_int_equal(file_draft(&a, &citizen, id, 1, NULL), ERR_NOT_FOUND);
	set_clock(NULL);
	ask_done(&a);
}

/* --- who files, for whom --- */

static void make_filer(Dossier__Filer *by, Dossier__Relation relation)
{
	dossier__filer__init(by);
	by->relation = relation;
	by->name = "Trần Văn Cha";
	by->number = FATHER;
}

static void test_filing_for_another(void **state)
{
	Dossier__Identity id = DOSSIER__IDENTITY__INIT;
	Dossier__SubmitReply *out;
	Dossier__GetReply *got;
	Dossier__Filer by;
	struct filing f;
	struct ask a;
	char sql[400], code[64];

	(void)state;
	ask_init(&a, rig.one_stop, "dossier");
	make_filing(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
	make_filer(&by, DOSSIER__RELATION__RELATION_UNSPECIFIED);
	f.in.filer = &by;
	assert_int_equal(refuse(&a, NULL, &f, "REPRESENTATION_REQUIRED", "filer.relation"),
			 ERR_INVALID);
	by.relation = DOSSIER__RELATION__RELATION_AUTHORISED;
	assert_int_equal(refuse(&a, NULL, &f, "AUTHORISATION_MISSING", "filer.authorisation"),
			 ERR_INVALID);
	by.authorisation = "TP2"; /* not handed in */
	assert_int_equal(refuse(&a, NULL, &f, "AUTHORISATION_MISSING", "filer.authorisation"),
			 ERR_INVALID);
	by.authorisation = "TP1";
	id.method = DOSSIER__IDENTITY_METHOD__IDENTITY_METHOD_VNEID;
	id.level = 2;
	id.reference = "vneid-77";
	id.authenticated_us = moment("2024-05-21 07:59");
	id.number = NUMBER; /* of the applicant, who does not file */
	f.in.identity = &id;
	assert_int_equal(refuse(&a, NULL, &f, "IDENTITY_MISMATCH", "identity.number"), ERR_INVALID);
	id.number = FATHER;
	assert_int_equal(submit(&a, NULL, &f, &out), 0);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM filing WHERE code = '%s' AND relation = 3"
		 " AND filer_name = 'Trần Văn Cha' AND filer_number = '" FATHER "'"
		 " AND authorisation = 'TP1' AND identity_method = 2 AND identity_level = 2"
		 " AND identity_verified AND identity_reference = 'vneid-77'",
		 out->code);
	assert_int_equal(count(sql), 1);
	assert_false(svcd_log_has(rig.svc, FATHER));
	snprintf(code, sizeof(code), "%s", out->code);
	ask_done(&a);
	/* The clerk sees it. */
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_int_equal(got->filer->relation, DOSSIER__RELATION__RELATION_AUTHORISED);
	assert_string_equal(got->filer->number, FATHER);
	assert_string_equal(got->identity->reference, "vneid-77");
	assert_int_equal(got->identity->authenticated_us, id.authenticated_us);
	assert_true(got->identity_verified);
	ask_done(&a);
}

/* What a citizen says of their own identity is kept, and verifies nothing. */
static void test_own_word_is_no_proof(void **state)
{
	Dossier__Identity id = DOSSIER__IDENTITY__INIT;
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	id.method = DOSSIER__IDENTITY_METHOD__IDENTITY_METHOD_VNEID;
	id.level = 2;
	id.reference = "x";
	id.authenticated_us = moment("2024-05-21 07:59");
	f.in.identity = &id;
	assert_int_equal(submit(&a, &citizen, &f, &out), 0);
	assert_int_equal(of("identity_verified::int", "filing WHERE code", out->code), 0);
	id.method = DOSSIER__IDENTITY_METHOD__IDENTITY_METHOD_PAPER_SEEN;
	id.level = 0;
	assert_int_equal(refuse(&a, &citizen, &f, "IDENTITY_NOT_ALLOWED", "identity.method"),
			 ERR_INVALID);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(submit(&a, &clerk, &f, &out), 0);
	assert_int_equal(of("identity_verified::int", "filing WHERE code", out->code), 1);
	ask_done(&a);
}

/* --- filing anywhere --- */

static void test_supporting_desk(void **state)
{
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.in.supporting_agency_code = OTHER;
	assert_int_equal(refuse(&a, &citizen, &f, "SUPPORT_NOT_ALLOWED", "supporting_agency_code"),
			 ERR_INVALID);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(refuse(&a, &clerk, &f, "NOT_IN_HAND", "supporting_agency_code"),
			 ERR_DENIED);
	f.in.supporting_agency_code = "";
	assert_int_equal(refuse(&a, &other_clerk, &f, "NOT_IN_HAND", "agency_code"), ERR_DENIED);
	f.in.supporting_agency_code = GONE;
	assert_int_equal(refuse(&a, &(struct person){"clerk-99", "clerk", GONE}, &f,
				"AGENCY_NOT_IN_FORCE", "supporting_agency_code"),
			 ERR_INVALID);
	f.in.supporting_agency_code = COMMUNE;
	assert_int_equal(refuse(&a, &clerk, &f, "SUPPORT_NOT_NEEDED", "supporting_agency_code"),
			 ERR_INVALID);
	f.in.supporting_agency_code = OTHER;
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_officer VALUES ('clerk-31-02', '" OTHER "', 'Nguyễn B',"
		" 'Công chức một cửa', '{clerk}', '2021-01-01', 'infinity')");
	assert_int_equal(submit(&a, &other_clerk, &f, &out), 0);
	snprintf(code, sizeof(code), "%s", out->code);
	assert_int_equal(of("(post = 'Công chức một cửa')::int", "history WHERE dossier", code), 1);
	assert_true(strncmp(code, COMMUNE "-", sizeof(COMMUNE)) == 0);
	assert_int_equal(of("count(*)",
			    "dossier WHERE supporting_agency = '" OTHER
			    "' AND receiving_agency = '" COMMUNE "' AND code",
			    code),
			 1);
	/* The receiving agency accepts; the supporting one may look. */
	assert_int_equal(accept_it(&a, &other_clerk, code, NULL), ERR_DENIED);
	assert_int_equal(get_it(&a, &other_clerk, code, NULL), 0);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	ask_done(&a);
}

/* --- duplicates --- */

static void test_duplicates_are_reported(void **state)
{
	Dossier__SubmitReply *out;
	struct filing f;
	struct ask a;
	Dossier__GetReply *got;
	char first[64], second[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.applicant.number = "036190000025";
	file_one(&a, &f, first, secret);
	assert_int_equal(submit(&a, &citizen, &f, &out), 0);
	assert_true(out->duplicate_suspected);
	assert_int_equal(out->n_suspected_duplicates, 1);
	assert_string_equal(out->suspected_duplicates[0], first);
	assert_int_equal(of("count(*)", "suspicion WHERE dossier", out->code), 1);
	snprintf(second, sizeof(second), "%s", out->code);
	assert_int_equal(get_it(&a, &clerk, second, &got), 0);
	assert_int_equal(got->n_suspected_duplicates, 1);
	assert_string_equal(got->suspected_duplicates[0], first);
	assert_null(got->filer);
	assert_int_equal(got->identity->method,
			 DOSSIER__IDENTITY_METHOD__IDENTITY_METHOD_PORTAL_ACCOUNT);
	/* Somebody else learns that there is one, not which. */
	assert_int_equal(submit(&a, &other_citizen, &f, &out), 0);
	assert_true(out->duplicate_suspected);
	assert_int_equal(out->n_suspected_duplicates, 0);
	/* The desk sees them. */
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(submit(&a, &clerk, &f, &out), 0);
	assert_int_equal(out->n_suspected_duplicates, 3);
	/* Another answer, another procedure, another applicant: none. */
	f.field.value = "Du học";
	assert_int_equal(submit(&a, &clerk, &f, &out), 0);
	assert_false(out->duplicate_suspected);
	make_plain(&f);
	f.applicant.number = "036190000025";
	assert_int_equal(submit(&a, &citizen, &f, &out), 0);
	assert_false(out->duplicate_suspected);
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_national_code_is_the_key),
		cmocka_unit_test(test_refused_national_filings),
		cmocka_unit_test(test_race_of_one_national_code),
		cmocka_unit_test(test_account_is_its_holders),
		cmocka_unit_test(test_account_is_evidence),
		cmocka_unit_test(test_draft_from_save_to_filing),
		cmocka_unit_test(test_drafts_are_their_authors),
		cmocka_unit_test(test_drafts_are_bounded),
		cmocka_unit_test(test_drafts_expire),
		cmocka_unit_test(test_filing_for_another),
		cmocka_unit_test(test_own_word_is_no_proof),
		cmocka_unit_test(test_supporting_desk),
		cmocka_unit_test(test_duplicates_are_reported),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
