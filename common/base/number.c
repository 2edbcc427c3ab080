#include "common/base/number.h"

#include <stdbool.h>

#include "common/base/err.h"

/* Moves *s behind the digits; false without one, or when the value leaves an int64. */
static bool read_digits(const char **s, bool negative, int64_t *ret_value)
{
	const char *start = *s;
	int64_t value = 0;

	for (; **s >= '0' && **s <= '9'; (*s)++) {
		int digit = **s - '0';

		/* Downwards for negative numbers: INT64_MIN has no positive twin. */
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*ret_value = value;
	return *s > start;
}

static int in_range(int64_t value, int64_t min, int64_t max, int64_t *ret_number)
{
	if (value < min || value > max)
		return ERR_INVALID;
	*ret_number = value;
	return 0;
}

int number_parse(const char *s, int64_t min, int64_t max, int64_t *ret_number)
{
	bool negative = *s == '-';
	int64_t value;

	s += negative;
	if (!read_digits(&s, negative, &value) || *s)
		return ERR_INVALID;
	return in_range(value, min, max, ret_number);
}

int number_prefix(const char *s, int64_t min, int64_t max, int64_t *ret_number)
{
	int64_t value;

	if (!read_digits(&s, false, &value))
		return ERR_INVALID;
	return in_range(value, min, max, ret_number);
}
