/* What handlers share: days, limits, columns into messages. */
#include "common/base/civil.h"
#include "services/directory/directory.h"

#define ROW_LIMIT_DEFAULT 100
#define ROW_LIMIT_MAX     500

static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE",
					 "Ngày %s không đúng dạng NNNN-TT-NN",
					 "%s is not a date of the form YYYY-MM-DD"};

static const struct db_stmt lock_writers = {
	"SELECT pg_advisory_xact_lock(hashtext('directory.write'))"};

void row_lock_writers(struct call *c)
{
	db_add_args(&c->tx, &lock_writers, NULL, 0);
}

int row_day(struct call *c, const char *on_date, int32_t *ret_day)
{
	if (on_date[0] == '\0') {
		*ret_day = civil_of_us(c->now_us);
		return 0;
	}
	if (civil_parse(on_date, ret_day) < 0)
		return err_set(&c->err, &bad_date, "on_date", on_date);
	return 0;
}

int row_limit(struct call *c, uint32_t limit, int32_t *ret_limit)
{
	if (limit > ROW_LIMIT_MAX)
		return err_set(&c->err, &err_invalid_field, "limit", "0..500");
	*ret_limit = limit == 0 ? ROW_LIMIT_DEFAULT : (int32_t)limit;
	return 0;
}

void *row_messages(struct call *c, int slot, size_t size, size_t *ret_n)
{
	size_t n = (size_t)db_rows(&c->tx, slot);
	void **list = arena_calloc(c->arena, n, sizeof(list[0]));
	char *messages = arena_calloc(c->arena, n, size);

	if (list == NULL || messages == NULL) {
		err_set(&c->err, &err_too_large, NULL, "reply");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		list[i] = messages + i * size;
	*ret_n = n;
	return list;
}

const char *row_date(struct call *c, int slot, int row, int col)
{
	char text[11];

	civil_format(db_get_date(&c->tx, slot, row, col), text);
	return arena_strdup(c->arena, text);
}

void row_officer(struct call *c, int slot, int row, Directory__Officer *o)
{
	directory__officer__init(o);
	o->subject = db_get_text(&c->tx, slot, row, 0);
	o->name = db_get_text(&c->tx, slot, row, 1);
	o->agency_code = db_get_text(&c->tx, slot, row, 2);
	o->post = db_get_text(&c->tx, slot, row, 3);
	o->roles = db_get_texts(&c->tx, slot, row, 4, &o->n_roles);
	o->valid_from = row_date(c, slot, row, 5);
	o->valid_to = row_date(c, slot, row, 6);
}
