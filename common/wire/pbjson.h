/*
 * Canonical proto3 JSON (protobuf.dev "ProtoJSON"), both ways, driven by protobuf-c descriptors:
 * lowerCamelCase names, 64-bit integers as strings, bytes as base64, enums by name, defaults
 * omitted unless asked for. Reading also takes original field names and numeric enums, and refuses
 * what could be a mistake: unknown fields, duplicate keys, unknown enum names, NUL in text.
 */
#ifndef LGSP_WIRE_PBJSON_H
#define LGSP_WIRE_PBJSON_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/* Appends the message as compact JSON. 0 or ERR_TOO_LARGE (the buffer's maximum), ERR_INVALID. */
int pbjson_write(const ProtobufCMessage *msg, bool emit_defaults, struct buf *out);

/* As above into an existing jansson object, for composed documents: returns a new reference. */
struct json_t;
int pbjson_to_json(const ProtobufCMessage *msg, bool emit_defaults, struct json_t **ret_json);

/*
 * Parses JSON into a message in the arena. ERR_INVALID with code MALFORMED_JSON, UNKNOWN_FIELD,
 * BAD_VALUE, TOO_DEEP, TOO_MANY_ELEMENTS, and the path of the field; limits as pb_check()'s. An
 * empty text is an empty message. Integers may be numbers or strings, in any form of a JSON number
 * ("1000", 1e3) whose value is exact.
 */
int pbjson_read(const ProtobufCMessageDescriptor *desc, const char *json, size_t n,
		struct arena *arena, ProtobufCMessage **ret_msg, struct err *err);

#endif
