#include "tests/it/dossier_acts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "common/base/clock.h"
#include "lgsp/payment/v1/events.pb-c.h"

#define DAY_US      (24 * 3600 * CLOCK_US_PER_S)
#define EVENT_MS    20000
#define OLD_DAY     "2024-05-20"
#define TRIES       10
#define ORDER_EVENT 2

static const struct person the_operator = {"op-1", "operator", "H40"};
/* The rig's own connection and its peers are one for all. */
static pthread_mutex_t database = PTHREAD_MUTEX_INITIALIZER;

void actor_init(struct actor *a, int number)
{
	memset(a, 0, sizeof(*a));
	ask_init(&a->people, rig.gateway, "dossier");
	ask_init(&a->portal, rig.one_stop, "dossier");
	ask_init(&a->operator, rig.ops, "dossier");
	a->number = number;
	snprintf(a->name, sizeof(a->name), "applicant-%d", number);
	a->citizen = (struct person){a->name, "citizen", ""};
	bind_account(a->name, NUMBER);
}

void actor_done(struct actor *a)
{
	ask_done(&a->people);
	ask_done(&a->portal);
	ask_done(&a->operator);
}

static const char *outcome(const struct ask *a, int status)
{
	return status == 0 ? "" : err_code(&a->err);
}

/* --- filing --- */

static const char *procedure_code(const struct model *m)
{
	static const char *const codes[PROCEDURES] = {MARRIAGE, MODEL_STEPPED, BIRTH};

	return codes[m->procedure];
}

/* A filing by a desk has paper, others have files; without either the held record is reused. */
static void fill_filing(struct filing *f, const struct model *m, bool desk)
{
	if (m->procedure == BARE)
		make_plain(f);
	else
		make_filing(f);
	f->in.procedure_code = procedure_code(m);
	f->in.agency_code = model_desks[m->home];
	f->in.channel = (Dossier__Channel)m->channel;
	if (desk) {
		f->input.n_file_ids = 0;
		f->input.paper_copies = 1;
	}
	if (m->reused)
		f->in.n_components = 0;
}

static void keep_receipt(struct model *m, const char *code, const char *secret)
{
	snprintf(m->code, sizeof(m->code), "%s", code);
	snprintf(m->secret, sizeof(m->secret), "%s", secret);
}

static int submit_one(struct actor *a, struct model *m, bool desk)
{
	Dossier__SubmitReply *out;
	struct filing f;
	int r;

	fill_filing(&f, m, desk);
	r = submit(&a->people, desk ? &model_staff[m->home][CLERK] : &a->citizen, &f, &out);
	if (r == 0)
		keep_receipt(m, out->code, out->receipt_secret);
	return r;
}

static int send_portal(struct actor *a, const struct model *m, const char *national, bool other,
		       Dossier__SubmitFromPortalReply **out)
{
	struct filing f;

	fill_filing(&f, m, false);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED;
	if (other)
		f.applicant.address = "Nơi khác";
	return CALL(&a->portal, NULL, SubmitFromPortal, submit_from_portal, out,
		    in_.national_code = national;
		    in_.filing = &f.in);
}

static void national_of(const struct actor *a, int n, char out[static 64])
{
	snprintf(out, 64, "G22.99-%d-%d", a->number, n);
}

static int submit_national(struct actor *a, struct model *m)
{
	Dossier__SubmitFromPortalReply *out;
	char national[64];
	int r;

	national_of(a, a->national, national);
	r = send_portal(a, m, national, false, &out);
	if (r < 0)
		return r;
	keep_receipt(m, out->code, out->receipt_secret);
	snprintf(m->national, sizeof(m->national), "%s", national);
	a->national++;
	return 0;
}

const char *actor_send_again(struct actor *a, const struct model *m, bool other)
{
	struct model first = *m;
	Dossier__SubmitFromPortalReply *out;

	first.reused = m->reused_at_filing;
	if (send_portal(a, &first, m->national, other, &out) < 0)
		return err_code(&a->portal.err);
	if (!out->already_filed || strcmp(out->code, m->code) != 0 ||
	    strcmp(out->receipt_secret, m->secret) != 0)
		return "another dossier";
	return "";
}

/* --- taking over --- */

static void fill_legacy(const struct actor *a, struct model *m, Dossier__LegacyDossier *d,
			Dossier__Applicant *by)
{
	int32_t day;
	char text[11];

	CHECK(civil_parse(OLD_DAY, &day) == 0);
	day -= a->imports * 4 + a->number;
	civil_format(day, text);
	snprintf(m->code, sizeof(m->code), "%s-%.2s%.2s%.2s-0001", model_desks[m->home], text + 2,
		 text + 5, text + 8);
	dossier__legacy_dossier__init(d);
	dossier__applicant__init(by);
	by->kind = "citizen";
	by->number = NUMBER;
	by->name = "Trần Thị Mẫu";
	by->phone = "+84912345678";
	by->address = "Phường Hạ Long";
	d->line = 2;
	d->code = m->code;
	d->procedure_code = procedure_code(m);
	d->receiving_agency_code = d->competent_agency_code = model_desks[m->home];
	d->holder_agency_code = model_desks[m->holder];
	d->channel = (Dossier__Channel)m->channel;
	d->applicant = by;
	d->submitted_us = civil_to_us(day, 8 * 60);
	d->state = (Dossier__DossierState)m->state;
	d->accepted_us = m->clock_from;
	d->due_us = m->due;
	d->paused_us = m->paused_at;
}

/* A dry run and the real one. */
static int import_one(struct actor *a, struct model *m)
{
	Dossier__ImportLegacyRequest in = DOSSIER__IMPORT_LEGACY_REQUEST__INIT;
	Dossier__LegacyDossier d, *list[1] = {&d};
	Dossier__ImportLegacyReply *out;
	Dossier__Applicant by;
	char control[65];
	int r;

	fill_legacy(a, m, &d, &by);
	snprintf(control, sizeof(control), "%d%063d", a->number, a->imports);
	in.source = "Một cửa 2019";
	in.control = control;
	in.chunks = 1;
	in.dossiers = list;
	in.n_dossiers = 1;
	for (int run = 0; run < 2; run++) {
		in.dry_run = run == 0;
		r = ask(&a->operator, NULL, "ImportLegacy", &in.base,
			&dossier__import_legacy_reply__descriptor, &out);
		if (r == 0 && out->n_faults > 0) {
			print_error("import: %s %s\n", out->faults[0]->field, out->faults[0]->code);
			r = ERR_INVALID;
		}
		if (r < 0)
			return r;
	}
	a->imports++;
	return 0;
}

/* --- supplement --- */

static int ask_supplement(struct actor *a, const struct model *m, const struct move *v,
			  const struct person *by)
{
	Dossier__SupplementItem item = DOSSIER__SUPPLEMENT_ITEM__INIT, *items[1] = {&item};

	item.component = "TP1";
	item.reason = "unclear";
	item.text = "Bản chụp không rõ";
	return CALL(&a->people, by, RequestSupplement, request_supplement, NULL, in_.code = m->code;
		    in_.items = items; in_.n_items = 1; in_.reply_days = (uint32_t)v->to;
		    in_.note = "Bổ sung");
}

/* What was asked for; of a dossier taken over nobody knows it. */
static int supplement(struct actor *a, const struct model *m, const struct person *by)
{
	Dossier__ComponentInput input = DOSSIER__COMPONENT_INPUT__INIT, *inputs[1] = {&input};
	const char *files[1] = {FILE_1};

	input.code = "TP1";
	if (by == &public) {
		input.file_ids = files;
		input.n_file_ids = 1;
	} else {
		input.paper_copies = 1;
	}
	return CALL(&a->people, by, Supplement, supplement, NULL, in_.code = m->code;
		    in_.receipt_secret = by == &public ? m->secret : ""; in_.components = inputs;
		    in_.n_components = m->procedure == BARE ? 0 : 1);
}

/* --- money --- */

static int exempt_fee(struct actor *a, const struct model *m, const struct person *by)
{
	Dossier__FeeExemption all = DOSSIER__FEE_EXEMPTION__INIT, *list[1] = {&all};

	all.legal_basis = "Luật Phí và lệ phí 97/2015/QH13, Điều 10";
	all.evidence = "Giấy xác nhận hộ nghèo số 12";
	return CALL(&a->people, by, ExemptFee, exempt_fee, NULL, in_.code = m->code;
		    in_.exemptions = list; in_.n_exemptions = 1);
}

static int say(const struct model *m, const char *type, const ProtobufCMessage *event,
	       const char *order, const char *what, int64_t wanted)
{
	char sql[200];
	bool done;

	snprintf(sql, sizeof(sql), "SELECT %s FROM dossier WHERE code = '%s'", what, m->code);
	pthread_mutex_lock(&database);
	peer_publish(rig.payment, type, order, ORDER_EVENT, event);
	done = pg_wait_int(rig.pg, "dossier", sql, wanted, EVENT_MS);
	pthread_mutex_unlock(&database);
	return done ? 0 : ERR_UNAVAILABLE;
}

static int pay(const struct model *m)
{
	Payment__PaymentPaid ev = PAYMENT__PAYMENT_PAID__INIT;

	ev.order_id = "order-1";
	ev.dossier_code = m->code;
	ev.amount_vnd = MODEL_FEE_VND;
	return say(m, "payment.paid", &ev.base, ev.order_id, "fee_paid::int", 1);
}

static int order_expires(const struct model *m)
{
	Payment__PaymentExpired ev = PAYMENT__PAYMENT_EXPIRED__INIT;

	ev.order_id = "order-1";
	ev.dossier_code = m->code;
	return say(m, "payment.expired", &ev.base, ev.order_id, "state", 8);
}

/* --- due dates --- */

static const char *recount(struct actor *a, const struct model *m)
{
	const char *codes[1] = {m->code};
	Dossier__RecountDueReply *out;
	int r = CALL(&a->people, &the_operator, RecountDue, recount_due, &out, in_.codes = codes;
		     in_.n_codes = 1; in_.reason = "Kiểm tra");

	if (r < 0)
		return err_code(&a->people.err);
	if (out->items[0]->refusal[0] != '\0')
		return out->items[0]->refusal;
	return out->items[0]->changed ? "a due date changed, and nothing it is counted with" : "";
}

/* --- linked dossiers --- */

static int open_child(struct actor *a, const struct model *m, const struct move *v,
		      const struct person *by, struct model *child)
{
	Dossier__OpenChildReply *out;
	int r = CALL(&a->people, by, OpenChild, open_child, &out, in_.code = m->code;
		     in_.procedure_code = BIRTH; in_.agency_code = model_desks[v->to];
		     in_.required = v->flag);

	if (r < 0)
		return r;
	model_begin(child, BARE, v->to);
	child->supporting = v->to == v->desk ? -1 : v->desk;
	child->parent_needs = v->flag;
	keep_receipt(child, out->child_code, out->receipt_secret);
	return 0;
}

/* --- one move --- */

static int assign(struct actor *a, const struct model *m, const struct move *v,
		  const struct person *by)
{
	const char *subject = v->to == HANDS       ? "nobody"
			      : v->to == HANDS + 1 ? ""
						   : model_staff[v->desk][v->to].subject;

	return CALL(&a->people, by, Assign, assign, NULL, in_.code = m->code;
		    in_.subject = subject);
}

static int issue(struct actor *a, const struct model *m, const struct move *v,
		 const struct person *by)
{
	return CALL(&a->people, by, IssueResult, issue_result, NULL, in_.code = m->code;
		    in_.result_number = "12/GXN";
		    in_.decision = v->flag ? DOSSIER__DECISION__DECISION_REFUSED
					   : DOSSIER__DECISION__DECISION_GRANTED;
		    in_.reason = v->flag ? "conditions_not_met" : "";
		    in_.note = v->flag ? "Không đáp ứng" : "");
}

static int withdraw(struct actor *a, const struct model *m, const struct person *by)
{
	return CALL(&a->people, by, Withdraw, withdraw, NULL, in_.code = m->code;
		    in_.receipt_secret = by == &public ? m->secret : ""; in_.reason = "not_needed";
		    in_.note = "Theo đơn");
}

static int perform_work(struct actor *a, const struct model *m, const struct move *v,
			const struct person *by)
{
	struct ask *k = &a->people;
	const char *code = m->code;

	switch ((int)v->act) {
	case FORWARD:
		return CALL(k, by, Forward, forward, NULL, in_.code = code;
			    in_.to_agency_code = model_desks[v->to]; in_.electronic = v->flag);
	case RECEIVE:
		return CALL(k, by, Receive, receive, NULL, in_.code = code);
	case CLAIM:
		return CALL(k, by, Claim, claim, NULL, in_.code = code);
	case ASSIGN:
		return assign(a, m, v, by);
	case NEXT_STEP:
		return CALL(k, by, NextStep, next_step, NULL, in_.code = code);
	case ASK_OPINION:
		return CALL(k, by, RequestOpinion, request_opinion, NULL, in_.code = code;
			    in_.agency_code = DISTRICT; in_.question = "Ý kiến?";
			    in_.hours = (uint32_t)v->to; in_.pauses_clock = v->flag);
	case GIVE_OPINION:
		return CALL(k, by, GiveOpinion, give_opinion, NULL, in_.code = code;
			    in_.opinion = v->to; in_.text = "Đồng ý";
			    in_.answer = DOSSIER__OPINION_ANSWER__OPINION_ANSWER_AGREE);
	case WITHDRAW_OPINION:
		return CALL(k, by, WithdrawOpinion, withdraw_opinion, NULL, in_.code = code;
			    in_.opinion = v->to);
	case SIGN_OFF:
		return CALL(k, by, SignOff, sign_off, NULL, in_.code = code);
	case REWORK:
		return CALL(k, by, ReturnForRework, return_for_rework, NULL, in_.code = code;
			    in_.note = "Xem lại");
	case REBASE:
		return CALL(k, by, Rebase, rebase, NULL, in_.code = code; in_.reason = "Quy định");
	case REUSE:
		return CALL(k, by, ReuseRecord, reuse_record, NULL, in_.code = code;
			    in_.component_code = "TP1"; in_.record_id = MODEL_RECORD);
	default:
		return ERR_INTERNAL;
	}
}

static int perform_course(struct actor *a, const struct model *m, const struct move *v,
			  const struct person *by)
{
	struct ask *k = &a->people;
	const char *code = m->code;

	switch ((int)v->act) {
	case ACCEPT:
		return accept_it(k, by, code, NULL);
	case REFUSE:
		return CALL(k, by, Refuse, refuse, NULL, in_.code = code;
			    in_.reason = "not_eligible"; in_.note = "Không đủ điều kiện");
	case ASK_SUPPLEMENT:
		return ask_supplement(a, m, v, by);
	case SUPPLEMENT:
	case SUPPLEMENT_ONLINE:
		return supplement(a, m, by);
	case ASK_PAYMENT:
		return ask_payment(k, by, code, 1, NULL);
	case EXEMPT_FEE:
		return exempt_fee(a, m, by);
	case PAY:
		return pay(m);
	case ORDER_EXPIRES:
		return order_expires(m);
	case EXTEND:
		return CALL(k, by, Extend, extend, NULL, in_.code = code; in_.reason = "complexity";
			    in_.apology = "Xin lỗi"; in_.working_days = (uint32_t)v->to);
	case STOP:
		return CALL(k, by, Stop, stop, NULL, in_.code = code; in_.reason = "dispute";
			    in_.note = "Có tranh chấp");
	case CONTINUE:
		return CALL(k, by, ContinueProcessing, continue_processing, NULL, in_.code = code);
	default:
		return perform_work(a, m, v, by);
	}
}

static int perform_end(struct actor *a, const struct model *m, const struct move *v,
		       const struct person *by)
{
	struct ask *k = &a->people;
	const char *code = m->code;

	switch ((int)v->act) {
	case ISSUE:
		return issue(a, m, v, by);
	case RETURN:
		return CALL(k, by, ReturnResult, return_result, NULL, in_.code = code;
			    in_.how = v->flag ? "post" : "desk";
			    in_.tracking_number = v->flag ? MODEL_TRACKING : "");
	case HAND_OVER:
		return CALL(k, by, HandOver, hand_over, NULL, in_.code = code;
			    in_.tracking_number = v->flag ? "VN0" : MODEL_TRACKING);
	case WITHDRAW:
	case WITHDRAW_ONLINE:
		return withdraw(a, m, by);
	case COMPLAIN:
		return CALL(k, by, Complain, complain, NULL, in_.code = code;
			    in_.receipt_secret = m->secret; in_.text = "Sai tên");
	case ANSWER:
		return CALL(k, by, AnswerComplaint, answer_complaint, NULL, in_.code = code;
			    in_.complaint = m->n_complaints ? m->n_complaints : 1;
			    in_.upheld = v->flag; in_.text = "Trả lời");
	case REOPEN:
		return CALL(k, by, Reopen, reopen, NULL, in_.code = code;
			    in_.complaint = m->n_complaints ? m->n_complaints : 1;
			    in_.reason = "complaint_upheld");
	case RATE:
		return rate_it(k, by, code, m->secret);
	default:
		return perform_course(a, m, v, by);
	}
}

static const char *perform(struct actor *a, struct model *m, const struct move *v,
			   struct model *child)
{
	const struct person *by = v->desk < 0 ? &public : &model_staff[v->desk][v->hand];

	switch ((int)v->act) {
	case SUBMIT:
		return outcome(&a->people, submit_one(a, m, true));
	case SUBMIT_ONLINE:
		return outcome(&a->people, submit_one(a, m, false));
	case SUBMIT_NATIONAL:
		return outcome(&a->portal, submit_national(a, m));
	case IMPORT:
		return outcome(&a->operator, import_one(a, m));
	case RECOUNT:
		return recount(a, m);
	case OPEN_CHILD:
		return outcome(&a->people, open_child(a, m, v, by, child));
	case PAY:
	case ORDER_EXPIRES:
		return perform_course(a, m, v, by) == 0 ? "" : "the event came to nothing";
	default:
		return outcome(&a->people, perform_end(a, m, v, by));
	}
}

/* As callers do on a loaded machine. */
static void name_request(struct ask *a, bool on)
{
	static _Atomic uint64_t last;
	uint64_t n = on ? ++last : 0;

	memset(a->message_id, on ? 0x5a : 0, sizeof(a->message_id));
	memcpy(a->message_id, &n, sizeof(n));
}

const char *actor_perform(struct actor *a, struct model *m, const struct move *v,
			  struct model *ret_child)
{
	const char *got = "DEADLINE";

	name_request(&a->people, true);
	name_request(&a->portal, true);
	for (int i = 0; i < TRIES; i++) {
		got = perform(a, m, v, ret_child);
		if (a->people.err.status != ERR_EXPIRED && a->portal.err.status != ERR_EXPIRED)
			break;
	}
	name_request(&a->people, false);
	name_request(&a->portal, false);
	return got;
}

/* --- many at once --- */

union batched {
	ProtobufCMessage base;
	Dossier__AcceptRequest accept;
	Dossier__ForwardRequest forward;
	Dossier__ReturnResultRequest return_result;
	Dossier__ClaimRequest claim;
	Dossier__ReceiveRequest receive;
	Dossier__NextStepRequest next_step;
	Dossier__SignOffRequest sign_off;
	Dossier__ReturnForReworkRequest rework;
	Dossier__StopRequest stop;
	Dossier__ContinueProcessingRequest go_on;
};

static const struct {
	enum act act;
	Dossier__BatchRequest__ActCase member;
	const ProtobufCMessageDescriptor *descriptor;
} batches[] = {
	{ACCEPT, DOSSIER__BATCH_REQUEST__ACT_ACCEPT, &dossier__accept_request__descriptor},
	{FORWARD, DOSSIER__BATCH_REQUEST__ACT_FORWARD, &dossier__forward_request__descriptor},
	{RETURN, DOSSIER__BATCH_REQUEST__ACT_RETURN_RESULT,
	 &dossier__return_result_request__descriptor},
	{CLAIM, DOSSIER__BATCH_REQUEST__ACT_CLAIM, &dossier__claim_request__descriptor},
	{RECEIVE, DOSSIER__BATCH_REQUEST__ACT_RECEIVE, &dossier__receive_request__descriptor},
	{NEXT_STEP, DOSSIER__BATCH_REQUEST__ACT_NEXT_STEP, &dossier__next_step_request__descriptor},
	{SIGN_OFF, DOSSIER__BATCH_REQUEST__ACT_SIGN_OFF, &dossier__sign_off_request__descriptor},
	{REWORK, DOSSIER__BATCH_REQUEST__ACT_RETURN_FOR_REWORK,
	 &dossier__return_for_rework_request__descriptor},
	{STOP, DOSSIER__BATCH_REQUEST__ACT_STOP, &dossier__stop_request__descriptor},
	{CONTINUE, DOSSIER__BATCH_REQUEST__ACT_CONTINUE_PROCESSING,
	 &dossier__continue_processing_request__descriptor},
};

bool actor_can_batch(enum act act)
{
	for (size_t i = 0; i < ARRAY_LEN(batches); i++)
		if (batches[i].act == act)
			return true;
	return false;
}

static void fill_batch(Dossier__BatchRequest *in, union batched *one, const struct move *v)
{
	for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
		if (batches[i].act != v->act)
			continue;
		protobuf_c_message_init(batches[i].descriptor, one);
		in->act_case = batches[i].member;
	}
	in->accept = &one->accept; /* whichever: the members share their place */
	if (v->act == FORWARD) {
		one->forward.to_agency_code = model_desks[v->to];
		one->forward.electronic = v->flag;
	} else if (v->act == RETURN) {
		one->return_result.how = v->flag ? "post" : "desk";
		one->return_result.tracking_number = v->flag ? MODEL_TRACKING : "";
	} else if (v->act == REWORK) {
		one->rework.note = "Xem lại";
	} else if (v->act == STOP) {
		one->stop.reason = "dispute";
		one->stop.note = "Có tranh chấp";
	}
}

bool actor_perform_all(struct actor *a, struct model *const *m, size_t n, const struct move *v,
		       char ret_codes[static MODEL_BATCH][64])
{
	Dossier__BatchRequest in = DOSSIER__BATCH_REQUEST__INIT;
	const char *codes[MODEL_BATCH];
	Dossier__BatchReply *out = NULL;
	union batched one;
	int r = ERR_EXPIRED;

	for (size_t i = 0; i < n; i++)
		codes[i] = m[i]->code;
	in.codes = codes;
	in.n_codes = n;
	fill_batch(&in, &one, v);
	name_request(&a->people, true);
	for (int i = 0; i < TRIES && r == ERR_EXPIRED; i++)
		r = ask(&a->people, &model_staff[v->desk][v->hand], "Batch", &in.base,
			&dossier__batch_reply__descriptor, &out);
	name_request(&a->people, false);
	for (size_t i = 0; r == 0 && i < n; i++)
		snprintf(ret_codes[i], sizeof(ret_codes[i]), "%s", out->items[i]->refusal);
	return r == 0 && out->n_items == n;
}

/* --- drafts --- */

const char *actor_save_draft(struct actor *a, struct draft *d, int version)
{
	Dossier__SaveDraftReply *out;
	struct filing f;
	int r;

	make_filing(&f);
	r = CALL(&a->people, &a->citizen, SaveDraft, save_draft, &out, in_.draft_id = d->id;
		 in_.version = version; in_.filing = &f.in);
	if (r < 0)
		return err_code(&a->people.err);
	if (out->expires_us != world.now_us + MODEL_DRAFT_DAYS * DAY_US)
		return "expires at another time";
	snprintf(d->id, sizeof(d->id), "%s", out->draft_id);
	d->version = out->version;
	d->saved_us = world.now_us;
	return "";
}

const char *actor_read_draft(struct actor *a, const struct draft *d, const struct person *who)
{
	Dossier__GetDraftReply *out;

	if (CALL(&a->people, who, GetDraft, get_draft, &out, in_.draft_id = d->id) < 0)
		return err_code(&a->people.err);
	if (out->version != d->version || out->saved_us != d->saved_us ||
	    strcmp(out->filing->form[0]->value, "Vay vốn") != 0)
		return "another draft";
	return "";
}

const char *actor_file_draft(struct actor *a, const struct draft *d, int version, struct model *m)
{
	Dossier__SubmitDraftReply *out;

	if (CALL(&a->people, &a->citizen, SubmitDraft, submit_draft, &out, in_.draft_id = d->id;
		 in_.version = version) < 0)
		return err_code(&a->people.err);
	keep_receipt(m, out->code, out->receipt_secret);
	return "";
}

/* --- comparing --- */

static bool is_same_course(const Dossier__Dossier *got, const struct model *m)
{
	return (int)got->state == m->state && got->due_us == m->due &&
	       (int)got->verdict == m->verdict && (int)got->decision == m->decision &&
	       got->extended == m->extended && got->finished_us == m->finished &&
	       got->reply_due_us == m->reply_due && (int)got->finance_state == (int)m->fee &&
	       got->fee_paid == (m->fee == FEE_PAID);
}

static bool is_same_work(const Dossier__Dossier *got, const struct model *m)
{
	return strcmp(got->holder_agency_code, model_desks[m->holder]) == 0 &&
	       strcmp(got->assignee, m->assignee) == 0 &&
	       strcmp(got->signed_by, m->signed_by) == 0 && got->step == m->step &&
	       got->step_due_us == m->step_due && got->in_transit == m->in_transit &&
	       got->opinions_open == model_open_opinions(m) &&
	       got->procedure_version == m->version &&
	       strcmp(got->parent_code, m->parent ? m->parent->code : "") == 0;
}

const char *actor_compare(struct actor *a, const struct model *m)
{
	static _Thread_local char text[600];
	const Dossier__Dossier *d;
	Dossier__GetReply *out;

	if (get_it(&a->people, &model_staff[m->home][CLERK], m->code, &out) < 0)
		return err_code(&a->people.err);
	d = out->dossier;
	if (is_same_course(d, m) && is_same_work(d, m))
		return "";
	snprintf(text, sizeof(text),
		 "state %d due %lld verdict %d decision %d reply %lld fee %d holder %s assignee %s"
		 " signed %s step %d %lld transit %d opinions %d version %d,"
		 " not %d %lld %d %d %lld %d %s %s %s %d %lld %d %d %d",
		 (int)d->state, (long long)d->due_us, (int)d->verdict, (int)d->decision,
		 (long long)d->reply_due_us, (int)d->finance_state, d->holder_agency_code,
		 d->assignee, d->signed_by, d->step, (long long)d->step_due_us, d->in_transit,
		 d->opinions_open, d->procedure_version, m->state, (long long)m->due, m->verdict,
		 m->decision, (long long)m->reply_due, (int)m->fee, model_desks[m->holder],
		 m->assignee, m->signed_by, m->step, (long long)m->step_due, m->in_transit,
		 model_open_opinions(m), m->version);
	return text;
}
