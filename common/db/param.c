/* Parameters in PostgreSQL's binary formats. */
#include <arpa/inet.h>
#include <endian.h>
#include <limits.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/uuid.h"
#include "common/db/conn.h"
#include "common/db/oid.h"

static const char *put(struct arena *mem, const void *p, size_t n)
{
	return arena_memdup(mem, p, n);
}

static const char *put32(struct arena *mem, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	return put(mem, &be, sizeof(be));
}

static const char *put64(struct arena *mem, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);

	return put(mem, &be, sizeof(be));
}

/* Header of a one-dimensional array: dimensions, has NULLs, element type, length, lower bound. */
char *param_put_header(char *out, size_t n, bool nulls, Oid element)
{
	const uint32_t head[] = {htonl(n > 0), htonl(nulls), htonl(element), htonl((uint32_t)n),
				 htonl(1)};
	size_t size = n > 0 ? sizeof(head) : 3 * sizeof(head[0]);

	memcpy(out, head, size);
	return out + size;
}

char *param_put_element(char *out, const void *p, size_t n)
{
	uint32_t length = p ? htonl((uint32_t)n) : UINT32_MAX;

	memcpy(out, &length, sizeof(length));
	if (p && n > 0)
		memcpy(out + sizeof(length), p, n);
	return out + sizeof(length) + (p ? n : 0);
}

static int encode_texts(struct arena *mem, const struct db_arg *a, const char **ret, int *ret_n)
{
	const char *const *texts = a->p;
	size_t size = PARAM_HEADER_BYTES;
	bool nulls = false;

	for (size_t i = 0; i < a->n; i++) {
		size += 4 + (texts[i] ? strlen(texts[i]) : 0);
		nulls |= !texts[i];
	}
	char *start = size <= DB_TX_BYTES_MAX ? arena_alloc(mem, size) : NULL;

	if (!start)
		return ERR_TOO_LARGE;
	char *out = param_put_header(start, a->n, nulls, OID_TEXT);

	for (size_t i = 0; i < a->n; i++)
		out = param_put_element(out, texts[i], texts[i] ? strlen(texts[i]) : 0);
	*ret = start;
	*ret_n = (int)(out - start);
	return 0;
}

static int encode_int8s(struct arena *mem, const struct db_arg *a, const char **ret, int *ret_n)
{
	const int64_t *numbers = a->p;
	char *start = a->n <= DB_TX_BYTES_MAX / 12
			      ? arena_alloc(mem, PARAM_HEADER_BYTES + a->n * 12)
			      : NULL;

	if (!start)
		return ERR_TOO_LARGE;
	char *out = param_put_header(start, a->n, false, OID_INT8);

	for (size_t i = 0; i < a->n; i++) {
		uint64_t be = htobe64((uint64_t)numbers[i]);

		out = param_put_element(out, &be, sizeof(be));
	}
	*ret = start;
	*ret_n = (int)(out - start);
	return 0;
}

static int64_t pg_time(int64_t us)
{
	return us == INT64_MAX || us < INT64_MIN + PG_EPOCH_US ? us : us - PG_EPOCH_US;
}

static int32_t pg_date(int64_t day)
{
	return day == CIVIL_FOREVER ? INT32_MAX : (int32_t)(day - PG_EPOCH_DAY);
}

static bool is_null(const struct db_arg *a)
{
	switch (a->type) {
	case DB_T_NULL:
		return true;
	case DB_T_TEXT:
	case DB_T_BYTEA:
	case DB_T_UUID:
		return !a->p;
	case DB_T_TEXT_ARRAY:
	case DB_T_INT8_ARRAY:
		return !a->p && a->n > 0;
	case DB_T_TIMESTAMPTZ:
		return a->num == 0;
	case DB_T_BOOL:
	case DB_T_INT4:
	case DB_T_INT8:
	case DB_T_DATE:
		return false;
	}
	return true;
}

static Oid type_of(enum db_type type)
{
	static const Oid types[] = {
		[DB_T_NULL] = 0,
		[DB_T_BOOL] = OID_BOOL,
		[DB_T_INT4] = OID_INT4,
		[DB_T_INT8] = OID_INT8,
		[DB_T_TEXT] = OID_TEXT,
		[DB_T_BYTEA] = OID_BYTEA,
		[DB_T_UUID] = OID_UUID,
		[DB_T_TIMESTAMPTZ] = OID_TIMESTAMPTZ,
		[DB_T_DATE] = OID_DATE,
		[DB_T_TEXT_ARRAY] = OID_TEXT_ARRAY,
		[DB_T_INT8_ARRAY] = OID_INT8_ARRAY,
	};

	CHECK((size_t)type < ARRAY_LEN(types));
	return types[type];
}

static int encode_bytes(struct arena *mem, const struct db_arg *a, const char **ret, int *ret_n)
{
	size_t n = a->type == DB_T_TEXT ? strlen(a->p) : a->n;

	if (a->type == DB_T_UUID)
		n = UUID_BYTES;
	*ret = n <= DB_TX_BYTES_MAX ? put(mem, a->p, n) : NULL;
	*ret_n = (int)n;
	return *ret ? 0 : ERR_TOO_LARGE;
}

static int encode_number(struct arena *mem, const struct db_arg *a, const char **ret, int *ret_n)
{
	if (a->type == DB_T_INT4 && (a->num > INT32_MAX || a->num < INT32_MIN))
		return ERR_INVALID;
	if (a->type == DB_T_BOOL) {
		*ret = put(mem, a->num ? "\1" : "\0", 1);
		*ret_n = 1;
	} else if (a->type == DB_T_INT4 || a->type == DB_T_DATE) {
		*ret = put32(mem, a->type == DB_T_DATE ? pg_date(a->num) : (int32_t)a->num);
		*ret_n = 4;
	} else {
		*ret = put64(mem, a->type == DB_T_TIMESTAMPTZ ? pg_time(a->num) : a->num);
		*ret_n = 8;
	}
	return *ret ? 0 : ERR_TOO_LARGE;
}

static int encode(struct arena *mem, const struct db_arg *a, const char **ret, int *ret_n)
{
	switch (a->type) {
	case DB_T_TEXT_ARRAY:
		return encode_texts(mem, a, ret, ret_n);
	case DB_T_INT8_ARRAY:
		return encode_int8s(mem, a, ret, ret_n);
	case DB_T_TEXT:
	case DB_T_BYTEA:
	case DB_T_UUID:
		return encode_bytes(mem, a, ret, ret_n);
	case DB_T_NULL:
	case DB_T_BOOL:
	case DB_T_INT4:
	case DB_T_INT8:
	case DB_T_TIMESTAMPTZ:
	case DB_T_DATE:
		break;
	}
	return encode_number(mem, a, ret, ret_n);
}

int param_encode(struct arena *mem, const struct db_arg *args, size_t n,
		 struct conn_params *ret_params)
{
	CHECK(n <= CONN_PARAMS_MAX);
	ret_params->n = (int)n;
	ret_params->types = arena_calloc(mem, n, sizeof(*ret_params->types));
	ret_params->values = arena_calloc(mem, n, sizeof(*ret_params->values));
	ret_params->lengths = arena_calloc(mem, n, sizeof(*ret_params->lengths));
	if (!ret_params->types || !ret_params->values || !ret_params->lengths)
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < n; i++) {
		ret_params->types[i] = type_of(args[i].type);
		if (is_null(&args[i]))
			continue;
		int rc = encode(mem, &args[i], &ret_params->values[i], &ret_params->lengths[i]);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- an array as its text: {"a","b",NULL} --- */

static char *quote(char *out, const char *text)
{
	if (!text)
		return stpcpy(out, "NULL");
	*out++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*out++ = '\\';
		*out++ = *text;
	}
	*out++ = '"';
	return out;
}

static int write_texts(struct arena *mem, const struct db_arg *a, const char **ret, int *ret_n)
{
	const char *const *texts = a->p;
	size_t size = 2;

	for (size_t i = 0; i < a->n; i++)
		size += 7 + (texts[i] ? 2 * strlen(texts[i]) : 0);
	char *start = size <= DB_TX_BYTES_MAX ? arena_alloc(mem, size) : NULL, *out = start;

	if (!start)
		return ERR_TOO_LARGE;
	*out++ = '{';
	for (size_t i = 0; i < a->n; i++) {
		if (i > 0)
			*out++ = ',';
		out = quote(out, texts[i]);
	}
	*out++ = '}';
	*ret = start;
	*ret_n = (int)(out - start);
	return 0;
}

int param_encode_cell(struct arena *mem, const struct db_arg *arg, Oid *ret_type, const char **ret,
		      int *ret_n)
{
	bool texts = arg->type == DB_T_TEXT_ARRAY;

	CHECK(arg->type != DB_T_NULL && arg->type != DB_T_INT8_ARRAY);
	*ret_type = texts ? OID_TEXT : type_of(arg->type);
	*ret = NULL;
	*ret_n = 0;
	if (is_null(arg))
		return 0;
	return texts ? write_texts(mem, arg, ret, ret_n) : encode(mem, arg, ret, ret_n);
}
