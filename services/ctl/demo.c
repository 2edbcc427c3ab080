#include "services/ctl/demo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/env.h"
#include "lgsp/digitisation/v1/digitisation.pb-c.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/payment/v1/payment.pb-c.h"
#include "lgsp/task/v1/task.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"

#define ARENA_BYTES (256 << 20)

/* A household business: filed at the ward, decided by the city, with a fee that can be paid online.
 */
#define PROCEDURE "1.001612"
#define WARD      "H40.31.01"
#define CITY      "H40.31"
#define PROVINCE  "H40"
#define CENTRE    "H40.19"
#define IDENTITY  "giay-to-tuy-than"

static const struct demo_person ward_archivist = {"hl-luu-tru", "archivist", WARD};
static const struct demo_person ward_clerk = {"hl-mot-cua", "clerk", WARD};
static const struct demo_person city_officer = {"tp-chuyen-vien", "officer", CITY};
static const struct demo_person city_archivist = {"tp-luu-tru", "archivist", CITY};
static const struct demo_person city_leader = {"tp-lanh-dao", "leader", CITY};
static const struct demo_person chairman = {"chu-tich", "leader", PROVINCE};

/* What one part of the story leaves for the next. */
struct story {
	char number[13];  /* citizen number, invented */
	char subject[32]; /* of their account */
	struct demo_person citizen;
	const char *files[3]; /* identity document, application, result */
	const char *code;     /* of the dossier */
	const char *secret;
};

static void local_time(int64_t us, char out[static 20])
{
	char day[11];
	int minute = civil_minute_of_us(us);

	civil_format(civil_of_us(us), day);
	snprintf(out, 20, "%s %02u:%02u", day, (unsigned)minute / 60 % 24, (unsigned)minute % 60);
}

/* An invented citizen of the province: registered 036, female, born 1990. */
static void invent_citizen(struct story *s)
{
	uint32_t serial;

	crypt_random(&serial, sizeof serial);
	snprintf(s->number, sizeof s->number, "036190%06u", (unsigned)(serial % 1000000));
	crypt_random(&serial, sizeof serial);
	snprintf(s->subject, sizeof s->subject, "cong-dan-demo-%08x", (unsigned)serial);
	s->citizen = (struct demo_person){s->subject, "citizen", ""};
}

/* Before it an account files for nobody. */
static int prove_account(struct demo *d, const struct story *s)
{
	Directory__VerifyAccountRequest in = DIRECTORY__VERIFY_ACCOUNT_REQUEST__INIT;

	in.subject = s->subject;
	in.number = s->number;
	in.evidence = DIRECTORY__ACCOUNT_EVIDENCE__ACCOUNT_EVIDENCE_PAPER_SEEN;
	demo_say(d, "the ward's clerk sees the citizen's identity card: the account is theirs");
	if (!demo_call(d, "directory", "VerifyAccount", &ward_clerk, &in.base,
		       &directory__verify_account_reply__descriptor))
		return -1;
	return demo_wait_directory(d, "dossier");
}

/* --- before: what the administration already holds --- */

static int hold_a_record(struct demo *d, struct story *s)
{
	static const char *const lines[] = {"CAN CUOC CONG DAN", "Ho va ten: Nguyen Thi An",
					    "Noi cu tru: phuong Ha Long, thanh pho Nam Dinh"};
	Digitisation__RegisterRecordRequest in = DIGITISATION__REGISTER_RECORD_REQUEST__INIT;
	Digitisation__Owner owner = DIGITISATION__OWNER__INIT;
	const struct demo_event *event = NULL;

	demo_say(d, "the ward's archivist digitises an identity document of the applicant");
	in.file_id = s->files[0] =
		demo_upload(d, &ward_archivist, "can-cuoc.pdf", lines, ARRAY_LEN(lines));
	if (!in.file_id ||
	    demo_prove(d, DEMO_DIGITISATION, "digitisation.file_stored", in.file_id, NULL) < 0)
		return -1;
	owner.kind = "citizen";
	owner.number = s->number;
	in.owner = &owner;
	in.type = IDENTITY;
	in.number = s->number;
	in.issuing_agency_code = WARD;
	in.issued_on = "2022-03-14";
	in.valid_from = "2022-03-14";
	in.origin = DIGITISATION__RECORD_ORIGIN__RECORD_ORIGIN_SCANNED_ORIGINAL;
	in.data_class = "sensitive";
	const Digitisation__RegisterRecordReply *reply =
		(const void *)demo_call(d, "digitisation", "RegisterRecord", &ward_archivist,
					&in.base, &digitisation__register_record_reply__descriptor);

	if (!reply || demo_prove(d, DEMO_DIGITISATION, "digitisation.record_registered",
				 reply->record_id, &event) < 0)
		return -1;
	return demo_wait_consumer(d, "dossier", DEMO_DIGITISATION, event->pos);
}

/* Without it nobody can say which share of the results is digitised (R2-07). */
static int declare_backlog(struct demo *d)
{
	Digitisation__DeclareBacklogRequest in = DIGITISATION__DECLARE_BACKLOG_REQUEST__INIT;
	char today[11];

	civil_format(civil_of_us(d->now_us), today);
	in.agency_code = CITY;
	in.results = 1200;
	in.as_of = today;
	demo_say(d, "the city declares how many results still valid it has to digitise");
	if (!demo_call(d, "digitisation", "DeclareBacklog", &city_archivist, &in.base,
		       &digitisation__declare_backlog_reply__descriptor))
		return -1;
	return demo_prove(d, DEMO_DIGITISATION, "digitisation.backlog_declared", CITY, NULL);
}

/* --- filing --- */

static int upload_application(struct demo *d, struct story *s)
{
	static const char *const lines[] = {"GIAY DE NGHI DANG KY HO KINH DOANH",
					    "Ten ho kinh doanh: Pho bo Ha Long",
					    "Dia diem: so 1 duong Ha Long, thanh pho Nam Dinh"};

	demo_say(d, "the citizen uploads the application");
	s->files[1] = demo_upload(d, &s->citizen, "giay-de-nghi.pdf", lines, ARRAY_LEN(lines));
	return s->files[1] ? demo_prove(d, DEMO_DIGITISATION, "digitisation.file_stored",
					s->files[1], NULL)
			   : -1;
}

static int submit(struct demo *d, struct story *s)
{
	Dossier__SubmitRequest in = DOSSIER__SUBMIT_REQUEST__INIT;
	Dossier__Applicant applicant = DOSSIER__APPLICANT__INIT;
	Dossier__ComponentInput component = DOSSIER__COMPONENT_INPUT__INIT;
	Dossier__ComponentInput *components[] = {&component};
	Dossier__FormField form[] = {DOSSIER__FORM_FIELD__INIT, DOSSIER__FORM_FIELD__INIT,
				     DOSSIER__FORM_FIELD__INIT, DOSSIER__FORM_FIELD__INIT};
	Dossier__FormField *fields[] = {&form[0], &form[1], &form[2], &form[3]};
	static const char *const values[][2] = {{"ten_ho", "Phở bò Hạ Long"},
						{"dia_diem", "Số 1 đường Hạ Long"},
						{"nganh_nghe", "Bán phở"},
						{"von", "50000000"}};

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		form[i].name = values[i][0];
		form[i].value = values[i][1];
	}
	applicant.kind = "citizen";
	applicant.number = s->number;
	applicant.name = "Nguyễn Thị An";
	applicant.phone = "0912000017";
	applicant.address = "Phường Hạ Long, thành phố Nam Định";
	component.code = "giay-de-nghi";
	component.file_ids = &s->files[1];
	component.n_file_ids = 1;
	in.procedure_code = PROCEDURE;
	in.agency_code = WARD;
	in.competent_agency_code = CITY;
	in.channel = DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL;
	in.applicant = &applicant;
	in.components = components;
	in.n_components = ARRAY_LEN(components);
	in.form = fields;
	in.n_form = ARRAY_LEN(fields);
	demo_say(d, "the citizen files procedure " PROCEDURE " online; the identity document is "
		    "not asked for again");
	const Dossier__SubmitReply *reply = (const void *)demo_call(
		d, "dossier", "Submit", &s->citizen, &in.base, &dossier__submit_reply__descriptor);

	if (!reply)
		return -1;
	s->code = reply->code;
	s->secret = reply->receipt_secret;
	printf("      dossier %s\n", s->code);
	return demo_prove(d, DEMO_DOSSIER, "dossier.submitted", s->code, NULL);
}

static int accept_filing(struct demo *d, struct story *s)
{
	Dossier__AcceptRequest in = DOSSIER__ACCEPT_REQUEST__INIT;
	char due[20];

	in.code = s->code;
	demo_say(d, "the ward's clerk accepts it; the fee is due first, so the clock stops");
	const Dossier__AcceptReply *reply = (const void *)demo_call(
		d, "dossier", "Accept", &ward_clerk, &in.base, &dossier__accept_reply__descriptor);

	if (!reply)
		return -1;
	local_time(reply->due_us, due);
	printf("      due %s%s, %" PRId64 " dong to be paid\n", due,
	       reply->due_provisional ? " (provisional)" : "", reply->amount_vnd);
	if (demo_prove(d, DEMO_DOSSIER, "dossier.accepted", s->code, NULL) < 0)
		return -1;
	return demo_prove(d, DEMO_DOSSIER, "dossier.payment_requested", s->code, NULL);
}

/* --- the fee --- */

static const Payment__Order *open_order(struct demo *d, struct story *s)
{
	Payment__ListOrdersRequest in = PAYMENT__LIST_ORDERS_REQUEST__INIT;

	demo_say(d, "payment opens an order");
	if (demo_prove(d, DEMO_PAYMENT, "payment.order_opened", s->code, NULL) < 0)
		return NULL;
	in.dossier_code = s->code;
	const Payment__ListOrdersReply *reply =
		(const void *)demo_call(d, "payment", "ListOrders", NULL, &in.base,
					&payment__list_orders_reply__descriptor);

	if (!reply || reply->n_orders == 0)
		return NULL;
	printf("      VietQR %s\n", reply->orders[0]->qr_payload);
	return reply->orders[0];
}

/* The provider's secret of this machine. 0 or -1 (said). */
static int read_provider_key(struct buf *key)
{
	const char *dir = ctl_setting("LGSP_ADAPTER_KEYS", NULL);
	char path[4096];

	if (!dir)
		return -1;
	snprintf(path, sizeof path, "%s/vnpay.key", dir);
	if (file_read(path, key) < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	key->len = strcspn(buf_str(key), "\r\n");
	return 0;
}

/* What the provider would send: pairs sorted by name, signed. */
static int callback_query(const Payment__Order *order, struct buf *out)
{
	uint8_t mac[CRYPT_SHA512_BYTES];
	char hex[2 * CRYPT_SHA512_BYTES + 1];
	uint32_t number;
	struct buf key;

	buf_init(&key, 1024);
	if (read_provider_key(&key) < 0) {
		buf_done(&key);
		return -1;
	}
	crypt_random(&number, sizeof number);
	buf_printf(out,
		   "vnp_Amount=%" PRId64 "&vnp_CurrCode=VND&vnp_ResponseCode=00"
		   "&vnp_TransactionNo=%" PRId64 "%09u&vnp_TransactionStatus=00&vnp_TxnRef=%s",
		   order->amount_vnd * 100, clock_wall_us() / 1000000,
		   (unsigned)(number % 1000000000), order->reference);
	crypt_hmac_sha512(key.data, key.len, out->data, out->len, mac);
	crypt_hex(mac, sizeof mac, hex);
	buf_printf(out, "&vnp_SecureHash=%s", hex);
	buf_done(&key);
	return 0;
}

static int pay_online(struct demo *d, struct story *s, const Payment__Order *order)
{
	Payment__ReceiveCallbackRequest in = PAYMENT__RECEIVE_CALLBACK_REQUEST__INIT;
	struct buf query;

	demo_say(d, "the citizen pays online; the provider calls back, signed with HMAC-SHA512");
	buf_init(&query, 4096);
	if (callback_query(order, &query) < 0) {
		buf_done(&query);
		return -1;
	}
	in.adapter = "vnpay";
	in.http_method = "GET";
	in.query.data = query.data;
	in.query.len = query.len;
	const Payment__ReceiveCallbackReply *reply =
		(const void *)demo_call(d, "payment", "ReceiveCallback", NULL, &in.base,
					&payment__receive_callback_reply__descriptor);

	buf_done(&query);
	if (!reply)
		return -1;
	printf("      answered %.*s\n", (int)reply->body.len, (const char *)reply->body.data);
	if (demo_prove(d, DEMO_PAYMENT, "payment.paid", s->code, NULL) < 0)
		return -1;
	demo_say(d, "the dossier hears of it; the clock runs again");
	return demo_prove(d, DEMO_DOSSIER, "dossier.resumed", s->code, NULL);
}

/* --- processing --- */

static int forward(struct demo *d, struct story *s)
{
	Dossier__ForwardRequest in = DOSSIER__FORWARD_REQUEST__INIT;

	in.code = s->code;
	in.to_agency_code = CITY;
	in.electronic = true;
	in.note = "Chuyển Phòng Tài chính - Kế hoạch thẩm định";
	demo_say(d, "the ward hands it to the city electronically");
	if (!demo_call(d, "dossier", "Forward", &ward_clerk, &in.base,
		       &dossier__forward_reply__descriptor))
		return -1;
	return demo_prove(d, DEMO_DOSSIER, "dossier.forwarded", s->code, NULL);
}

static int issue_result(struct demo *d, struct story *s)
{
	static const char *const lines[] = {"GIAY CHUNG NHAN DANG KY HO KINH DOANH",
					    "Ten ho kinh doanh: Pho bo Ha Long",
					    "Phong Tai chinh - Ke hoach thanh pho Nam Dinh"};
	static const char *const verdicts[] = {"", "early", "on time", "late"};
	Dossier__IssueResultRequest in = DOSSIER__ISSUE_RESULT_REQUEST__INIT;

	demo_say(d, "the city's leader signs the result");
	in.code = s->code;
	in.result_number = arena_printf(&d->arena, "36A8%.6s", s->number + 6);
	in.file_id = s->files[2] =
		demo_upload(d, &city_officer, "giay-chung-nhan.pdf", lines, ARRAY_LEN(lines));
	if (!in.file_id)
		return -1;
	const Dossier__IssueResultReply *reply =
		(const void *)demo_call(d, "dossier", "IssueResult", &city_leader, &in.base,
					&dossier__issue_result_reply__descriptor);

	if (!reply)
		return -1;
	if (reply->verdict >= 1 && reply->verdict < (int)ARRAY_LEN(verdicts))
		printf("      %s\n", verdicts[reply->verdict]);
	if (demo_prove(d, DEMO_DOSSIER, "dossier.result_issued", s->code, NULL) < 0)
		return -1;
	demo_say(d, "digitisation keeps the result as a record of the citizen");
	return demo_prove(d, DEMO_DIGITISATION, "digitisation.record_registered", s->code, NULL);
}

static int hand_over(struct demo *d, struct story *s)
{
	Dossier__ReturnResultRequest in = DOSSIER__RETURN_RESULT_REQUEST__INIT;
	Dossier__RateRequest rate = DOSSIER__RATE_REQUEST__INIT;

	in.code = s->code;
	in.how = "online";
	demo_say(d, "the ward hands the result over");
	if (!demo_call(d, "dossier", "ReturnResult", &ward_clerk, &in.base,
		       &dossier__return_result_reply__descriptor) ||
	    demo_prove(d, DEMO_DOSSIER, "dossier.returned", s->code, NULL) < 0)
		return -1;
	rate.code = s->code;
	rate.speed = rate.attitude = rate.result = 5;
	rate.receipt_secret = s->secret;
	demo_say(d, "the citizen rates it with the receipt's secret");
	if (!demo_call(d, "dossier", "Rate", &s->citizen, &rate.base,
		       &dossier__rate_reply__descriptor))
		return -1;
	return demo_prove(d, DEMO_DOSSIER, "dossier.rated", s->code, NULL);
}

/* Recognition works in the background, confined; by now it has read all three papers. */
static int read_papers(struct demo *d, const struct story *s)
{
	demo_say(d, "the text of all three papers can be searched");
	for (size_t i = 0; i < ARRAY_LEN(s->files); i++) {
		if (demo_prove(d, DEMO_DIGITISATION, "digitisation.file_searchable", s->files[i],
			       NULL) < 0)
			return -1;
	}
	return 0;
}

/* --- a task beside it --- */

static const char *assign(struct demo *d)
{
	Task__AssignRequest in = TASK__ASSIGN_REQUEST__INIT;
	Task__SourceDocument source = TASK__SOURCE_DOCUMENT__INIT;
	const char *supporting = CENTRE;
	char deadline[11], today[11];

	civil_format(civil_of_us(d->now_us), today);
	civil_format(civil_of_us(d->now_us) + 14, deadline);
	source.number = "112/UBND-VP1";
	source.date = today;
	source.signer = "Trần Minh Quân";
	source.abstract = "Về việc đẩy mạnh đăng ký hộ kinh doanh trực tuyến";
	in.title = "Rà soát quy trình đăng ký hộ kinh doanh trực tuyến";
	in.lead_agency_code = CITY;
	in.accountable_subject = city_leader.subject;
	in.supporting_agency_codes = &supporting;
	in.n_supporting_agency_codes = 1;
	in.source = &source;
	in.deadline = deadline;
	demo_say(d, "beside it, the Chairman assigns a task to the city");
	const Task__AssignReply *reply = (const void *)demo_call(
		d, "task", "Assign", &chairman, &in.base, &task__assign_reply__descriptor);

	if (!reply || demo_prove(d, DEMO_TASK, "task.assigned", reply->task_id, NULL) < 0)
		return NULL;
	return reply->task_id;
}

static int play_task(struct demo *d)
{
	Task__ReportRequest report = TASK__REPORT_REQUEST__INIT;
	Task__CompleteRequest complete = TASK__COMPLETE_REQUEST__INIT;
	Task__ConfirmRequest confirm = TASK__CONFIRM_REQUEST__INIT;
	const char *id = assign(d);

	if (!id)
		return -1;
	report.task_id = complete.task_id = confirm.task_id = id;
	report.percent = 60;
	report.text = "Đã rà soát xong các bước tiếp nhận";
	demo_say(d, "the city reports progress");
	if (!demo_call(d, "task", "Report", &city_officer, &report.base,
		       &task__report_reply__descriptor) ||
	    demo_prove(d, DEMO_TASK, "task.reported", id, NULL) < 0)
		return -1;
	complete.text = "Đã hoàn thành";
	demo_say(d, "the city says it is done");
	if (!demo_call(d, "task", "Complete", &city_leader, &complete.base,
		       &task__complete_reply__descriptor) ||
	    demo_prove(d, DEMO_TASK, "task.completed", id, NULL) < 0)
		return -1;
	confirm.accepted = true;
	demo_say(d, "the Chairman confirms it");
	if (!demo_call(d, "task", "Confirm", &chairman, &confirm.base,
		       &task__confirm_reply__descriptor))
		return -1;
	return demo_prove(d, DEMO_TASK, "task.confirmed", id, NULL);
}

/* --- the story --- */

static int pay(struct demo *d, struct story *s)
{
	const Payment__Order *order = open_order(d, s);

	return order ? pay_online(d, s, order) : -1;
}

static int play(struct demo *d)
{
	struct story s = {0};
	int64_t events = 0, indicators = 0;
	char now[20];

	if (demo_begin(d) < 0)
		return -1;
	local_time(d->now_us, now);
	printf("demo: business time %s, indicators of the province for %s\n", now, d->period);
	invent_citizen(&s);
	if (declare_backlog(d) < 0 || hold_a_record(d, &s) < 0 || prove_account(d, &s) < 0 ||
	    upload_application(d, &s) < 0 || submit(d, &s) < 0 || accept_filing(d, &s) < 0 ||
	    pay(d, &s) < 0 || forward(d, &s) < 0 || issue_result(d, &s) < 0 ||
	    hand_over(d, &s) < 0 || play_task(d) < 0 || read_papers(d, &s) < 0)
		return -1;
	if (demo_end(d, &events, &indicators) < 0)
		return -1;
	printf("demo: dossier %s finished, %" PRId64 " events, %" PRId64 " indicators changed\n",
	       s.code, events, indicators);
	return 0;
}

int ctl_demo(int argc, char **argv)
{
	static struct demo demo;
	int64_t offset_us = 0;

	(void)argv;
	if (argc != 1)
		return ctl_say(EXIT_USAGE, "demo takes no words");
	int rc = ctl_number("LGSP_CLOCK_OFFSET_US", ctl_setting("LGSP_CLOCK_OFFSET_US", "0"),
			    INT64_MIN / 4, INT64_MAX / 4, &offset_us);

	if (rc != 0)
		return EXIT_CONFIG;
	clock_set_business_offset_us(offset_us);
	rc = session_open("LGSP_BUS_MEMBER", &demo.session);
	if (rc != 0)
		return rc;
	arena_init(&demo.arena, ARENA_BYTES);
	rc = play(&demo) < 0 ? CTL_FAILED : 0;
	arena_done(&demo.arena);
	session_close(demo.session);
	return rc;
}
