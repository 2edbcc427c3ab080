/*
 * The columns of a dossier's row as dossier_read() takes them: one text for the read under the lock
 * (store.c) and the one without (lists_sql.c). Those of filing and procedure follow.
 */
#ifndef LGSP_DOSSIER_ROW_H
#define LGSP_DOSSIER_ROW_H

/* Columns of the row, in the order of dossier_read(), read_course(), read_money(), read_work(). */
#define DOSSIER_ROW                                                                                \
	"SELECT d.version, d.state, d.procedure_code, d.procedure_version, d.receiving_agency,"    \
	" d.competent_agency, d.holder_agency, d.supporting_agency, d.channel,"                    \
	" d.submitted_at, d.accepted_at, d.due_at, d.due_provisional, d.calendar_version,"         \
	" d.directory_pos, d.clock_from_at, d.clock_unit, d.clock_value, d.pause_kind, "           \
	"d.paused_at, d.finished_at,"                                                              \
	" d.resumes_to, d.answer_due_at, d.reply_due_at, d.extended, d.verdict, d.decision,"       \
	" d.reason, d.answer_due_at IS NOT NULL AND EXISTS (SELECT FROM late_answer l"             \
	" WHERE l.dossier = d.code AND l.due_at = d.answer_due_at),"                               \
	" d.fee_vnd, d.fee_paid, d.order_id, d.finance_state, d.result_number, d.result_file_id,"  \
	" d.handover_state, d.tracking_number,"                                                    \
	" d.handoffs, d.handoffs_electronic, d.hops, d.in_transit, d.assignee, d.step,"            \
	" d.step_from_at, d.step_due_at, d.step_role, d.opinions, d.opinions_open, "               \
	"d.opinions_pausing,"                                                                      \
	" d.supplements, d.signed_by, d.parent, d.parent_needs, d.complaints,"                     \
	" d.complaints_open, d.results, d.rated,"

#endif
