/*
 * Form II.06a as a table. Beside the form's own columns those that make in and out equal: what was
 * not taken in, and what stands still.
 */
#include "common/base/base.h"
#include "services/dossier/paper_forms.h"

#define FIRST_FIGURE 3
#define FIGURES      12

static const struct paper_column columns[] = {
	{"STT", 0.045, true},
	{"Cơ quan, đơn vị", 0.15, false},
	{"Lĩnh vực", 0.125, false},
	{"Tiếp nhận: tổng số", 0.055, true},
	{"Tiếp nhận trong kỳ: trực tuyến", 0.06, true},
	{"Tiếp nhận trong kỳ: trực tiếp, bưu chính", 0.065, true},
	{"Tiếp nhận: từ kỳ trước", 0.055, true},
	{"Đã giải quyết: tổng số", 0.055, true},
	{"Đã giải quyết: trước hạn", 0.055, true},
	{"Đã giải quyết: đúng hạn", 0.055, true},
	{"Đã giải quyết: quá hạn", 0.055, true},
	{"Từ chối tiếp nhận", 0.055, true},
	{"Đang giải quyết: trong hạn", 0.055, true},
	{"Đang giải quyết: quá hạn", 0.055, true},
	{"Đang tạm dừng", 0.055, true},
};
_Static_assert(ARRAY_LEN(columns) == FIRST_FIGURE + FIGURES, "a column of figures has no figure");
_Static_assert(ARRAY_LEN(columns) <= PAPER_COLUMNS_MAX, "wider than a paper");

static void figures_of(const Dossier__StatisticsRow *r, uint64_t out[static FIGURES])
{
	uint64_t posted = (uint64_t)r->new_counter + r->new_post;
	uint64_t resolved = (uint64_t)r->resolved_early + r->resolved_on_time + r->resolved_late;
	const uint64_t all[FIGURES] = {
		r->new_online + posted + r->carried,
		r->new_online,
		posted,
		r->carried,
		resolved,
		r->resolved_early,
		r->resolved_on_time,
		r->resolved_late,
		r->refused,
		r->open_in_time,
		r->open_overdue,
		r->paused,
	};

	for (size_t i = 0; i < FIGURES; i++)
		out[i] = all[i];
}

static void put_line(struct arena *arena, const char **line, const uint64_t figures[static FIGURES])
{
	for (size_t i = 0; i < FIGURES; i++) {
		const char *text = arena_printf(arena, "%llu", (unsigned long long)figures[i]);

		line[FIRST_FIGURE + i] = text ? text : "";
	}
}

int paper_statistics(Dossier__StatisticsRow *const *rows, size_t n, struct arena *arena,
		     struct sheet *ret_sheet, struct err *err)
{
	const char **cells = arena_calloc(arena, (n + 1) * ARRAY_LEN(columns), sizeof(*cells));
	uint64_t figures[FIGURES], totals[FIGURES] = {0};
	const char **line = cells;

	if (!cells)
		return err_set(err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++, line += ARRAY_LEN(columns)) {
		const char *number = arena_printf(arena, "%zu", i + 1);

		line[0] = number ? number : "";
		line[1] = rows[i]->agency_name[0] ? rows[i]->agency_name : rows[i]->agency_code;
		line[2] = rows[i]->field;
		figures_of(rows[i], figures);
		put_line(arena, line, figures);
		for (size_t k = 0; k < FIGURES; k++)
			totals[k] += figures[k];
	}
	line[0] = line[2] = "";
	line[1] = "Tổng cộng";
	put_line(arena, line, totals);
	*ret_sheet = (struct sheet){.title = PAPER_STATISTICS_TITLE,
				    .columns = columns,
				    .n_columns = ARRAY_LEN(columns),
				    .cells = cells,
				    .n_rows = n + 1,
				    .first_figure = FIRST_FIGURE};
	return 0;
}
