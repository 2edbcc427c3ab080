/* Numbers of citizens, organisations, agencies and telephones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/identity.h"

#define TODAY civil_from_ymd(2024, 5, 21)

struct text_case {
	const char *s;
	bool ok;
};

static void test_citizen_numbers(void **state)
{
	static const struct text_case cases[] = {
		{"036190000017", true},  /* Nam Dinh, woman of the 20th century, 1990 */
		{"036090000017", true},  /* man */
		{"036224000017", true},  /* man born 2024 */
		{"036325000017", false}, /* woman born 2025: not yet */
		{"036500000017", false}, /* 22nd century */
		{"001300000001", true},  /* Ha Noi */
		{"096300000001", true},  /* Ca Mau */
		{"003300000001", false}, /* no province has this number */
		{"097300000001", false},  {"000300000001", false},
		{"101090000001", true}, /* registered abroad */
		{"100090000001", false},  {"400090000001", false},
		{"03619000001", false},   /* 11 digits */
		{"0361900000170", false}, /* 13 */
		{"03619000001x", false},  {" 36190000017", false},
		{"036 90000017", false},  {"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (identity_citizen_number(cases[i].s, TODAY) != cases[i].ok)
			fail_msg("citizen number \"%s\"", cases[i].s);
}

static void test_tax_codes(void **state)
{
	static const struct text_case cases[] = {
		{"0100109106", true},      {"0100109107", false},    {"0100109105", false},
		{"0100109106001", true},   {"0100109106000", false}, /* branches count from 001 */
		{"0100109107001", false},  {"010010910", false},     {"01001091060", false},
		{"0100109106-001", false}, {"010010910a", false},    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (identity_tax_code(cases[i].s) != cases[i].ok)
			fail_msg("tax code \"%s\"", cases[i].s);
}

/* Exactly one tenth digit fits nine digits, none when the sum leaves 10 as check digit. */
static void test_tax_check_digit(void **state)
{
	static const int weights[] = {31, 29, 23, 19, 17, 13, 7, 5, 3};

	(void)state;
	for (int n = 0; n < 2000; n++) {
		char code[16];
		int sum = 0, fits = 0;

		snprintf(code, sizeof(code), "%09d", n * 499979);
		for (int i = 0; i < 9; i++)
			sum += weights[i] * (code[i] - '0');
		for (int d = 0; d <= 9; d++) {
			code[9] = (char)('0' + d);
			code[10] = '\0';
			fits += identity_tax_code(code);
		}
		assert_int_equal(fits, sum % 11 == 0 ? 0 : 1);
	}
}

static void test_phones(void **state)
{
	static const struct {
		const char *s, *normal;
	} cases[] = {
		{"0912345678", "0912345678"},
		{"+84912345678", "0912345678"},
		{"0312345678", "0312345678"},
		{"02283123456", "02283123456"},
		{"+842283123456", "02283123456"},
		{"0412345678", NULL},
		{"0228312345", NULL},
		{"91234567", NULL},
		{"091234567a", NULL},
		{"09123456789", NULL},
		{"0", NULL},
		{"+84", NULL},
		{"84912345678", NULL},
		{"", NULL},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, 65536);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(identity_phone(cases[i].s), cases[i].normal != NULL);
		assert_string_equal(identity_phone_normal(&arena, cases[i].s),
				    cases[i].normal ? cases[i].normal : cases[i].s);
	}
	arena_done(&arena);
}

static void test_agency_codes(void **state)
{
	static const struct text_case cases[] = {
		{"H40", true},
		{"H40.31.01", true},
		{"000.00.05.H40", true},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true},   /* 35 characters */
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false}, /* 36 */
		{"h40", false},
		{".H40", false},
		{"H40.", false},
		{"H40..01", false},
		{"H40-01", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (identity_agency_code(cases[i].s) != cases[i].ok)
			fail_msg("agency code \"%s\"", cases[i].s);
}

static void test_owners(void **state)
{
	static const struct {
		const char *kind, *number;
		bool ok;
	} cases[] = {
		{"citizen", "036190000017", true},       {"citizen", "0100109106", false},
		{"organisation", "0100109106", true},    {"organisation", "0100109107", false},
		{"organisation", "036190000017", false}, {"", "036190000017", false},
		{"person", "036190000017", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (identity_owner(cases[i].kind, cases[i].number, TODAY) != cases[i].ok)
			fail_msg("owner %s \"%s\"", cases[i].kind, cases[i].number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_citizen_numbers), cmocka_unit_test(test_tax_codes),
		cmocka_unit_test(test_tax_check_digit), cmocka_unit_test(test_phones),
		cmocka_unit_test(test_agency_codes),    cmocka_unit_test(test_owners),
	};

	return cmocka_run_group_tests_name("base_identity", tests, NULL, NULL);
}
