#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "common/wire/pbjson_field.h"

/* A message being written; field and element say what comes next. */
struct frame {
	const ProtobufCMessage *msg;
	json_t *object;
	json_t *array; /* of the field, while its messages are being written */
	unsigned field;
	size_t element;
};

struct writer {
	struct frame stack[PB_CHECK_DEPTH];
	unsigned depth;
	bool emit_defaults;
};

static const void *member(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *)msg + offset;
}

static json_t *write_bytes(const ProtobufCBinaryData *bytes)
{
	struct arena arena;
	json_t *json;
	char *text;

	arena_init(&arena, bytes->len * 2 + 64);
	text = crypt_base64(&arena, bytes->data, bytes->len);
	CHECK(text != NULL);
	json = json_string(text);
	arena_done(&arena);
	return json;
}

static json_t *write_enum(const ProtobufCEnumDescriptor *desc, int value)
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(desc, value);

	return known != NULL ? json_string(known->name) : json_integer(value);
}

/* A double holds no 64-bit integer, so JSON carries them as text. */
static json_t *write_int64(int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	return json_string(text);
}

static json_t *write_uint64(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

/* NULL when text is not UTF-8. */
static json_t *write_scalar(const ProtobufCFieldDescriptor *field, const void *at)
{
	const char *s;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return write_int64(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return write_uint64(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return write_enum(field->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING:
		s = *(const char *const *)at;
		return json_string(s != NULL ? s : "");
	case PROTOBUF_C_TYPE_BYTES:
		return write_bytes(at);
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	CHECK(!"no contract has floats");
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *at)
{
	static const uint8_t zero[sizeof(uint64_t)];
	const char *s;

	if (field->type == PROTOBUF_C_TYPE_STRING) {
		s = *(const char *const *)at;
		return s == NULL || *s == '\0';
	}
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)at)->len == 0;
	return memcmp(at, zero, pbjson_element_size(field->type)) == 0;
}

static bool is_written(const struct writer *w, const ProtobufCMessage *msg,
		       const ProtobufCFieldDescriptor *field)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return w->emit_defaults ||
		       *(const size_t *)member(msg, field->quantifier_offset) > 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)member(msg, field->quantifier_offset) == field->id;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)member(msg, field->offset) != NULL;
	return w->emit_defaults || !is_default(field, member(msg, field->offset));
}

static void set(json_t *object, const ProtobufCFieldDescriptor *field, json_t *value)
{
	char name[PBJSON_NAME_MAX];

	pbjson_name(field->name, name);
	CHECK(json_object_set_new(object, name, value) == 0);
}

static int push(struct writer *w, const ProtobufCMessage *msg, json_t *object)
{
	if (w->depth == PB_CHECK_DEPTH)
		return ERR_INVALID;
	w->stack[w->depth++] = (struct frame){.msg = msg, .object = object};
	return 0;
}

static int write_scalars(struct frame *f, const ProtobufCFieldDescriptor *field)
{
	size_t n = *(const size_t *)member(f->msg, field->quantifier_offset);
	const char *at = *(const char *const *)member(f->msg, field->offset);
	json_t *array = json_array();

	set(f->object, field, array);
	for (size_t i = 0; i < n; i++) {
		json_t *value = write_scalar(field, at + i * pbjson_element_size(field->type));

		if (value == NULL)
			return ERR_INVALID;
		CHECK(json_array_append_new(array, value) == 0);
	}
	return 0;
}

/* The next element of a repeated message field; the field ends when there is none. */
static int write_messages(struct writer *w, struct frame *f, const ProtobufCFieldDescriptor *field)
{
	size_t n = *(const size_t *)member(f->msg, field->quantifier_offset);
	ProtobufCMessage *const *at =
		*(ProtobufCMessage *const *const *)member(f->msg, field->offset);
	json_t *child;

	if (f->array == NULL) {
		f->array = json_array();
		set(f->object, field, f->array);
	}
	if (f->element == n) {
		f->array = NULL;
		f->element = 0;
		f->field++;
		return 0;
	}
	child = json_object();
	CHECK(json_array_append_new(f->array, child) == 0);
	return push(w, at[f->element++], child);
}

static int write_field(struct writer *w, struct frame *f)
{
	const ProtobufCFieldDescriptor *field = &f->msg->descriptor->fields[f->field];
	json_t *value;

	if (!is_written(w, f->msg, field)) {
		f->field++;
		return 0;
	}
	if (field->label == PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE)
		return write_messages(w, f, field);
	f->field++;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return write_scalars(f, field);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		value = json_object();
		set(f->object, field, value);
		return push(w, *(ProtobufCMessage *const *)member(f->msg, field->offset), value);
	}
	value = write_scalar(field, member(f->msg, field->offset));
	if (value == NULL)
		return ERR_INVALID;
	set(f->object, field, value);
	return 0;
}

int pbjson_to_json(const ProtobufCMessage *msg, bool emit_defaults, struct json_t **ret_json)
{
	struct writer w = {.emit_defaults = emit_defaults};
	json_t *root = json_object();
	int rc = push(&w, msg, root);

	while (rc == 0 && w.depth > 0) {
		struct frame *f = &w.stack[w.depth - 1];

		if (f->field == f->msg->descriptor->n_fields)
			w.depth--;
		else
			rc = write_field(&w, f);
	}
	if (rc < 0) {
		json_decref(root);
		return rc;
	}
	*ret_json = root;
	return 0;
}

static int append(const char *text, size_t n, void *data)
{
	return buf_append(data, text, n) < 0 ? -1 : 0;
}

int pbjson_write(const ProtobufCMessage *msg, bool emit_defaults, struct buf *out)
{
	json_t *json;
	int rc = pbjson_to_json(msg, emit_defaults, &json);

	if (rc < 0)
		return rc;
	rc = json_dump_callback(json, append, out, JSON_COMPACT);
	json_decref(json);
	return rc < 0 ? ERR_TOO_LARGE : 0;
}
