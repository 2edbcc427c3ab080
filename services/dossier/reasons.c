/* Reasons of acts: the list that counts today, as the directory has it. */
#include "common/base/civil.h"
#include "common/svc/refdata.h"
#include "services/dossier/dossier.h"

static const struct err_kind no_reasons = {
	ERR_UNAVAILABLE, "NO_REASONS", "Chưa nhận được danh mục lý do %s từ danh mục dùng chung",
	"the list %s has not arrived from the directory yet"};

int reasons_read(struct call *c, enum rules_reason_kind kind, struct rules_reasons *ret)
{
	struct refdata_entry *entries;
	struct rules_reason *list;
	size_t n;

	if (refdata_category(c, rules_reason_list(kind), civil_of_us(c->now_us), &entries, &n) < 0)
		return c->err.status;
	if (n == 0)
		return err_set_retry(&c->err, &no_reasons, rules_reason_list(kind), 2000);
	list = arena_calloc(c->arena, n, sizeof(*list));
	if (!list)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++)
		list[i] = (struct rules_reason){.code = entries[i].code,
						.needs_note = entries[i].needs_note};
	*ret = (struct rules_reasons){.list = list, .n = n};
	return 0;
}

int reasons_check(struct call *c, enum rules_reason_kind kind, const char *code, const char *note)
{
	struct rules_reasons reasons;

	if (reasons_read(c, kind, &reasons) < 0)
		return c->err.status;
	return rules_reason(&reasons, code, note, "reason", &c->err);
}
