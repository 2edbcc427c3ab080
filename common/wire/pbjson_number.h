/* Integers written as JSON numbers or in strings; private to pbjson's reader. */
#ifndef LGSP_WIRE_PBJSON_NUMBER_H
#define LGSP_WIRE_PBJSON_NUMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct pbjson_integer {
	bool negative;
	uint64_t magnitude;
};

/*
 * The exact integer of a JSON number or of a string that holds one: 1000, 1e3, "1000", "1.0e3".
 * False when it is no integer or not known exactly (a bare number with a fraction or an exponent
 * beyond 2^53: jansson has made it a double; such values go in strings).
 */
bool pbjson_integer(const json_t *value, struct pbjson_integer *ret_integer);

#endif
