/*
 * Whose an account of the portal is: proven at the desk or by the e-identification, one number one
 * account, released by an operator; and the dossier service, which hears of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "lgsp/directory/v1/events.pb-c.h"
#include "tests/support/stage.h"

#define LAN  "036190000017"
#define MINH "036090000018"

#define PAPER      DIRECTORY__ACCOUNT_EVIDENCE__ACCOUNT_EVIDENCE_PAPER_SEEN
#define ELECTRONIC DIRECTORY__ACCOUNT_EVIDENCE__ACCOUNT_EVIDENCE_E_IDENTIFICATION

static const struct person itself = {.subject = NULL};
static const struct person clerk = {"clerk-1", "clerk", "H40.31.01"};
static const struct person officer = {"officer-1", "officer", "H40.31.01"};
static const struct person operator= {"op", "operator", "H40"};
static const struct person citizen = {"citizen-1", "citizen", ""};

static const struct busd_member members[] = {
	{"directory", "VN/GOV/H40/lgsp-directory"},
	{"dossier", "VN/GOV/H40/lgsp-dossier"},
	{"operator", "VN/GOV/H40/lgsp-operator"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},
};
static const char rights[] = "serve VN/GOV/H40/lgsp-directory directory\n"
			     "serve VN/GOV/H40/lgsp-dossier dossier\n"
			     "feed VN/GOV/H40/lgsp-dossier * *\n"
			     "grant VN/GOV/H40/lgsp-operator directory *\n"
			     "grant VN/GOV/H40/lgsp-gateway directory * acts_for\n";

static struct stage stage;
static struct svcd *dir;
static struct ask people, tool;

static int group_setup(void **state)
{
	(void)state;
	stage_setup(&stage, &(struct stage_config){.schemas = "directory dossier",
						   .members = members,
						   .n_members = ARRAY_LEN(members),
						   .rights = rights});
	stage_client(&stage, &people, "gateway", "directory");
	stage_client(&stage, &tool, "operator", "directory");
	dir = stage_service(&stage, "directory");
	stage_service(&stage, "dossier");
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	stage_teardown(&stage);
	return 0;
}

/* --- asking --- */

static Directory__VerifyAccountReply *last;

static int verify(const struct person *who, const char *subject, const char *number,
		  Directory__AccountEvidence evidence, uint32_t level)
{
	Directory__VerifyAccountRequest in = DIRECTORY__VERIFY_ACCOUNT_REQUEST__INIT;

	in.subject = subject;
	in.number = number;
	in.evidence = evidence;
	in.level = level;
	in.reference = evidence == ELECTRONIC ? "vneid-1" : "";
	return ask(who->subject ? &people : &tool, who, "VerifyAccount", &in.base,
		   &directory__verify_account_reply__descriptor, &last);
}

static int seen(const char *subject, const char *number)
{
	return verify(&clerk, subject, number, PAPER, 0);
}

static int release(const struct person *who, const char *subject, const char *reason)
{
	Directory__ReleaseAccountRequest in = DIRECTORY__RELEASE_ACCOUNT_REQUEST__INIT;

	in.subject = subject;
	in.reason = reason;
	return ask(&people, who, "ReleaseAccount", &in.base,
		   &directory__release_account_reply__descriptor, NULL);
}

static int64_t accounts(const char *where)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM account WHERE %s", where);
	return pg_int(stage.pg, "directory", sql);
}

static int64_t told(const char *subject)
{
	char sql[200];

	assert_true(pg_wait_int(stage.pg, "directory", "SELECT count(*) FROM outbox", 0, 10000));
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM feed WHERE type = 'directory.account_put'"
		 " AND subject = 'account/%s'",
		 subject);
	return pg_int(stage.pg, "directory", sql);
}

static const char *pseudonym(const char *number)
{
	static char owner[CRYPT_SHA256_HEX];

	crypt_owner_key((const uint8_t *)SVCD_OWNER_KEY, "citizen", number, owner);
	return owner;
}

/* --- */

static void test_the_desk_proves_whose_it_is(void **state)
{
	char sql[200];

	(void)state;
	assert_int_equal(seen("lan", LAN), 0);
	assert_int_equal(last->version, 1);
	assert_false(last->already);
	snprintf(sql, sizeof(sql), "subject = 'lan' AND owner_key = '%s' AND actor = 'clerk-1'",
		 pseudonym(LAN));
	assert_int_equal(accounts(sql), 1);
	assert_int_equal(seen("lan", LAN), 0);
	assert_true(last->already);
	assert_int_equal(told("lan"), 1);
	/* Better evidence is another fact. */
	assert_int_equal(verify(&itself, "lan", LAN, ELECTRONIC, 2), 0);
	assert_int_equal(last->version, 2);
	assert_int_equal(told("lan"), 2);
	assert_false(svcd_log_has(dir, LAN));
}

static void test_one_number_is_one_account(void **state)
{
	(void)state;
	assert_int_equal(seen("lan", LAN), 0);
	assert_int_equal(seen("lan", MINH), ERR_CONFLICT);
	assert_true(ask_has(&people, "ACCOUNT_BOUND", "subject"));
	assert_int_equal(seen("somebody", LAN), ERR_CONFLICT);
	assert_true(ask_has(&people, "NUMBER_TAKEN", "number"));
	assert_int_equal(accounts("subject = 'somebody'"), 0);
}

static void test_who_may_prove_it_and_how(void **state)
{
	static const struct {
		const struct person *who;
		const char *subject, *number;
		Directory__AccountEvidence evidence;
		uint32_t level;
		const char *code, *field;
	} rows[] = {
		{&clerk, "minh", MINH, ELECTRONIC, 2, "EVIDENCE_NOT_ALLOWED", "evidence"},
		{&itself, "minh", MINH, PAPER, 0, "EVIDENCE_NOT_ALLOWED", "evidence"},
		{&itself, "minh", MINH, ELECTRONIC, 0, "INVALID_FIELD", "level"},
		{&itself, "minh", MINH, ELECTRONIC, 3, "INVALID_FIELD", "level"},
		{&clerk, "minh", MINH, PAPER, 1, "INVALID_FIELD", "level"},
		{&clerk, "minh", "000090000018", PAPER, 0, "BAD_CITIZEN_NUMBER", "number"},
		{&clerk, "", MINH, PAPER, 0, "BAD_CODE", "subject"},
		{&clerk, "clerk-1", MINH, PAPER, 0, "OWN_ACCOUNT", "subject"},
		{&officer, "minh", MINH, PAPER, 0, "ROLE_REQUIRED", NULL},
		{&citizen, "minh", MINH, PAPER, 0, "EXPOSURE_DENIED", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct ask *a = rows[i].who->subject ? &people : &tool;

		assert_true(verify(rows[i].who, rows[i].subject, rows[i].number, rows[i].evidence,
				   rows[i].level) < 0);
		if (!ask_has(a, rows[i].code, rows[i].field))
			fail_msg("row %zu: %s", i, err_code(&a->err));
	}
	assert_int_equal(accounts("subject IN ('minh', '', 'clerk-1')"), 0);
}

static void test_released_by_an_operator(void **state)
{
	(void)state;
	assert_int_equal(seen("hoa", "036190000025"), 0);
	assert_int_equal(release(&clerk, "hoa", "nhầm"), ERR_DENIED);
	assert_int_equal(release(&operator, "hoa", ""), ERR_INVALID);
	assert_true(ask_has(&people, "REQUIRED_FIELD", "reason"));
	assert_int_equal(release(&operator, "nobody", "nhầm"), ERR_NOT_FOUND);
	assert_int_equal(release(&operator, "hoa", "gắn nhầm người"), 0);
	assert_int_equal(release(&operator, "hoa", "gắn nhầm người"), ERR_NOT_FOUND);
	assert_int_equal(accounts("subject = 'hoa' AND owner_key IS NULL AND actor = 'op'"), 1);
	assert_int_equal(told("hoa"), 2);
	/* Then both are free again. */
	assert_int_equal(seen("hoa", "036190000033"), 0);
	assert_int_equal(last->version, 3);
	assert_int_equal(seen("hoa-2", "036190000025"), 0);
}

static void test_the_dossier_service_hears_of_it(void **state)
{
	char sql[200];

	(void)state;
	assert_int_equal(seen("tam", "036190000041"), 0);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM account WHERE subject = 'tam' AND owner_key = '%s'",
		 pseudonym("036190000041"));
	assert_true(pg_wait_int(stage.pg, "dossier", sql, 1, 10000));
	assert_int_equal(release(&operator, "tam", "người dùng yêu cầu"), 0);
	assert_true(pg_wait_int(stage.pg, "dossier",
				"SELECT count(*) FROM account WHERE subject = 'tam'", 0, 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_desk_proves_whose_it_is),
		cmocka_unit_test(test_one_number_is_one_account),
		cmocka_unit_test(test_who_may_prove_it_and_how),
		cmocka_unit_test(test_released_by_an_operator),
		cmocka_unit_test(test_the_dossier_service_hears_of_it),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
