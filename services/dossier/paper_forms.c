#include "services/dossier/paper_forms.h"

#include <stdio.h>

#include "common/base/base.h"
#include "common/base/civil.h"

#define CIRCULAR_2018 "Thông tư 01/2018/TT-VPCP"
#define CIRCULAR_2025 "Thông tư 03/2025/TT-VPCP"

#define RECEIPT_TITLE    "Giấy tiếp nhận hồ sơ và hẹn trả kết quả"
#define SUPPLEMENT_TITLE "Phiếu yêu cầu bổ sung, hoàn thiện hồ sơ"
#define REFUSAL_TITLE    "Phiếu từ chối tiếp nhận giải quyết hồ sơ"
#define CONTROL_TITLE    "Phiếu kiểm soát quá trình giải quyết hồ sơ"
#define REGISTER_TITLE   "Sổ theo dõi hồ sơ"

#define STATISTICS_FORM                                                                            \
	{                                                                                          \
		"II.06a", "Thông tư 01/2020/TT-VPCP", PAPER_STATISTICS_TITLE,                      \
			"Biểu số II.06a/VPCP/KSTT"                                             \
	}

static const struct paper_form forms_2018[] = {
	[PAPER_RECEIPT] = {"01", CIRCULAR_2018, RECEIPT_TITLE},
	[PAPER_SUPPLEMENT] = {"02", CIRCULAR_2018, SUPPLEMENT_TITLE},
	[PAPER_REFUSAL] = {"03", CIRCULAR_2018, REFUSAL_TITLE},
	[PAPER_APOLOGY] = {"04", CIRCULAR_2018, "Phiếu xin lỗi và hẹn lại ngày trả kết quả"},
	[PAPER_CONTROL_SHEET] = {"05", CIRCULAR_2018, CONTROL_TITLE},
	[PAPER_REGISTER] = {"06", CIRCULAR_2018, REGISTER_TITLE},
	[PAPER_STATISTICS] = STATISTICS_FORM,
};

static const struct paper_form forms_2025[] = {
	[PAPER_RECEIPT] = {"01", CIRCULAR_2025, RECEIPT_TITLE},
	[PAPER_SUPPLEMENT] = {"02", CIRCULAR_2025, SUPPLEMENT_TITLE},
	[PAPER_REFUSAL] = {"03", CIRCULAR_2025, REFUSAL_TITLE},
	[PAPER_APOLOGY] = {"04", CIRCULAR_2025,
			   "Văn bản xin lỗi và đề nghị gia hạn thời gian giải quyết"},
	[PAPER_STOP] = {"05", CIRCULAR_2025, "Thông báo dừng giải quyết hồ sơ"},
	[PAPER_CONTROL_SHEET] = {"06", CIRCULAR_2025, CONTROL_TITLE},
	[PAPER_REGISTER] = {"07", CIRCULAR_2025, REGISTER_TITLE},
	[PAPER_STATISTICS] = STATISTICS_FORM,
};

const struct paper_form *paper_form_of(enum paper_kind kind, int32_t day)
{
	bool new_set = day >= civil_from_ymd(2025, 7, 1);
	const struct paper_form *forms = new_set ? forms_2025 : forms_2018;
	size_t n = new_set ? ARRAY_LEN(forms_2025) : ARRAY_LEN(forms_2018);

	return (size_t)kind < n && forms[kind].number ? &forms[kind] : NULL;
}

/* --- words --- */

/* "09 giờ 30 phút, ngày 21 tháng 05 năm 2024"; "" for no time. */
static const char *in_words(struct arena *arena, int64_t us)
{
	int year, month, day, minute = civil_minute_of_us(us);
	const char *text;

	if (us == 0)
		return "";
	civil_to_ymd(civil_of_us(us), &year, &month, &day);
	text = arena_printf(arena, "%02d giờ %02d phút, ngày %02d tháng %02d năm %d", minute / 60,
			    minute % 60, day, month, year);
	return text ? text : "";
}

/* "21/05/2024 09:30", for tables. */
static const char *short_time(struct arena *arena, int64_t us)
{
	int year, month, day, minute = civil_minute_of_us(us);
	const char *text;

	if (us == 0)
		return "";
	civil_to_ymd(civil_of_us(us), &year, &month, &day);
	text = arena_printf(arena, "%02d/%02d/%d %02d:%02d", day, month, year, minute / 60,
			    minute % 60);
	return text ? text : "";
}

static const char *number_text(struct arena *arena, int n)
{
	const char *text = n > 0 ? arena_printf(arena, "%d", n) : "";

	return text ? text : "";
}

/* --- parts of a form --- */

static void head(struct paper *p, const struct paper_form *form, const struct paper_case *of,
		 struct arena *arena)
{
	const char *sample =
		form->corner ? form->corner : arena_printf(arena, "Mẫu số %s", form->number);
	const char *corner = arena_printf(arena, "%s - %s", sample, form->circular);
	const char *number =
		of->version > 0 ? arena_printf(arena, "Số: %s/%d", of->code, of->version) : "";

	paper_text(p, PAPER_SMALL, corner ? corner : form->number);
	paper_heading(p, &(struct paper_head){.parent = of->parent_agency,
					      .agency = of->agency,
					      .number = number ? number : "",
					      .place = of->place});
	paper_title(p, form->title, "");
}

static void who_and_what(struct paper *p, const struct paper_case *of)
{
	paper_field(p, "Mã hồ sơ", of->code);
	paper_field(p, "Tiếp nhận hồ sơ của", of->applicant);
	paper_field(p, "Số định danh, mã số thuế", of->identity);
	paper_field(p, "Địa chỉ", of->address);
	paper_field(p, "Số điện thoại", of->phone);
	paper_field(p, "Email", of->email);
	paper_field(p, "Nội dung yêu cầu giải quyết", of->procedure_name);
	paper_field(p, "Mã thủ tục hành chính", of->procedure_code);
}

static void components(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	static const struct paper_column columns[] = {
		{"STT", 0.08, true},         {"Thành phần hồ sơ", 0.53, false},
		{"Bản chính", 0.13, true},   {"Bản sao", 0.13, true},
		{"Tệp điện tử", 0.13, true},
	};
	const char **cells = arena_calloc(arena, of->n_items * ARRAY_LEN(columns), sizeof(*cells));

	if (!cells || of->n_items == 0)
		return;
	for (size_t i = 0; i < of->n_items; i++) {
		const char **row = cells + i * ARRAY_LEN(columns);

		row[0] = number_text(arena, (int)i + 1);
		row[1] = of->items[i].name;
		row[2] = number_text(arena, of->items[i].originals);
		row[3] = number_text(arena, of->items[i].copies);
		row[4] = number_text(arena, of->items[i].files);
	}
	paper_text(p, PAPER_PLAIN, "Thành phần hồ sơ nộp gồm:");
	paper_rows(p, &(struct paper_table){columns, ARRAY_LEN(columns), cells, of->n_items});
}

static void wrongs(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	static const struct paper_column columns[] = {
		{"STT", 0.08, true},
		{"Thành phần, thông tin", 0.37, false},
		{"Nội dung cần bổ sung, hoàn thiện", 0.55, false},
	};
	const char **cells = arena_calloc(arena, of->n_items * ARRAY_LEN(columns), sizeof(*cells));

	if (!cells || of->n_items == 0)
		return;
	for (size_t i = 0; i < of->n_items; i++) {
		const char **row = cells + i * ARRAY_LEN(columns);

		row[0] = number_text(arena, (int)i + 1);
		row[1] = of->items[i].name;
		row[2] = of->items[i].reason;
	}
	paper_text(p, PAPER_PLAIN, "Hồ sơ cần được bổ sung, hoàn thiện như sau:");
	paper_rows(p, &(struct paper_table){columns, ARRAY_LEN(columns), cells, of->n_items});
}

/* Where the dossier can be followed, and with what. */
static void lookup(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	const char *lines[3] = {"Quét mã để tra cứu tình trạng giải quyết hồ sơ, hoặc truy cập:",
				of->lookup_url, ""};
	size_t n = 2;

	if (of->lookup_url[0] == '\0')
		return;
	if (of->secret[0] != '\0') {
		const char *line = arena_printf(arena, "Mã tra cứu: %s", of->secret);

		lines[n++] = line ? line : "";
	}
	paper_qr(p, of->lookup_url, lines, n);
}

static void signatures(struct paper *p, const struct paper_case *of, bool with_applicant)
{
	static const char *const note = "(Ký và ghi rõ họ tên)";

	paper_signatures(p,
			 &(struct paper_signature){with_applicant ? "Người nộp hồ sơ" : "", note,
						   with_applicant ? of->applicant : ""},
			 &(struct paper_signature){"Người tiếp nhận hồ sơ", note, of->officer});
}

/* --- the forms --- */

static void receipt(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	who_and_what(p, of);
	components(p, of, arena);
	paper_field(p, "Thời hạn giải quyết theo quy định", of->limit);
	paper_field(p, "Thời gian nhận hồ sơ", in_words(arena, of->received_us));
	paper_field(p, "Thời gian trả kết quả", in_words(arena, of->due_us));
	if (of->due_provisional)
		paper_text(p, PAPER_ITALIC,
			   "Thời gian trả kết quả có thể thay đổi khi lịch nghỉ của năm tới được "
			   "công bố.");
	paper_field(p, "Phí, lệ phí", of->fee);
	lookup(p, of, arena);
	signatures(p, of, true);
}

static void supplement(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	who_and_what(p, of);
	wrongs(p, of, arena);
	paper_field(p, "Lý do", of->reason);
	paper_field(p, "Đề nghị bổ sung trước", in_words(arena, of->answer_by_us));
	lookup(p, of, arena);
	signatures(p, of, false);
}

static void refusal(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	who_and_what(p, of);
	paper_text(p, PAPER_PLAIN,
		   "Qua xem xét, hồ sơ không được tiếp nhận giải quyết tại cơ quan này.");
	paper_field(p, "Lý do", of->reason);
	lookup(p, of, arena);
	signatures(p, of, true);
}

static void apology(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	const char *to = arena_printf(arena, "Kính gửi: %s", of->applicant);

	paper_text(p, PAPER_CENTRED, to ? to : "");
	paper_gap(p, 6);
	paper_field(p, "Mã hồ sơ", of->code);
	paper_field(p, "Nội dung yêu cầu giải quyết", of->procedure_name);
	paper_field(p, "Thời gian nhận hồ sơ", in_words(arena, of->received_us));
	paper_field(p, "Thời gian hẹn trả kết quả", in_words(arena, of->previous_due_us));
	paper_text(p, PAPER_PLAIN,
		   "Đến nay hồ sơ chưa được giải quyết xong. Cơ quan giải quyết xin lỗi về sự chậm "
		   "trễ này.");
	paper_field(p, "Lý do", of->reason);
	paper_field(p, "Thời gian hẹn lại trả kết quả", in_words(arena, of->due_us));
	lookup(p, of, arena);
	signatures(p, of, false);
}

static void stop(struct paper *p, const struct paper_case *of, struct arena *arena)
{
	who_and_what(p, of);
	paper_text(p, PAPER_PLAIN,
		   "Việc giải quyết hồ sơ được dừng kể từ ngày ban hành thông báo này.");
	paper_field(p, "Lý do", of->reason);
	lookup(p, of, arena);
	signatures(p, of, false);
}

int paper_make(enum paper_kind kind, const struct paper_case *of, int64_t now_us,
	       struct arena *arena, const uint8_t **ret_bytes, size_t *ret_len, struct err *err)
{
	static void (*const makers[])(struct paper *, const struct paper_case *, struct arena *) = {
		[PAPER_RECEIPT] = receipt, [PAPER_SUPPLEMENT] = supplement,
		[PAPER_REFUSAL] = refusal, [PAPER_APOLOGY] = apology,
		[PAPER_STOP] = stop,
	};
	const struct paper_form *form = paper_form_of(kind, civil_of_us(now_us));
	struct paper *p;
	int rc;

	CHECK(form && (size_t)kind < ARRAY_LEN(makers) && makers[kind]);
	rc = paper_new(&(struct paper_setup){.title = form->title, .time_us = now_us}, &p, err);
	if (rc < 0)
		return rc;
	head(p, form, of, arena);
	makers[kind](p, of, arena);
	rc = paper_finish(p, arena, ret_bytes, ret_len, err);
	paper_free(p);
	return rc;
}

/* --- tables --- */

static int no_room(struct err *err)
{
	return err_set(err, &err_too_large, NULL, "arena");
}

int paper_control_sheet(const struct paper_hop *hops, size_t n, struct arena *arena,
			struct sheet *ret_sheet, struct err *err)
{
	static const struct paper_column columns[] = {
		{"STT", 0.05, true},
		{"Bên giao", 0.17, false},
		{"Thời gian giao", 0.11, true},
		{"Bên nhận", 0.17, false},
		{"Thời gian nhận", 0.11, true},
		{"Người nhận", 0.13, false},
		{"Thời hạn", 0.11, true},
		{"Kết quả", 0.07, true},
		{"Ghi chú", 0.08, false},
	};
	const char **cells = arena_calloc(arena, n * ARRAY_LEN(columns), sizeof(*cells));

	if (!cells)
		return no_room(err);
	for (size_t i = 0; i < n; i++) {
		const char **row = cells + i * ARRAY_LEN(columns);

		row[0] = number_text(arena, (int)i + 1);
		row[1] = hops[i].from;
		row[2] = short_time(arena, hops[i].sent_us);
		row[3] = hops[i].to;
		row[4] = short_time(arena, hops[i].received_us);
		row[5] = hops[i].received_by;
		row[6] = short_time(arena, hops[i].due_us);
		row[7] = hops[i].verdict;
		row[8] = hops[i].remark;
	}
	*ret_sheet = (struct sheet){.title = CONTROL_TITLE,
				    .columns = columns,
				    .n_columns = ARRAY_LEN(columns),
				    .cells = cells,
				    .n_rows = n};
	return 0;
}

int paper_register(const struct paper_entry *entries, size_t n, struct arena *arena,
		   struct sheet *ret_sheet, struct err *err)
{
	static const struct paper_column columns[] = {
		{"STT", 0.042, true},        {"Mã hồ sơ", 0.166, false},
		{"Thủ tục", 0.114, false},   {"Cá nhân, tổ chức", 0.095, false},
		{"Địa chỉ", 0.1, false},     {"Cơ quan giải quyết", 0.09, false},
		{"Tiếp nhận", 0.082, true},  {"Hẹn trả", 0.082, true},
		{"Có kết quả", 0.082, true}, {"Trả kết quả", 0.082, true},
		{"Ghi chú", 0.065, false},
	};
	const char **cells = arena_calloc(arena, n * ARRAY_LEN(columns), sizeof(*cells));

	if (!cells)
		return no_room(err);
	for (size_t i = 0; i < n; i++) {
		const char **row = cells + i * ARRAY_LEN(columns);

		row[0] = number_text(arena, (int)i + 1);
		row[1] = entries[i].code;
		row[2] = entries[i].procedure;
		row[3] = entries[i].applicant;
		row[4] = entries[i].address;
		row[5] = entries[i].competent;
		row[6] = short_time(arena, entries[i].received_us);
		row[7] = short_time(arena, entries[i].due_us);
		row[8] = short_time(arena, entries[i].finished_us);
		row[9] = short_time(arena, entries[i].returned_us);
		row[10] = entries[i].remark;
	}
	*ret_sheet = (struct sheet){.title = REGISTER_TITLE,
				    .columns = columns,
				    .n_columns = ARRAY_LEN(columns),
				    .cells = cells,
				    .n_rows = n};
	return 0;
}

int paper_make_sheet(enum paper_kind kind, const struct paper_case *of, const struct sheet *sheet,
		     int64_t now_us, struct arena *arena, const uint8_t **ret_bytes,
		     size_t *ret_len, struct err *err)
{
	const struct paper_form *form = paper_form_of(kind, civil_of_us(now_us));
	struct paper *p;
	int rc;

	CHECK(form);
	rc = paper_new(
		&(struct paper_setup){.title = form->title, .time_us = now_us, .landscape = true},
		&p, err);
	if (rc < 0)
		return rc;
	head(p, form, of, arena);
	if (kind == PAPER_CONTROL_SHEET) {
		paper_field(p, "Mã hồ sơ", of->code);
		paper_field(p, "Thủ tục", of->procedure_name);
	}
	paper_rows(p, &(struct paper_table){sheet->columns, sheet->n_columns, sheet->cells,
					    sheet->n_rows});
	rc = paper_finish(p, arena, ret_bytes, ret_len, err);
	paper_free(p);
	return rc;
}
