/* Reading results in PostgreSQL's binary formats. Types that do not fit are bugs of ours. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/number.h"
#include "common/db/conn.h"
#include "common/db/oid.h"

int db_rows(const struct db_tx *tx, int slot)
{
	return tx_result(tx, slot).n_rows;
}

int64_t db_affected(const struct db_tx *tx, int slot)
{
	int64_t n = 0;

	/* PQcmdTuples() wants a PGresult it may change, and does not change it; "" counts nothing.
	 */
	number_parse(PQcmdTuples((PGresult *)tx_result(tx, slot).res), 0, INT64_MAX, &n);
	return n;
}

/* *row: of the slot, becomes that of the result. */
static const PGresult *cell_of(const struct db_tx *tx, int slot, int *row, int col)
{
	struct tx_view v = tx_result(tx, slot);

	CHECK(*row >= 0 && *row < v.n_rows && col >= 0 && col < PQnfields(v.res));
	*row += v.first;
	return v.res;
}

bool db_is_null(const struct db_tx *tx, int slot, int row, int col)
{
	const PGresult *res = cell_of(tx, slot, &row, col);

	return PQgetisnull(res, row, col);
}

/* A value of a fixed size; NULL when it is SQL NULL. */
static const char *fixed(const PGresult *res, int row, int col, Oid type, int size)
{
	CHECK(PQftype(res, col) == type);
	if (PQgetisnull(res, row, col))
		return NULL;
	CHECK(PQgetlength(res, row, col) == size);
	return PQgetvalue(res, row, col);
}

static int64_t read_int(const char *p, int size)
{
	uint16_t v2;
	uint32_t v4;
	uint64_t v8;

	if (size == 2) {
		memcpy(&v2, p, sizeof(v2));
		return (int16_t)be16toh(v2);
	}
	if (size == 4) {
		memcpy(&v4, p, sizeof(v4));
		return (int32_t)be32toh(v4);
	}
	memcpy(&v8, p, sizeof(v8));
	return (int64_t)be64toh(v8);
}

bool db_get_bool(const struct db_tx *tx, int slot, int row, int col)
{
	const PGresult *res = cell_of(tx, slot, &row, col);
	const char *p = fixed(res, row, col, OID_BOOL, 1);

	return p && *p;
}

int64_t db_get_int(const struct db_tx *tx, int slot, int row, int col)
{
	const PGresult *res = cell_of(tx, slot, &row, col);
	Oid type = PQftype(res, col);

	CHECK(type == OID_INT2 || type == OID_INT4 || type == OID_INT8);
	int size = type == OID_INT2 ? 2 : type == OID_INT4 ? 4 : 8;
	const char *p = fixed(res, row, col, type, size);

	return p ? read_int(p, size) : 0;
}

static bool is_text(Oid type)
{
	return type == OID_TEXT || type == OID_VARCHAR || type == OID_BPCHAR || type == OID_NAME ||
	       type == OID_UNKNOWN || type == OID_JSON || type >= OID_FIRST_USER;
}

const char *db_get_text(const struct db_tx *tx, int slot, int row, int col)
{
	const PGresult *res = cell_of(tx, slot, &row, col);
	Oid type = PQftype(res, col);

	CHECK(is_text(type) || type == OID_JSONB);
	if (PQgetisnull(res, row, col))
		return "";
	/* jsonb is a version byte and text. libpq ends every value with a NUL. */
	return PQgetvalue(res, row, col) + (type == OID_JSONB ? 1 : 0);
}

const uint8_t *db_get_bytes(const struct db_tx *tx, int slot, int row, int col, size_t *ret_n)
{
	const PGresult *res = cell_of(tx, slot, &row, col);
	Oid type = PQftype(res, col);

	CHECK(type == OID_BYTEA || type == OID_UUID);
	*ret_n = (size_t)PQgetlength(res, row, col);
	return (const uint8_t *)PQgetvalue(res, row, col);
}

int64_t db_get_time_us(const struct db_tx *tx, int slot, int row, int col)
{
	const PGresult *res = cell_of(tx, slot, &row, col);
	const char *p = fixed(res, row, col, OID_TIMESTAMPTZ, 8);
	int64_t us = p ? read_int(p, 8) : 0;

	if (!p || us == INT64_MAX || us == INT64_MIN)
		return us;
	return us + PG_EPOCH_US;
}

int32_t db_get_date(const struct db_tx *tx, int slot, int row, int col)
{
	const PGresult *res = cell_of(tx, slot, &row, col);
	const char *p = fixed(res, row, col, OID_DATE, 4);
	int32_t day = p ? (int32_t)read_int(p, 4) : 0;

	if (!p || day == INT32_MAX || day == INT32_MIN)
		return day;
	return day + PG_EPOCH_DAY;
}

const char **db_get_texts(const struct db_tx *tx, int slot, int row, int col, size_t *ret_n)
{
	const PGresult *res = cell_of(tx, slot, &row, col);
	const char *p = PQgetvalue(res, row, col);
	int length = PQgetlength(res, row, col);

	CHECK(PQftype(res, col) == OID_TEXT_ARRAY);
	*ret_n = 0;
	if (length < 20 || read_int(p, 4) != 1)
		return arena_calloc(tx->arena, 1, sizeof(char *));
	size_t n = (size_t)read_int(p + 12, 4);
	const char **texts = arena_calloc(tx->arena, n, sizeof(*texts));

	p += 20;
	for (size_t i = 0; texts && i < n; i++) {
		int64_t len = read_int(p, 4);

		texts[i] = len < 0 ? "" : arena_memdup(tx->arena, p + 4, (size_t)len);
		if (!texts[i])
			return NULL;
		p += 4 + (len < 0 ? 0 : len);
	}
	*ret_n = texts ? n : 0;
	return texts;
}
