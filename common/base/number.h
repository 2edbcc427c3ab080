/* Whole numbers from text that somebody else wrote: all of it, in range, or an error. */
#ifndef LGSP_BASE_NUMBER_H
#define LGSP_BASE_NUMBER_H

#include <stdint.h>

/*
 * An optional minus and decimal digits, nothing else; between min and max. 0 or ERR_INVALID, which
 * leaves *ret_number as it was.
 */
int number_parse(const char *s, int64_t min, int64_t max, int64_t *ret_number);

/* The digits s starts with, whatever follows them, as in "0012_name.sql" or "200 OK". */
int number_prefix(const char *s, int64_t min, int64_t max, int64_t *ret_number);

#endif
