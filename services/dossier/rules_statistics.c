#include "services/dossier/rules_statistics.h"

#include "common/base/base.h"
#include "common/base/civil.h"

#define REPORTING_DAY 15 /* first day of a reporting period: Decree 09/2019 Art. 12 */

/* Months of each kind of period, and how many of them a year has. */
static const struct {
	int months, per_year;
	bool numbered;
} kinds[] = {
	[DOSSIER__PERIOD_KIND__PERIOD_KIND_MONTH] = {1, 12, true},
	[DOSSIER__PERIOD_KIND__PERIOD_KIND_QUARTER] = {3, 4, true},
	[DOSSIER__PERIOD_KIND__PERIOD_KIND_HALF_YEAR] = {6, 2, true},
	[DOSSIER__PERIOD_KIND__PERIOD_KIND_NINE_MONTHS] = {9, 1, false},
	[DOSSIER__PERIOD_KIND__PERIOD_KIND_YEAR] = {12, 1, false},
};

/* First day of the month that many months from January of the year. */
static int32_t month_start(int year, int months)
{
	return civil_from_ymd(year + (months + 12) / 12 - 1, (months + 12) % 12 + 1, 1);
}

static void named(const Dossier__StatisticsRequest *in, struct rules_span *span, struct err *err)
{
	int months = kinds[in->kind].months, first;

	if (in->year < 2000 || in->year > 2199)
		err_add(err, &err_invalid_field, "year", "2000..2199");
	if (kinds[in->kind].numbered
		    ? in->ordinal < 1 || in->ordinal > (uint32_t)kinds[in->kind].per_year
		    : in->ordinal != 0)
		err_add(err, &err_invalid_field, "ordinal", "1..12 | 1..4 | 1..2 | 0");
	if (in->from_date[0] != '\0' || in->to_date[0] != '\0')
		err_add(err, &err_invalid_field, "from_date", "kind | from_date, to_date");
	if (err->status != 0)
		return;
	first = kinds[in->kind].numbered ? ((int)in->ordinal - 1) * months : 0;
	if (in->reporting) {
		span->from = month_start((int)in->year, first - 1) + REPORTING_DAY - 1;
		span->to = month_start((int)in->year, first + months - 1) + REPORTING_DAY - 2;
	} else {
		span->from = month_start((int)in->year, first);
		span->to = month_start((int)in->year, first + months) - 1;
	}
}

static void dated(const Dossier__StatisticsRequest *in, struct rules_span *span, struct err *err)
{
	if (civil_parse(in->from_date, &span->from) < 0)
		err_add(err, &err_invalid_field, "from_date", "YYYY-MM-DD");
	if (civil_parse(in->to_date, &span->to) < 0)
		err_add(err, &err_invalid_field, "to_date", "YYYY-MM-DD");
	if (in->reporting)
		err_add(err, &err_invalid_field, "reporting", "kind");
	if (err->status == 0 && span->to < span->from)
		err_add(err, &err_invalid_field, "to_date", ">= from_date");
}

void rules_statistics_span(const Dossier__StatisticsRequest *in, struct rules_span *ret_span,
			   struct err *err)
{
	struct rules_span span = {.from = 0};

	if (in->kind == DOSSIER__PERIOD_KIND__PERIOD_KIND_UNSPECIFIED)
		dated(in, &span, err);
	else if (in->kind > 0 && (size_t)in->kind < ARRAY_LEN(kinds))
		named(in, &span, err);
	else
		err_add(err, &err_invalid_field, "kind", "1..5");
	*ret_span = span;
}
