/*
 * Statements for many rows: each column gathered into one array parameter, and the result dealt out
 * again by the ordinal in its last column.
 */
#include <endian.h>
#include <string.h>

#include "common/base/base.h"
#include "common/db/oid.h"
#include "common/db/tx.h"

struct rows_cell {
	const char *p; /* NULL: SQL NULL */
	int n;
};

struct tx_rows {
	int n_cols;
	Oid *types;
	size_t n, cap;
	struct rows_cell *cells; /* row after row */
	int *slots;              /* of each row */
};

struct tx_rows *rows_new(struct arena *mem, size_t n_cols)
{
	struct tx_rows *rows = arena_calloc(mem, 1, sizeof(*rows));

	CHECK(n_cols > 0 && n_cols <= CONN_PARAMS_MAX);
	if (!rows)
		return NULL;
	rows->n_cols = (int)n_cols;
	rows->types = arena_calloc(mem, n_cols, sizeof(*rows->types));
	return rows->types ? rows : NULL;
}

/* The arena has no realloc: what was there stays behind until the flush. */
static int grow(struct arena *mem, struct tx_rows *rows)
{
	size_t cap = rows->cap ? 2 * rows->cap : 4, width = (size_t)rows->n_cols;
	struct rows_cell *cells = arena_calloc(mem, cap * width, sizeof(*cells));
	int *slots = arena_calloc(mem, cap, sizeof(*slots));

	if (!cells || !slots)
		return ERR_TOO_LARGE;
	if (rows->n > 0) {
		memcpy(cells, rows->cells, rows->n * width * sizeof(*cells));
		memcpy(slots, rows->slots, rows->n * sizeof(*slots));
	}
	rows->cells = cells;
	rows->slots = slots;
	rows->cap = cap;
	return 0;
}

int rows_add(struct arena *mem, struct tx_rows *rows, const struct db_arg *args, size_t n, int slot)
{
	CHECK(n == (size_t)rows->n_cols);
	if (rows->n == rows->cap && grow(mem, rows) < 0)
		return ERR_TOO_LARGE;
	struct rows_cell *cells = &rows->cells[rows->n * n];

	for (size_t i = 0; i < n; i++) {
		Oid type;
		int rc = param_encode_cell(mem, &args[i], &type, &cells[i].p, &cells[i].n);

		if (rc < 0)
			return rc;
		CHECK(rows->n == 0 || type == rows->types[i]);
		rows->types[i] = type;
	}
	rows->slots[rows->n++] = slot;
	return 0;
}

/* --- out --- */

static Oid array_of(Oid element)
{
	static const Oid arrays[][2] = {
		{OID_BOOL, OID_BOOL_ARRAY}, {OID_BYTEA, OID_BYTEA_ARRAY},
		{OID_INT4, OID_INT4_ARRAY}, {OID_INT8, OID_INT8_ARRAY},
		{OID_TEXT, OID_TEXT_ARRAY}, {OID_UUID, OID_UUID_ARRAY},
		{OID_DATE, OID_DATE_ARRAY}, {OID_TIMESTAMPTZ, OID_TIMESTAMPTZ_ARRAY},
	};

	for (size_t i = 0; i < ARRAY_LEN(arrays); i++)
		if (arrays[i][0] == element)
			return arrays[i][1];
	CHECK(!"an array type");
	return 0;
}

static int encode_column(struct arena *mem, const struct tx_rows *rows, int col, const char **ret,
			 int *ret_n)
{
	const struct rows_cell *cells = rows->cells + col;
	size_t size = PARAM_HEADER_BYTES, width = (size_t)rows->n_cols;
	bool nulls = false;

	for (size_t i = 0; i < rows->n; i++) {
		size += sizeof(uint32_t) + (size_t)cells[i * width].n;
		nulls |= !cells[i * width].p;
	}
	char *start = size <= DB_TX_BYTES_MAX ? arena_alloc(mem, size) : NULL;

	if (!start)
		return ERR_TOO_LARGE;
	char *out = param_put_header(start, rows->n, nulls, rows->types[col]);

	for (size_t i = 0; i < rows->n; i++)
		out = param_put_element(out, cells[i * width].p, (size_t)cells[i * width].n);
	*ret = start;
	*ret_n = (int)(out - start);
	return 0;
}

int rows_encode(struct arena *mem, const struct tx_rows *rows, struct conn_params *ret_params)
{
	size_t n = (size_t)rows->n_cols;

	ret_params->n = rows->n_cols;
	ret_params->types = arena_calloc(mem, n, sizeof(*ret_params->types));
	ret_params->values = arena_calloc(mem, n, sizeof(*ret_params->values));
	ret_params->lengths = arena_calloc(mem, n, sizeof(*ret_params->lengths));
	if (!ret_params->types || !ret_params->values || !ret_params->lengths)
		return ERR_TOO_LARGE;
	for (int i = 0; i < rows->n_cols; i++) {
		ret_params->types[i] = array_of(rows->types[i]);
		if (encode_column(mem, rows, i, &ret_params->values[i], &ret_params->lengths[i]) <
		    0)
			return ERR_TOO_LARGE;
	}
	return 0;
}

/* --- in --- */

static size_t ordinal_of(const PGresult *res, int row)
{
	int col = PQnfields(res) - 1;
	uint64_t be;

	CHECK(PQftype(res, col) == OID_INT8 && PQgetlength(res, row, col) == sizeof(be));
	memcpy(&be, PQgetvalue(res, row, col), sizeof(be));
	return (size_t)be64toh(be);
}

void rows_deal(const struct tx_rows *rows, PGresult *res, struct tx_slot *slots)
{
	int at = 0, n_results = PQntuples(res);

	for (size_t i = 0; i < rows->n; i++) {
		struct tx_slot *s = &slots[rows->slots[i]];

		*s = (struct tx_slot){.res = res, .first = at, .borrowed = i > 0};
		while (at < n_results && ordinal_of(res, at) == i + 1)
			at++;
		s->n_rows = at - s->first;
	}
	CHECK(at == n_results); /* in order of the ordinal */
}
