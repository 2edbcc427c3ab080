/* JSON texts that every implementation must take, and the canonical text of what they say. */
#ifndef LGSP_TESTS_PBJSON_CASES_H
#define LGSP_TESTS_PBJSON_CASES_H

#include <protobuf-c/protobuf-c.h>

struct pbjson_case {
	const char *type; /* full name */
	const ProtobufCMessageDescriptor *desc;
	const char *in;
	const char *out;
};

extern const struct pbjson_case pbjson_cases[]; /* ends with a NULL type */

#endif
