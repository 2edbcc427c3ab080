/* Codes of reasons: why something is wrong, refused, stopped, withdrawn, opened again, extended. */
#include "services/dossier/rules_work.h"

#include <string.h>

#include "common/base/base.h"

static const struct err_kind unknown_reason = {ERR_INVALID, "UNKNOWN_REASON",
					       "Mã lý do không có trong danh mục: %s",
					       "no such reason code: %s"};

const struct rules_reason rules_reasons[] = {
	{RULES_REASON_SUPPLEMENT, "incorrect", false, "Không đúng"},
	{RULES_REASON_SUPPLEMENT, "incomplete", false, "Còn thiếu"},
	{RULES_REASON_SUPPLEMENT, "outdated", false, "Đã hết giá trị"},
	{RULES_REASON_SUPPLEMENT, "unclear", false, "Không rõ, không đọc được"},
	{RULES_REASON_REFUSAL, "not_competent", false, "Không thuộc thẩm quyền"},
	{RULES_REASON_REFUSAL, "not_eligible", false, "Không đủ điều kiện"},
	{RULES_REASON_REFUSAL, "incomplete", false, "Hồ sơ không đầy đủ, không hợp lệ"},
	{RULES_REASON_REFUSAL, "untrue", false, "Giấy tờ giả mạo hoặc khai không trung thực"},
	{RULES_REASON_REFUSAL, "duplicate", false, "Hồ sơ trùng với hồ sơ đang giải quyết"},
	{RULES_REASON_REFUSAL, RULES_NO_ANSWER, true, "Quá hạn bổ sung hồ sơ"},
	{RULES_REASON_STOP, "outside_decision", false, "Chờ quyết định của cơ quan có thẩm quyền"},
	{RULES_REASON_STOP, "dispute", false, "Có tranh chấp, khiếu nại, tố cáo"},
	{RULES_REASON_STOP, "force_majeure", false, "Sự kiện bất khả kháng"},
	{RULES_REASON_STOP, "applicant_absent", false, "Không liên hệ được với người nộp"},
	{RULES_REASON_STOP, RULES_NO_ANSWER, true, "Quá hạn bổ sung hồ sơ"},
	{RULES_REASON_STOP, RULES_UNPAID, true, "Quá hạn nộp phí, lệ phí"},
	{RULES_REASON_WITHDRAWAL, "not_needed", false, "Không còn nhu cầu"},
	{RULES_REASON_WITHDRAWAL, "filed_wrongly", false, "Nộp nhầm thủ tục hoặc cơ quan"},
	{RULES_REASON_WITHDRAWAL, "to_refile", false, "Rút để hoàn thiện và nộp lại"},
	{RULES_REASON_WITHDRAWAL, "other", false, "Lý do khác"},
	{RULES_REASON_DECISION, "conditions_not_met", false, "Không đáp ứng điều kiện"},
	{RULES_REASON_DECISION, "planning", false, "Không phù hợp quy hoạch, kế hoạch"},
	{RULES_REASON_DECISION, "objection", false, "Cơ quan được lấy ý kiến không đồng ý"},
	{RULES_REASON_DECISION, "untrue", false, "Giấy tờ giả mạo hoặc khai không trung thực"},
	{RULES_REASON_REOPENING, "complaint_upheld", false, "Khiếu nại được chấp nhận"},
	{RULES_REASON_REOPENING, "result_incorrect", false, "Kết quả có sai sót"},
	{RULES_REASON_REOPENING, "court_decision", false, "Theo bản án, quyết định của Tòa án"},
	{RULES_REASON_EXTENSION, "complexity", false, "Hồ sơ phức tạp, cần xác minh thêm"},
	{RULES_REASON_EXTENSION, "outside_agency", false, "Chờ ý kiến cơ quan phối hợp"},
	{RULES_REASON_EXTENSION, "force_majeure", false, "Sự kiện bất khả kháng"},
	{RULES_REASON_EXTENSION, "system_failure", false, "Sự cố hệ thống"},
};
const size_t rules_n_reasons = ARRAY_LEN(rules_reasons);

const char *rules_reason_kind_name(enum rules_reason_kind kind)
{
	switch (kind) {
	case RULES_REASON_SUPPLEMENT:
		return "supplement";
	case RULES_REASON_REFUSAL:
		return "refusal";
	case RULES_REASON_STOP:
		return "stop";
	case RULES_REASON_WITHDRAWAL:
		return "withdrawal";
	case RULES_REASON_DECISION:
		return "decision";
	case RULES_REASON_REOPENING:
		return "reopening";
	case RULES_REASON_EXTENSION:
		return "extension";
	}
	return "";
}

int rules_reason(enum rules_reason_kind kind, const char *code, const char *field, struct err *err)
{
	for (size_t i = 0; i < rules_n_reasons; i++) {
		const struct rules_reason *r = &rules_reasons[i];

		if (r->kind == kind && !r->by_suite && strcmp(r->code, code) == 0)
			return 0;
	}
	return err_set(err, &unknown_reason, field, code);
}

const char *rules_reason_vi(enum rules_reason_kind kind, const char *code)
{
	for (size_t i = 0; i < rules_n_reasons; i++)
		if (rules_reasons[i].kind == kind && strcmp(rules_reasons[i].code, code) == 0)
			return rules_reasons[i].vi;
	return "";
}
