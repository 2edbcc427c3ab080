// with: services/dossier/rules.c services/dossier/rules_identity.c services/dossier/rules_intake.c
/* The dossier's pure rules: state table, identity numbers, filing, due dates, verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/rules.h"

#define TODAY civil_from_ymd(2024, 5, 21)

/* --- states --- */

/* The whole table again, by hand: from (rows) x action (columns) -> to, 0 = refused. */
static const int expected[11][RULES_ACTIONS + 1] = {
	/*          -  sub acc fwd pay res iss ret rate */
	[0] = {0, 1, 0, 0, 0, 0, 0, 0, 0},
	[1] = {0, 0, 2, 0, 0, 0, 0, 0, 0},
	[2] = {0, 0, 0, 4, 6, 0, 0, 0, 0},
	[3] = {0},
	[4] = {0, 0, 0, 4, 6, 0, 9, 0, 0},
	[5] = {0},
	[6] = {0, 0, 0, 0, 0, 4, 0, 0, 0},
	[7] = {0},
	[8] = {0},
	[9] = {0, 0, 0, 0, 0, 0, 0, 10, 9},
	[10] = {0, 0, 0, 0, 0, 0, 0, 0, 10},
};

static void test_states(void **state)
{
	size_t allowed = 0;

	(void)state;
	for (int from = 0; from <= 10; from++) {
		for (int action = 1; action <= RULES_ACTIONS; action++) {
			const struct rules_transition *row = NULL;
			struct err err = {.status = 0};
			int r = rules_transition((Dossier__DossierState)from,
						 (enum rules_action)action, &row, &err);

			if (expected[from][action] == 0) {
				assert_int_equal(r, ERR_CONFLICT);
				assert_string_equal(err_code(&err), "WRONG_STATE");
				assert_null(row);
				continue;
			}
			assert_int_equal(r, 0);
			assert_int_equal(row->to, expected[from][action]);
			allowed++;
		}
	}
	assert_int_equal(allowed, rules_n_transitions);
}

static void test_action_names(void **state)
{
	(void)state;
	for (int a = 1; a <= RULES_ACTIONS; a++) {
		assert_true(rules_action_name((enum rules_action)a)[0] != '\0');
		for (int b = 1; b < a; b++)
			assert_string_not_equal(rules_action_name((enum rules_action)a),
						rules_action_name((enum rules_action)b));
	}
}

static void test_parties(void **state)
{
	static const struct rules_agencies of = {
		.receiving = "H40.31.01", .competent = "H40.31", .holder = "H40.03"};
	static const struct {
		unsigned parties;
		const char *agency;
		bool may;
	} cases[] = {
		{RULES_RECEIVER, "H40.31.01", true},
		{RULES_RECEIVER, "H40.31", false},
		{RULES_RECEIVER, "H40.03", false},
		{RULES_COMPETENT, "H40.31", true},
		{RULES_HOLDER, "H40.03", true},
		{RULES_HOLDER, "H40.31.01", false},
		{RULES_HOLDER | RULES_RECEIVER, "H40.31.01", true},
		{RULES_RECEIVER | RULES_COMPETENT | RULES_HOLDER, "H40", false},
		{RULES_RECEIVER | RULES_COMPETENT | RULES_HOLDER, "", false},
		{0, "H40.03", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {.status = 0};
		int r = rules_party(&of, cases[i].parties, cases[i].agency, &err);

		assert_int_equal(r, cases[i].may ? 0 : ERR_DENIED);
		assert_string_equal(err_code(&err), cases[i].may ? "" : "NOT_IN_HAND");
	}
}

/* --- identity --- */

struct text_case {
	const char *s;
	bool ok;
};

static void test_citizen_numbers(void **state)
{
	static const struct text_case cases[] = {
		{"036190000017", true},  /* Nam Dinh, woman of the 20th century, 1990 */
		{"036090000017", true},  /* man */
		{"036224000017", true},  /* man born 2024 */
		{"036325000017", false}, /* woman born 2025: not yet */
		{"036500000017", false}, /* 22nd century */
		{"001300000001", true},  /* Ha Noi */
		{"096300000001", true},  /* Ca Mau */
		{"003300000001", false}, /* no province has this number */
		{"097300000001", false},  {"000300000001", false},
		{"101090000001", true}, /* registered abroad */
		{"100090000001", false},  {"400090000001", false},
		{"03619000001", false},   /* 11 digits */
		{"0361900000170", false}, /* 13 */
		{"03619000001x", false},  {" 36190000017", false},
		{"036 90000017", false},  {"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (rules_citizen_number(cases[i].s, TODAY) != cases[i].ok)
			fail_msg("citizen number \"%s\"", cases[i].s);
}

static void test_tax_codes(void **state)
{
	static const struct text_case cases[] = {
		{"0100109106", true},      {"0100109107", false},    {"0100109105", false},
		{"0100109106001", true},   {"0100109106000", false}, /* branches count from 001 */
		{"0100109107001", false},  {"010010910", false},     {"01001091060", false},
		{"0100109106-001", false}, {"010010910a", false},    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (rules_tax_code(cases[i].s) != cases[i].ok)
			fail_msg("tax code \"%s\"", cases[i].s);
}

/* Exactly one tenth digit fits nine digits, none when the sum leaves 10 as check digit. */
static void test_tax_check_digit(void **state)
{
	static const int weights[] = {31, 29, 23, 19, 17, 13, 7, 5, 3};

	(void)state;
	for (int n = 0; n < 2000; n++) {
		char code[16];
		int sum = 0, fits = 0;

		snprintf(code, sizeof(code), "%09d", n * 499979);
		for (int i = 0; i < 9; i++)
			sum += weights[i] * (code[i] - '0');
		for (int d = 0; d <= 9; d++) {
			code[9] = (char)('0' + d);
			code[10] = '\0';
			fits += rules_tax_code(code);
		}
		assert_int_equal(fits, sum % 11 == 0 ? 0 : 1);
	}
}

static void test_phones(void **state)
{
	static const struct {
		const char *s, *normal;
	} cases[] = {
		{"0912345678", "0912345678"},
		{"+84912345678", "0912345678"},
		{"0312345678", "0312345678"},
		{"02283123456", "02283123456"},
		{"+842283123456", "02283123456"},
		{"0412345678", NULL},
		{"0228312345", NULL},
		{"91234567", NULL},
		{"091234567a", NULL},
		{"09123456789", NULL},
		{"0", NULL},
		{"+84", NULL},
		{"84912345678", NULL},
		{"", NULL},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, 65536);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(rules_phone(cases[i].s), cases[i].normal != NULL);
		assert_string_equal(rules_phone_normal(&arena, cases[i].s),
				    cases[i].normal ? cases[i].normal : cases[i].s);
	}
	arena_done(&arena);
}

static void test_codes(void **state)
{
	static const struct text_case cases[] = {
		{"H40.31.01-240521-0001", true},
		{"H40-240521-0001", true},
		{"H40.31.01-240521-12345", true},
		{"H40.31.01-240521-001", false},
		{"H40.31.01-24052-00001", false},
		{"H40.31.01-2405210001", false},
		{"h40.31.01-240521-0001", false},
		{"-240521-0001", false},
		{"H40.31.01-240521-0001 ", false},
		{"H40.31.01-240521-", false},
		{"H40..01-240521-0001", false},
		{"H40.-240521-0001", false},
		{"", false},
		{"-", false},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-240521-0001", false},
	};
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (rules_dossier_code(cases[i].s) != cases[i].ok)
			fail_msg("code \"%s\"", cases[i].s);
	arena_init(&arena, 65536);
	assert_string_equal(rules_make_code(&arena, "H40.31.01", TODAY, 1),
			    "H40.31.01-240521-0001");
	assert_string_equal(rules_make_code(&arena, "H40.31.01", TODAY, 9999),
			    "H40.31.01-240521-9999");
	assert_string_equal(rules_make_code(&arena, "H40.31.01", TODAY, 10000),
			    "H40.31.01-240521-10000");
	arena_done(&arena);
}

/* --- filing --- */

static Dossier__Component birth;
static const char *birth_types[] = {"GKS", "TLKS"};

/* A procedure with one required component of two record types, one optional, and a form. */
static void make_procedure(Dossier__Procedure *p)
{
	static Dossier__Component photo;
	static Dossier__Component *components[] = {&birth, &photo};
	static Dossier__FormFieldRule rules[5];
	static Dossier__FormFieldRule *form[5];
	static const char *const names[] = {"purpose", "since", "copies", "spouse", "contact"};
	static const char *const types[] = {"text", "date", "integer", "citizen_number", "phone"};

	dossier__procedure__init(p);
	dossier__component__init(&birth);
	birth.code = "TP1";
	birth.name = "Giấy khai sinh";
	birth.required = true;
	birth.record_types = birth_types;
	birth.n_record_types = 2;
	dossier__component__init(&photo);
	photo.code = "TP2";
	photo.name = "Ảnh";
	for (size_t i = 0; i < 5; i++) {
		dossier__form_field_rule__init(&rules[i]);
		rules[i].name = names[i];
		rules[i].label = names[i];
		rules[i].type = types[i];
		rules[i].required = i == 0;
		rules[i].max_length = i == 0 ? 10 : 0;
		form[i] = &rules[i];
	}
	p->code = "1.004873";
	p->version = 1;
	p->name = "Xác nhận tình trạng hôn nhân";
	p->field = "Hộ tịch";
	p->levels = "X";
	p->limit_unit = DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY;
	p->limit_value = 3;
	p->fee_kind = "le_phi";
	p->fee_vnd = 15000;
	p->online_level = 4;
	p->data_class = "basic";
	p->valid_from = "2021-01-01";
	p->valid_to = "";
	p->components = components;
	p->n_components = 2;
	p->form = form;
	p->n_form = 5;
}

struct request {
	Dossier__SubmitRequest in;
	Dossier__Applicant applicant;
	Dossier__ComponentInput input[3];
	Dossier__ComponentInput *inputs[3];
	Dossier__FormField field[8];
	Dossier__FormField *fields[8];
	const char *files[2];
};

/* A good filing on the portal. */
static void make_request(struct request *r)
{
	memset(r, 0, sizeof(*r));
	dossier__submit_request__init(&r->in);
	dossier__applicant__init(&r->applicant);
	r->in.procedure_code = "1.004873";
	r->in.agency_code = "H40.31.01";
	r->in.channel = DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL;
	r->in.applicant = &r->applicant;
	r->applicant.kind = "citizen";
	r->applicant.number = "036190000017";
	r->applicant.name = "Trần Thị Mẫu";
	r->applicant.phone = "0912345678";
	for (int i = 0; i < 3; i++) {
		dossier__component_input__init(&r->input[i]);
		r->inputs[i] = &r->input[i];
	}
	for (int i = 0; i < 8; i++) {
		dossier__form_field__init(&r->field[i]);
		r->fields[i] = &r->field[i];
	}
	r->files[0] = "0190d0a0-0000-7000-8000-000000000001";
	r->files[1] = "0190d0a0-0000-7000-8000-000000000002";
	r->input[0].code = "TP1";
	r->input[0].file_ids = r->files;
	r->input[0].n_file_ids = 2;
	r->in.components = r->inputs;
	r->in.n_components = 1;
	r->field[0].name = "purpose";
	r->field[0].value = "vay vốn";
	r->in.form = r->fields;
	r->in.n_form = 1;
}

static void add_form(struct request *r, const char *name, const char *value)
{
	r->field[r->in.n_form].name = name;
	r->field[r->in.n_form].value = value;
	r->in.n_form++;
}

static bool has(const struct err *err, const char *code, const char *field)
{
	for (unsigned i = 0; i < err->n_items; i++)
		if (strcmp(err->items[i].code, code) == 0 &&
		    strcmp(err->items[i].field, field) == 0)
			return true;
	return false;
}

static void check_all(const struct request *r, enum rules_filer filer,
		      const struct rules_held *held, size_t n_held, struct rules_component *out,
		      struct err *err)
{
	Dossier__Procedure p;

	memset(err, 0, sizeof(*err));
	make_procedure(&p);
	rules_check_filing(&r->in, filer, TODAY, err);
	rules_check_form(&p, &r->in, TODAY, err);
	rules_check_components(&p, &r->in, held, n_held, out, err);
}

static void test_good_filing(void **state)
{
	struct rules_component out[2];
	struct request r;
	struct err err;

	(void)state;
	make_request(&r);
	add_form(&r, "since", "2020-02-29");
	add_form(&r, "copies", "-12");
	add_form(&r, "spouse", "036090000018");
	add_form(&r, "contact", "+84912345678");
	check_all(&r, RULES_BY_CITIZEN, NULL, 0, out, &err);
	assert_int_equal(err.n_items, 0);
	assert_int_equal(err.status, 0);
	assert_ptr_equal(out[0].input, &r.input[0]);
	assert_null(out[1].input);
	assert_false(out[0].reused);
}

/* Each case breaks one thing and names the code and the field expected. */
static void test_refused_filings(void **state)
{
	enum {
		NO_PROCEDURE,
		NO_AGENCY,
		BAD_AGENCY,
		BAD_COMPETENT,
		NO_CHANNEL,
		CITIZEN_COUNTER,
		STAFF_PORTAL,
		NO_APPLICANT,
		BAD_KIND,
		BAD_NUMBER,
		BAD_TAX,
		NO_NAME,
		BAD_NAME,
		LONG_NAME,
		BAD_PHONE,
		LONG_ADDRESS,
		BAD_FILE,
		FILE_TWICE,
		COMPONENT_TWICE,
		PAPER,
		DEMAND,
		UNKNOWN_COMPONENT,
		MISSING,
		FORM_TWICE,
		FORM_UNKNOWN,
		FORM_MISSING,
		FORM_BLANK,
		FORM_LONG,
		FORM_DATE,
		FORM_INTEGER,
		FORM_NUMBER,
		FORM_PHONE,
		CASES
	};
	static const struct {
		const char *code, *field;
	} want[CASES] = {
		[NO_PROCEDURE] = {"REQUIRED_FIELD", "procedure_code"},
		[NO_AGENCY] = {"REQUIRED_FIELD", "agency_code"},
		[BAD_AGENCY] = {"INVALID_FIELD", "agency_code"},
		[BAD_COMPETENT] = {"INVALID_FIELD", "competent_agency_code"},
		[NO_CHANNEL] = {"REQUIRED_FIELD", "channel"},
		[CITIZEN_COUNTER] = {"CHANNEL_NOT_ALLOWED", "channel"},
		[STAFF_PORTAL] = {"CHANNEL_NOT_ALLOWED", "channel"},
		[NO_APPLICANT] = {"REQUIRED_FIELD", "applicant"},
		[BAD_KIND] = {"BAD_APPLICANT_KIND", "applicant.kind"},
		[BAD_NUMBER] = {"BAD_CITIZEN_NUMBER", "applicant.number"},
		[BAD_TAX] = {"BAD_TAX_CODE", "applicant.number"},
		[NO_NAME] = {"REQUIRED_FIELD", "applicant.name"},
		[BAD_NAME] = {"BAD_TEXT", "applicant.name"},
		[LONG_NAME] = {"BAD_TEXT", "applicant.name"},
		[BAD_PHONE] = {"BAD_PHONE", "applicant.phone"},
		[LONG_ADDRESS] = {"BAD_TEXT", "applicant.address"},
		[BAD_FILE] = {"BAD_FILE_ID", "components[0].file_ids[1]"},
		[FILE_TWICE] = {"BAD_FILE_ID", "components[0].file_ids[1]"},
		[COMPONENT_TWICE] = {"DUPLICATE_COMPONENT", "components[1].code"},
		[PAPER] = {"PAPER_NOT_ALLOWED", "components[0].paper_copies"},
		[DEMAND] = {"DEMAND_NOT_ALLOWED", "components[0].demanded"},
		[UNKNOWN_COMPONENT] = {"UNKNOWN_COMPONENT", "components[1].code"},
		[MISSING] = {"MISSING_COMPONENT", "components"},
		[FORM_TWICE] = {"DUPLICATE_FORM_FIELD", "form[1].name"},
		[FORM_UNKNOWN] = {"UNKNOWN_FORM_FIELD", "form[1].value"},
		[FORM_MISSING] = {"MISSING_FORM_FIELD", "form.purpose"},
		[FORM_BLANK] = {"MISSING_FORM_FIELD", "form.purpose"},
		[FORM_LONG] = {"BAD_TEXT", "form[0].value"},
		[FORM_DATE] = {"BAD_DATE", "form[1].value"},
		[FORM_INTEGER] = {"BAD_INTEGER", "form[1].value"},
		[FORM_NUMBER] = {"BAD_CITIZEN_NUMBER", "form[1].value"},
		[FORM_PHONE] = {"BAD_PHONE", "form[1].value"},
	};
	static char name[RULES_NAME_MAX + 2], address[RULES_ADDRESS_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	memset(address, 'b', sizeof(address) - 1);
	for (int i = 0; i < CASES; i++) {
		enum rules_filer filer = RULES_BY_CITIZEN;
		struct rules_component out[2];
		struct request r;
		struct err err;

		make_request(&r);
		switch (i) {
		case NO_PROCEDURE:
			r.in.procedure_code = "";
			break;
		case NO_AGENCY:
			r.in.agency_code = "";
			break;
		case BAD_AGENCY:
			r.in.agency_code = "h40'--";
			break;
		case BAD_COMPETENT:
			r.in.competent_agency_code = ".H40";
			break;
		case NO_CHANNEL:
			r.in.channel = 0;
			break;
		case CITIZEN_COUNTER:
			r.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
			break;
		case STAFF_PORTAL:
			filer = RULES_BY_STAFF;
			break;
		case NO_APPLICANT:
			r.in.applicant = NULL;
			break;
		case BAD_KIND:
			r.applicant.kind = "person";
			break;
		case BAD_NUMBER:
			r.applicant.number = "036325000017";
			break;
		case BAD_TAX:
			r.applicant.kind = "organisation";
			r.applicant.number = "0100109107";
			break;
		case NO_NAME:
			r.applicant.name = " \t";
			break;
		case BAD_NAME:
			r.applicant.name = "Trần\x01";
			break;
		case LONG_NAME:
			r.applicant.name = name;
			break;
		case BAD_PHONE:
			r.applicant.phone = "12";
			break;
		case LONG_ADDRESS:
			r.applicant.address = address;
			break;
		case BAD_FILE:
			r.files[1] = "../etc/passwd";
			break;
		case FILE_TWICE:
			r.files[1] = r.files[0];
			break;
		case COMPONENT_TWICE:
			r.input[1].code = "TP1";
			r.in.n_components = 2;
			break;
		case PAPER:
			r.input[0].paper_copies = 1;
			break;
		case DEMAND:
			r.input[0].demanded = true;
			break;
		case UNKNOWN_COMPONENT:
			r.input[1].code = "TP9";
			r.in.n_components = 2;
			break;
		case MISSING:
			r.input[0].n_file_ids = 0;
			break;
		case FORM_TWICE:
			add_form(&r, "purpose", "x");
			break;
		case FORM_UNKNOWN:
			add_form(&r, "nothing", "x");
			break;
		case FORM_MISSING:
			r.in.n_form = 0;
			break;
		case FORM_BLANK:
			r.field[0].value = "  ";
			break;
		case FORM_LONG:
			r.field[0].value = "ăăăăăăăăăăă";
			break; /* 11 of 10 */
		case FORM_DATE:
			add_form(&r, "since", "2021-02-29");
			break;
		case FORM_INTEGER:
			add_form(&r, "copies", "1.5");
			break;
		case FORM_NUMBER:
			add_form(&r, "spouse", "0361");
			break;
		case FORM_PHONE:
			add_form(&r, "contact", "0412345678");
			break;
		}
		check_all(&r, filer, NULL, 0, out, &err);
		if (!has(&err, want[i].code, want[i].field))
			fail_msg("case %d: no %s at %s", i, want[i].code, want[i].field);
		assert_int_equal(err.status, ERR_INVALID);
		assert_int_equal(err.n_items, 1);
	}
}

static void test_all_errors_at_once(void **state)
{
	struct rules_component out[2];
	struct request r;
	struct err err;

	(void)state;
	make_request(&r);
	r.applicant.number = "1";
	r.applicant.name = "";
	r.input[0].n_file_ids = 0;
	r.field[0].value = "";
	r.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	check_all(&r, RULES_BY_CITIZEN, NULL, 0, out, &err);
	assert_int_equal(err.n_items, 5);
	assert_true(has(&err, "CHANNEL_NOT_ALLOWED", "channel"));
	assert_true(has(&err, "BAD_CITIZEN_NUMBER", "applicant.number"));
	assert_true(has(&err, "REQUIRED_FIELD", "applicant.name"));
	assert_true(has(&err, "MISSING_COMPONENT", "components"));
	assert_true(has(&err, "MISSING_FORM_FIELD", "form.purpose"));
}

static void test_too_many(void **state)
{
	static Dossier__ComponentInput many;
	static Dossier__ComponentInput *list[101];
	static const char *files[101];
	struct rules_component out[2];
	struct request r;
	struct err err;

	(void)state;
	make_request(&r);
	dossier__component_input__init(&many);
	for (size_t i = 0; i < 101; i++) {
		list[i] = &many;
		files[i] = "f";
	}
	r.in.components = list;
	r.in.n_components = 101;
	check_all(&r, RULES_BY_CITIZEN, NULL, 0, out, &err);
	assert_true(has(&err, "TOO_MANY", "components"));
	assert_int_equal(err.n_items, 1);

	make_request(&r);
	r.input[0].file_ids = files;
	r.input[0].n_file_ids = 101;
	check_all(&r, RULES_BY_CITIZEN, NULL, 0, out, &err);
	assert_true(has(&err, "TOO_MANY", "components.file_ids"));
	assert_int_equal(err.n_items, 1);
}

/* A held record meets a component nobody handed in; papers handed in are no reuse. */
static void test_once_only(void **state)
{
	static const struct rules_held held[] = {
		{.record_id = "r0", .type = "CCCD", .source = "X"},
		{.record_id = "r1", .type = "TLKS", .source = "H40.31.02-240101-0001"},
		{.record_id = "r2", .type = "GKS", .source = "H40.31.02"},
	};
	struct rules_component out[2];
	struct request r;
	struct err err;

	(void)state;
	make_request(&r);
	r.in.n_components = 0;
	check_all(&r, RULES_BY_CITIZEN, held, 3, out, &err);
	assert_int_equal(err.n_items, 0);
	assert_true(out[0].reused);
	assert_string_equal(out[0].held->record_id, "r1"); /* the first that fits, newest first */
	assert_false(out[1].reused);
	assert_null(out[1].held);

	/* Held records of other types do not help. */
	check_all(&r, RULES_BY_CITIZEN, held, 1, out, &err);
	assert_true(has(&err, "MISSING_COMPONENT", "components"));

	/* At the desk: handed in although held, and demanded. */
	make_request(&r);
	r.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	r.input[0].n_file_ids = 0;
	r.input[0].paper_copies = 1;
	r.input[0].demanded = true;
	check_all(&r, RULES_BY_STAFF, held, 3, out, &err);
	assert_int_equal(err.n_items, 0);
	assert_false(out[0].reused);
	assert_true(out[0].demanded);
	assert_non_null(out[0].held);

	/* Demanded, but nothing is held: no fact for R2-16. */
	check_all(&r, RULES_BY_STAFF, NULL, 0, out, &err);
	assert_int_equal(err.n_items, 0);
	assert_false(out[0].demanded);
}

static void test_procedures(void **state)
{
	Dossier__Procedure p;
	struct err err = {.status = 0};

	(void)state;
	make_procedure(&p);
	assert_int_equal(rules_check_procedure(&p, "procedures[0]", &err), 0);
#define REFUSED(change, where)                                                                     \
	do {                                                                                       \
		make_procedure(&p);                                                                \
		change;                                                                            \
		assert_int_equal(rules_check_procedure(&p, "procedures[0]", &err), ERR_INVALID);   \
		assert_string_equal(err.items[0].field, "procedures[0]." where);                   \
	} while (0)
	REFUSED(p.code = "", "code");
	REFUSED(p.code = "1 2", "code");
	REFUSED(p.name = " ", "name");
	REFUSED(p.field = "", "field");
	REFUSED(p.levels = "XA", "levels");
	REFUSED(p.limit_value = 0, "limit_value");
	REFUSED(p.limit_unit = DOSSIER__LIMIT_UNIT__LIMIT_UNIT_SAME_DAY, "limit_value");
	REFUSED(p.fee_kind = "", "fee_vnd");
	REFUSED(p.fee_vnd = 0, "fee_vnd");
	REFUSED(p.fee_vnd = -1, "fee_vnd");
	REFUSED(p.fee_kind = "tax", "fee_kind");
	REFUSED(p.online_level = 5, "online_level");
	REFUSED(p.data_class = "secret", "data_class");
	REFUSED(p.valid_from = "2021-13-01", "valid_from");
	REFUSED(p.valid_to = "2020-12-31", "valid_to");
	REFUSED(p.components[1]->code = "TP1", "components");
	REFUSED(p.components[0]->name = "", "components");
	REFUSED(p.form[1]->type = "json", "form");
	REFUSED(p.form[1]->name = "purpose", "form");
#undef REFUSED
}

/* --- deadlines --- */

#define AT(y, mo, d, h, mi) civil_to_us(civil_from_ymd(y, mo, d), (h)*60 + (mi))

static struct calendar *make_calendar(int32_t to)
{
	static const struct {
		int y, m, d;
		enum calendar_kind kind;
	} rows[] = {{2024, 4, 29, CALENDAR_OFF},
		    {2024, 4, 30, CALENDAR_OFF},
		    {2024, 5, 1, CALENDAR_OFF},
		    {2024, 5, 4, CALENDAR_WORK}};
	struct calendar_day days[ARRAY_LEN(rows)];
	struct calendar *cal;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		days[i] = (struct calendar_day){
			.day = civil_from_ymd(rows[i].y, rows[i].m, rows[i].d),
			.kind = rows[i].kind};
	assert_int_equal(
		calendar_new(days, ARRAY_LEN(days), civil_from_ymd(2024, 1, 1), to, 7, &cal, &err),
		0);
	return cal;
}

static void test_due(void **state)
{
	struct rules_limit three = {DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY, 3};
	struct rules_limit none = {DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED, 0};
	struct calendar *cal = make_calendar(civil_from_ymd(2024, 12, 31));
	struct calendar *shorter = make_calendar(civil_from_ymd(2024, 4, 27));
	struct rules_pause pause = {AT(2024, 4, 26, 9, 0), AT(2024, 5, 3, 9, 0)};
	struct calendar_due due, again;

	(void)state;
	/* Friday 26 April; 29, 30 and 1 May are off, Saturday 4 May is worked. */
	due = rules_due(cal, three, AT(2024, 4, 26, 9, 0), NULL, 0);
	assert_int_equal(civil_of_us(due.due_us), civil_from_ymd(2024, 5, 4));
	assert_false(due.provisional);
	due = rules_due(shorter, three, AT(2024, 4, 26, 9, 0), NULL, 0);
	assert_true(due.provisional);
	due = rules_due(cal, none, AT(2024, 4, 26, 9, 0), &pause, 1);
	assert_int_equal(due.due_us, 0);
	assert_false(due.provisional);

	/* A pause shifts; all at once and one after the other agree. */
	due = rules_due(cal, three, AT(2024, 4, 26, 9, 0), &pause, 1);
	again = rules_due(cal, three, AT(2024, 4, 26, 9, 0), NULL, 0);
	assert_true(due.due_us > again.due_us);
	again = rules_due_after_pause(cal, three, again.due_us, pause);
	assert_int_equal(due.due_us, again.due_us);
	calendar_free(cal);
	calendar_free(shorter);
}

static void test_verdict(void **state)
{
	int64_t due = AT(2024, 5, 24, 17, 30);

	(void)state;
	assert_int_equal(rules_verdict(due, AT(2024, 5, 23, 23, 59)),
			 DOSSIER__VERDICT__VERDICT_EARLY);
	assert_int_equal(rules_verdict(due, AT(2024, 5, 24, 0, 0)),
			 DOSSIER__VERDICT__VERDICT_ON_TIME);
	assert_int_equal(rules_verdict(due, AT(2024, 5, 24, 23, 59)),
			 DOSSIER__VERDICT__VERDICT_ON_TIME); /* by date, not by hour */
	assert_int_equal(rules_verdict(due, AT(2024, 5, 25, 0, 0)), DOSSIER__VERDICT__VERDICT_LATE);
	assert_int_equal(rules_verdict(0, AT(2034, 5, 25, 0, 0)),
			 DOSSIER__VERDICT__VERDICT_ON_TIME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_action_names),
		cmocka_unit_test(test_parties),
		cmocka_unit_test(test_citizen_numbers),
		cmocka_unit_test(test_tax_codes),
		cmocka_unit_test(test_tax_check_digit),
		cmocka_unit_test(test_phones),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_good_filing),
		cmocka_unit_test(test_refused_filings),
		cmocka_unit_test(test_all_errors_at_once),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_once_only),
		cmocka_unit_test(test_procedures),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
