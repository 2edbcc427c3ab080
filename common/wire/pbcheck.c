#include "common/wire/pbcheck.h"

#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/utf8.h"

#define FIELD_NUMBER_MAX 536870911u /* 2^29 - 1, protobuf.dev "Assigning Field Numbers" */
#define VARINT_BYTES_MAX 10

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_I64 = 1,
	WIRE_LEN = 2,
	WIRE_GROUP_START = 3,
	WIRE_GROUP_END = 4,
	WIRE_I32 = 5,
};

static const struct err_kind malformed = {ERR_INVALID, "MALFORMED_MESSAGE",
					  "Thông điệp protobuf sai cấu trúc",
					  "malformed protobuf message"};
static const struct err_kind bad_text = {ERR_INVALID, "BAD_TEXT",
					 "Chuỗi ký tự không phải UTF-8 hợp lệ hoặc có ký tự NUL",
					 "text is not valid UTF-8 or contains a NUL"};
static const struct err_kind unknown_enum = {ERR_INVALID, "UNKNOWN_ENUM_VALUE",
					     "Giá trị liệt kê %s không tồn tại",
					     "enum value %s does not exist"};
static const struct err_kind too_deep = {ERR_INVALID, "TOO_DEEP", "Thông điệp lồng nhau quá sâu",
					 "message is nested too deeply"};
static const struct err_kind too_many = {ERR_INVALID, "TOO_MANY_ELEMENTS",
					 "Thông điệp có quá nhiều phần tử",
					 "message has too many elements"};

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
};

/* A message being read; field and index say where in it the reader stands. */
struct frame {
	const ProtobufCMessageDescriptor *desc;
	struct cursor in;
	const uint8_t *begin;
	const uint8_t *tag; /* where the field now read begins */
	const ProtobufCFieldDescriptor *field;
};

struct walk {
	struct frame stack[PB_CHECK_DEPTH];
	unsigned depth;
	unsigned depth_max;
	unsigned elements_left;
	bool open_enums;
	struct err *err;
};

static bool read_varint(struct cursor *in, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
		if (in->p == in->end)
			return false;
		uint8_t byte = *in->p++;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			/* The tenth byte has room for one bit only. */
			if (i == VARINT_BYTES_MAX - 1 && byte > 1)
				return false;
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static bool read_tag(struct cursor *in, uint32_t *ret_number, unsigned *ret_wire)
{
	uint64_t tag;

	if (!read_varint(in, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
		return false;
	*ret_number = (uint32_t)(tag >> 3);
	*ret_wire = tag & 7;
	return true;
}

static bool skip_bytes(struct cursor *in, uint64_t n)
{
	if (n > (uint64_t)(in->end - in->p))
		return false;
	in->p += n;
	return true;
}

/* The value behind a tag; a length-delimited one goes to *ret_value as a cursor of its own. */
static bool read_value(struct cursor *in, unsigned wire, uint64_t *ret_number,
		       struct cursor *ret_value)
{
	uint64_t len;

	switch (wire) {
	case WIRE_VARINT:
		return read_varint(in, ret_number);
	case WIRE_I64:
		return skip_bytes(in, 8);
	case WIRE_I32:
		return skip_bytes(in, 4);
	case WIRE_LEN:
		if (!read_varint(in, &len))
			return false;
		ret_value->p = in->p;
		if (!skip_bytes(in, len))
			return false;
		ret_value->end = in->p;
		return true;
	default: /* groups are no part of proto3; 6 and 7 do not exist */
		return false;
	}
}

static enum wire_type wire_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return WIRE_VARINT;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_I32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_I64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_LEN;
	}
	CHECK(!"a type protobuf-c does not have");
}

/* How many elements of the frame's field lie before the one now read. Well-formed up to there. */
static unsigned elements_before(const struct frame *f)
{
	struct cursor in = {f->begin, f->tag};
	struct cursor value = {NULL, NULL};
	uint64_t number;
	uint32_t id;
	unsigned wire;
	unsigned n = 0;

	while (in.p < in.end && read_tag(&in, &id, &wire) && read_value(&in, wire, &number, &value))
		n += id == f->field->id;
	return n;
}

/* "components[2].file_ids[0]"; a path too long for the error is cut by err_set(). */
static void format_path(const struct walk *w, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < w->depth && len < size; i++) {
		const struct frame *f = &w->stack[i];

		if (f->field == NULL)
			break;
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? "." : "",
					f->field->name);
		if (f->field->label == PROTOBUF_C_LABEL_REPEATED && len < size)
			len += (size_t)snprintf(out + len, size - len, "[%u]", elements_before(f));
	}
}

static int refuse(const struct walk *w, const struct err_kind *kind, const char *arg)
{
	char path[sizeof(((struct err_item *)0)->field)];

	format_path(w, path, sizeof(path));
	return err_set(w->err, kind, path, arg);
}

static int push(struct walk *w, const ProtobufCMessageDescriptor *desc, struct cursor in)
{
	if (w->depth == w->depth_max)
		return refuse(w, &too_deep, NULL);
	w->stack[w->depth++] = (struct frame){.desc = desc, .in = in, .begin = in.p, .tag = in.p};
	return 0;
}

static int count_element(struct walk *w)
{
	if (w->elements_left == 0)
		return refuse(w, &too_many, NULL);
	w->elements_left--;
	return 0;
}

/* protobuf keeps the low 32 bits of an enum's varint, and so does protobuf-c. */
static int check_enum(struct walk *w, const ProtobufCFieldDescriptor *field, uint64_t number)
{
	int value = (int)(uint32_t)number;
	char text[16];

	if (w->open_enums || protobuf_c_enum_descriptor_get_value(field->descriptor, value))
		return 0;
	snprintf(text, sizeof(text), "%d", value);
	return refuse(w, &unknown_enum, text);
}

static int check_packed(struct walk *w, const ProtobufCFieldDescriptor *field, struct cursor in)
{
	unsigned wire = wire_of(field->type);
	struct cursor none;
	uint64_t number = 0;
	int rc;

	while (in.p < in.end) {
		rc = count_element(w);
		if (rc < 0)
			return rc;
		if (!read_value(&in, wire, &number, &none))
			return refuse(w, &malformed, NULL);
		if (field->type == PROTOBUF_C_TYPE_ENUM) {
			rc = check_enum(w, field, number);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int check_delimited(struct walk *w, const ProtobufCFieldDescriptor *field,
			   struct cursor value)
{
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return push(w, field->descriptor, value);
	if (field->type == PROTOBUF_C_TYPE_STRING &&
	    !utf8_valid((const char *)value.p, (size_t)(value.end - value.p)))
		return refuse(w, &bad_text, NULL);
	return 0;
}

static int check_field(struct walk *w, struct frame *f)
{
	struct cursor value = {NULL, NULL};
	uint64_t number = 0;
	uint32_t id;
	unsigned wire;
	int rc;

	f->tag = f->in.p;
	f->field = NULL;
	rc = count_element(w);
	if (rc < 0)
		return rc;
	if (!read_tag(&f->in, &id, &wire))
		return refuse(w, &malformed, NULL);
	f->field = protobuf_c_message_descriptor_get_field(f->desc, id);
	if (!read_value(&f->in, wire, &number, &value))
		return refuse(w, &malformed, NULL);
	if (f->field == NULL) /* of a newer version: kept, not read */
		return 0;
	if (wire != wire_of(f->field->type)) {
		if (wire == WIRE_LEN && f->field->label == PROTOBUF_C_LABEL_REPEATED)
			return check_packed(w, f->field, value);
		return refuse(w, &malformed, NULL);
	}
	if (wire == WIRE_LEN)
		return check_delimited(w, f->field, value);
	if (f->field->type == PROTOBUF_C_TYPE_ENUM)
		return check_enum(w, f->field, number);
	return 0;
}

int pb_check(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
	     const struct pb_limits *limits, struct err *err)
{
	static const struct pb_limits defaults = {0};
	static const uint8_t empty[1];
	struct walk w = {.err = err};
	int rc;

	if (limits == NULL)
		limits = &defaults;
	if (bytes == NULL)
		bytes = empty;
	CHECK(limits->depth <= PB_CHECK_DEPTH);
	w.depth_max = limits->depth ? limits->depth : PB_CHECK_DEPTH;
	w.elements_left = limits->elements ? limits->elements : PB_CHECK_ELEMENTS;
	w.open_enums = limits->open_enums;
	rc = push(&w, desc, (struct cursor){bytes, bytes + n});
	while (rc == 0 && w.depth > 0) {
		struct frame *f = &w.stack[w.depth - 1];

		if (f->in.p == f->in.end)
			w.depth--;
		else
			rc = check_field(&w, f);
	}
	return rc;
}
