/* A filing: who files, through which channel, with which components. */
#include <stdio.h>
#include <string.h>

#include "common/base/identity.h"
#include "services/dossier/rules.h"

#define COMPONENTS_MAX 100

static const struct err_kind bad_channel = {ERR_INVALID, "CHANNEL_NOT_ALLOWED",
					    "Kênh nộp hồ sơ không phù hợp với người nộp",
					    "the filing channel does not fit who files"};
static const struct err_kind bad_kind = {ERR_INVALID, "BAD_APPLICANT_KIND",
					 "Loại chủ hồ sơ phải là citizen hoặc organisation",
					 "the applicant's kind must be citizen or organisation"};
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
static const struct err_kind duplicate_form_field = {ERR_INVALID, "DUPLICATE_FORM_FIELD",
						     "Trường biểu mẫu %s bị lặp",
						     "form field %s is given twice"};
static const struct err_kind paper_not_allowed = {
	ERR_INVALID, "PAPER_NOT_ALLOWED",
	"Bản giấy chỉ nhận tại bộ phận một cửa hoặc qua bưu chính",
	"papers are only taken at the desk or by post"};
static const struct err_kind demand_not_allowed = {
	ERR_INVALID, "DEMAND_NOT_ALLOWED", "Chỉ bộ phận một cửa ghi nhận việc yêu cầu nộp lại",
	"only the desk records that it demanded a paper"};

static const struct err_kind support_not_allowed = {
	ERR_INVALID, "SUPPORT_NOT_ALLOWED", "Chỉ bộ phận một cửa tiếp nhận hộ cơ quan khác",
	"only a desk takes in a filing for another agency"};
static const struct err_kind support_not_needed = {ERR_INVALID, "SUPPORT_NOT_NEEDED",
						   "Cơ quan hỗ trợ trùng với cơ quan tiếp nhận",
						   "the supporting agency is the receiving one"};

/* --- the request by itself --- */

static bool is_desk(Dossier__Channel channel)
{
	return channel == DOSSIER__CHANNEL__CHANNEL_COUNTER ||
	       channel == DOSSIER__CHANNEL__CHANNEL_POST;
}

static void check_channel(Dossier__Channel channel, enum rules_filer filer, struct err *err)
{
	bool desk = is_desk(channel);

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
	if (in->supporting_agency_code[0] == '\0')
		return;
	if (!identity_agency_code(in->supporting_agency_code))
		err_add(err, &err_invalid_field, "supporting_agency_code", rule);
	else if (!is_desk(in->channel))
		err_add(err, &support_not_allowed, "supporting_agency_code", NULL);
	else if (strcmp(in->supporting_agency_code, in->agency_code) == 0)
		err_add(err, &support_not_needed, "supporting_agency_code", NULL);
}

static void check_applicant(const Dossier__Applicant *a, int32_t today, struct err *err)
{
	if (!a) {
		err_add(err, &err_required_field, "applicant", NULL);
		return;
	}
	if (strcmp(a->kind, "citizen") == 0) {
		if (!identity_citizen_number(a->number, today))
			err_add(err, &rules_bad_citizen_number, "applicant.number", NULL);
	} else if (strcmp(a->kind, "organisation") == 0) {
		if (!identity_tax_code(a->number))
			err_add(err, &rules_bad_tax_code, "applicant.number", NULL);
	} else {
		err_add(err, &bad_kind, "applicant.kind", NULL);
	}
	rules_check_required_text(a->name, RULES_NAME_MAX, "applicant.name", err);
	if (a->phone[0] != '\0' && !identity_phone(a->phone))
		err_add(err, &rules_bad_phone, "applicant.phone", NULL);
	if (a->email[0] != '\0' && !rules_email(a->email))
		err_add(err, &rules_bad_email, "applicant.email", NULL);
	if (a->language[0] != '\0' && strcmp(a->language, "vi") != 0 &&
	    strcmp(a->language, "en") != 0)
		err_add(err, &err_invalid_field, "applicant.language", "vi, en");
	rules_check_text(a->address, RULES_ADDRESS_MAX, "applicant.address", err);
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
	bool desk = is_desk(in->channel);
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

	if (in->n_form > RULES_FORM_FIELDS_MAX) {
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

/* --- components --- */

static const Dossier__ComponentInput *find_input(const Dossier__SubmitRequest *in, const char *code)
{
	for (size_t i = 0; i < in->n_components; i++)
		if (strcmp(in->components[i]->code, code) == 0)
			return in->components[i];
	return NULL;
}

bool rules_held_fits(const Dossier__Component *component, const struct rules_held *held)
{
	return among(held->type, component->record_types, component->n_record_types);
}

static const struct rules_held *find_held(const Dossier__Component *component,
					  const struct rules_held *held, size_t n_held)
{
	for (size_t i = 0; i < n_held; i++)
		if (rules_held_fits(component, &held[i]))
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
		if ((c->required || rules_condition(c->required_if, in)) && !given && !r->held)
			err_add(err, &missing_component, "components", c->name);
	}
}
