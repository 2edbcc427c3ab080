#include "common/wire/pbjson_number.h"

#include <string.h>

#define TEXT_MAX  64
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

/* A number's text, taken apart: digits x 10^exponent. */
struct decimal {
	bool negative;
	char digits[TEXT_MAX];
	size_t n_digits;
	int exponent;
};

static size_t span_digits(const char *s)
{
	return strspn(s, "0123456789");
}

static const char *read_exponent(const char *s, int *ret_exponent)
{
	bool negative = *s == '-';
	int value = 0;
	size_t n;

	if (*s == '+' || *s == '-')
		s++;
	n = span_digits(s);
	if (n < 1 || n > 4)
		return NULL;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + (s[i] - '0');
	*ret_exponent += negative ? -value : value;
	return s + n;
}

/* The grammar of a JSON number (RFC 8259 section 6), nothing around it. */
static bool read_decimal(const char *s, struct decimal *d)
{
	size_t n;

	d->negative = *s == '-';
	s += d->negative;
	n = span_digits(s);
	if (n == 0 || (n > 1 && *s == '0'))
		return false;
	memcpy(d->digits, s, n);
	d->n_digits = n;
	s += n;
	if (*s == '.') {
		n = span_digits(++s);
		if (n == 0)
			return false;
		memcpy(d->digits + d->n_digits, s, n);
		d->n_digits += n;
		d->exponent = -(int)n;
		s += n;
	}
	if (*s == 'e' || *s == 'E')
		s = read_exponent(s + 1, &d->exponent);
	return s != NULL && *s == '\0';
}

static bool times_ten_plus(uint64_t *value, unsigned digit)
{
	return !__builtin_mul_overflow(*value, 10, value) &&
	       !__builtin_add_overflow(*value, digit, value);
}

static bool integer_of_decimal(struct decimal *d, struct pbjson_integer *ret)
{
	uint64_t magnitude = 0;

	while (d->n_digits > 0 && d->digits[d->n_digits - 1] == '0') {
		d->n_digits--;
		d->exponent++;
	}
	if (d->n_digits > 0 && d->exponent < 0)
		return false;
	for (size_t i = 0; i < d->n_digits; i++)
		if (!times_ten_plus(&magnitude, (unsigned)(d->digits[i] - '0')))
			return false;
	for (int i = 0; magnitude > 0 && i < d->exponent; i++)
		if (!times_ten_plus(&magnitude, 0))
			return false;
	*ret = (struct pbjson_integer){.negative = d->negative, .magnitude = magnitude};
	return true;
}

static bool integer_of_real(double value, struct pbjson_integer *ret)
{
	double magnitude = value < 0 ? -value : value;

	if (magnitude > EXACT_MAX || magnitude != (double)(uint64_t)magnitude)
		return false;
	*ret = (struct pbjson_integer){.negative = value < 0, .magnitude = (uint64_t)magnitude};
	return true;
}

bool pbjson_integer(const json_t *value, struct pbjson_integer *ret_integer)
{
	struct decimal d = {0};
	const char *text;
	json_int_t n;

	if (json_is_integer(value)) {
		n = json_integer_value(value);
		ret_integer->negative = n < 0;
		ret_integer->magnitude = n < 0 ? -(uint64_t)n : (uint64_t)n;
		return true;
	}
	if (json_is_real(value))
		return integer_of_real(json_real_value(value), ret_integer);
	if (!json_is_string(value) || json_string_length(value) >= TEXT_MAX)
		return false;
	text = json_string_value(value);
	return strlen(text) == json_string_length(value) && read_decimal(text, &d) &&
	       integer_of_decimal(&d, ret_integer);
}
