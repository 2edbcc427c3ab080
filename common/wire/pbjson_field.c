#include "common/wire/pbjson_field.h"

#include <ctype.h>
#include <string.h>

#include "common/base/base.h"

void pbjson_name(const char *field_name, char out[static PBJSON_NAME_MAX])
{
	bool upper = false;
	size_t n = 0;

	for (const char *p = field_name; *p != '\0' && n < PBJSON_NAME_MAX - 1; p++) {
		if (*p == '_') {
			upper = true;
			continue;
		}
		out[n++] = upper ? (char)toupper((unsigned char)*p) : *p;
		upper = false;
	}
	out[n] = '\0';
}

bool pbjson_name_is(const char *field_name, const char *key)
{
	char name[PBJSON_NAME_MAX];

	if (strcmp(field_name, key) == 0)
		return true;
	pbjson_name(field_name, name);
	return strcmp(name, key) == 0;
}

size_t pbjson_element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	}
	CHECK(!"a type protobuf-c does not have");
}
