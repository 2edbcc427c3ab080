#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/utf8.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "common/wire/pbjson_field.h"
#include "common/wire/pbjson_number.h"

#define FIELDS_MAX 128
/* Between two messages lies at most one array. */
#define JSON_DEPTH_MAX (2 * PB_CHECK_DEPTH)
/* Every JSON value stands behind one of the characters counted; messages count a little less. */
#define JSON_ELEMENTS_MAX (2 * PB_CHECK_ELEMENTS)

static const struct err_kind malformed_json = {ERR_INVALID, "MALFORMED_JSON",
					       "JSON sai cấu trúc tại %s", "malformed JSON at %s"};
static const struct err_kind not_object = {
	ERR_INVALID, "MALFORMED_JSON", "JSON phải là một đối tượng", "the JSON must be an object"};
static const struct err_kind unknown_field = {ERR_INVALID, "UNKNOWN_FIELD",
					      "Không có trường nào tên %s", "no field is named %s"};
static const struct err_kind bad_value = {ERR_INVALID, "BAD_VALUE",
					  "Giá trị không phải kiểu %s hợp lệ",
					  "the value is not a valid %s"};
static const struct err_kind twice = {ERR_INVALID, "BAD_VALUE", "Trường %s được ghi hai lần",
				      "field %s is given twice"};
static const struct err_kind too_deep = {ERR_INVALID, "TOO_DEEP", "JSON lồng nhau quá sâu",
					 "the JSON is nested too deeply"};
static const struct err_kind too_many = {ERR_INVALID, "TOO_MANY_ELEMENTS",
					 "JSON có quá nhiều phần tử",
					 "the JSON has too many elements"};

/* A message being filled; iter is its next key. */
struct frame {
	ProtobufCMessage *msg;
	json_t *object;
	void *iter;
	const ProtobufCFieldDescriptor *field;
	json_t *array; /* of the field, while its messages are being read */
	size_t element;
	uint64_t seen[FIELDS_MAX / 64];
};

struct reader {
	struct frame stack[PB_CHECK_DEPTH];
	unsigned depth;
	struct arena *arena;
	struct err *err;
};

static void *member(ProtobufCMessage *msg, unsigned offset)
{
	return (char *)msg + offset;
}

/* --- errors --- */

static void format_path(const struct reader *r, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < r->depth && len < size; i++) {
		const struct frame *f = &r->stack[i];

		if (f->field == NULL)
			break;
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? "." : "",
					f->field->name);
		if (f->array != NULL && len < size)
			len += (size_t)snprintf(out + len, size - len, "[%zu]", f->element);
	}
}

static int refuse(const struct reader *r, const struct err_kind *kind, const char *arg)
{
	char path[sizeof(((struct err_item *)0)->field)];

	format_path(r, path, sizeof(path));
	return err_set(r->err, kind, path, arg);
}

static int arena_full(const struct reader *r)
{
	return err_set(r->err, &err_too_large, NULL, "JSON");
}

static const char *type_name(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return "int32";
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return "uint32";
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return "int64";
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return "uint64";
	case PROTOBUF_C_TYPE_BOOL:
		return "bool";
	case PROTOBUF_C_TYPE_ENUM:
		return ((const ProtobufCEnumDescriptor *)field->descriptor)->short_name;
	case PROTOBUF_C_TYPE_STRING:
		return "string";
	case PROTOBUF_C_TYPE_BYTES:
		return "base64";
	case PROTOBUF_C_TYPE_MESSAGE:
		return ((const ProtobufCMessageDescriptor *)field->descriptor)->short_name;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	CHECK(!"no contract has floats");
}

/* --- values --- */

static bool read_signed(const json_t *value, uint64_t max, int64_t *ret)
{
	struct pbjson_integer n;

	if (!pbjson_integer(value, &n) || n.magnitude > max + (n.negative ? 1 : 0))
		return false;
	*ret = (int64_t)(n.negative ? -n.magnitude : n.magnitude);
	return true;
}

static bool read_unsigned(const json_t *value, uint64_t max, uint64_t *ret)
{
	struct pbjson_integer n;

	if (!pbjson_integer(value, &n) || (n.negative && n.magnitude > 0) || n.magnitude > max)
		return false;
	*ret = n.magnitude;
	return true;
}

static bool read_int32(const json_t *value, int32_t *at)
{
	int64_t n;

	if (!read_signed(value, INT32_MAX, &n))
		return false;
	*at = (int32_t)n;
	return true;
}

static bool read_uint32(const json_t *value, uint32_t *at)
{
	uint64_t n;

	if (!read_unsigned(value, UINT32_MAX, &n))
		return false;
	*at = (uint32_t)n;
	return true;
}

static bool read_bool(const json_t *value, protobuf_c_boolean *at)
{
	*at = json_is_true(value);
	return json_is_boolean(value);
}

/* A string without NUL. */
static bool is_plain_string(const json_t *value)
{
	return json_is_string(value) &&
	       strlen(json_string_value(value)) == json_string_length(value);
}

static bool read_enum(const json_t *value, const ProtobufCEnumDescriptor *desc, int *at)
{
	const ProtobufCEnumValue *known = NULL;
	int32_t n;

	if (is_plain_string(value))
		known = protobuf_c_enum_descriptor_get_value_by_name(desc,
								     json_string_value(value));
	else if (!json_is_string(value) && read_int32(value, &n))
		known = protobuf_c_enum_descriptor_get_value(desc, n);
	if (known == NULL)
		return false;
	*at = known->value;
	return true;
}

static int read_string(struct reader *r, const json_t *value, const char **at)
{
	const char *text = json_string_value(value);
	size_t n = json_string_length(value);

	if (text == NULL || !utf8_valid(text, n))
		return refuse(r, &bad_value, "string");
	*at = arena_memdup(r->arena, text, n);
	return *at != NULL ? 0 : arena_full(r);
}

static int read_bytes(struct reader *r, const json_t *value, ProtobufCBinaryData *at)
{
	const char *text = json_string_value(value);

	if (text == NULL ||
	    crypt_unbase64(r->arena, text, json_string_length(value), &at->data, &at->len) < 0)
		return refuse(r, &bad_value, "base64");
	return 0;
}

static bool read_number(const ProtobufCFieldDescriptor *field, const json_t *value, void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return read_int32(value, at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return read_uint32(value, at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return read_signed(value, INT64_MAX, at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return read_unsigned(value, UINT64_MAX, at);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool(value, at);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(value, field->descriptor, at);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	CHECK(!"no contract has floats");
}

static int read_scalar(struct reader *r, const ProtobufCFieldDescriptor *field, const json_t *value,
		       void *at)
{
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return read_string(r, value, at);
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return read_bytes(r, value, at);
	if (!read_number(field, value, at))
		return refuse(r, &bad_value, type_name(field));
	return 0;
}

/* --- messages --- */

static int push(struct reader *r, const ProtobufCMessageDescriptor *desc, json_t *object,
		ProtobufCMessage **ret_msg)
{
	struct frame *f;

	if (!json_is_object(object))
		return refuse(r, &bad_value, desc->short_name);
	if (r->depth == PB_CHECK_DEPTH)
		return refuse(r, &too_deep, NULL);
	CHECK(desc->n_fields <= FIELDS_MAX);
	f = &r->stack[r->depth];
	*f = (struct frame){.object = object, .iter = json_object_iter(object)};
	f->msg = arena_alloc(r->arena, desc->sizeof_message);
	if (f->msg == NULL)
		return arena_full(r);
	desc->message_init(f->msg);
	r->depth++;
	*ret_msg = f->msg;
	return 0;
}

static int read_array(struct reader *r, struct frame *f, json_t *value)
{
	const ProtobufCFieldDescriptor *field = f->field;
	size_t n = json_array_size(value);
	size_t size = pbjson_element_size(field->type);
	char *at;
	int rc = 0;

	if (!json_is_array(value))
		return refuse(r, &bad_value, "array");
	at = arena_calloc(r->arena, n, size);
	if (at == NULL)
		return arena_full(r);
	*(void **)member(f->msg, field->offset) = at;
	*(size_t *)member(f->msg, field->quantifier_offset) = n;
	f->array = value;
	f->element = 0;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE) /* one by one, by the main loop */
		return 0;
	for (; rc == 0 && f->element < n; f->element++)
		rc = read_scalar(r, field, json_array_get(value, f->element),
				 at + f->element * size);
	f->array = NULL;
	return rc;
}

/* The next message of a repeated field; the field ends when there is none. */
static int read_element(struct reader *r, struct frame *f)
{
	ProtobufCMessage **at = *(ProtobufCMessage ***)member(f->msg, f->field->offset);
	json_t *value = json_array_get(f->array, f->element);

	if (value == NULL) {
		f->array = NULL;
		return 0;
	}
	return push(r, f->field->descriptor, value, &at[f->element]);
}

static int read_single(struct reader *r, struct frame *f, json_t *value)
{
	const ProtobufCFieldDescriptor *field = f->field;
	uint32_t *which = member(f->msg, field->quantifier_offset);

	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (*which != 0)
			return refuse(r, &twice, field->name);
		*which = field->id;
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return push(r, field->descriptor, value, member(f->msg, field->offset));
	return read_scalar(r, field, value, member(f->msg, field->offset));
}

static int find_field(struct reader *r, struct frame *f, const char *key)
{
	const ProtobufCMessageDescriptor *desc = f->msg->descriptor;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		if (!pbjson_name_is(desc->fields[i].name, key))
			continue;
		f->field = &desc->fields[i];
		/* jansson refuses equal keys; these are the two names of one field. */
		if (f->seen[i / 64] >> (i % 64) & 1)
			return refuse(r, &twice, f->field->name);
		f->seen[i / 64] |= UINT64_C(1) << (i % 64);
		return 0;
	}
	f->field = NULL;
	return refuse(r, &unknown_field, key);
}

static int read_field(struct reader *r, struct frame *f)
{
	const char *key = json_object_iter_key(f->iter);
	json_t *value = json_object_iter_value(f->iter);
	int rc;

	f->iter = json_object_iter_next(f->object, f->iter);
	rc = find_field(r, f, key);
	if (rc < 0 || json_is_null(value)) /* null is the default */
		return rc;
	if (f->field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_array(r, f, value);
	return read_single(r, f, value);
}

static void pop(struct reader *r)
{
	r->depth--;
	if (r->depth > 0)
		r->stack[r->depth - 1].element++;
}

static int read_object(struct reader *r, const ProtobufCMessageDescriptor *desc, json_t *object,
		       ProtobufCMessage **ret_msg)
{
	ProtobufCMessage *msg;
	int rc = push(r, desc, object, &msg);

	while (rc == 0 && r->depth > 0) {
		struct frame *f = &r->stack[r->depth - 1];

		if (f->array != NULL)
			rc = read_element(r, f);
		else if (f->iter != NULL)
			rc = read_field(r, f);
		else
			pop(r);
	}
	if (rc == 0)
		*ret_msg = msg;
	return rc;
}

/* --- text --- */

/* Depth and number of values, before jansson recurses and allocates for them. */
static int check_size(const char *json, size_t n, struct err *err)
{
	unsigned depth = 0;
	unsigned elements = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		char c = json[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++, elements++;
		else if (!quoted && (c == '}' || c == ']'))
			depth -= depth > 0;
		else if (!quoted && (c == ',' || c == ':'))
			elements++;
		if (depth > JSON_DEPTH_MAX)
			return err_set(err, &too_deep, NULL, NULL);
		if (elements > JSON_ELEMENTS_MAX)
			return err_set(err, &too_many, NULL, NULL);
	}
	return 0;
}

int pbjson_read(const ProtobufCMessageDescriptor *desc, const char *json, size_t n,
		struct arena *arena, ProtobufCMessage **ret_msg, struct err *err)
{
	struct reader r = {.arena = arena, .err = err};
	json_error_t error;
	json_t *root;
	char where[48];
	int rc;

	if (n == 0) {
		json = "{}";
		n = 2;
	}
	rc = check_size(json, n, err);
	if (rc < 0)
		return rc;
	root = json_loadb(json, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
			  &error);
	if (root == NULL) {
		/* The error's text quotes the input; its place does not. */
		snprintf(where, sizeof(where), "%d:%d", error.line, error.column);
		return err_set(err, &malformed_json, NULL, where);
	}
	if (json_is_object(root))
		rc = read_object(&r, desc, root, ret_msg);
	else
		rc = err_set(err, &not_object, NULL, NULL);
	json_decref(root);
	return rc;
}
