/*
 * What the files of the dossier service share: the row of a dossier as handlers work on it, and the
 * handlers themselves. A change of a dossier is always the same four steps:
 *
 *	if (dossier_take(c, in->code, RULES_ACCEPT, &d) < 0)   // begin, lock, state table, agency
 *		return call_fail(c);
 *	d.accepted_us = c->now_us;                              // decide on the locked row
 *	dossier_save(c, &d, "accept", "");                      // row and history
 *	dossier event, tx_commit, reply
 */
#ifndef LGSP_DOSSIER_DOSSIER_H
#define LGSP_DOSSIER_DOSSIER_H

#include "common/base/crypt.h"
#include "common/svc/svc.h"
#include "lgsp/digitisation/v1/digitisation.pb-c.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "lgsp/dossier/v1/legacy.pb-c.h"
#include "lgsp/dossier/v1/lists.pb-c.h"
#include "lgsp/dossier/v1/proof.pb-c.h"
#include "services/dossier/rules.h"
#include "services/dossier/rules_deadline.h"
#include "services/dossier/rules_work.h"

/* A dossier with the facts of its procedure; strings live as long as the transaction's results. */
struct dossier {
	const char *code;
	int32_t version;
	Dossier__DossierState state;
	Dossier__DossierState was; /* before the action it was taken for */
	const char *procedure_code;
	int32_t procedure_version;
	struct rules_agencies agencies;
	Dossier__Channel channel;
	int64_t submitted_us, accepted_us;
	int64_t due_us;
	bool due_provisional;
	int32_t calendar_version;
	int64_t directory_pos;
	int64_t clock_from_us;    /* the due date counts from here: acceptance or reopening */
	struct rules_limit limit; /* and by this: the procedure's when the clock began */
	const char *pause_kind;   /* "", "supplement", "payment", "stop", "outside" */
	int64_t paused_us, finished_us;
	Dossier__DossierState resumes_to; /* UNSPECIFIED unless in state 5, 6 or 8 */
	int64_t answer_due_us;            /* the agency's, to an online filing; 0: none */
	bool answer_noticed;              /* as late */
	int64_t reply_due_us;             /* the applicant's, in state 5; 0: none */
	bool extended;                    /* the one extension is used up */
	Dossier__Verdict verdict;
	Dossier__Decision decision;
	const char *reason; /* code, of the present state */
	int64_t fee_vnd;
	bool fee_paid;
	const char *order_id;
	Dossier__FinanceState finance_state;
	const char *result_number;
	const char *result_file_id;
	Dossier__HandoverState handover_state;
	const char *tracking_number;
	int32_t handoffs, handoffs_electronic; /* between agencies */
	int32_t hops;                          /* rows of handoff */
	bool in_transit;                       /* handed over on paper, not received yet */
	const char *assignee;                  /* subject; "": anybody of the holder */
	int32_t step;                          /* of the template; 0: none */
	int64_t step_from_us, step_due_us;
	const char *step_role; /* whose turn it is; "": by the state alone */
	int32_t opinions, opinions_open,
		opinions_pausing; /* asked; not given; stopping the clock */
	int32_t supplements;      /* asked for so far */
	const char *signed_by;    /* leader; "": not signed off */
	const char *parent;       /* "": of its own */
	bool parent_needs;        /* the parent's result waits for it */
	int32_t complaints, complaints_open;
	int32_t results; /* issued so far */
	bool rated;
	/* of the act at hand, for its history entry; "" unless set */
	const char *why; /* reason code */
	const char *acting_for;
	const char *post;         /* of the actor; as actor: dossier_read_actor() */
	struct rules_actor actor; /* after dossier_take*() */
	int fees;                 /* slot of fees_add(), likewise */
	/* of the filing */
	const char *owner_key;
	bool has_account, has_phone, has_email, has_address; /* where notices can go */
	const char *language;                                /* that they are written in */
	/* of the procedure, in the version it is under now */
	struct rules_limit procedure_limit;
	const char *fee_kind;
	int64_t procedure_fee_vnd;
	uint32_t online_level;
	const char *result_type;
	const char *data_class;
	const uint8_t *definition; /* packed Procedure: dossier_procedure() */
	size_t definition_len;
};

/*
 * Begins the transaction and queues the locking read, behind it dossier_actor_add() and fees_add();
 * the caller flushes. Returns the slot; the actor's is the next, the fees' the one behind.
 */
int dossier_take_add(struct call *c, const char *code);
/* Queues what the directory has of the caller: the post, and whom they stand in for today. */
int dossier_actor_add(struct call *c);
/* Who asks, as the rules and the history see them. dossier_take_check*() does it for staff. */
void dossier_read_actor(const struct call *c, int slot, struct dossier *d);
/*
 * Reads the slot and applies the state table: d->state is the state after the action. Staff must be
 * of a party of the act, and have the dossier when it is an officer's; what came on paper counts as
 * received by the first act on it. NOT_FOUND with code UNKNOWN_DOSSIER, CONFLICT with WRONG_STATE
 * or FEE_NOT_PAID, DENIED with NOT_IN_HAND, NOT_ASSIGNEE or STEP_FORBIDS.
 */
int dossier_take_check(struct call *c, int slot, const char *code, enum rules_action action,
		       struct dossier *ret_dossier);
/* Both with a flush between. */
int dossier_take(struct call *c, const char *code, enum rules_action action,
		 struct dossier *ret_dossier);
/*
 * For an act of the applicant: by the receipt's secret, or by the account that filed it. Where the
 * table lets the desk act for one who comes in person, staff pass as with dossier_take().
 */
int dossier_take_applicant(struct call *c, const char *code, const char *secret,
			   enum rules_action action, struct dossier *ret_dossier);
/* Its parts: dossier_check_applicant() before, when the caller is one; the check behind the flush.
 */
int dossier_take_check_applicant(struct call *c, int slot, const char *code,
				 enum rules_action action, struct dossier *ret_dossier);
/* Not staff: citizens, and whoever has a receipt. */
bool dossier_is_applicant(const struct call *c);
/* The dossier's procedure as it was filed under. */
int dossier_procedure(struct call *c, const struct dossier *d,
		      const Dossier__Procedure **ret_procedure);

extern const struct err_kind dossier_unknown; /* UNKNOWN_DOSSIER, arg = code */

/* Queues the locking read in an open transaction; dossier_read() takes it, false when absent. */
int dossier_lock_add(struct call *c, const char *code);
/*
 * The same row without its lock, filing and procedure ($1: code): dossier_read() leaves their
 * facts empty, data_class is "" for basic.
 */
extern const struct db_stmt dossier_row; /* lists_sql.c */
bool dossier_read(const struct call *c, int slot, const char *code, struct dossier *ret_dossier);

/*
 * Queues the row with version + 1 (set in d too) and its history entry. d->why becomes the reason
 * of the state when that changed.
 */
void dossier_save(struct call *c, struct dossier *d, const char *action, const char *note);
/*
 * The next event vouches for this history entry, which dossier_history() has written: its digest is
 * over what proof.proto lists. Called there; a filing, whose entry is part of a larger statement,
 * calls it itself.
 */
void dossier_vouch(struct call *c, const struct dossier *d, const char *action, const char *note);
/* Queues the history entry of the present version. The event of the act comes behind it. */
void dossier_history(struct call *c, const struct dossier *d, const char *action, const char *note);

/* The state table for an act of the suite itself on a row read: sets was, state, resumes_to. */
int dossier_step(struct call *c, struct dossier *d, enum rules_action action);

/* The event of an act, behind dossier_save(), and the notice where the applicant must know. */
void dossier_tell(struct call *c, const struct dossier *d, enum rules_action action,
		  const char *type, const ProtobufCMessage *event);

/* --- fees (fees.c) --- */

/* Whether the fees in the slot of fees_add() let the act pass; ERR_CONFLICT with FEE_NOT_PAID. */
int fees_check(struct call *c, const struct dossier *d, int slot, enum rules_action action);

/* --- steps (steps.c) --- */

/*
 * Ends the step it is in, with a verdict by the hour, and begins another of the template (0: none).
 * Before dossier_save(). Nothing when it is in that step.
 */
int steps_enter(struct call *c, struct dossier *d, int step);
/* Rows of a hand-off: the next hop, and its receipt when electronic. */
void steps_hand_off(struct call *c, struct dossier *d, const char *from, bool electronic,
		    const char *remark);
/*
 * Behind dossier_save() and the act's event: asks for the opinions of the template's step when the
 * act has begun it (before: the step it was in), each once, with a version of its own.
 */
int opinions_of_step(struct call *c, struct dossier *d, int32_t before);
/* The receipt of the last hop. */
void steps_receive(struct call *c, struct dossier *d, const char *remark);

/* Its time to be answered or paid has run out: the act EXPIRE with its rows and events. */
int dossier_expire(struct call *c, struct dossier *d, const char *reason);

/* --- the clock (pause.c) --- */

/*
 * Brings the clock in line with the state: starts or ends a pause as the state and the opinions
 * waited for say; an ended pause moves the due date. After the state has changed, before
 * dossier_save(). 0 or the error.
 */
int dossier_clock(struct call *c, struct dossier *d);
/* The dossier ends now (state 3, 7 or 9): its clock, and the verdict where one is due. */
int dossier_finish(struct call *c, struct dossier *d);
/* Counts the due date anew, from now, by the calendar of the day. */
int dossier_start_clock(struct call *c, struct dossier *d);

/* --- what due dates are counted with (due.c) --- */

struct due_office {
	struct rules_office office;
	int32_t calendar_version;
	int64_t directory_pos; /* of the newest row among them, stored beside a due date */
};

/* The calendar and the hours of an agency; release it. ERR_UNAVAILABLE while there is none. */
int due_office_get(struct call *c, const char *agency_code, struct due_office *ret);
void due_office_put(struct due_office *office);
/* The dossier's due date, with what it was counted with. */
void due_set(struct dossier *d, const struct due_office *office, struct calendar_due due);
/*
 * The same for a date that was moved, not counted as a whole: one that is provisional stays so, and
 * keeps the version of the calendar it was counted with, for the job to count it again.
 */
void due_move(struct dossier *d, const struct due_office *office, struct calendar_due due);

/*
 * Queues the reading of what has moved the due date since the clock runs; due_recount() counts it
 * again from there, after a flush.
 */
int due_shifts_add(struct call *c, const char *code);
struct calendar_due due_recount(const struct call *c, int slot, const struct due_office *office,
				const struct dossier *d);
/* Queues calendar and position alone, when the date is the same. */
void due_touch(struct call *c, const struct dossier *d);
/* Queues dossier.due_changed of the saved dossier. */
void due_changed_event(struct call *c, const struct dossier *d, int64_t before_us,
		       const char *reason);

/* --- answers to online filings (answers.c) --- */

/* When the agency has to answer what is filed now through that channel; 0 for the desk. */
int answers_due(struct call *c, Dossier__Channel channel, const char *agency_code,
		int64_t *ret_due_us);
/* dossier_save() asks: notices that a filing was answered late, once. */
void answers_given(struct call *c, const struct dossier *d);

/* Subject of the caller, or its member when it speaks for itself. */
const char *dossier_actor(const struct call *c);
/* Its roles, space-separated. */
const char *dossier_roles(struct call *c);
/* A note of 0 (min) … 1000 characters; ERR_INVALID at field note. */
int dossier_check_note(struct call *c, const char *note, size_t min);
/* The text in NFC; "" when the arena is full (the flush then fails too). */
const char *dossier_nfc(struct call *c, const char *s);

/* --- reasons of acts (reasons.c) --- */

/* The list of a kind in force today; a read of its own before the transaction, else within it. */
int reasons_read(struct call *c, enum rules_reason_kind kind, struct rules_reasons *ret);
/* Whether people may give that code with that note, at fields reason and note. */
int reasons_check(struct call *c, enum rules_reason_kind kind, const char *code, const char *note);

/* --- files in digitisation (files.c) --- */

/*
 * Asks digitisation for facts about files, before the transaction. Returns 0 with one entry per id
 * in order (NULL: not found), or the trouble in c->err.
 */
int files_stat(struct call *c, const char *const *ids, size_t n,
	       const Digitisation__FileStat ***ret_stats);
/* Adds FILE_UNKNOWN or FILE_QUARANTINED to err when the file cannot be used. */
void files_check(const Digitisation__FileStat *stat, const char *id, const char *field,
		 struct err *err);

/* --- receipt secrets (receipt.c) --- */

#define RECEIPT_SECRET_CHARS 24
#define RECEIPT_SALT_BYTES   16

/* Reads LGSP_OWNER_KEY. */
int receipt_start(const char *key_path, struct err *err);
const uint8_t *receipt_owner_key(void);
/*
 * The secret of the receipt for this call: pseudo-random under the province's key from caller and
 * message id, so that a repeated request gets the same one although only its hash is stored.
 */
void receipt_secret(const struct call *c, char out[static RECEIPT_SECRET_CHARS + 1]);
/* The same from what names the filing elsewhere, whoever asks with whatever message id. */
void receipt_secret_of(struct call *c, const char *kind, const char *name,
		       char out[static RECEIPT_SECRET_CHARS + 1]);
void receipt_hash(const uint8_t salt[static RECEIPT_SALT_BYTES], const char *secret,
		  uint8_t out[static CRYPT_SHA256_BYTES]);
/*
 * Whether secret belongs to the receipt of code: counts the attempt first. 0; NOT_FOUND with code
 * TRACK_NOT_FOUND for a wrong secret and for an unknown code; DENIED with TRACK_LOCKED.
 */
int receipt_check(struct call *c, const char *code, const char *secret);
/*
 * Whether the caller is the applicant: by the receipt's secret when one is given, else as the
 * citizen who filed it with this account (DENIED with NOT_YOURS). Before the transaction.
 */
int dossier_check_applicant(struct call *c, const char *code, const char *secret);

/* --- procedures (catalogue.c) --- */

/* Queues the reading of the procedure in force on a day. */
int catalogue_add(struct call *c, const char *code, int32_t day);
/* > 0: in force, in ret; 0: not (err has UNKNOWN_PROCEDURE or PROCEDURE_NOT_IN_FORCE); < 0 c->err.
 */
int catalogue_read(struct call *c, int slot, const char *code, struct err *err,
		   const Dossier__Procedure **ret_procedure);

/* The version a dossier is under; the dossier has been found in the same flush. */
int catalogue_add_of(struct call *c, const char *dossier);
int catalogue_read_of(struct call *c, int slot, const Dossier__Procedure **ret_procedure);

/* --- what is held (once_only.c) --- */

/* Queues the reading of the records held of an owner, or of a dossier's applicant, on a day. */
int held_add(struct call *c, const char *owner_key, int32_t day);
int held_add_of(struct call *c, const char *code, int32_t day);
/*
 * Which of these components are asked for although a valid record of the applicant is held: reads
 * that in the open transaction of the taken dossier. Then queues the rows of a request.
 */
struct held_demand {
	const char *component;
	const struct rules_held *held;
};
int held_demands(struct call *c, const struct dossier *d, const char *const *components, size_t n,
		 struct held_demand **ret_demands, size_t *ret_n);
void held_demands_add(struct call *c, const char *code, int32_t round,
		      const struct held_demand *demands, size_t n);
/* Newest first. 0 or the error in c->err. */
int held_read(struct call *c, int slot, struct rules_held **ret_held, size_t *ret_n);

/* --- channels (channels.c) --- */

/* The channels of a profile: checked, then compared with the list in the slot of channels_add(). */
int channels_check_import(struct call *c, const Dossier__ImportProfileRequest *in);
int channels_add(struct call *c);
/* Queues the new list when it differs; how many rules are new or different. */
int32_t channels_import(struct call *c, int slot, const Dossier__ImportProfileRequest *in);

/* --- handlers --- */

#define DOSSIER_HANDLER(name, Name)                                                                \
	void dossier_##name(Dossier__DossierService_Service *svc,                                  \
			    const Dossier__##Name##Request *in,                                    \
			    Dossier__##Name##Reply_Closure reply, void *data)

DOSSIER_HANDLER(import_profile, ImportProfile);
DOSSIER_HANDLER(get_procedure, GetProcedure);
DOSSIER_HANDLER(list_procedures, ListProcedures);
DOSSIER_HANDLER(submit, Submit);
DOSSIER_HANDLER(reissue_receipt, ReissueReceipt);
DOSSIER_HANDLER(submit_from_portal, SubmitFromPortal);
DOSSIER_HANDLER(save_draft, SaveDraft);
DOSSIER_HANDLER(get_draft, GetDraft);
DOSSIER_HANDLER(list_drafts, ListDrafts);
DOSSIER_HANDLER(discard_draft, DiscardDraft);
DOSSIER_HANDLER(submit_draft, SubmitDraft);
DOSSIER_HANDLER(list_held, ListHeld);
DOSSIER_HANDLER(reuse_record, ReuseRecord);
DOSSIER_HANDLER(rebase, Rebase);
DOSSIER_HANDLER(accept, Accept);
DOSSIER_HANDLER(forward, Forward);
DOSSIER_HANDLER(request_payment, RequestPayment);
DOSSIER_HANDLER(exempt_fee, ExemptFee);
DOSSIER_HANDLER(issue_result, IssueResult);
DOSSIER_HANDLER(return_result, ReturnResult);
DOSSIER_HANDLER(rate, Rate);
DOSSIER_HANDLER(get, Get);
DOSSIER_HANDLER(track, Track);
DOSSIER_HANDLER(get_paper, GetPaper);
DOSSIER_HANDLER(get_register, GetRegister);
DOSSIER_HANDLER(inbox, Inbox);
DOSSIER_HANDLER(inbox_counts, InboxCounts);
DOSSIER_HANDLER(search, Search);
DOSSIER_HANDLER(my_dossiers, MyDossiers);
DOSSIER_HANDLER(who_read, WhoRead);
DOSSIER_HANDLER(states, States);
DOSSIER_HANDLER(proof, Proof);
DOSSIER_HANDLER(import_legacy, ImportLegacy);
DOSSIER_HANDLER(sync_pending, SyncPending);
DOSSIER_HANDLER(sync_report, SyncReport);
DOSSIER_HANDLER(extend, Extend);
DOSSIER_HANDLER(recount_due, RecountDue);
DOSSIER_HANDLER(list_late_answers, ListLateAnswers);
DOSSIER_HANDLER(statistics, Statistics);
DOSSIER_HANDLER(get_statistics_sheet, GetStatisticsSheet);
DOSSIER_HANDLER(claim, Claim);
DOSSIER_HANDLER(assign, Assign);
DOSSIER_HANDLER(set_stand_in, SetStandIn);
DOSSIER_HANDLER(receive, Receive);
DOSSIER_HANDLER(next_step, NextStep);
DOSSIER_HANDLER(request_supplement, RequestSupplement);
DOSSIER_HANDLER(supplement, Supplement);
DOSSIER_HANDLER(request_opinion, RequestOpinion);
DOSSIER_HANDLER(give_opinion, GiveOpinion);
DOSSIER_HANDLER(withdraw_opinion, WithdrawOpinion);
DOSSIER_HANDLER(refuse, Refuse);
DOSSIER_HANDLER(stop, Stop);
DOSSIER_HANDLER(continue_processing, ContinueProcessing);
DOSSIER_HANDLER(withdraw, Withdraw);
DOSSIER_HANDLER(sign_off, SignOff);
DOSSIER_HANDLER(return_for_rework, ReturnForRework);
DOSSIER_HANDLER(hand_over, HandOver);
DOSSIER_HANDLER(complain, Complain);
DOSSIER_HANDLER(answer_complaint, AnswerComplaint);
DOSSIER_HANDLER(reopen, Reopen);
DOSSIER_HANDLER(open_child, OpenChild);
DOSSIER_HANDLER(batch, Batch);
DOSSIER_HANDLER(get_course, GetCourse);

/* --- feeds and jobs (consumers.c, due.c) --- */

int dossier_on_directory(struct call *c, const struct svc_event *ev);
int dossier_on_payment(struct call *c, const struct svc_event *ev);
int dossier_on_digitisation(struct call *c, const struct svc_event *ev);
/* publish.c: feed dossier.states. */
int dossier_publish_state(const struct svc_event *ev, struct arena *arena,
			  struct svc_published *out);
/* Counts provisional due dates again with a newer calendar. */
int dossier_job_due(struct call *c);
/* Notes which versions the national portal is to learn, from the service's own feed. */
int dossier_job_sync(struct call *c);
/* Notices online filings that were not answered in time. */
int dossier_job_answers(struct call *c);
/* Forgets drafts whose time is over. */
int dossier_job_drafts(struct call *c);
/* All that must be done because a time has run out: one job, for each has a connection. */
int dossier_job_overdue(struct call *c);
/* Its parts, each a transaction: applicants who did not answer a request for supplement, */
int expire_unanswered(struct call *c);
/* and opinions that did not come in time. */
int opinions_mark_late(struct call *c);
/* Forgets failed look-ups older than the lock. */
int dossier_job_track_locks(struct call *c);

#endif
