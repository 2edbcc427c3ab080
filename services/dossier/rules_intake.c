#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/identity.h"
#include "common/base/utf8.h"
#include "services/dossier/rules.h"

#define COMPONENTS_MAX  100
#define FORM_FIELDS_MAX 200
#define FORM_TEXT_MAX   2000

static const struct err_kind bad_channel = {ERR_INVALID, "CHANNEL_NOT_ALLOWED",
					    "Kênh nộp hồ sơ không phù hợp với người nộp",
					    "the filing channel does not fit who files"};
static const struct err_kind bad_kind = {ERR_INVALID, "BAD_APPLICANT_KIND",
					 "Loại chủ hồ sơ phải là citizen hoặc organisation",
					 "the applicant's kind must be citizen or organisation"};
static const struct err_kind bad_citizen_number = {ERR_INVALID, "BAD_CITIZEN_NUMBER",
						   "Số định danh cá nhân không hợp lệ",
						   "not a valid citizen number"};
static const struct err_kind bad_tax_code = {ERR_INVALID, "BAD_TAX_CODE", "Mã số thuế không hợp lệ",
					     "not a valid tax code"};
static const struct err_kind bad_phone = {ERR_INVALID, "BAD_PHONE", "Số điện thoại không hợp lệ",
					  "not a valid telephone number"};
static const struct err_kind bad_text = {
	ERR_INVALID, "BAD_TEXT", "Nội dung quá dài hoặc có ký tự điều khiển (tối đa %s ký tự)",
	"too long or with control characters (at most %s characters)"};
static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE", "Ngày không hợp lệ (YYYY-MM-DD)",
					 "not a valid date (YYYY-MM-DD)"};
static const struct err_kind bad_integer = {ERR_INVALID, "BAD_INTEGER", "Không phải số nguyên",
					    "not an integer"};
static const struct err_kind too_many = {ERR_INVALID, "TOO_MANY", "Quá nhiều mục (tối đa %s)",
					 "too many entries (at most %s)"};
static const struct err_kind duplicate_component = {ERR_INVALID, "DUPLICATE_COMPONENT",
						    "Thành phần hồ sơ %s bị lặp",
						    "component %s is given twice"};
static const struct err_kind unknown_component = {ERR_INVALID, "UNKNOWN_COMPONENT",
						  "Thủ tục không có thành phần hồ sơ %s",
						  "the procedure has no component %s"};
static const struct err_kind missing_component = {ERR_INVALID, "MISSING_COMPONENT",
						  "Thiếu thành phần hồ sơ bắt buộc: %s",
						  "a required component is missing: %s"};
static const struct err_kind bad_file_id = {ERR_INVALID, "BAD_FILE_ID",
					    "Mã tệp không hợp lệ hoặc bị lặp",
					    "a file id is not valid or given twice"};
static const struct err_kind paper_not_allowed = {
	ERR_INVALID, "PAPER_NOT_ALLOWED",
	"Bản giấy chỉ nhận tại bộ phận một cửa hoặc qua bưu chính",
	"papers are only taken at the desk or by post"};
static const struct err_kind demand_not_allowed = {
	ERR_INVALID, "DEMAND_NOT_ALLOWED", "Chỉ bộ phận một cửa ghi nhận việc yêu cầu nộp lại",
	"only the desk records that it demanded a paper"};
static const struct err_kind duplicate_form_field = {ERR_INVALID, "DUPLICATE_FORM_FIELD",
						     "Trường biểu mẫu %s bị lặp",
						     "form field %s is given twice"};
static const struct err_kind unknown_form_field = {ERR_INVALID, "UNKNOWN_FORM_FIELD",
						   "Biểu mẫu không có trường %s",
						   "the form has no field %s"};
static const struct err_kind missing_form_field = {ERR_INVALID, "MISSING_FORM_FIELD",
						   "Thiếu trường bắt buộc của biểu mẫu: %s",
						   "a required form field is missing: %s"};

/* --- text --- */

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

/* At most max characters; of control characters only tabs and line ends. */
static bool is_text(const char *s, size_t max)
{
	if (utf8_length(s) > max)
		return false;
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if ((*p < 0x20 && !strchr("\t\r\n", *p)) || *p == 0x7f)
			return false;
	return true;
}

static void add_bad_text(struct err *err, const char *field, size_t max)
{
	char arg[24];

	snprintf(arg, sizeof(arg), "%zu", max);
	err_add(err, &bad_text, field, arg);
}

static void check_text(const char *s, size_t max, const char *field, struct err *err)
{
	if (!is_text(s, max))
		add_bad_text(err, field, max);
}

static void check_required_text(const char *s, size_t max, const char *field, struct err *err)
{
	if (is_blank(s))
		err_add(err, &err_required_field, field, NULL);
	else
		check_text(s, max, field, err);
}

/* --- the request by itself --- */

static void check_channel(Dossier__Channel channel, enum rules_filer filer, struct err *err)
{
	bool desk = channel == DOSSIER__CHANNEL__CHANNEL_COUNTER ||
		    channel == DOSSIER__CHANNEL__CHANNEL_POST;

	if (channel == DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED)
		err_add(err, &err_required_field, "channel", NULL);
	else if ((filer == RULES_BY_CITIZEN && channel != DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL) ||
		 (filer == RULES_BY_STAFF && !desk))
		err_add(err, &bad_channel, "channel", NULL);
}

static void check_agencies(const Dossier__SubmitRequest *in, struct err *err)
{
	static const char *const rule = "[0-9A-Z.]{1,35}";

	if (in->agency_code[0] == '\0')
		err_add(err, &err_required_field, "agency_code", NULL);
	else if (!identity_agency_code(in->agency_code))
		err_add(err, &err_invalid_field, "agency_code", rule);
	if (in->competent_agency_code[0] != '\0' &&
	    !identity_agency_code(in->competent_agency_code))
		err_add(err, &err_invalid_field, "competent_agency_code", rule);
}

static void check_applicant(const Dossier__Applicant *a, int32_t today, struct err *err)
{
	if (!a) {
		err_add(err, &err_required_field, "applicant", NULL);
		return;
	}
	if (strcmp(a->kind, "citizen") == 0) {
		if (!identity_citizen_number(a->number, today))
			err_add(err, &bad_citizen_number, "applicant.number", NULL);
	} else if (strcmp(a->kind, "organisation") == 0) {
		if (!identity_tax_code(a->number))
			err_add(err, &bad_tax_code, "applicant.number", NULL);
	} else {
		err_add(err, &bad_kind, "applicant.kind", NULL);
	}
	check_required_text(a->name, RULES_NAME_MAX, "applicant.name", err);
	if (a->phone[0] != '\0' && !identity_phone(a->phone))
		err_add(err, &bad_phone, "applicant.phone", NULL);
	check_text(a->address, RULES_ADDRESS_MAX, "applicant.address", err);
}

static bool is_file_id(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= RULES_FILE_ID_BYTES &&
	       strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == n;
}

static bool among(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, list[i]) == 0)
			return true;
	return false;
}

static void check_files(const Dossier__ComponentInput *in, size_t i, struct err *err)
{
	char field[64];

	for (size_t j = 0; j < in->n_file_ids; j++) {
		if (is_file_id(in->file_ids[j]) && !among(in->file_ids[j], in->file_ids, j))
			continue;
		snprintf(field, sizeof(field), "components[%zu].file_ids[%zu]", i, j);
		err_add(err, &bad_file_id, field, NULL);
	}
}

static void check_component_input(const Dossier__SubmitRequest *in, size_t i, struct err *err)
{
	const Dossier__ComponentInput *c = in->components[i];
	bool desk = in->channel == DOSSIER__CHANNEL__CHANNEL_COUNTER ||
		    in->channel == DOSSIER__CHANNEL__CHANNEL_POST;
	char field[64];

	for (size_t j = 0; j < i; j++) {
		if (strcmp(in->components[j]->code, c->code) != 0)
			continue;
		snprintf(field, sizeof(field), "components[%zu].code", i);
		err_add(err, &duplicate_component, field, c->code);
		break;
	}
	check_files(c, i, err);
	snprintf(field, sizeof(field), "components[%zu].paper_copies", i);
	if (c->paper_copies > 0 && !desk)
		err_add(err, &paper_not_allowed, field, NULL);
	else if (c->paper_copies > RULES_PAPERS_MAX)
		err_add(err, &err_invalid_field, field, "0..200");
	snprintf(field, sizeof(field), "components[%zu].demanded", i);
	if (c->demanded && !desk)
		err_add(err, &demand_not_allowed, field, NULL);
}

static void check_component_inputs(const Dossier__SubmitRequest *in, struct err *err)
{
	size_t n_files = 0;

	if (in->n_components > COMPONENTS_MAX) {
		err_add(err, &too_many, "components", "100");
		return;
	}
	for (size_t i = 0; i < in->n_components; i++)
		n_files += in->components[i]->n_file_ids;
	if (n_files > RULES_FILES_MAX) {
		err_add(err, &too_many, "components.file_ids", "100");
		return;
	}
	for (size_t i = 0; i < in->n_components; i++)
		check_component_input(in, i, err);
}

static void check_form_names(const Dossier__SubmitRequest *in, struct err *err)
{
	char field[64];

	if (in->n_form > FORM_FIELDS_MAX) {
		err_add(err, &too_many, "form", "200");
		return;
	}
	for (size_t i = 0; i < in->n_form; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(in->form[i]->name, in->form[j]->name) != 0)
				continue;
			snprintf(field, sizeof(field), "form[%zu].name", i);
			err_add(err, &duplicate_form_field, field, in->form[i]->name);
			break;
		}
	}
}

void rules_check_filing(const Dossier__SubmitRequest *in, enum rules_filer filer, int32_t today,
			struct err *err)
{
	if (in->procedure_code[0] == '\0')
		err_add(err, &err_required_field, "procedure_code", NULL);
	check_agencies(in, err);
	check_channel(in->channel, filer, err);
	check_applicant(in->applicant, today, err);
	check_component_inputs(in, err);
	check_form_names(in, err);
}

/* --- the form --- */

static bool is_integer(const char *s)
{
	const char *digits = s[0] == '-' ? s + 1 : s;
	size_t n = strlen(digits);

	return n > 0 && n <= 18 && strspn(digits, "0123456789") == n;
}

static void check_value(const Dossier__FormFieldRule *rule, const char *value, const char *field,
			int32_t today, struct err *err)
{
	size_t max = rule->max_length ? rule->max_length : FORM_TEXT_MAX;
	int32_t day;

	if (!is_text(value, max))
		add_bad_text(err, field, max);
	else if (strcmp(rule->type, "date") == 0 && civil_parse(value, &day) < 0)
		err_add(err, &bad_date, field, NULL);
	else if (strcmp(rule->type, "integer") == 0 && !is_integer(value))
		err_add(err, &bad_integer, field, NULL);
	else if (strcmp(rule->type, "citizen_number") == 0 &&
		 !identity_citizen_number(value, today))
		err_add(err, &bad_citizen_number, field, NULL);
	else if (strcmp(rule->type, "phone") == 0 && !identity_phone(value))
		err_add(err, &bad_phone, field, NULL);
}

static const Dossier__FormFieldRule *find_rule(const Dossier__Procedure *p, const char *name)
{
	for (size_t i = 0; i < p->n_form; i++)
		if (strcmp(p->form[i]->name, name) == 0)
			return p->form[i];
	return NULL;
}

static bool is_given(const Dossier__SubmitRequest *in, const char *name)
{
	for (size_t i = 0; i < in->n_form; i++)
		if (strcmp(in->form[i]->name, name) == 0)
			return !is_blank(in->form[i]->value);
	return false;
}

void rules_check_form(const Dossier__Procedure *procedure, const Dossier__SubmitRequest *in,
		      int32_t today, struct err *err)
{
	char field[160];

	if (in->n_form > FORM_FIELDS_MAX)
		return; /* reported by rules_check_filing() */
	for (size_t i = 0; i < in->n_form; i++) {
		const Dossier__FormField *f = in->form[i];
		const Dossier__FormFieldRule *rule = find_rule(procedure, f->name);

		snprintf(field, sizeof(field), "form[%zu].value", i);
		if (!rule)
			err_add(err, &unknown_form_field, field, f->name);
		else if (!is_blank(f->value))
			check_value(rule, f->value, field, today, err);
	}
	for (size_t i = 0; i < procedure->n_form; i++) {
		const Dossier__FormFieldRule *rule = procedure->form[i];

		if (!rule->required || is_given(in, rule->name))
			continue;
		snprintf(field, sizeof(field), "form.%s", rule->name);
		err_add(err, &missing_form_field, field, rule->label);
	}
}

/* --- components --- */

static const Dossier__ComponentInput *find_input(const Dossier__SubmitRequest *in, const char *code)
{
	for (size_t i = 0; i < in->n_components; i++)
		if (strcmp(in->components[i]->code, code) == 0)
			return in->components[i];
	return NULL;
}

static const struct rules_held *find_held(const Dossier__Component *component,
					  const struct rules_held *held, size_t n_held)
{
	for (size_t i = 0; i < n_held; i++)
		if (among(held[i].type, component->record_types, component->n_record_types))
			return &held[i];
	return NULL;
}

static void check_known(const Dossier__Procedure *p, const Dossier__SubmitRequest *in,
			struct err *err)
{
	char field[64];

	for (size_t i = 0; i < in->n_components; i++) {
		bool known = false;

		for (size_t j = 0; j < p->n_components && !known; j++)
			known = strcmp(p->components[j]->code, in->components[i]->code) == 0;
		if (known)
			continue;
		snprintf(field, sizeof(field), "components[%zu].code", i);
		err_add(err, &unknown_component, field, in->components[i]->code);
	}
}

void rules_check_components(const Dossier__Procedure *procedure, const Dossier__SubmitRequest *in,
			    const struct rules_held *held, size_t n_held,
			    struct rules_component *ret, struct err *err)
{
	if (in->n_components > COMPONENTS_MAX)
		return; /* reported by rules_check_filing() */
	check_known(procedure, in, err);
	for (size_t i = 0; i < procedure->n_components; i++) {
		const Dossier__Component *c = procedure->components[i];
		struct rules_component *r = &ret[i];
		bool given;

		*r = (struct rules_component){
			.component = c,
			.input = find_input(in, c->code),
			.held = find_held(c, held, n_held),
		};
		given = r->input && (r->input->n_file_ids > 0 || r->input->paper_copies > 0);
		r->reused = r->held && !given;
		r->demanded = r->held && r->input && r->input->demanded;
		if (c->required && !given && !r->held)
			err_add(err, &missing_component, "components", c->name);
	}
}

/* --- procedures of a profile --- */

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

static bool limit_fits(const Dossier__Procedure *p)
{
	switch (p->limit_unit) {
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED:
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_SAME_DAY:
		return p->limit_value == 0;
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY:
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_CALENDAR_DAY:
		return p->limit_value >= 1 && p->limit_value <= 3660;
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_HOUR:
		return p->limit_value >= 1 && p->limit_value <= 8000;
	case _DOSSIER__LIMIT_UNIT_IS_INT_SIZE:
		break;
	}
	return false;
}

/* Field at fault of the procedure's own columns, NULL when all are well. */
static const char *bad_column(const Dossier__Procedure *p)
{
	static const char *const fee_kinds[] = {"phi", "le_phi", NULL};
	static const char *const classes[] = {"basic", "sensitive", "child", NULL};
	int32_t from, to;

	if (p->code[0] == '\0' || strlen(p->code) > 60 ||
	    strspn(p->code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.-") != strlen(p->code))
		return "code";
	if (is_blank(p->name) || !is_text(p->name, 500))
		return "name";
	if (is_blank(p->field) || !is_text(p->field, 200))
		return "field";
	if (p->levels[0] == '\0' || strlen(p->levels) > 3 ||
	    strspn(p->levels, "THX") != strlen(p->levels))
		return "levels";
	if (!limit_fits(p))
		return "limit_value";
	if (p->fee_vnd < 0 || p->fee_vnd > 1000000000000LL ||
	    (p->fee_vnd > 0) != (p->fee_kind[0] != '\0'))
		return "fee_vnd";
	if (p->fee_vnd > 0 && !is_one_of(p->fee_kind, fee_kinds))
		return "fee_kind";
	if (p->online_level < 1 || p->online_level > 4)
		return "online_level";
	if (!is_one_of(p->data_class, classes))
		return "data_class";
	if (civil_parse(p->valid_from, &from) < 0)
		return "valid_from";
	if (civil_parse_or_forever(p->valid_to, &to) < 0 || to < from)
		return "valid_to";
	return NULL;
}

static const char *bad_component(const Dossier__Procedure *p)
{
	if (p->n_components > COMPONENTS_MAX)
		return "components";
	for (size_t i = 0; i < p->n_components; i++) {
		const Dossier__Component *c = p->components[i];

		if (is_blank(c->code) || is_blank(c->name) || strlen(c->code) > 60)
			return "components";
		for (size_t j = 0; j < i; j++)
			if (strcmp(c->code, p->components[j]->code) == 0)
				return "components";
	}
	return NULL;
}

static const char *bad_form(const Dossier__Procedure *p)
{
	static const char *const types[] = {"text",           "date",  "integer",
					    "citizen_number", "phone", NULL};

	if (p->n_form > FORM_FIELDS_MAX)
		return "form";
	for (size_t i = 0; i < p->n_form; i++) {
		const Dossier__FormFieldRule *f = p->form[i];

		if (is_blank(f->name) || strlen(f->name) > 80 || is_blank(f->label) ||
		    !is_one_of(f->type, types) || f->max_length > FORM_TEXT_MAX)
			return "form";
		for (size_t j = 0; j < i; j++)
			if (strcmp(f->name, p->form[j]->name) == 0)
				return "form";
	}
	return NULL;
}

static const char *bad_step(const Dossier__Procedure *p)
{
	static const char *const rules[] = {"receiving", "competent", NULL};

	for (size_t i = 0; i < p->n_steps; i++) {
		const Dossier__Step *s = p->steps[i];

		if (s->ordinal != i + 1 || is_blank(s->role) || is_blank(s->name) ||
		    !is_one_of(s->agency_rule, rules))
			return "steps";
	}
	return NULL;
}

int rules_check_procedure(const Dossier__Procedure *p, const char *path, struct err *err)
{
	const char *bad = bad_column(p);
	char field[96];

	if (!bad)
		bad = bad_component(p);
	if (!bad)
		bad = bad_form(p);
	if (!bad)
		bad = bad_step(p);
	if (!bad)
		return 0;
	snprintf(field, sizeof(field), "%s.%s", path, bad);
	return err_set(err, &err_invalid_field, field, p->code);
}
