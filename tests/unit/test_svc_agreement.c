/* When brokers differ, and when they only read their files at different moments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/svc/agreement.h"

#define S 1000000LL

static void only_a_lasting_difference_counts(void **state)
{
	static const struct {
		int64_t at_s;
		const char *instance, *hash;
		bool differ;
	} steps[] = {
		{1, "bus-1", "a", false},  {1, "bus-2", "a", false},
		{3, "bus-1", "b", false}, /* reads a moment earlier than the other */
		{4, "bus-2", "b", false},  {10, "bus-1", "c", false},
		{12, "bus-2", "b", false}, {14, "bus-1", "c", false},
		{15, "bus-2", "b", true}, /* five seconds by now */
		{16, "bus-1", "c", true},  {17, "bus-2", "c", false},
		{18, "bus-1", "c", false},
	};
	struct agreement a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		assert_int_equal(
			agreement_hear(&a, steps[i].instance, steps[i].hash, steps[i].at_s * S),
			steps[i].differ);
}

static void a_broker_that_is_away_has_no_say(void **state)
{
	struct agreement a = {0};

	(void)state;
	assert_false(agreement_hear(&a, "bus-1", "a", 1 * S));
	assert_false(agreement_hear(&a, "bus-2", "b", 2 * S));
	assert_true(agreement_hear(&a, "bus-2", "b", 10 * S));
	assert_false(agreement_hear(&a, "bus-2", "b", 17 * S)); /* bus-1 is silent since 1 */
}

static void one_broker_after_the_other_takes_the_oldest_place(void **state)
{
	struct agreement a = {0};
	char name[] = "bus-0";

	(void)state;
	for (int i = 0; i < 9; i++) {
		name[4] = (char)('0' + i);
		assert_false(agreement_hear(&a, name, "a", (i + 1) * S));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_lasting_difference_counts),
		cmocka_unit_test(a_broker_that_is_away_has_no_say),
		cmocka_unit_test(one_broker_after_the_other_takes_the_oldest_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
