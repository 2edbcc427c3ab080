// with: tests/it/dossier_rig.c
/* Papers of real dossiers: what stands on them, who gets them, and that readings are recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/it/dossier_rig.h"
#include "tests/support/outside.h"

#define LOOKUP       "https://dichvucong.example/tra-cuu"
#define KIND(name)   DOSSIER__PAPER_KIND__PAPER_KIND_##name
#define FORMAT(name) DOSSIER__PAPER_FORMAT__PAPER_FORMAT_##name

static struct outside outside;
static struct ask a;

static int set_up_papers(void **state)
{
	static const char *const env[] = {"LGSP_LOOKUP_URL=" LOOKUP, NULL};

	if (set_up(state) < 0)
		return -1;
	svcd_free(rig.svc);
	rig.svc = start_service(env);
	outside_init(&outside);
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_officer VALUES ('clerk-31-01', '" COMMUNE "', 'Nguyễn Văn Bình',"
		" 'Công chức một cửa', '{clerk}', '2021-01-01', 'infinity')");
	return 0;
}

static int tear_down_papers(void **state)
{
	outside_done(&outside);
	return tear_down(state);
}

static int each_set_up(void **state)
{
	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	return 0;
}

static int each_tear_down(void **state)
{
	(void)state;
	ask_done(&a);
	return 0;
}

static int paper(const struct person *who, const char *code, Dossier__PaperKind kind,
		 const char *secret, Dossier__GetPaperReply **out)
{
	return CALL(&a, who, GetPaper, get_paper, out, in_.code = code; in_.kind = kind;
		    in_.receipt_secret = secret);
}

static const char *text_of(const Dossier__GetPaperReply *reply)
{
	outside_write(&outside, "paper.pdf", reply->content.data, reply->content.len);
	return outside_run(&outside, "pdftotext -layout paper.pdf -");
}

static void file_it(char code[static 64], char secret[static 64])
{
	struct filing f;

	make_filing(&f);
	file_one(&a, &f, code, secret);
}

static void receipt_of_an_accepted_dossier(void **state)
{
	Dossier__GetPaperReply *out;
	char code[64], secret[64];
	const char *text;

	(void)state;
	file_it(code, secret);
	REFUSED(paper(&clerk, code, KIND(RECEIPT), "", &out), ERR_CONFLICT, "NO_SUCH_PAPER");
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(paper(&clerk, code, KIND(RECEIPT), secret, &out), 0);
	assert_string_equal(out->media_type, "application/pdf");
	assert_string_equal(out->form_number, "01");
	assert_int_equal(out->version, 2);
	text = text_of(out);
	outside_expect(text, "Mẫu số 01");
	outside_expect(text, code);
	outside_expect(text, "Trần Thị Mẫu");
	outside_expect(text, "Nguyễn Văn Bình");
	outside_expect(text, "3 ngày làm việc");
	outside_expect(text, "ngày 24 tháng 05 năm 2024");
	outside_expect(text, secret);
	outside_run(&outside, "pdftoppm -r 150 -png -singlefile paper.pdf page");
	text = outside_run(&outside, "zbarimg -q --raw page.png 2>/dev/null");
	outside_expect(text, LOOKUP "?code=");
	outside_expect(text, code);
	outside_expect_not(text, secret);
}

static void later_acts_do_not_change_a_paper(void **state)
{
	Dossier__GetPaperReply *out;
	char code[64], secret[64];

	(void)state;
	file_it(code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(paper(&clerk, code, KIND(RECEIPT), "", &out), 0);
	outside_write(&outside, "before.pdf", out->content.data, out->content.len);
	assert_int_equal(ask_payment(&a, &clerk, code, 1, NULL), 0);
	set_clock("2024-05-23 09:00");
	say_paid(code, 15000);
	wait_state(code, 4);
	set_clock(NULL);
	assert_int_equal(paper(&clerk, code, KIND(RECEIPT), "", &out), 0);
	outside_write(&outside, "after.pdf", out->content.data, out->content.len);
	outside_run(&outside, "cmp before.pdf after.pdf");
}

static void supplement_names_what_is_wrong(void **state)
{
	Dossier__SupplementItem item, *items[1] = {&item};
	Dossier__GetPaperReply *out;
	char code[64], secret[64];
	const char *text;

	(void)state;
	file_it(code, secret);
	dossier__supplement_item__init(&item);
	item.component = "TP1";
	item.reason = "unclear";
	item.text = "Bản chụp mờ ở góc phải";
	assert_int_equal(
		CALL(&a, &clerk, RequestSupplement, request_supplement, NULL, in_.code = code;
		     in_.items = items; in_.n_items = 1),
		0);
	assert_int_equal(paper(&public, code, KIND(SUPPLEMENT), secret, &out), 0);
	text = text_of(out);
	outside_expect(text, "Mẫu số 02");
	outside_expect(text, "Bản chụp mờ ở góc phải");
	outside_expect(text, "Không rõ, không đọc được");
	outside_expect(text, "Đề nghị bổ sung trước");
}

static void refusal_gives_the_reason(void **state)
{
	Dossier__GetPaperReply *out;
	char code[64], secret[64];
	const char *text;

	(void)state;
	file_it(code, secret);
	assert_int_equal(CALL(&a, &clerk, Refuse, refuse, NULL, in_.code = code;
			      in_.reason = "not_competent"; in_.note = "Thuộc phường bên"),
			 0);
	assert_int_equal(paper(&clerk, code, KIND(REFUSAL), "", &out), 0);
	text = text_of(out);
	outside_expect(text, "Mẫu số 03");
	outside_expect(text, "Không thuộc thẩm quyền: Thuộc phường bên");
}

static void the_set_of_2018_has_no_notice_of_stop(void **state)
{
	Dossier__GetPaperReply *out;
	char code[64], secret[64];

	(void)state;
	file_it(code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(CALL(&a, &officer, Stop, stop, NULL, in_.code = code;
			      in_.reason = "dispute"; in_.note = "Có đơn"),
			 0);
	REFUSED(paper(&clerk, code, KIND(STOP), "", &out), ERR_CONFLICT, "NO_SUCH_PAPER");
}

static void control_sheet_lists_the_hands(void **state)
{
	Dossier__GetPaperReply *out;
	char code[64], secret[64];

	(void)state;
	file_it(code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	assert_int_equal(forward_it(&a, &officer, code, DISTRICT), 0);
	assert_int_equal(CALL(&a, &clerk, GetPaper, get_paper, &out, in_.code = code;
			      in_.kind = KIND(CONTROL_SHEET); in_.format = FORMAT(CSV)),
			 0);
	assert_string_equal(out->media_type, "text/csv; charset=utf-8");
	outside_write(&outside, "sheet.csv", out->content.data, out->content.len);
	assert_string_equal(outside_run(&outside,
					"python3 -c \"import csv; r = list(csv.reader(open("
					"'sheet.csv', encoding='utf-8-sig', newline='')));"
					" print(len(r), r[2][2][:10])\""),
			    "3 21/05/2024\n");
	assert_int_equal(paper(&clerk, code, KIND(CONTROL_SHEET), "", &out), 0);
	outside_expect(text_of(out), "Mẫu số 05");
	outside_expect(text_of(out), "CƠ QUAN " COMMUNE);
	REFUSED(paper(&public, code, KIND(CONTROL_SHEET), secret, &out), ERR_DENIED, "STAFF_ONLY");
}

static void only_who_may_gets_a_paper(void **state)
{
	Dossier__GetPaperReply *out;
	char code[64], secret[64];

	(void)state;
	file_it(code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	REFUSED(paper(&other_clerk, code, KIND(RECEIPT), "", &out), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(paper(&cashier, code, KIND(RECEIPT), "", &out), ERR_DENIED, "ROLE_REQUIRED");
	REFUSED(paper(&public, code, KIND(RECEIPT), "", &out), ERR_DENIED, "NOT_YOURS");
	REFUSED(paper(&public, code, KIND(RECEIPT), "WRONG", &out), ERR_NOT_FOUND,
		"TRACK_NOT_FOUND");
	REFUSED(paper(&clerk, code, KIND(RECEIPT), "WRONG", &out), ERR_NOT_FOUND,
		"TRACK_NOT_FOUND");
	REFUSED(paper(&clerk, code, KIND(UNSPECIFIED), "", &out), ERR_INVALID, "REQUIRED_FIELD");
	REFUSED(paper(&clerk, "H40.31.01-240521-9999", KIND(RECEIPT), "", &out), ERR_NOT_FOUND,
		"UNKNOWN_DOSSIER");
	REFUSED(CALL(&a, &clerk, GetPaper, get_paper, &out, in_.code = code;
		     in_.kind = KIND(RECEIPT); in_.format = FORMAT(XLSX)),
		ERR_INVALID, "NO_SUCH_FORMAT");
	assert_int_equal(paper(&public, code, KIND(RECEIPT), secret, &out), 0);
}

static void handing_a_paper_out_is_a_reading(void **state)
{
	Dossier__GetPaperReply *out;
	char code[64], secret[64], sql[160];

	(void)state;
	file_it(code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(paper(&clerk, code, KIND(RECEIPT), "", &out), 0);
	assert_int_equal(paper(&public, code, KIND(RECEIPT), secret, &out), 0);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM read_log WHERE dossier = '%s' AND kind = 4", code);
	assert_int_equal(count(sql), 1); /* the applicant's own is none */
}

static int register_of(const char *from, const char *to, Dossier__PaperFormat format,
		       Dossier__GetRegisterReply **out)
{
	return CALL(&a, &clerk, GetRegister, get_register, out, in_.from = from; in_.to = to;
		    in_.format = format);
}

static void register_lists_what_was_received(void **state)
{
	Dossier__GetRegisterReply *out;
	char code[64], secret[64], want[32];

	(void)state;
	file_it(code, secret);
	assert_int_equal(register_of("2024-05-21", "2024-05-21", FORMAT(XLSX), &out), 0);
	assert_int_equal(
		out->rows,
		count("SELECT count(*) FROM dossier WHERE receiving_agency = '" COMMUNE "'"));
	outside_write(&outside, "register.xlsx", out->content.data, out->content.len);
	outside_run(&outside, "python3 -m zipfile -e register.xlsx x");
	outside_expect(outside_run(&outside, "cat x/xl/sharedStrings.xml"), code);
	assert_int_equal(register_of("2024-05-21", "2024-05-21", FORMAT(PDF), &out), 0);
	assert_string_equal(out->form_number, "06");
	outside_write(&outside, "register.pdf", out->content.data, out->content.len);
	outside_expect(outside_run(&outside, "pdftotext -layout register.pdf -"),
		       "SỔ THEO DÕI HỒ SƠ");
	assert_int_equal(register_of("2024-05-20", "2024-05-20", FORMAT(CSV), &out), 0);
	snprintf(want, sizeof(want), "%u", out->rows);
	assert_string_equal(want, "0");
	REFUSED(register_of("2024-05-22", "2024-05-21", FORMAT(CSV), &out), ERR_INVALID,
		"INVALID_FIELD");
	REFUSED(register_of("21/5/2024", "2024-05-21", FORMAT(CSV), &out), ERR_INVALID,
		"INVALID_FIELD");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, each_set_up, each_tear_down)
	const struct CMUnitTest tests[] = {
		T(receipt_of_an_accepted_dossier),
		T(later_acts_do_not_change_a_paper),
		T(supplement_names_what_is_wrong),
		T(refusal_gives_the_reason),
		T(the_set_of_2018_has_no_notice_of_stop),
		T(control_sheet_lists_the_hands),
		T(only_who_may_gets_a_paper),
		T(handing_a_paper_out_is_a_reading),
		T(register_lists_what_was_received),
	};

	return cmocka_run_group_tests(tests, set_up_papers, tear_down_papers);
}
