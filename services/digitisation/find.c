/* Looking records up: by owner, which is noted for the owner, or by text. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/crypt.h"
#include "common/base/utf8.h"
#include "services/digitisation/digitisation.h"

#define FIND_MAX 100

#define RECORD_COLUMNS                                                                             \
	"SELECT r.id::text, r.owner_key, r.type, r.number, r.issuing_agency_code, r.issued_on, "   \
	"r.valid_from, r.valid_to, r.dossier_code, r.origin, r.file_id::text, r.confirmed, "       \
	"r.data_class FROM record r "

static const struct db_stmt by_owner = {
	RECORD_COLUMNS
	"WHERE r.owner_key = $1 AND (cardinality($2::text[]) = 0 OR r.type = ANY ($2)) "
	"AND r.valid_from <= $3 AND r.valid_to >= $3 "
	"ORDER BY r.issued_on DESC, r.id DESC LIMIT 100"};

/* What is sensitive is not searched by text. */
static const struct db_stmt by_text = {
	RECORD_COLUMNS "JOIN file_text t ON t.file_id = r.file_id "
		       "WHERE t.folded @@ plainto_tsquery('simple', $1) AND r.data_class = 'basic' "
		       "ORDER BY r.issued_on DESC, r.id DESC LIMIT $2"};

static const char *date_text(struct call *c, int slot, int row, int col)
{
	char text[11];

	civil_format(db_get_date(&c->tx, slot, row, col), text);
	return arena_strdup(c->arena, text);
}

static void fill(struct call *c, int slot, int row, Digitisation__Record *out)
{
	struct db_tx *tx = &c->tx;

	digitisation__record__init(out);
	out->record_id = db_get_text(tx, slot, row, 0);
	out->owner_key = db_get_text(tx, slot, row, 1);
	out->type = db_get_text(tx, slot, row, 2);
	out->number = db_get_text(tx, slot, row, 3);
	out->issuing_agency_code = db_get_text(tx, slot, row, 4);
	out->issued_on = date_text(c, slot, row, 5);
	out->valid_from = date_text(c, slot, row, 6);
	out->valid_to = date_text(c, slot, row, 7);
	out->dossier_code = db_get_text(tx, slot, row, 8);
	out->origin = (Digitisation__RecordOrigin)db_get_int(tx, slot, row, 9);
	out->file_id = db_get_text(tx, slot, row, 10);
	out->confirmed = db_get_bool(tx, slot, row, 11);
	out->data_class = db_get_text(tx, slot, row, 12);
}

static Digitisation__Record **fill_all(struct call *c, int slot, size_t *ret_n)
{
	size_t n = (size_t)db_rows(&c->tx, slot);
	Digitisation__Record *rows = arena_calloc(c->arena, n, sizeof(*rows));
	Digitisation__Record **list = arena_calloc(c->arena, n, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		fill(c, slot, (int)i, &rows[i]);
		list[i] = &rows[i];
	}
	*ret_n = n;
	return list;
}

void digitisation_find_records(Digitisation__DigitisationService_Service *svc,
			       const Digitisation__FindRecordsRequest *in,
			       Digitisation__FindRecordsReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__FindRecordsReply out = DIGITISATION__FIND_RECORDS_REPLY__INIT;
	char owner_key[CRYPT_SHA256_HEX];
	int slot;

	(void)svc;
	if (!in->owner || !*in->owner->kind || !*in->owner->number) {
		err_set(&c->err, &err_required_field, "owner", NULL);
		return call_fail(c);
	}
	crypt_owner_key(digitisation_config.owner_key, in->owner->kind, in->owner->number,
			owner_key);
	tx_begin(c);
	slot = tx_add(c, &by_owner, DB_TEXT(owner_key),
		      DB_TEXTS((const char *const *)in->types, in->n_types),
		      DB_DATE(civil_of_us(c->now_us)));
	read_log_add(c, owner_key, "records");
	if (tx_flush(c) < 0)
		return call_fail(c);
	out.records = fill_all(c, slot, &out.n_records);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

void digitisation_search_text(Digitisation__DigitisationService_Service *svc,
			      const Digitisation__SearchTextRequest *in,
			      Digitisation__SearchTextReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__SearchTextReply out = DIGITISATION__SEARCH_TEXT_REPLY__INIT;
	const char *folded = utf8_fold(c->arena, in->query);
	uint32_t limit = in->limit == 0 || in->limit > FIND_MAX ? FIND_MAX : in->limit;
	int slot;

	(void)svc;
	if (!folded || !*folded) {
		err_set(&c->err, &err_required_field, "query", NULL);
		return call_fail(c);
	}
	tx_begin(c);
	slot = tx_add(c, &by_text, DB_TEXT(folded), DB_INT8(limit));
	if (tx_flush(c) < 0)
		return call_fail(c);
	out.records = fill_all(c, slot, &out.n_records);
	for (size_t i = 0; i < out.n_records; i++)
		read_log_add(c, out.records[i]->owner_key, "search");
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
