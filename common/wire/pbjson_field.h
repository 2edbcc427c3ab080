/* Names and sizes of fields; private to pbjson's reader and writer. */
#ifndef LGSP_WIRE_PBJSON_FIELD_H
#define LGSP_WIRE_PBJSON_FIELD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#define PBJSON_NAME_MAX 128

/* lowerCamelCase of a field name as protoc makes json_name; cut at PBJSON_NAME_MAX. */
void pbjson_name(const char *field_name, char out[static PBJSON_NAME_MAX]);
/* Whether a JSON key names the field: by its lowerCamelCase or its original name. */
bool pbjson_name_is(const char *field_name, const char *key);
/* Bytes of one element in the C array of a repeated field, or of a single field. */
size_t pbjson_element_size(ProtobufCType type);

#endif
