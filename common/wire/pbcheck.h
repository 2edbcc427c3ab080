/*
 * pb_check(): walks raw protobuf bytes by their descriptor before anything is unpacked, because
 * protobuf-c 1.4.1 checks neither UTF-8 nor NUL nor depth nor enum values. It allocates nothing.
 */
#ifndef LGSP_WIRE_PBCHECK_H
#define LGSP_WIRE_PBCHECK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define PB_CHECK_DEPTH    16
#define PB_CHECK_ELEMENTS 10000

struct pb_limits {
	unsigned depth;    /* 0: PB_CHECK_DEPTH */
	unsigned elements; /* fields and array elements together; 0: PB_CHECK_ELEMENTS */
	bool open_enums;   /* consumers of feeds: unknown enum numbers pass */
};

/*
 * 0, or ERR_INVALID with code MALFORMED_MESSAGE, BAD_TEXT (UTF-8 or NUL), UNKNOWN_ENUM_VALUE,
 * TOO_DEEP or TOO_MANY_ELEMENTS and the path of the field. limits may be NULL.
 */
int pb_check(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
	     const struct pb_limits *limits, struct err *err);

#endif
