// with: services/dossier/rules_identity.c services/dossier/rules_form.c services/dossier/rules_code.c services/dossier/rules_text.c
/* Who files: evidence, relation, authorisation; likeness of two filings; national codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/rules.h"

#define TODAY  civil_from_ymd(2024, 5, 21)
#define NOW    1716253200000000LL /* 2024-05-21 08:00 +07:00 */
#define OWNER  "036190000017"
#define FATHER "036090000018"

#define M(name) DOSSIER__IDENTITY_METHOD__IDENTITY_METHOD_##name
#define R(name) DOSSIER__RELATION__RELATION_##name
#define C(name) DOSSIER__CHANNEL__CHANNEL_##name

struct request {
	Dossier__SubmitRequest in;
	Dossier__Applicant applicant;
	Dossier__Identity identity;
	Dossier__Filer filer;
	Dossier__ComponentInput input, *inputs[1];
};

/* A citizen's own filing on the portal, evidence and representative ready to be put in. */
static void make_request(struct request *r)
{
	memset(r, 0, sizeof(*r));
	dossier__submit_request__init(&r->in);
	dossier__applicant__init(&r->applicant);
	dossier__identity__init(&r->identity);
	dossier__filer__init(&r->filer);
	dossier__component_input__init(&r->input);
	r->in.channel = C(OWN_PORTAL);
	r->in.applicant = &r->applicant;
	r->applicant.kind = "citizen";
	r->applicant.number = OWNER;
	r->identity.method = M(VNEID);
	r->identity.level = 2;
	r->identity.reference = "vneid-1";
	r->identity.authenticated_us = NOW - 1;
	r->filer.relation = R(AUTHORISED);
	r->filer.name = "Trần Văn Cha";
	r->filer.number = FATHER;
	r->filer.reference = "12/2024/UQ";
	r->input.code = "uy-quyen";
	r->input.paper_copies = 1;
	r->inputs[0] = &r->input;
	r->in.components = r->inputs;
	r->in.n_components = 1;
}

static void make_organisation(struct request *r)
{
	r->applicant.kind = "organisation";
	r->applicant.number = "0100109106";
}

/* The one violation of a request, "" for none. */
static const char *checked(const struct request *r, enum rules_filer by, struct err *err)
{
	memset(err, 0, sizeof(*err));
	rules_check_filer(&r->in, by, NOW, TODAY, err);
	assert_true(err->n_items <= 1);
	return err_code(err);
}

#define CASE(by, change, what, where)                                                              \
	do {                                                                                       \
		struct request r;                                                                  \
		struct err err;                                                                    \
		make_request(&r);                                                                  \
		change;                                                                            \
		assert_string_equal(checked(&r, by, &err), what);                                  \
		if (err.n_items > 0)                                                               \
			assert_string_equal(err.items[0].field, where);                            \
	} while (0)

static void test_evidence(void **state)
{
	(void)state;
#define WITH(change)                                                                               \
	r.in.identity = &r.identity;                                                               \
	change
	CASE(RULES_BY_CITIZEN, WITH(), "", "");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.level = 0), "INVALID_FIELD", "identity.level");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.level = 3), "INVALID_FIELD", "identity.level");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.reference = " "), "EVIDENCE_MISSING",
	     "identity.reference");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.authenticated_us = 0), "EVIDENCE_MISSING",
	     "identity.reference");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.authenticated_us = NOW + 1), "INVALID_FIELD",
	     "identity.authenticated_us");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.authenticated_us = -1), "INVALID_FIELD",
	     "identity.authenticated_us");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.reference = "a\x01"), "BAD_TEXT",
	     "identity.reference");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.method = M(PORTAL_ACCOUNT)), "INVALID_FIELD",
	     "identity.level"); /* only VNeID has levels */
	CASE(RULES_BY_CITIZEN, WITH(r.identity.method = M(PORTAL_ACCOUNT); r.identity.level = 0),
	     "", "");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.method = M(PAPER_SEEN); r.identity.level = 0),
	     "IDENTITY_NOT_ALLOWED", "identity.method");
	CASE(RULES_BY_SYSTEM, WITH(r.identity.method = M(PAPER_SEEN); r.identity.level = 0),
	     "IDENTITY_NOT_ALLOWED", "identity.method");
	CASE(RULES_BY_STAFF, WITH(r.identity.method = M(PAPER_SEEN); r.identity.level = 0), "", "");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.number = OWNER), "", "");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.number = FATHER), "IDENTITY_MISMATCH",
	     "identity.number");
	CASE(RULES_BY_CITIZEN, WITH(r.identity.number = "1"), "BAD_CITIZEN_NUMBER",
	     "identity.number");
	CASE(RULES_BY_CITIZEN, WITH(r.in.filer = &r.filer; r.identity.number = FATHER), "", "");
	CASE(RULES_BY_CITIZEN, WITH(r.in.filer = &r.filer; r.identity.number = OWNER),
	     "IDENTITY_MISMATCH", "identity.number");
	CASE(RULES_BY_CITIZEN, WITH(r.in.applicant = NULL), "", ""); /* reported elsewhere */
}

static void test_representation(void **state)
{
	(void)state;
#define FOR(change)                                                                                \
	r.in.filer = &r.filer;                                                                     \
	change
	CASE(RULES_BY_CITIZEN, FOR(), "", "");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.name = ""), "REQUIRED_FIELD", "filer.name");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.number = "12"), "BAD_CITIZEN_NUMBER", "filer.number");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.reference = ""), "AUTHORISATION_MISSING",
	     "filer.authorisation");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.reference = ""; r.filer.authorisation = "uy-quyen"), "",
	     "");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.authorisation = "to-khai"), "AUTHORISATION_MISSING",
	     "filer.authorisation");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.authorisation = "uy-quyen"; r.input.paper_copies = 0),
	     "AUTHORISATION_MISSING", "filer.authorisation");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.relation = R(GUARDIAN); r.filer.reference = ""), "", "");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.relation = R(FAMILY); r.filer.reference = ""), "", "");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.relation = R(LEGAL_REPRESENTATIVE)),
	     "RELATION_NOT_FITTING", "filer.relation");
	CASE(RULES_BY_CITIZEN, FOR(make_organisation(&r); r.filer.relation = R(GUARDIAN)),
	     "RELATION_NOT_FITTING", "filer.relation");
	CASE(RULES_BY_CITIZEN,
	     FOR(make_organisation(&r); r.filer.relation = R(LEGAL_REPRESENTATIVE)), "", "");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.relation = R(UNSPECIFIED)), "REPRESENTATION_REQUIRED",
	     "filer.relation");
	CASE(RULES_BY_CITIZEN, FOR(r.filer.relation = R(UNSPECIFIED); r.filer.number = OWNER), "",
	     "");
	/* Nobody on a portal is an organisation; at the desk the clerk knows who stands there. */
	CASE(RULES_BY_CITIZEN, make_organisation(&r), "REPRESENTATION_REQUIRED", "filer.relation");
	CASE(RULES_BY_STAFF, make_organisation(&r); r.in.channel = C(COUNTER), "", "");
}

static void test_what_verifies(void **state)
{
	static const struct {
		Dossier__IdentityMethod method;
		enum rules_filer by;
		bool verified;
	} cases[] = {
		{M(VNEID), RULES_BY_SYSTEM, true},
		{M(VNEID), RULES_BY_STAFF, true},
		{M(VNEID), RULES_BY_CITIZEN, false},
		{M(PAPER_SEEN), RULES_BY_STAFF, true},
		{M(PORTAL_ACCOUNT), RULES_BY_SYSTEM, false},
		{M(PORTAL_ACCOUNT), RULES_BY_CITIZEN, true},
		{M(PORTAL_ACCOUNT), RULES_BY_STAFF, false},
		{M(UNSPECIFIED), RULES_BY_SYSTEM, false},
	};
	struct request r;

	(void)state;
	make_request(&r);
	assert_false(rules_identity_verified(&r.in, RULES_BY_SYSTEM));
	assert_int_equal(rules_identity(&r.in, RULES_BY_STAFF)->method, M(UNSPECIFIED));
	assert_true(rules_identity_verified(&r.in, RULES_BY_CITIZEN));
	assert_int_equal(rules_identity(&r.in, RULES_BY_CITIZEN)->method, M(PORTAL_ACCOUNT));
	r.in.identity = &r.identity;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		r.identity.method = cases[i].method;
		assert_int_equal(rules_identity_verified(&r.in, cases[i].by), cases[i].verified);
	}
}

/* An account files as its holder only, for whomever. */
static void test_accounts(void **state)
{
	static const struct {
		const char *account, *files, *code;
		bool represented;
	} cases[] = {
		{"a", "a", "", false},
		{"a", "a", "", true},
		{"", "a", "ACCOUNT_NOT_VERIFIED", false},
		{"", "", "ACCOUNT_NOT_VERIFIED", true},
		{"b", "a", "NUMBER_NOT_OWN", false},
		{"b", "a", "NUMBER_NOT_OWN", true},
	};
	struct request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *field = cases[i].represented ? "filer.number" : "applicant.number";
		struct err err = {0};

		make_request(&r);
		if (cases[i].represented)
			r.in.filer = &r.filer;
		assert_string_equal(rules_who_files(&r.in), cases[i].represented ? FATHER : OWNER);
		rules_check_account(&r.in, cases[i].account, cases[i].files, &err);
		assert_string_equal(err_code(&err), cases[i].code);
		assert_string_equal(err.items[0].field, cases[i].code[0] ? field : "");
	}
}

static void test_likeness(void **state)
{
	static const char *names[] = {"a", "b", "c", "d", "e"};
	static const struct {
		const char *one[5], *other[5];
		size_t n_one, n_other;
		bool similar;
	} cases[] = {
		{{"1", "2", "3", "4", "5"}, {"1", "2", "3", "4", "5"}, 5, 5, true},
		{{"1", "2", "3", "4", "5"}, {"1", "2", "3", "4", "x"}, 5, 5, true},
		{{"1", "2", "3", "4", "5"}, {"1", "2", "3", "y", "x"}, 5, 5, false},
		{{"1", "2", "3", "4"}, {"1", "2", "3", "4", "5"}, 4, 5, true},
		{{"1", "2", "3"}, {"1", "2", "3", "4", "5"}, 3, 5, false},
		{{"1", " ", "", "", ""}, {"1"}, 5, 1, true}, /* blank is not given */
		{{"1"}, {"2"}, 1, 1, false},
		{{"1"}, {" "}, 1, 1, false},
		{{NULL}, {NULL}, 0, 0, true}, /* forms without fields */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rules_answers one = {names, (const char **)cases[i].one, cases[i].n_one};
		struct rules_answers other = {names, (const char **)cases[i].other,
					      cases[i].n_other};

		assert_int_equal(rules_similar(&one, &other), cases[i].similar);
		assert_int_equal(rules_similar(&other, &one), cases[i].similar);
	}
}

static void test_national_codes(void **state)
{
	static const struct {
		const char *s;
		bool ok;
	} cases[] = {
		{"000.00.00.G22-240521-000123", true},
		{"H40.31.01-240521-0001", true},
		{"G22/1", true},
		{"G22", false},
		{"g22-240521-1", false},
		{"-240521-1", false},
		{"G22 240521", false},
		{"", false},
		{"A23456789012345678901234567890123456789012345678901234567890", true},
		{"A234567890123456789012345678901234567890123456789012345678901", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (rules_national_code(cases[i].s) != cases[i].ok)
			fail_msg("national code \"%s\"", cases[i].s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evidence),      cmocka_unit_test(test_representation),
		cmocka_unit_test(test_what_verifies), cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_likeness),      cmocka_unit_test(test_national_codes),
	};

	return cmocka_run_group_tests_name("dossier_filer", tests, NULL, NULL);
}
