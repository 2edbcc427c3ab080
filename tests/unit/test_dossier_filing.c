// with: services/dossier/rules.c services/dossier/rules_text.c services/dossier/rules_form.c services/dossier/rules_intake.c services/dossier/rules_procedure.c
/* The dossier's pure rules: what a filing must hold, and what once-only counts in it. */
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
	r->applicant.email = "mau.tran@example.vn";
	r->applicant.language = "en";
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
	BAD_EMAIL,
	BAD_LANGUAGE,
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
	[BAD_EMAIL] = {"BAD_EMAIL", "applicant.email"},
	[BAD_LANGUAGE] = {"INVALID_FIELD", "applicant.language"},
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

static char long_name[RULES_NAME_MAX + 2], long_address[RULES_ADDRESS_MAX + 2];

static void break_head(int i, struct request *r, enum rules_filer *filer)
{
	switch (i) {
	case NO_PROCEDURE:
		r->in.procedure_code = "";
		break;
	case NO_AGENCY:
		r->in.agency_code = "";
		break;
	case BAD_AGENCY:
		r->in.agency_code = "h40'--";
		break;
	case BAD_COMPETENT:
		r->in.competent_agency_code = ".H40";
		break;
	case NO_CHANNEL:
		r->in.channel = 0;
		break;
	case CITIZEN_COUNTER:
		r->in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
		break;
	case STAFF_PORTAL:
		*filer = RULES_BY_STAFF;
		break;
	case NO_APPLICANT:
		r->in.applicant = NULL;
		break;
	case BAD_KIND:
		r->applicant.kind = "person";
		break;
	case BAD_NUMBER:
		r->applicant.number = "036325000017";
		break;
	case BAD_TAX:
		r->applicant.kind = "organisation";
		r->applicant.number = "0100109107";
		break;
	case NO_NAME:
		r->applicant.name = " \t";
		break;
	case BAD_NAME:
		r->applicant.name = "Trần\x01";
		break;
	case LONG_NAME:
		r->applicant.name = long_name;
		break;
	case BAD_PHONE:
		r->applicant.phone = "12";
		break;
	case BAD_EMAIL:
		r->applicant.email = "mau@nha";
		break;
	case BAD_LANGUAGE:
		r->applicant.language = "fr";
		break;
	case LONG_ADDRESS:
		r->applicant.address = long_address;
		break;
	}
}

static void break_parts(int i, struct request *r)
{
	switch (i) {
	case BAD_FILE:
		r->files[1] = "../etc/passwd";
		break;
	case FILE_TWICE:
		r->files[1] = r->files[0];
		break;
	case COMPONENT_TWICE:
		r->input[1].code = "TP1";
		r->in.n_components = 2;
		break;
	case PAPER:
		r->input[0].paper_copies = 1;
		break;
	case DEMAND:
		r->input[0].demanded = true;
		break;
	case UNKNOWN_COMPONENT:
		r->input[1].code = "TP9";
		r->in.n_components = 2;
		break;
	case MISSING:
		r->input[0].n_file_ids = 0;
		break;
	case FORM_TWICE:
		add_form(r, "purpose", "x");
		break;
	case FORM_UNKNOWN:
		add_form(r, "nothing", "x");
		break;
	case FORM_MISSING:
		r->in.n_form = 0;
		break;
	case FORM_BLANK:
		r->field[0].value = "  ";
		break;
	case FORM_LONG:
		r->field[0].value = "ăăăăăăăăăăă";
		break; /* 11 of 10 */
	case FORM_DATE:
		add_form(r, "since", "2021-02-29");
		break;
	case FORM_INTEGER:
		add_form(r, "copies", "1.5");
		break;
	case FORM_NUMBER:
		add_form(r, "spouse", "0361");
		break;
	case FORM_PHONE:
		add_form(r, "contact", "0412345678");
		break;
	}
}

static void test_refused_filings(void **state)
{
	(void)state;
	memset(long_name, 'a', sizeof(long_name) - 1);
	memset(long_address, 'b', sizeof(long_address) - 1);
	for (int i = 0; i < CASES; i++) {
		enum rules_filer filer = RULES_BY_CITIZEN;
		struct rules_component out[2];
		struct request r;
		struct err err;

		make_request(&r);
		break_head(i, &r, &filer);
		break_parts(i, &r);
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
	REFUSED(p.reply_days = 181, "reply_days");
	REFUSED(p.valid_from = "2021-13-01", "valid_from");
	REFUSED(p.valid_to = "2020-12-31", "valid_to");
	REFUSED(p.components[1]->code = "TP1", "components");
	REFUSED(p.components[0]->name = "", "components");
	REFUSED(p.form[1]->type = "json", "form");
	REFUSED(p.form[1]->name = "purpose", "form");
#undef REFUSED
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_filing),        cmocka_unit_test(test_refused_filings),
		cmocka_unit_test(test_all_errors_at_once), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_once_only),          cmocka_unit_test(test_procedures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
