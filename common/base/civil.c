#include "common/base/civil.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/err.h"

#define DAY_US    (86400LL * CLOCK_US_PER_S)
#define MINUTE_US (60LL * CLOCK_US_PER_S)

/*
 * Counting years from March makes the leap day the last of its year; an era of 400 years has
 * 146097 days (the usual civil-from-days arithmetic, e.g. of the C++20 chrono library).
 */
int32_t civil_from_ymd(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = (y >= 0 ? y : y - 399) / 400;
	int yoe = y - era * 400;
	int doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return (int32_t)(era * 146097 + doe - 719468);
}

void civil_to_ymd(int32_t day, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = (int64_t)day + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int doe = (int)(z - era * 146097);
	int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int mp = (5 * doy + 2) / 153;

	*ret_day = doy - (153 * mp + 2) / 5 + 1;
	*ret_month = mp < 10 ? mp + 3 : mp - 9;
	*ret_year = (int)(yoe + era * 400) + (*ret_month <= 2);
}

int civil_weekday(int32_t day)
{
	/* 1970-01-01 was a Thursday. */
	return (int)((((int64_t)day + 4) % 7 + 7) % 7);
}

static int digits(const char *s, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

int civil_parse(const char *s, int32_t *ret_day)
{
	int year, month, day, y, m, d;
	int32_t value;

	if (strlen(s) != 10 || s[4] != '-' || s[7] != '-')
		return ERR_INVALID;
	year = digits(s, 4);
	month = digits(s + 5, 2);
	day = digits(s + 8, 2);
	if (year < 1900 || year > 2199 || month < 1 || month > 12 || day < 1 || day > 31)
		return ERR_INVALID;
	value = civil_from_ymd(year, month, day);
	civil_to_ymd(value, &y, &m, &d);
	if (d != day) /* e.g. 30 February */
		return ERR_INVALID;
	*ret_day = value;
	return 0;
}

int civil_parse_or_forever(const char *s, int32_t *ret_day)
{
	if (*s)
		return civil_parse(s, ret_day);
	*ret_day = CIVIL_FOREVER;
	return 0;
}

void civil_format(int32_t day, char out[static 11])
{
	char text[32];
	int y, m, d;

	out[0] = 0;
	if (day == CIVIL_FOREVER)
		return;
	civil_to_ymd(day, &y, &m, &d);
	snprintf(text, sizeof(text), "%04d-%02d-%02d", y, m, d);
	memcpy(out, text, 10);
	out[10] = 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Moments whose local time does not fit stay at the last one that does. */
static int64_t local_us(int64_t us)
{
	return us > INT64_MAX - CLOCK_TZ_OFFSET_US ? INT64_MAX : us + CLOCK_TZ_OFFSET_US;
}

int32_t civil_of_us(int64_t us)
{
	return (int32_t)floor_div(local_us(us), DAY_US);
}

int64_t civil_to_us(int32_t day, int minute_of_day)
{
	if (day == CIVIL_FOREVER)
		return INT64_MAX;
	return day * DAY_US + minute_of_day * MINUTE_US - CLOCK_TZ_OFFSET_US;
}

int civil_minute_of_us(int64_t us)
{
	int64_t local = local_us(us);

	return (int)((local - floor_div(local, DAY_US) * DAY_US) / MINUTE_US);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int civil_minute_prefix(const char *s, int *ret_minute)
{
	int hour, minute;

	if (strnlen(s, 5) < 5 || !is_digit(s[0]) || !is_digit(s[1]) || s[2] != ':' ||
	    !is_digit(s[3]) || !is_digit(s[4]))
		return ERR_INVALID;
	hour = 10 * (s[0] - '0') + (s[1] - '0');
	minute = 10 * (s[3] - '0') + (s[4] - '0');
	if (hour > 23 || minute > 59)
		return ERR_INVALID;
	*ret_minute = hour * 60 + minute;
	return 0;
}
