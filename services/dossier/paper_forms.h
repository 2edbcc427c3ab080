/*
 * The forms of the one-stop desk: what stands on each, by the set in force on the day of issue.
 *
 *	kind            until 2025-06-30                   from 2025-07-01
 *	                Circular 01/2018/TT-VPCP           Circular 03/2025/TT-VPCP
 *	receipt         01 accepted, return date           01
 *	supplement      02 what has to be added            02
 *	refusal         03 not taken in                    03
 *	apology         04 late, a new date                04 apology and extension
 *	control sheet   05 who had it from when to when    06
 *	stop            -                                  05 processing stopped
 *	register        06 all dossiers of a period        07
 *
 * and of Circular 01/2020/TT-VPCP, before and behind that day:
 *
 *	statistics      II.06a how dossiers were settled in a period
 */
#ifndef LGSP_DOSSIER_PAPER_FORMS_H
#define LGSP_DOSSIER_PAPER_FORMS_H

#include "lgsp/dossier/v1/statistics.pb-c.h"
#include "services/dossier/paper.h"
#include "services/dossier/sheet.h"

enum paper_kind {
	PAPER_RECEIPT = 1,
	PAPER_SUPPLEMENT,
	PAPER_REFUSAL,
	PAPER_APOLOGY,
	PAPER_STOP,
	PAPER_CONTROL_SHEET,
	PAPER_REGISTER,
	PAPER_STATISTICS,
};

#define PAPER_STATISTICS_TITLE                                                                                              \
	"Tình hình, kết quả giải quyết thủ tục hành chính tại cơ quan, đơn vị trực tiếp giải " \
	"quyết thủ tục hành chính"

struct paper_form {
	const char *number;   /* "01" */
	const char *circular; /* "Thông tư 01/2018/TT-VPCP" */
	const char *title;
	const char *corner; /* what it calls itself; NULL: "Mẫu số 01" */
};

/* The form of that kind in force on a civil day; NULL when the set of that day has none. */
const struct paper_form *paper_form_of(enum paper_kind kind, int32_t day);

/* A component handed in, or what is wrong with one. */
struct paper_item {
	const char *name;
	int originals, copies, files;
	const char *reason; /* of a supplement: what is wrong, in words */
};

/* What the forms of one dossier say; texts may be empty, times 0: they are left out. */
struct paper_case {
	const char *parent_agency, *agency, *place;
	const char *code;
	int32_t version; /* the history's entry that the paper belongs to: makes its number unique
			  */
	const char *procedure_code, *procedure_name;
	const char *applicant, *identity, *address, *phone, *email;
	const struct paper_item *items;
	size_t n_items;
	const char *limit; /* "3 ngày làm việc" */
	int64_t received_us, due_us, previous_due_us;
	bool due_provisional;
	int64_t answer_by_us;   /* of a supplement */
	const char *fee;        /* "15.000 đ" */
	const char *reason;     /* of a refusal, apology, stop, supplement */
	const char *officer;    /* who signs it */
	const char *lookup_url; /* where the dossier can be followed; goes into the QR code */
	const char *secret;     /* of the receipt; only on the receipt itself */
};

/* A hand-over between agencies or people, a row of the control sheet. */
struct paper_hop {
	const char *from, *to;
	int64_t sent_us, received_us, due_us;
	const char *received_by;
	const char *verdict; /* "Trước hạn", "Đúng hạn", "Quá hạn", or empty */
	const char *remark;
};

/* A row of the register. */
struct paper_entry {
	const char *code, *procedure, *applicant, *address, *competent;
	int64_t received_us, due_us, finished_us, returned_us;
	const char *returned_how, *remark;
};

/* Forms 01-04 and the notice of stop. The form must be in force (paper_form_of()). */
int paper_make(enum paper_kind kind, const struct paper_case *of, int64_t now_us,
	       struct arena *arena, const uint8_t **ret_bytes, size_t *ret_len, struct err *err);

/* The control sheet and the register as a table, for every format. Cells live in the arena. */
int paper_control_sheet(const struct paper_hop *hops, size_t n, struct arena *arena,
			struct sheet *ret_sheet, struct err *err);
int paper_register(const struct paper_entry *entries, size_t n, struct arena *arena,
		   struct sheet *ret_sheet, struct err *err);
/* Form II.06a: a line for each row, and their totals (paper_statistics.c). */
int paper_statistics(Dossier__StatisticsRow *const *rows, size_t n, struct arena *arena,
		     struct sheet *ret_sheet, struct err *err);
/* That table as a PDF under the heading of the case, of which only agency and code are used. */
int paper_make_sheet(enum paper_kind kind, const struct paper_case *of, const struct sheet *sheet,
		     int64_t now_us, struct arena *arena, const uint8_t **ret_bytes,
		     size_t *ret_len, struct err *err);

#endif
