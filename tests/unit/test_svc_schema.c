/* When a service may serve on a schema; and that the binary knows the newest migrations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/svc/schema.h"

static int newest(const char *pattern)
{
	glob_t found;
	int version;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	version = atoi(strrchr(found.gl_pathv[found.gl_pathc - 1], '/') + 1);
	globfree(&found);
	return version;
}

static void test_versions_are_those_of_the_newest_files(void **state)
{
	(void)state;
	assert_int_equal(newest("common/db/sql/*.sql"), SCHEMA_COMMON_VERSION);
	assert_int_equal(newest("common/svc/sql/*.sql"), SCHEMA_REF_VERSION);
}

static void test_verdicts(void **state)
{
	const struct svc def = {.schema_version = 3};
	const int c = SCHEMA_COMMON_VERSION, r = SCHEMA_REF_VERSION;
	const struct {
		struct schema_found found;
		enum schema_verdict verdict;
	} cases[] = {
		{{{0, 0, 0}}, SCHEMA_WAIT},
		{{{c, r, 2}}, SCHEMA_WAIT},
		{{{c - 1, r, 3}}, SCHEMA_WAIT},
		{{{c, r - 1, 3}}, SCHEMA_WAIT},
		{{{c, r, 3}}, SCHEMA_READY},
		/* Migrations only add to what is in use: an older binary goes on. */
		{{{c, r, 4}}, SCHEMA_READY},
		{{{c, r + 1, 3}}, SCHEMA_READY},
		{{{c + 1, r, 3}}, SCHEMA_TOO_NEW},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(schema_judge(&def, &cases[i].found), cases[i].verdict);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions_are_those_of_the_newest_files),
		cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
