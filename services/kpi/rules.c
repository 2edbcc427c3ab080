#include <string.h>

#include "common/base/civil.h"
#include "services/kpi/kpi.h"

const struct err_kind rules_bad_period = {ERR_INVALID, "BAD_PERIOD",
					  "Kỳ báo cáo %s không hợp lệ (NNNN, NNNN-TT hoặc NNNN-Qn)",
					  "period %s is not YYYY, YYYY-MM or YYYY-Qn"};

/* Exactly n digits; -1 otherwise. */
static int number(const char *s, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

static struct period months(int year, int first, int count)
{
	int end = first - 1 + count;

	return (struct period){civil_from_ymd(year, first, 1),
			       civil_from_ymd(year + end / 12, end % 12 + 1, 1)};
}

int rules_period(const char *s, struct period *ret_period)
{
	size_t len = strlen(s);
	int year = len >= 4 ? number(s, 4) : -1;
	int part;

	if (year < 2000 || year > 2099 || (len > 4 && s[4] != '-'))
		return ERR_INVALID;
	if (len == 4) {
		*ret_period = months(year, 1, 12);
		return 0;
	}
	if (len != 7)
		return ERR_INVALID;
	part = s[5] == 'Q' ? number(s + 6, 1) : number(s + 5, 2);
	if (part < 1 || part > (s[5] == 'Q' ? 4 : 12))
		return ERR_INVALID;
	*ret_period = s[5] == 'Q' ? months(year, part * 3 - 2, 3) : months(year, part, 1);
	return 0;
}

int32_t rules_month_of_us(int64_t us)
{
	int year, month, day;

	civil_to_ymd(civil_of_us(us), &year, &month, &day);
	return civil_from_ymd(year, month, 1);
}

static int choose_in_scope(const struct rules_target *targets, size_t n, const char *scope,
			   const struct period *period)
{
	int next = -1, last = -1;

	for (size_t i = 0; i < n; i++) {
		const struct rules_target *t = &targets[i];

		if (strcmp(t->scope, scope) != 0)
			continue;
		if (t->due >= period->from && (next < 0 || t->due < targets[next].due))
			next = (int)i;
		if (last < 0 || t->due > targets[last].due)
			last = (int)i;
	}
	return next >= 0 ? next : last;
}

int rules_choose_target(const struct rules_target *targets, size_t n, const char *level,
			const struct period *period)
{
	const char *scopes[2] = {level, "ALL"};

	if (!*level) {
		scopes[0] = "ALL";
		scopes[1] = "T";
	}
	for (int i = 0; i < 2; i++) {
		int found = choose_in_scope(targets, n, scopes[i], period);

		if (found >= 0)
			return found;
	}
	return -1;
}

Kpi__TargetVerdict rules_verdict(const struct rules_target *target, int64_t value_hundredths,
				 const struct period *period, int32_t today)
{
	bool met = strcmp(target->op, ">") == 0 ? value_hundredths > target->value_hundredths
						: value_hundredths >= target->value_hundredths;

	if (met)
		return KPI__TARGET_VERDICT__TARGET_VERDICT_MET;
	if (target->due >= period->to || today <= target->due)
		return KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_YET_DUE;
	return KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MET;
}

int64_t rules_percent_hundredths(int64_t numerator, int64_t denominator)
{
	return (numerator * 20000 + denominator) / (2 * denominator);
}
