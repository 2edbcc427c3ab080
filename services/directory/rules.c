/* Rules of bundles, officers and calendars. */
#include "services/directory/rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/calendar.h"
#include "common/base/civil.h"
#include "common/base/identity.h"
#include "common/base/utf8.h"

#define RULES_CODE_MAX      64
#define RULES_SUBJECT_MAX   128
#define RULES_NAME_MAX      400
#define RULES_ROLES_MAX     8
#define RULES_REFERENCE_MAX 200
#define RULES_REASON_MAX    1000

static const struct err_kind bad_code = {ERR_INVALID, "BAD_CODE", "Mã \"%s\" không hợp lệ",
					 "\"%s\" is not a valid code"};
static const struct err_kind own_account = {ERR_DENIED, "OWN_ACCOUNT",
					    "Không tự xác thực tài khoản của chính mình",
					    "nobody verifies their own account"};
static const struct err_kind bad_number = {ERR_INVALID, "BAD_CITIZEN_NUMBER",
					   "Số định danh cá nhân không hợp lệ",
					   "not a citizen number"};
static const struct err_kind evidence_not_allowed = {
	ERR_INVALID, "EVIDENCE_NOT_ALLOWED",
	"Cán bộ xác thực bằng giấy tờ đã xem, hệ thống bằng định danh điện tử",
	"the desk verifies by a paper it saw, a system by e-identification"};
static const struct err_kind bad_name = {ERR_INVALID, "BAD_NAME", "Tên trống hoặc quá dài",
					 "the name is empty or too long"};
static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE", "Ngày \"%s\" không hợp lệ",
					 "\"%s\" is not a date"};
static const struct err_kind bad_period = {ERR_INVALID, "BAD_PERIOD",
					   "Ngày kết thúc trước ngày bắt đầu (%s)",
					   "the last day lies before the first (%s)"};
static const struct err_kind overlap = {ERR_INVALID, "OVERLAPPING_PERIODS",
					"Các khoảng hiệu lực của %s chồng nhau",
					"periods of %s overlap"};
static const struct err_kind unknown_reference = {
	ERR_INVALID, "UNKNOWN_REFERENCE", "Không có %s có hiệu lực vào ngày bắt đầu",
	"%s does not exist or is not in force on the first day"};
static const struct err_kind unknown_level = {ERR_INVALID, "UNKNOWN_LEVEL", "Không có cấp \"%s\"",
					      "no level \"%s\""};
static const struct err_kind unknown_role = {ERR_INVALID, "UNKNOWN_ROLE", "Không có vai trò \"%s\"",
					     "no role \"%s\""};
static const struct err_kind bad_successor = {ERR_INVALID, "BAD_SUCCESSOR",
					      "%s không thể là đơn vị kế thừa",
					      "%s cannot be the successor"};
static const struct err_kind unknown_kind = {ERR_INVALID, "UNKNOWN_DAY_KIND",
					     "Loại ngày \"%s\" phải là OFF hoặc WORK",
					     "a day is OFF or WORK, not \"%s\""};
static const struct err_kind day_twice = {ERR_INVALID, "DAY_TWICE", "Ngày %s xuất hiện hai lần",
					  "%s is listed twice"};
static const struct err_kind day_not_covered = {ERR_INVALID, "DAY_NOT_COVERED",
						"Ngày %s nằm ngoài phạm vi lịch",
						"%s lies outside the calendar's coverage"};
static const struct err_kind bad_hours = {ERR_INVALID, "BAD_HOURS",
					  "Giờ làm việc của ngày %s trong tuần không hợp lệ",
					  "the hours of weekday %s are not in order, or none"};
static const struct err_kind weekday_twice = {ERR_INVALID, "WEEKDAY_TWICE",
					      "Ngày %s trong tuần xuất hiện hai lần",
					      "weekday %s is listed twice"};
static const struct err_kind past_day = {ERR_INVALID, "PAST_DATE", "Ngày %s đã qua", "%s is past"};
static const struct err_kind bad_manifest = {ERR_INVALID, "BAD_MANIFEST",
					     "Mã băm của bộ dữ liệu không hợp lệ",
					     "the manifest hash is not 64 hex digits"};
static const struct err_kind later_post = {ERR_CONFLICT, "LATER_POST",
					   "Đã có bổ nhiệm bắt đầu sau đó (%s)",
					   "a post that begins later exists already (%s)"};

static const char *const unit_levels[] = {"province", "district", "commune", NULL};
static const char *const agency_levels[] = {"T", "H", "X", "V", NULL};
static const char *const officer_roles[] = {"clerk",     "officer",      "leader",   "cashier",
					    "archivist", "statistician", "operator", NULL};

/* --- small checks --- */

static bool rules_in(const char *const *list, const char *value)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, value) == 0)
			return true;
	return false;
}

static bool rules_is_code(const char *code, size_t max)
{
	size_t n = strlen(code);

	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)code[i]) && strchr("._-/@:|", code[i]) == NULL)
			return false;
	return true;
}

static bool rules_is_name(const char *name)
{
	return name[0] != '\0' && strlen(name) <= RULES_NAME_MAX;
}

/* "units[3].parent_code" */
static const char *rules_path(char out[static 96], const char *base, const char *field)
{
	snprintf(out, 96, "%.60s.%.34s", base, field);
	return out;
}

static const char *rules_item(char out[static 96], const char *list, size_t i)
{
	snprintf(out, 96, "%.60s[%zu]", list, i);
	return out;
}

static void rules_check_period(const char *from, const char *to, const char *base,
			       struct rules_period *period, struct err *err)
{
	char path[96];

	period->from = 0;
	period->to = CIVIL_FOREVER;
	if (civil_parse(from, &period->from) < 0)
		err_add(err, &bad_date, rules_path(path, base, "valid_from"), from);
	else if (civil_parse_or_forever(to, &period->to) < 0)
		err_add(err, &bad_date, rules_path(path, base, "valid_to"), to);
	else if (period->to < period->from)
		err_add(err, &bad_period, rules_path(path, base, "valid_to"), to);
}

/* --- dated codes: overlaps and references --- */

struct rules_row {
	const char *code;
	struct rules_period period;
	size_t index; /* in the request */
};

struct rules_list {
	const char *name; /* of the field */
	struct rules_row *rows;
	size_t n;
};

static int rules_row_compare(const void *a, const void *b)
{
	const struct rules_row *x = a, *y = b;
	int by_code = strcmp(x->code, y->code);

	if (by_code != 0)
		return by_code;
	return x->period.from < y->period.from ? -1 : x->period.from > y->period.from;
}

static int rules_list_init(struct rules_list *list, const char *name, size_t n, struct arena *arena,
			   struct err *err)
{
	list->name = name;
	list->n = 0;
	list->rows = arena_calloc(arena, n, sizeof(list->rows[0]));
	return list->rows != NULL ? 0 : err_set(err, &err_too_large, name, name);
}

/* Checks code and period; the row joins the list. */
static void rules_list_add(struct rules_list *list, const char *code, const char *from,
			   const char *to, struct err *err)
{
	struct rules_row *row = &list->rows[list->n];
	char base[96], path[96];

	rules_item(base, list->name, list->n);
	row->code = code;
	row->index = list->n++;
	if (!rules_is_code(code, RULES_SUBJECT_MAX + RULES_CODE_MAX))
		err_add(err, &bad_code, rules_path(path, base, "code"), code);
	rules_check_period(from, to, base, &row->period, err);
}

/* Sorts; from here on the list can be asked. */
static void rules_list_close(struct rules_list *list, struct err *err)
{
	char base[96];

	qsort(list->rows, list->n, sizeof(list->rows[0]), rules_row_compare);
	for (size_t i = 1; i < list->n; i++) {
		const struct rules_row *a = &list->rows[i - 1], *b = &list->rows[i];

		if (strcmp(a->code, b->code) == 0 && b->period.from <= a->period.to)
			err_add(err, &overlap, rules_item(base, list->name, b->index), b->code);
	}
}

/* The first row of the code, by bisection. */
static size_t rules_list_find(const struct rules_list *list, const char *code)
{
	size_t lo = 0, hi = list->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(list->rows[mid].code, code) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool rules_list_in_force(const struct rules_list *list, const char *code, int32_t day)
{
	for (size_t i = rules_list_find(list, code);
	     i < list->n && strcmp(list->rows[i].code, code) == 0; i++)
		if (list->rows[i].period.from <= day && day <= list->rows[i].period.to)
			return true;
	return false;
}

/* A reference of row i of a list, checked on its first day. */
static void rules_check_reference(const struct rules_list *target, const char *code,
				  const char *from, const char *field, struct err *err)
{
	int32_t day;

	/* A bad date has been said already. */
	if (civil_parse(from, &day) == 0 && !rules_list_in_force(target, code, day))
		err_add(err, &unknown_reference, field, code);
}

/* --- the parts of a bundle --- */

static void rules_check_successor(const char *code, const char *successor, const char *base,
				  struct err *err)
{
	char path[96];

	if (successor[0] == '\0')
		return;
	if (!rules_is_code(successor, RULES_CODE_MAX) || strcmp(code, successor) == 0)
		err_add(err, &bad_successor, rules_path(path, base, "successor_code"), successor);
}

static int rules_check_units(const Directory__ImportProfileRequest *in, struct rules_list *units,
			     struct arena *arena, struct err *err)
{
	char base[96], path[96];

	if (rules_list_init(units, "units", in->n_units, arena, err) < 0)
		return err->status;
	for (size_t i = 0; i < in->n_units; i++) {
		const Directory__Unit *u = in->units[i];

		rules_item(base, "units", i);
		rules_list_add(units, u->code, u->valid_from, u->valid_to, err);
		if (!rules_in(unit_levels, u->level))
			err_add(err, &unknown_level, rules_path(path, base, "level"), u->level);
		if (!rules_is_name(u->name))
			err_add(err, &bad_name, rules_path(path, base, "name"), NULL);
		rules_check_successor(u->code, u->successor_code, base, err);
	}
	rules_list_close(units, err);
	for (size_t i = 0; i < in->n_units; i++) {
		const Directory__Unit *u = in->units[i];

		rules_item(base, "units", i);
		if (u->parent_code[0] != '\0')
			rules_check_reference(units, u->parent_code, u->valid_from,
					      rules_path(path, base, "parent_code"), err);
	}
	return err->status;
}

static int rules_check_agencies(const Directory__ImportProfileRequest *in,
				const struct rules_list *units, struct rules_list *agencies,
				struct arena *arena, struct err *err)
{
	char base[96], path[96];

	if (rules_list_init(agencies, "agencies", in->n_agencies, arena, err) < 0)
		return err->status;
	for (size_t i = 0; i < in->n_agencies; i++) {
		const Directory__Agency *a = in->agencies[i];

		rules_item(base, "agencies", i);
		rules_list_add(agencies, a->code, a->valid_from, a->valid_to, err);
		if (!rules_in(agency_levels, a->level))
			err_add(err, &unknown_level, rules_path(path, base, "level"), a->level);
		if (!rules_is_name(a->name))
			err_add(err, &bad_name, rules_path(path, base, "name"), NULL);
		rules_check_reference(units, a->unit_code, a->valid_from,
				      rules_path(path, base, "unit_code"), err);
		rules_check_successor(a->code, a->successor_code, base, err);
	}
	rules_list_close(agencies, err);
	for (size_t i = 0; i < in->n_agencies; i++) {
		const Directory__Agency *a = in->agencies[i];

		rules_item(base, "agencies", i);
		if (a->parent_code[0] != '\0')
			rules_check_reference(agencies, a->parent_code, a->valid_from,
					      rules_path(path, base, "parent_code"), err);
	}
	return err->status;
}

static int rules_check_officers(const Directory__ImportProfileRequest *in,
				const struct rules_list *agencies, struct arena *arena,
				struct err *err)
{
	struct rules_list posts;
	struct rules_period period;
	char base[96], path[96];

	if (rules_list_init(&posts, "officers", in->n_officers, arena, err) < 0)
		return err->status;
	for (size_t i = 0; i < in->n_officers; i++) {
		const Directory__Officer *o = in->officers[i];
		const char *code = arena_printf(arena, "%s@%s", o->subject, o->agency_code);

		if (code == NULL)
			return err_set(err, &err_too_large, "officers", "officers");
		rules_item(base, "officers", i);
		rules_check_officer(o, base, &period, err);
		rules_list_add(&posts, code, o->valid_from, o->valid_to, err);
		rules_check_reference(agencies, o->agency_code, o->valid_from,
				      rules_path(path, base, "agency_code"), err);
	}
	rules_list_close(&posts, err);
	return err->status;
}

static int rules_check_categories(const Directory__ImportProfileRequest *in, struct arena *arena,
				  struct err *err)
{
	struct rules_list entries;
	char base[96], path[96];

	if (rules_list_init(&entries, "categories", in->n_categories, arena, err) < 0)
		return err->status;
	for (size_t i = 0; i < in->n_categories; i++) {
		const Directory__CategoryEntry *e = in->categories[i];
		const char *code = arena_printf(arena, "%s/%s", e->category, e->code);

		if (code == NULL)
			return err_set(err, &err_too_large, "categories", "categories");
		rules_item(base, "categories", i);
		if (!rules_is_code(e->category, RULES_CODE_MAX))
			err_add(err, &bad_code, rules_path(path, base, "category"), e->category);
		if (!rules_is_name(e->name_vi))
			err_add(err, &bad_name, rules_path(path, base, "name_vi"), NULL);
		rules_list_add(&entries, code, e->valid_from, e->valid_to, err);
	}
	rules_list_close(&entries, err);
	return err->status;
}

static int rules_check_systems(const Directory__ImportProfileRequest *in,
			       const struct rules_list *agencies, struct arena *arena,
			       struct err *err)
{
	struct rules_list systems;
	char base[96], path[96];

	if (rules_list_init(&systems, "systems", in->n_systems, arena, err) < 0)
		return err->status;
	for (size_t i = 0; i < in->n_systems; i++) {
		const Directory__System *s = in->systems[i];

		rules_item(base, "systems", i);
		rules_list_add(&systems, s->member, s->valid_from, s->valid_to, err);
		if (!rules_is_name(s->name))
			err_add(err, &bad_name, rules_path(path, base, "name"), NULL);
		rules_check_reference(agencies, s->owner_agency_code, s->valid_from,
				      rules_path(path, base, "owner_agency_code"), err);
	}
	rules_list_close(&systems, err);
	return err->status;
}

/* Monday is 1 and Sunday 7 here, 0 in the calendar's rows. */
static bool rules_is_hours(const Directory__Hours *h)
{
	const struct calendar_hours hours = {
		.am_start = (int)h->am_start,
		.am_end = (int)h->am_end,
		.pm_start = (int)h->pm_start,
		.pm_end = (int)h->pm_end,
	};

	return h->weekday >= 1 && h->weekday <= 7 &&
	       calendar_hours_valid(&hours, (int)h->weekday % 7);
}

static int rules_check_hours(const Directory__ImportProfileRequest *in,
			     const struct rules_list *agencies, struct arena *arena,
			     struct err *err)
{
	struct rules_list list;
	char base[96], path[96];

	if (rules_list_init(&list, "hours", in->n_hours, arena, err) < 0)
		return err->status;
	for (size_t i = 0; i < in->n_hours; i++) {
		const Directory__Hours *h = in->hours[i];
		const char *code = strcmp(h->scope, "*") == 0 ? "all" : h->scope;

		code = arena_printf(arena, "%s/%u", code, h->weekday);
		if (code == NULL)
			return err_set(err, &err_too_large, "hours", "hours");
		rules_item(base, "hours", i);
		rules_list_add(&list, code, h->valid_from, h->valid_to, err);
		if (!rules_is_hours(h))
			err_add(err, &bad_hours, base, strchr(code, '/') + 1);
		if (strcmp(h->scope, "*") != 0 && !rules_in(agency_levels, h->scope))
			rules_check_reference(agencies, h->scope, h->valid_from,
					      rules_path(path, base, "scope"), err);
	}
	rules_list_close(&list, err);
	return err->status;
}

static void rules_check_calendar(const Directory__Calendar *cal, struct err *err)
{
	struct rules_period covers = {0};

	if (civil_parse(cal->covers_from, &covers.from) < 0)
		err_add(err, &bad_date, "calendar.covers_from", cal->covers_from);
	else if (civil_parse(cal->covers_to, &covers.to) < 0)
		err_add(err, &bad_date, "calendar.covers_to", cal->covers_to);
	else if (covers.to < covers.from)
		err_add(err, &bad_period, "calendar.covers_to", cal->covers_to);
	else
		rules_check_days(cal->days, cal->n_days, &covers, "calendar.days", err);
}

static void rules_check_manifest(const Directory__ImportProfileRequest *in, struct err *err)
{
	const char *hash = in->manifest_sha256;

	if (strlen(hash) != 64 || strspn(hash, "0123456789abcdef") != 64)
		err_add(err, &bad_manifest, "manifest_sha256", NULL);
	if (!rules_is_code(in->profile, RULES_CODE_MAX))
		err_add(err, &bad_code, "profile", in->profile);
}

/* --- what the handlers ask --- */

int rules_check_profile(const Directory__ImportProfileRequest *in, struct arena *arena,
			struct err *err)
{
	struct rules_list units, agencies;

	rules_check_manifest(in, err);
	if (rules_check_units(in, &units, arena, err) == ERR_TOO_LARGE ||
	    rules_check_agencies(in, &units, &agencies, arena, err) == ERR_TOO_LARGE)
		return err->status;
	rules_check_officers(in, &agencies, arena, err);
	rules_check_categories(in, arena, err);
	rules_check_systems(in, &agencies, arena, err);
	rules_check_hours(in, &agencies, arena, err);
	if (in->calendar == NULL)
		err_add(err, &err_required_field, "calendar", NULL);
	else
		rules_check_calendar(in->calendar, err);
	return err->status;
}

int rules_check_officer(const Directory__Officer *o, const char *field,
			struct rules_period *ret_period, struct err *err)
{
	char path[96];

	if (!rules_is_code(o->subject, RULES_SUBJECT_MAX))
		err_add(err, &bad_code, rules_path(path, field, "subject"), o->subject);
	if (!rules_is_code(o->agency_code, RULES_CODE_MAX))
		err_add(err, &bad_code, rules_path(path, field, "agency_code"), o->agency_code);
	if (!rules_is_name(o->name))
		err_add(err, &bad_name, rules_path(path, field, "name"), NULL);
	if (!rules_is_name(o->post))
		err_add(err, &bad_name, rules_path(path, field, "post"), NULL);
	if (o->n_roles == 0 || o->n_roles > RULES_ROLES_MAX)
		err_add(err, &err_invalid_field, rules_path(path, field, "roles"), "1..8");
	for (size_t i = 0; i < o->n_roles; i++)
		if (!rules_in(officer_roles, o->roles[i]))
			err_add(err, &unknown_role, rules_path(path, field, "roles"), o->roles[i]);
	rules_check_period(o->valid_from, o->valid_to, field, ret_period, err);
	return err->status;
}

int rules_check_appointment(const struct rules_period *posts, int n,
			    const struct rules_period *period, int *ret_ends, struct err *err)
{
	char day[11];
	int ends = -1;

	for (int i = 0; i < n; i++) {
		if (posts[i].from < period->from && period->from <= posts[i].to)
			ends = i;
		if (posts[i].from <= period->from || posts[i].from > period->to)
			continue;
		civil_format(posts[i].from, day);
		return err_set(err, &later_post, "officer.valid_from", day);
	}
	*ret_ends = ends;
	return 0;
}

int rules_check_order(const Directory__SetWorkingHoursRequest *in, int32_t today, int32_t *ret_from,
		      struct err *err)
{
	size_t length = utf8_length(in->reason);
	unsigned seen = 0;
	char path[96];

	if (civil_parse(in->valid_from, ret_from) < 0)
		err_add(err, &bad_date, "valid_from", in->valid_from);
	else if (*ret_from < today)
		err_add(err, &past_day, "valid_from", in->valid_from);
	if (length == 0)
		err_add(err, &err_required_field, "reason", NULL);
	else if (length > RULES_REASON_MAX)
		err_add(err, &err_invalid_field, "reason", "1..1000");
	if (in->n_hours == 0 || in->n_hours > 7)
		err_add(err, &err_invalid_field, "hours", "1..7");
	for (size_t i = 0; i < in->n_hours && i < 7; i++) {
		char day[12];

		rules_item(path, "hours", i);
		snprintf(day, sizeof(day), "%u", in->hours[i]->weekday);
		if (!rules_is_hours(in->hours[i]))
			err_add(err, &bad_hours, path, day);
		else if (seen & 1u << in->hours[i]->weekday)
			err_add(err, &weekday_twice, path, day);
		else
			seen |= 1u << in->hours[i]->weekday;
	}
	return err->status;
}

static int rules_day_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void rules_check_day(const Directory__CalendarDay *d, const struct rules_period *covers,
			    const char *base, struct err *err)
{
	char path[96];
	int32_t day;

	if (civil_parse(d->date, &day) < 0)
		err_add(err, &bad_date, rules_path(path, base, "date"), d->date);
	else if (day < covers->from || day > covers->to)
		err_add(err, &day_not_covered, rules_path(path, base, "date"), d->date);
	if (strcmp(d->kind, "OFF") != 0 && strcmp(d->kind, "WORK") != 0)
		err_add(err, &unknown_kind, rules_path(path, base, "kind"), d->kind);
	if (strlen(d->why) > RULES_NAME_MAX)
		err_add(err, &bad_name, rules_path(path, base, "why"), NULL);
}

int rules_check_days(Directory__CalendarDay *const *days, size_t n,
		     const struct rules_period *covers, const char *field, struct err *err)
{
	const char **dates = base_alloc((n + 1) * sizeof(dates[0]));
	char base[96];

	for (size_t i = 0; i < n; i++) {
		rules_check_day(days[i], covers, rules_item(base, field, i), err);
		dates[i] = days[i]->date;
	}
	/* Well-formed dates are equal exactly when their texts are. */
	qsort(dates, n, sizeof(dates[0]), rules_day_compare);
	for (size_t i = 1; i < n; i++)
		if (strcmp(dates[i - 1], dates[i]) == 0)
			err_add(err, &day_twice, field, dates[i]);
	free(dates);
	return err->status;
}

/* --- accounts --- */

static void rules_check_words(const char *text, bool required, const char *field, struct err *err)
{
	if (required && text[0] == '\0')
		err_add(err, &err_required_field, field, NULL);
	if (strlen(text) > RULES_REFERENCE_MAX)
		err_add(err, &bad_name, field, NULL);
}

static void rules_check_evidence(const Directory__VerifyAccountRequest *in, bool by_officer,
				 struct err *err)
{
	const bool paper = in->evidence == DIRECTORY__ACCOUNT_EVIDENCE__ACCOUNT_EVIDENCE_PAPER_SEEN;
	const bool electronic =
		in->evidence == DIRECTORY__ACCOUNT_EVIDENCE__ACCOUNT_EVIDENCE_E_IDENTIFICATION;

	if (by_officer ? !paper : !electronic)
		err_add(err, &evidence_not_allowed, "evidence", NULL);
	if (electronic ? in->level < 1 || in->level > 2 : in->level != 0)
		err_add(err, &err_invalid_field, "level", electronic ? "1..2" : "0");
	rules_check_words(in->reference, electronic, "reference", err);
}

int rules_check_account(const Directory__VerifyAccountRequest *in, const char *by, int32_t today,
			struct err *err)
{
	if (in->subject[0] == '\0' || strlen(in->subject) > RULES_SUBJECT_MAX)
		err_add(err, &bad_code, "subject", in->subject);
	else if (strcmp(in->subject, by) == 0)
		err_add(err, &own_account, "subject", NULL);
	if (!identity_citizen_number(in->number, today))
		err_add(err, &bad_number, "number", NULL);
	rules_check_evidence(in, by[0] != '\0', err);
	return err->status;
}

int rules_check_release(const Directory__ReleaseAccountRequest *in, struct err *err)
{
	if (in->subject[0] == '\0' || strlen(in->subject) > RULES_SUBJECT_MAX)
		err_add(err, &bad_code, "subject", in->subject);
	rules_check_words(in->reason, true, "reason", err);
	return err->status;
}
