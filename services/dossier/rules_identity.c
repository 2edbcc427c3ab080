/* Who files: the evidence of it, and in which right somebody files for another. */
#include <string.h>

#include "common/base/identity.h"
#include "services/dossier/rules.h"

#define REFERENCE_MAX 200

static const struct err_kind identity_not_allowed = {
	ERR_INVALID, "IDENTITY_NOT_ALLOWED",
	"Chỉ cán bộ tiếp nhận ghi nhận việc đã xem giấy tờ tùy thân",
	"only the desk records that it saw an identity paper"};
static const struct err_kind evidence_missing = {
	ERR_INVALID, "EVIDENCE_MISSING", "Xác thực VNeID phải kèm mã giao dịch và thời điểm",
	"identification by VNeID needs its transaction and time"};
static const struct err_kind identity_mismatch = {
	ERR_INVALID, "IDENTITY_MISMATCH", "Số định danh đã xác thực không phải của người nộp hồ sơ",
	"the number that was proven is not that of who files"};
static const struct err_kind representation_required = {
	ERR_INVALID, "REPRESENTATION_REQUIRED",
	"Nộp hồ sơ cho người khác phải nêu rõ quan hệ hoặc ủy quyền",
	"filing for another needs the relation or authorisation to be stated"};
static const struct err_kind relation_not_fitting = {ERR_INVALID, "RELATION_NOT_FITTING",
						     "Quan hệ với chủ hồ sơ không phù hợp",
						     "the relation does not fit this applicant"};
static const struct err_kind authorisation_missing = {
	ERR_INVALID, "AUTHORISATION_MISSING",
	"Thiếu văn bản ủy quyền: nêu thành phần hồ sơ đã nộp hoặc số văn bản",
	"the authorisation is missing: name a component handed in, or its number"};

static const struct err_kind account_not_verified = {
	ERR_INVALID, "ACCOUNT_NOT_VERIFIED",
	"Tài khoản chưa được xác thực danh tính: xác thực bằng VNeID hoặc tại bộ phận một cửa",
	"the account is not proven to be anybody's: by VNeID, or at a one-stop desk"};
static const struct err_kind number_not_own = {
	ERR_INVALID, "NUMBER_NOT_OWN", "Số định danh của người nộp không phải của chủ tài khoản",
	"the number of who files is not the account holder's"};

#define METHOD(name) DOSSIER__IDENTITY_METHOD__IDENTITY_METHOD_##name
#define REL(name)    DOSSIER__RELATION__RELATION_##name

static bool is_citizen(const Dossier__Applicant *a)
{
	return strcmp(a->kind, "citizen") == 0;
}

static bool is_portal(Dossier__Channel channel)
{
	return channel == DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL ||
	       channel == DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
}

bool rules_represented(const Dossier__SubmitRequest *in)
{
	return in->filer && in->filer->relation != REL(UNSPECIFIED);
}

const Dossier__Identity *rules_identity(const Dossier__SubmitRequest *in, enum rules_filer by)
{
	static const Dossier__Identity nothing = DOSSIER__IDENTITY__INIT;
	static const Dossier__Identity account = {
		.base = PROTOBUF_C_MESSAGE_INIT(&dossier__identity__descriptor),
		.method = METHOD(PORTAL_ACCOUNT),
		.reference = (char *)protobuf_c_empty_string,
		.number = (char *)protobuf_c_empty_string,
	};

	return in->identity ? in->identity : by == RULES_BY_CITIZEN ? &account : &nothing;
}

bool rules_identity_verified(const Dossier__SubmitRequest *in, enum rules_filer by)
{
	Dossier__IdentityMethod method = rules_identity(in, by)->method;

	return method == METHOD(PAPER_SEEN) ||
	       method == (by == RULES_BY_CITIZEN ? METHOD(PORTAL_ACCOUNT) : METHOD(VNEID));
}

const char *rules_who_files(const Dossier__SubmitRequest *in)
{
	return rules_represented(in) ? in->filer->number : in->applicant->number;
}

void rules_check_account(const Dossier__SubmitRequest *in, const char *account, const char *files,
			 struct err *err)
{
	const char *field = rules_represented(in) ? "filer.number" : "applicant.number";

	if (account[0] == '\0')
		err_add(err, &account_not_verified, field, NULL);
	else if (strcmp(account, files) != 0)
		err_add(err, &number_not_own, field, NULL);
}

/* --- evidence --- */

static void check_evidence(const Dossier__Identity *id, enum rules_filer by, int64_t now_us,
			   struct err *err)
{
	bool vneid = id->method == METHOD(VNEID);

	if (id->method == METHOD(PAPER_SEEN) && by != RULES_BY_STAFF)
		err_add(err, &identity_not_allowed, "identity.method", NULL);
	if (vneid ? id->level < 1 || id->level > 2 : id->level != 0)
		err_add(err, &err_invalid_field, "identity.level", vneid ? "1..2" : "0");
	if (vneid && (rules_blank(id->reference) || id->authenticated_us == 0))
		err_add(err, &evidence_missing, "identity.reference", NULL);
	rules_check_text(id->reference, REFERENCE_MAX, "identity.reference", err);
	if (id->authenticated_us < 0 || id->authenticated_us > now_us)
		err_add(err, &err_invalid_field, "identity.authenticated_us", "0..now");
}

/* What it proves has to be the number of who files: the representative's, else the applicant's. */
static void check_proven(const Dossier__SubmitRequest *in, int32_t today, struct err *err)
{
	const char *proven = in->identity->number;
	const char *files = rules_who_files(in);

	if (proven[0] == '\0')
		return;
	if (!identity_citizen_number(proven, today))
		err_add(err, &rules_bad_citizen_number, "identity.number", NULL);
	else if ((rules_represented(in) || is_citizen(in->applicant)) && strcmp(proven, files) != 0)
		err_add(err, &identity_mismatch, "identity.number", NULL);
}

/* --- representation --- */

static bool relation_fits(Dossier__Relation relation, const Dossier__Applicant *a)
{
	switch (relation) {
	case REL(UNSPECIFIED):
	case REL(AUTHORISED):
		return true;
	case REL(GUARDIAN):
	case REL(FAMILY):
		return is_citizen(a);
	case REL(LEGAL_REPRESENTATIVE):
		return !is_citizen(a);
	case _DOSSIER__RELATION_IS_INT_SIZE:
		break;
	}
	return false;
}

static bool is_handed_in(const Dossier__SubmitRequest *in, const char *component)
{
	for (size_t i = 0; i < in->n_components; i++) {
		const Dossier__ComponentInput *c = in->components[i];

		if (strcmp(c->code, component) == 0)
			return c->n_file_ids > 0 || c->paper_copies > 0;
	}
	return false;
}

static void check_authorisation(const Dossier__SubmitRequest *in, struct err *err)
{
	const Dossier__Filer *f = in->filer;

	rules_check_text(f->reference, REFERENCE_MAX, "filer.reference", err);
	if (f->authorisation[0] != '\0'
		    ? !is_handed_in(in, f->authorisation)
		    : f->relation == REL(AUTHORISED) && rules_blank(f->reference))
		err_add(err, &authorisation_missing, "filer.authorisation", NULL);
}

static void check_representative(const Dossier__SubmitRequest *in, int32_t today, struct err *err)
{
	const Dossier__Filer *f = in->filer;

	if (!relation_fits(f->relation, in->applicant))
		err_add(err, &relation_not_fitting, "filer.relation", NULL);
	rules_check_required_text(f->name, RULES_NAME_MAX, "filer.name", err);
	if (!identity_citizen_number(f->number, today))
		err_add(err, &rules_bad_citizen_number, "filer.number", NULL);
	check_authorisation(in, err);
}

/* Who states no relation says that the applicant's number is their own. */
static void check_self(const Dossier__SubmitRequest *in, struct err *err)
{
	bool other = in->filer && in->filer->number[0] != '\0' &&
		     strcmp(in->filer->number, in->applicant->number) != 0;

	if (other || (is_portal(in->channel) && !is_citizen(in->applicant)))
		err_add(err, &representation_required, "filer.relation", NULL);
}

void rules_check_filer(const Dossier__SubmitRequest *in, enum rules_filer by, int64_t now_us,
		       int32_t today, struct err *err)
{
	if (!in->applicant)
		return; /* reported by rules_check_filing() */
	if (rules_represented(in))
		check_representative(in, today, err);
	else
		check_self(in, err);
	if (!in->identity)
		return;
	check_evidence(in->identity, by, now_us, err);
	check_proven(in, today, err);
}
