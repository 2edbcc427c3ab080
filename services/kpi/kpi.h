/*
 * The kpi service's rooms: the catalogue (catalogue.c), what each feed adds to facts and counters
 * (apply_*.c), reading a measure (measure.c), pure rules of periods, targets and verdicts
 * (rules.c).
 *
 * A flow indicator is a pair of sums per agency and month, moved in the transaction of the event. A
 * stock indicator is a query over facts as of the end of the period. Both are the same whether the
 * feeds are read today or again from position 0.
 */
#ifndef LGSP_KPI_KPI_H
#define LGSP_KPI_KPI_H

#include "common/svc/svc.h"
#include "lgsp/kpi/v1/kpi.pb-c.h"

/* --- rules.c: pure --- */

/* A calendar period: [from, to), civil days. */
struct period {
	int32_t from, to;
};

/* "YYYY", "YYYY-MM", "YYYY-Qn"; ERR_INVALID for anything else or outside 2000..2099. */
int rules_period(const char *s, struct period *ret_period);

extern const struct err_kind rules_bad_period; /* BAD_PERIOD, arg = the text */

/*
 * SQL: the agencies a figure is about, as a table sub(code) - $1 and, unless $2 (alone), all below
 * it;
 * "" is the whole province, and then sub is not asked.
 */
#define KPI_AGENCIES                                                                               \
	"WITH RECURSIVE sub AS (SELECT $1::text AS code "                                          \
	"UNION SELECT a.code FROM ref_agency a JOIN sub ON a.parent_code = sub.code WHERE NOT "    \
	"$2) "
#define KPI_IN_AGENCIES(column) "($1 = '' OR " column " IN (SELECT code FROM sub)) "

/* First day of the month of a moment, in Asia/Ho_Chi_Minh. */
int32_t rules_month_of_us(int64_t us);

/* The target whose verdict a period gets; index into targets, or -1 when there is none. */
struct rules_target {
	const char *scope;
	int32_t due;
	const char *op;
	int64_t value_hundredths;
};
/*
 * Targets of the level's own scope go before ALL (level "" is the province as a whole: ALL before
 * T). Among them the earliest that is due in or after the period; when all are past, the last one,
 * which is to be kept.
 */
int rules_choose_target(const struct rules_target *targets, size_t n, const char *level,
			const struct period *period);

/* Verdict of a measured value; today: the business date. */
Kpi__TargetVerdict rules_verdict(const struct rules_target *target, int64_t value_hundredths,
				 const struct period *period, int32_t today);

/* Hundredths of a percent, rounded half up; denominator > 0. */
int64_t rules_percent_hundredths(int64_t numerator, int64_t denominator);

/* --- apply_*.c: one per feed --- */

/* Moves a flow counter in the call's open transaction; adding zero to both does nothing. */
void counter_add(struct call *c, const char *indicator, const char *agency, int64_t at_us,
		 bool in_numerator);

int kpi_apply_directory(struct call *c, const struct svc_event *ev);
int kpi_apply_dossier(struct call *c, const struct svc_event *ev);
int kpi_apply_payment(struct call *c, const struct svc_event *ev);
int kpi_apply_digitisation(struct call *c, const struct svc_event *ev);
int kpi_apply_task(struct call *c, const struct svc_event *ev);

/* publish.c: feed kpi.indicators. */
int kpi_publish_indicators(const struct svc_event *ev, struct arena *arena,
			   struct svc_published *out);

/* --- handlers --- */

void kpi_import_profile(Kpi__KpiService_Service *svc, const Kpi__ImportProfileRequest *in,
			Kpi__ImportProfileReply_Closure reply, void *data);
void kpi_get(Kpi__KpiService_Service *svc, const Kpi__GetRequest *in, Kpi__GetReply_Closure reply,
	     void *data);
void kpi_list(Kpi__KpiService_Service *svc, const Kpi__ListRequest *in,
	      Kpi__ListReply_Closure reply, void *data);
void kpi_list_indicators(Kpi__KpiService_Service *svc, const Kpi__ListIndicatorsRequest *in,
			 Kpi__ListIndicatorsReply_Closure reply, void *data);
void kpi_task_buckets(Kpi__KpiService_Service *svc, const Kpi__TaskBucketsRequest *in,
		      Kpi__TaskBucketsReply_Closure reply, void *data);
void kpi_cursors(Kpi__KpiService_Service *svc, const Kpi__CursorsRequest *in,
		 Kpi__CursorsReply_Closure reply, void *data);

#endif
