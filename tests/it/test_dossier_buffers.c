// with: tests/it/dossier_rig.c tests/it/dossier_stock.c services/dossier/lists_sql.c
/* How much of the database the lists and look-ups read: a count of pages, the same on any machine.
 */
#include "tests/it/dossier_stock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/it/dossier_rig.h"

#define STOCK   20000
#define SAMPLES 20

static PGconn *conn;

static int make(void **state)
{
	set_up(state);
	conn = pg_admin(rig.pg);
	stock_make(conn, STOCK);
	return 0;
}

static void within(const struct stock_query *queries, size_t n, int most)
{
	int read = stock_buffers(conn, queries, n, STOCK, SAMPLES);

	if (read > most)
		fail_msg("%d buffers, at most %d are promised", read, most);
	assert_true(read > 0);
}

static void test_look_up_by_code(void **state)
{
	(void)state;
	within(stock_row, 1, STOCK_ROW_MAX);
	assert_int_equal(stock_rows(), 1);
}

static void test_whole_dossier(void **state)
{
	(void)state;
	within(stock_whole, 3, STOCK_WHOLE_MAX);
	assert_true(stock_rows() >= 2);
}

static void test_page_of_an_inbox(void **state)
{
	(void)state;
	within(stock_inbox, 1, STOCK_INBOX_MAX);
	assert_true(stock_rows() > 10);
}

static void test_page_of_a_search(void **state)
{
	(void)state;
	within(stock_newest, 1, STOCK_SEARCH_MAX);
	assert_true(stock_rows() > 10);
	within(stock_name, 1, STOCK_SEARCH_MAX);
	assert_true(stock_rows() > 0);
	within(stock_words, 2, STOCK_SEARCH_MAX);
	assert_true(stock_rows() > 0);
}

/* The measure can fail: what has no index reads much. */
static void test_a_scan_is_noticed(void **state)
{
	static const struct db_stmt scan = {
		"SELECT count(*) FROM dossier WHERE result_number = $1"};
	static const struct stock_query query[1] = {{&scan, "text", "stock_code(%d)"}};

	(void)state;
	assert_true(stock_buffers(conn, query, 1, STOCK, 1) > STOCK_INBOX_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_up_by_code),   cmocka_unit_test(test_whole_dossier),
		cmocka_unit_test(test_page_of_an_inbox),  cmocka_unit_test(test_page_of_a_search),
		cmocka_unit_test(test_a_scan_is_noticed),
	};

	return cmocka_run_group_tests(tests, make, tear_down);
}
