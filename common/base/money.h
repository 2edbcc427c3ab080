/* Money: integer dong (VND has no decimals), checked arithmetic, 0 … 10^15. */
#ifndef LGSP_BASE_MONEY_H
#define LGSP_BASE_MONEY_H

#include <stdint.h>

#define MONEY_MAX_VND 1000000000000000LL

/* 0 or ERR_INVALID when an operand or the result is negative or above MONEY_MAX_VND. */
int money_add(int64_t a_vnd, int64_t b_vnd, int64_t *ret_vnd);
int money_multiply(int64_t a_vnd, uint32_t quantity, int64_t *ret_vnd);
/* Decimal digits only, no sign, no separators; 0 or ERR_INVALID. */
int money_parse(const char *s, int64_t *ret_vnd);
/* "1.234.567 đ" into out[32]. */
void money_format(int64_t vnd, char out[static 32]);

#endif
