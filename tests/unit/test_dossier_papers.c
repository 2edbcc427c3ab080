// with: services/dossier/paper.c services/dossier/paper_forms.c services/dossier/paper_statistics.c services/dossier/sheet.c
/*
 * The papers as people get them: their text as pdftotext reads it, their QR codes as zbarimg does,
 * the sheets as a CSV reader and an unzipper of others see them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/paper_forms.h"
#include "tests/support/outside.h"

#define URL "https://dichvucong.example/tra-cuu?code=H40.31.01-240521-0001"

struct fixture {
	struct arena arena;
	struct err err;
	struct outside outside;
	const uint8_t *bytes;
	size_t len;
};

static const struct paper_item items[] = {
	{.name = "Tờ khai cấp Giấy xác nhận tình trạng hôn nhân",
	 .originals = 1,
	 .reason = "Thiếu chữ ký"},
	{.name = "Bản án, quyết định ly hôn",
	 .copies = 2,
	 .files = 1,
	 .reason = "Ảnh mờ, không đọc được"},
};

static struct paper_case a_case(void)
{
	return (struct paper_case){
		.parent_agency = "Ủy ban nhân dân thành phố Nam Định",
		.agency = "Ủy ban nhân dân phường Hạ Long",
		.place = "Hạ Long",
		.code = "H40.31.01-240521-0001",
		.version = 2,
		.procedure_code = "1.004873",
		.procedure_name = "Cấp Giấy xác nhận tình trạng hôn nhân",
		.applicant = "Trần Thị Mẫu",
		.identity = "036190000017",
		.address = "Số 1, phường Hạ Long",
		.phone = "0912345678",
		.email = "",
		.items = items,
		.n_items = ARRAY_LEN(items),
		.limit = "3 ngày làm việc",
		.received_us = civil_to_us(civil_from_ymd(2024, 5, 21), 9 * 60 + 30),
		.due_us = civil_to_us(civil_from_ymd(2024, 5, 24), 17 * 60 + 30),
		.previous_due_us = civil_to_us(civil_from_ymd(2024, 5, 23), 17 * 60 + 30),
		.answer_by_us = civil_to_us(civil_from_ymd(2024, 6, 4), 17 * 60 + 30),
		.fee = "15.000 đ",
		.reason = "Chờ kết quả xác minh nơi cư trú trước đây",
		.officer = "Nguyễn Văn Bình",
		.lookup_url = URL,
		.secret = "",
	};
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	arena_init(&f->arena, 8 << 20);
	outside_init(&f->outside);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	outside_done(&f->outside);
	arena_done(&f->arena);
	free(f);
	return 0;
}

/* --- what others read --- */

static void write_as(struct fixture *f, const char *name)
{
	outside_write(&f->outside, name, f->bytes, f->len);
}

static const char *run(struct fixture *f, const char *command)
{
	return outside_run(&f->outside, command);
}

static const char *make(struct fixture *f, enum paper_kind kind, const struct paper_case *of,
			int32_t day)
{
	assert_int_equal(
		paper_make(kind, of, civil_to_us(day, 600), &f->arena, &f->bytes, &f->len, &f->err),
		0);
	write_as(f, "paper.pdf");
	return run(f, "pdftotext -layout paper.pdf -");
}

static int32_t may_2024(void)
{
	return civil_from_ymd(2024, 5, 21);
}

/* --- forms --- */

static void receipt_says_who_what_when_and_where_to_look(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();
	const char *text;

	c.secret = "ABCD2345EFGH";
	text = make(f, PAPER_RECEIPT, &c, may_2024());
	outside_expect(text, "Mẫu số 01 - Thông tư 01/2018/TT-VPCP");
	outside_expect(text, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM");
	outside_expect(text, "ỦY BAN NHÂN DÂN PHƯỜNG HẠ");
	outside_expect(text, "GIẤY TIẾP NHẬN HỒ SƠ VÀ HẸN TRẢ KẾT QUẢ");
	outside_expect(text, "Hạ Long, ngày 21 tháng 05 năm 2024");
	outside_expect(text, "Tiếp nhận hồ sơ của: Trần Thị Mẫu");
	outside_expect(text, "Bản án, quyết định ly");
	outside_expect(text, "Thời gian nhận hồ sơ: 09 giờ 30 phút, ngày 21 tháng 05 năm 2024");
	outside_expect(text, "Thời gian trả kết quả: 17 giờ 30 phút, ngày 24 tháng 05 năm 2024");
	outside_expect(text, "15.000 đ");
	outside_expect(text, "Mã tra cứu: ABCD2345EFGH");
	outside_expect(text, "Nguyễn Văn Bình");
	outside_expect_not(text, "Email");
}

static void provisional_date_is_said_to_be_one(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();

	outside_expect_not(make(f, PAPER_RECEIPT, &c, may_2024()), "có thể thay đổi");
	c.due_provisional = true;
	outside_expect(make(f, PAPER_RECEIPT, &c, may_2024()), "có thể thay đổi");
}

static void qr_code_leads_to_the_lookup(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();

	make(f, PAPER_RECEIPT, &c, may_2024());
	run(f, "pdftoppm -r 150 -png -singlefile paper.pdf page");
	assert_string_equal(run(f, "zbarimg -q --raw page.png"), URL "\n");
}

static void supplement_names_each_fault(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();
	const char *text = make(f, PAPER_SUPPLEMENT, &c, may_2024());

	outside_expect(text, "Mẫu số 02");
	outside_expect(text, "Thiếu chữ ký");
	outside_expect(text, "Ảnh mờ, không đọc được");
	outside_expect(text, "ngày 04 tháng 06 năm 2024");
}

static void refusal_and_apology_give_the_reason(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();
	const char *text = make(f, PAPER_REFUSAL, &c, may_2024());

	outside_expect(text, "Mẫu số 03");
	outside_expect(text, "Chờ kết quả xác minh nơi cư trú trước đây");
	text = make(f, PAPER_APOLOGY, &c, may_2024());
	outside_expect(text, "Mẫu số 04");
	outside_expect(text, "PHIẾU XIN LỖI VÀ HẸN LẠI NGÀY TRẢ KẾT QUẢ");
	outside_expect(text,
		       "Thời gian hẹn trả kết quả: 17 giờ 30 phút, ngày 23 tháng 05 năm 2024");
	outside_expect(text,
		       "Thời gian hẹn lại trả kết quả: 17 giờ 30 phút, ngày 24 tháng 05 năm 2024");
}

static void the_set_of_2025_begins_on_its_day(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();
	int32_t first = civil_from_ymd(2025, 7, 1);
	const char *text;

	assert_null(paper_form_of(PAPER_STOP, first - 1));
	assert_string_equal(paper_form_of(PAPER_CONTROL_SHEET, first - 1)->number, "05");
	assert_string_equal(paper_form_of(PAPER_CONTROL_SHEET, first)->number, "06");
	assert_string_equal(paper_form_of(PAPER_REGISTER, first - 1)->number, "06");
	assert_string_equal(paper_form_of(PAPER_REGISTER, first)->number, "07");
	text = make(f, PAPER_STOP, &c, first);
	outside_expect(text, "Mẫu số 05 - Thông tư 03/2025/TT-VPCP");
	outside_expect(text, "THÔNG BÁO DỪNG GIẢI QUYẾT HỒ SƠ");
	outside_expect(make(f, PAPER_APOLOGY, &c, first), "GIA HẠN");
}

static void the_same_input_gives_the_same_bytes(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();
	const uint8_t *first;
	size_t n;

	make(f, PAPER_RECEIPT, &c, may_2024());
	first = f->bytes;
	n = f->len;
	make(f, PAPER_RECEIPT, &c, may_2024());
	assert_int_equal(f->len, n);
	assert_memory_equal(f->bytes, first, n);
}

static void all_glyphs_are_of_the_font_that_is_embedded(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();
	const char *fonts;

	make(f, PAPER_RECEIPT, &c, may_2024());
	fonts = run(f, "pdffonts paper.pdf | tail -n +3 | grep -v 'Tinos.* yes yes yes' || true");
	assert_string_equal(fonts, "");
}

static void long_reasons_run_over_pages(void **state)
{
	struct fixture *f = *state;
	struct paper_case c = a_case();
	char *reason = arena_alloc(&f->arena, 20001);

	for (int i = 0; i < 20000; i += 10)
		memcpy(reason + i, "mot hai ba", 10);
	c.reason = reason;
	outside_expect(make(f, PAPER_REFUSAL, &c, may_2024()), "Nguyễn Văn Bình");
	assert_true(atoi(run(f, "pdfinfo paper.pdf | sed -n 's/^Pages: *//p'")) > 3);
}

/* --- sheets --- */

static struct sheet a_register(struct fixture *f, size_t n)
{
	struct paper_entry *entries = arena_calloc(&f->arena, n, sizeof(*entries));
	struct sheet sheet;

	for (size_t i = 0; i < n; i++)
		entries[i] = (struct paper_entry){
			.code = arena_printf(&f->arena, "H40.31.01-240521-%04zu", i + 1),
			.procedure = "Đăng ký khai sinh",
			.applicant = "=1+1",
			.address = "Số 1, \"ngõ\" Đông",
			.competent = "H40.31.01",
			.received_us = civil_to_us(may_2024(), 480),
			.remark = "",
		};
	assert_int_equal(paper_register(entries, n, &f->arena, &sheet, &f->err), 0);
	return sheet;
}

static void csv_is_read_by_others(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet = a_register(f, 3);

	assert_int_equal(sheet_csv(&sheet, &f->arena, &f->bytes, &f->len, &f->err), 0);
	assert_memory_equal(f->bytes, "\xef\xbb\xbf", 3);
	write_as(f, "register.csv");
	assert_string_equal(run(f,
				"python3 -c \"import csv; r = list(csv.reader(open('register.csv', "
				"encoding='utf-8-sig', newline=''))); "
				"print(len(r), {len(x) for x in r}, r[3][1], r[1][3], r[1][4])\""),
			    "4 {11} H40.31.01-240521-0003 '=1+1 Số 1, \"ngõ\" Đông\n");
}

static void xlsx_holds_text_only(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet = a_register(f, 3);
	const char *xml;

	assert_int_equal(sheet_xlsx(&sheet, civil_to_us(may_2024(), 0), &f->arena, &f->bytes,
				    &f->len, &f->err),
			 0);
	write_as(f, "register.xlsx");
	run(f, "python3 -m zipfile -e register.xlsx x");
	xml = run(f, "cat x/xl/sharedStrings.xml");
	outside_expect(xml, "Sổ theo dõi hồ sơ");
	outside_expect(xml, "H40.31.01-240521-0003");
	outside_expect(xml, "=1+1");
	outside_expect_not(run(f, "cat x/xl/worksheets/sheet1.xml"), "<f>");
}

static void table_head_stands_on_every_page(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet = a_register(f, 120);
	struct paper_case c = a_case();
	const char *text;
	int heads = 0, pages;

	c.version = 0;
	assert_int_equal(paper_make_sheet(PAPER_REGISTER, &c, &sheet, civil_to_us(may_2024(), 0),
					  &f->arena, &f->bytes, &f->len, &f->err),
			 0);
	write_as(f, "paper.pdf");
	pages = atoi(run(f, "pdfinfo paper.pdf | sed -n 's/^Pages: *//p'"));
	text = run(f, "pdftotext -layout paper.pdf -");
	outside_expect(text, "SỔ THEO DÕI HỒ SƠ");
	outside_expect(text, "0120");
	for (; (text = strstr(text, "Mã hồ sơ")); text++)
		heads++;
	assert_true(pages > 3);
	assert_int_equal(heads, pages);
}

static void control_sheet_shows_each_hop(void **state)
{
	struct fixture *f = *state;
	const struct paper_hop hops[] = {
		{.from = "Bộ phận một cửa",
		 .to = "Công chức Tư pháp",
		 .sent_us = civil_to_us(may_2024(), 600),
		 .received_us = civil_to_us(may_2024(), 615),
		 .due_us = civil_to_us(may_2024(), 900),
		 .received_by = "Trần Thị Cúc",
		 .verdict = "Đúng hạn",
		 .remark = ""},
	};
	struct paper_case c = a_case();
	struct sheet sheet;
	const char *text;

	assert_int_equal(paper_control_sheet(hops, 1, &f->arena, &sheet, &f->err), 0);
	assert_int_equal(paper_make_sheet(PAPER_CONTROL_SHEET, &c, &sheet,
					  civil_to_us(may_2024(), 0), &f->arena, &f->bytes, &f->len,
					  &f->err),
			 0);
	write_as(f, "paper.pdf");
	text = run(f, "pdftotext -layout paper.pdf -");
	outside_expect(text, "Mẫu số 05");
	outside_expect(text, "Trần Thị Cúc");
	outside_expect(text, "21/05/2024");
}

/* In and out of every line are equal, and a spreadsheet may add figures up. */
static void statistics_are_lines_and_totals(void **state)
{
	struct fixture *f = *state;
	Dossier__StatisticsRow rows[2], *list[2] = {&rows[0], &rows[1]};
	struct sheet sheet;
	const char *xml;

	for (int i = 0; i < 2; i++)
		dossier__statistics_row__init(&rows[i]);
	rows[0].agency_code = "H40.31.01";
	rows[0].agency_name = "UBND phường Hạ Long";
	rows[0].field = "Hộ tịch";
	rows[0].new_online = 5;
	rows[0].new_counter = 2;
	rows[0].new_post = 1;
	rows[0].carried = 3;
	rows[0].resolved_early = 4;
	rows[0].resolved_late = 1;
	rows[0].refused = 2;
	rows[0].open_in_time = 3;
	rows[0].paused = 1;
	rows[1].agency_code = "H40.31.02";
	rows[1].field = "Đất đai";
	rows[1].new_online = rows[1].open_overdue = 7;
	assert_int_equal(paper_statistics(list, 2, &f->arena, &sheet, &f->err), 0);
	assert_int_equal(sheet_xlsx(&sheet, civil_to_us(may_2024(), 0), &f->arena, &f->bytes,
				    &f->len, &f->err),
			 0);
	write_as(f, "figures.xlsx");
	run(f, "python3 -m zipfile -e figures.xlsx x");
	xml = run(f, "cat x/xl/worksheets/sheet1.xml");
	outside_expect(xml, "r=\"D3\" s=\"2\"><v>11</v>");
	outside_expect(xml, "r=\"D5\" s=\"2\"><v>18</v>");
	assert_int_equal(sheet_csv(&sheet, &f->arena, &f->bytes, &f->len, &f->err), 0);
	write_as(f, "figures.csv");
	assert_string_equal(
		run(f, "python3 -c \"import csv; r = list(csv.reader(open('figures.csv', "
		       "encoding='utf-8-sig', newline='')))[1:]; print([(x[1], x[3]) for x in r], "
		       "all(int(x[3]) == sum(map(int, x[4:7])) == int(x[7]) + "
		       "sum(map(int, x[11:15])) for x in r))\""),
		"[('UBND phường Hạ Long', '11'), ('H40.31.02', '7'), ('Tổng cộng', '18')] True\n");
}

static void what_does_not_fit_a_message_is_refused(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet = a_register(f, 12000);

	assert_int_equal(sheet_csv(&sheet, &f->arena, &f->bytes, &f->len, &f->err), ERR_TOO_LARGE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(receipt_says_who_what_when_and_where_to_look),
		T(provisional_date_is_said_to_be_one),
		T(qr_code_leads_to_the_lookup),
		T(supplement_names_each_fault),
		T(refusal_and_apology_give_the_reason),
		T(the_set_of_2025_begins_on_its_day),
		T(the_same_input_gives_the_same_bytes),
		T(all_glyphs_are_of_the_font_that_is_embedded),
		T(long_reasons_run_over_pages),
		T(csv_is_read_by_others),
		T(xlsx_holds_text_only),
		T(table_head_stands_on_every_page),
		T(control_sheet_shows_each_hop),
		T(statistics_are_lines_and_totals),
		T(what_does_not_fit_a_message_is_refused),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	paper_stop();
	return failed;
}
