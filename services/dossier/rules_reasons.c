/* Why something is wrong, refused, stopped, withdrawn, opened again, extended. The codes are the
 * province's, in lists of the directory; which act takes which list is said here.
 */
#include "services/dossier/rules_work.h"

#include <string.h>

#include "common/base/base.h"

const struct err_kind rules_unknown_reason = {ERR_INVALID, "UNKNOWN_REASON",
					      "Mã lý do không có trong danh mục: %s",
					      "no such reason code: %s"};

const char *rules_reason_list(enum rules_reason_kind kind)
{
	switch (kind) {
	case RULES_REASON_SUPPLEMENT:
		return "reason-supplement";
	case RULES_REASON_REFUSAL:
		return "reason-refusal";
	case RULES_REASON_STOP:
		return "reason-stop";
	case RULES_REASON_WITHDRAWAL:
		return "reason-withdrawal";
	case RULES_REASON_DECISION:
		return "reason-decision";
	case RULES_REASON_REOPENING:
		return "reason-reopening";
	case RULES_REASON_EXTENSION:
		return "reason-extension";
	}
	return "";
}

bool rules_reason_by_suite(const char *code)
{
	return strcmp(code, RULES_NO_ANSWER) == 0 || strcmp(code, RULES_UNPAID) == 0;
}

int rules_reason(const struct rules_reasons *reasons, const char *code, const char *note,
		 const char *field, struct err *err)
{
	for (size_t i = 0; i < reasons->n; i++) {
		const struct rules_reason *r = &reasons->list[i];

		if (strcmp(r->code, code) != 0 || rules_reason_by_suite(code))
			continue;
		if (r->needs_note && note[0] == '\0')
			return err_set(err, &err_required_field, "note", NULL);
		return 0;
	}
	return err_set(err, &rules_unknown_reason, field, code);
}
