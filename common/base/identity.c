#include "common/base/identity.h"

#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"

/* Provinces as numbered at registration of birth; numbers outlive the provinces. */
static const uint8_t provinces[] = {
	1,  2,  4,  6,  8,  10, 11, 12, 14, 15, 17, 19, 20, 22, 24, 25, 26, 27, 30, 31, 33,
	34, 35, 36, 37, 38, 40, 42, 44, 45, 46, 48, 49, 51, 52, 54, 56, 58, 60, 62, 64, 66,
	67, 68, 70, 72, 74, 75, 77, 79, 80, 82, 83, 84, 86, 87, 89, 91, 92, 93, 94, 95, 96,
};
/* Countries, for births registered abroad. */
#define COUNTRY_FIRST 101
#define COUNTRY_LAST  399

static bool is_digits(const char *s, size_t n)
{
	return strspn(s, "0123456789") == n && s[n] == '\0';
}

static int number(const char *s, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (s[i] - '0');
	return v;
}

static bool is_place(int place)
{
	if (place >= COUNTRY_FIRST && place <= COUNTRY_LAST)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(provinces); i++)
		if (provinces[i] == place)
			return true;
	return false;
}

bool identity_citizen_number(const char *s, int32_t today)
{
	int year, month, day, born;

	if (!is_digits(s, 12) || !is_place(number(s, 3)))
		return false;
	civil_to_ymd(today, &year, &month, &day);
	born = 1900 + 100 * (number(s + 3, 1) / 2) + number(s + 4, 2);
	return born <= year;
}

static bool tax_check_digit(const char *s)
{
	static const int weights[] = {31, 29, 23, 19, 17, 13, 7, 5, 3};
	int sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(weights); i++)
		sum += weights[i] * (s[i] - '0');
	return 10 - sum % 11 == s[9] - '0';
}

bool identity_tax_code(const char *s)
{
	if (is_digits(s, 10))
		return tax_check_digit(s);
	return is_digits(s, 13) && tax_check_digit(s) && number(s + 10, 3) > 0;
}

/* The part behind the leading 0 or +84; NULL when there is neither. */
static const char *phone_body(const char *s)
{
	if (strncmp(s, "+84", 3) == 0)
		return s + 3;
	return s[0] == '0' ? s + 1 : NULL;
}

bool identity_phone(const char *s)
{
	const char *body = phone_body(s);

	if (!body || body[0] == '\0')
		return false;
	if (strchr("35789", body[0]))
		return is_digits(body, 9);
	return body[0] == '2' && is_digits(body, 10);
}

const char *identity_phone_normal(struct arena *arena, const char *s)
{
	if (!identity_phone(s))
		return s;
	return arena_printf(arena, "0%s", phone_body(s));
}

bool identity_agency_code(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 35 || s[0] == '.' || s[n - 1] == '.' || strstr(s, ".."))
		return false;
	return strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.") == n;
}

bool identity_owner(const char *kind, const char *number, int32_t today)
{
	if (strcmp(kind, "citizen") == 0)
		return identity_citizen_number(number, today);
	return strcmp(kind, "organisation") == 0 && identity_tax_code(number);
}
