#include "common/base/money.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"

static bool in_range(int64_t vnd)
{
	return vnd >= 0 && vnd <= MONEY_MAX_VND;
}

int money_add(int64_t a_vnd, int64_t b_vnd, int64_t *ret_vnd)
{
	if (!in_range(a_vnd) || !in_range(b_vnd) || !in_range(a_vnd + b_vnd))
		return ERR_INVALID;
	*ret_vnd = a_vnd + b_vnd;
	return 0;
}

int money_multiply(int64_t a_vnd, uint32_t quantity, int64_t *ret_vnd)
{
	int64_t product;

	if (!in_range(a_vnd) || __builtin_mul_overflow(a_vnd, (int64_t)quantity, &product) ||
	    !in_range(product))
		return ERR_INVALID;
	*ret_vnd = product;
	return 0;
}

int money_parse(const char *s, int64_t *ret_vnd)
{
	int64_t vnd = 0;

	if (!*s)
		return ERR_INVALID;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return ERR_INVALID;
		vnd = vnd * 10 + (*s - '0');
		if (vnd > MONEY_MAX_VND)
			return ERR_INVALID;
	}
	*ret_vnd = vnd;
	return 0;
}

void money_format(int64_t vnd, char out[static 32])
{
	char digits[24];
	size_t n, len = 0;
	const char *d = digits;

	/* 19 digits, a sign and 6 dots are the most an int64 takes: 26 bytes with " đ" and NUL
	 * = 31. */
	snprintf(digits, sizeof(digits), "%lld", (long long)vnd);
	if (*d == '-')
		out[len++] = *d++;
	for (n = strlen(d); n > 0; n--) {
		out[len++] = *d++;
		if (n > 1 && n % 3 == 1)
			out[len++] = '.';
	}
	strcpy(out + len, " đ");
}
