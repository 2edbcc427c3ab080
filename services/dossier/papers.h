/*
 * Papers as the database has them: papers_read.c gathers what a form says, papers.c answers.
 */
#ifndef LGSP_DOSSIER_PAPERS_H
#define LGSP_DOSSIER_PAPERS_H

#include "services/dossier/dossier.h"
#include "services/dossier/paper_forms.h"
#include "services/dossier/rules_statistics.h"

#define PAPERS_REGISTER_MAX 5000 /* rows */

/* Before serving: where dossiers can be followed, "" for nowhere. */
void papers_set_lookup(const char *url);

/* The act a paper belongs to. */
struct papers_act {
	int32_t version;
	int64_t time_us;
};

/* Slots of what was queued. */
struct papers_slots {
	int dossier, act, subject, parts, wrongs, hops;
};

/* Queues the reading of all that a paper of this kind needs; version 0: the newest act. */
void papers_add(struct call *c, const char *code, enum paper_kind kind, int32_t version,
		struct papers_slots *ret_slots);
/*
 * The case as it was with the act. CONFLICT with code NO_SUCH_PAPER when the dossier has had no
 * such act, or its set of forms no such form.
 */
int papers_case(struct call *c, const struct papers_slots *s, const struct dossier *d,
		enum paper_kind kind, const char *secret, struct paper_case *ret_case,
		struct papers_act *ret_act);
int papers_control_sheet(struct call *c, const struct papers_slots *s, struct sheet *ret_sheet);

/* Queues the reading of an agency's register; papers_register() makes the table of it. */
int papers_register_add(struct call *c, const char *agency, int32_t from, int32_t to);
int papers_register(struct call *c, int slot, struct sheet *ret_sheet);

/*
 * The figures of form II.06a (statistics.c), at most limit rows: after the period and the caller's
 * rights were checked. Outside a transaction.
 */
int statistics_count(struct call *c, const Dossier__StatisticsRequest *in, uint32_t limit,
		     struct rules_span *ret_span, Dossier__StatisticsReply *out);

#endif
