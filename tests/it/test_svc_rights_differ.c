// with: tests/it/svc_tiny.c
/* Two brokers that do not have the same members and rights in force: a worker at both says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "tests/it/svc_tiny.h"

#define DIFFER "lgsp_bus_rights_differ"

static struct tiny t;

/* The first broker's file with another line behind, for the second. */
static void write_second(const char *more)
{
	CLEANUP_FILE FILE *in = NULL, *out = NULL;
	char from[200], to[200], fresh[210], text[4096];
	size_t n;

	snprintf(from, sizeof(from), "%s/rights", busd_dir(t.bus));
	snprintf(to, sizeof(to), "%s/rights-2", busd_dir(t.bus));
	snprintf(fresh, sizeof(fresh), "%s.new", to);
	in = fopen(from, "re");
	out = fopen(fresh, "we");
	assert_true(in && out);
	n = fread(text, 1, sizeof(text), in);
	assert_int_equal(fwrite(text, 1, n, out), n);
	fputs(more, out);
	assert_int_equal(rename(fresh, to), 0);
}

static bool differs(void *arg)
{
	return svcd_metric(arg, DIFFER) == 1;
}

static bool agrees(void *arg)
{
	return svcd_metric(arg, DIFFER) == 0;
}

static void a_worker_at_both_brokers_notices(void **state)
{
	char rights[220], backend[400];
	const char *bus_env[] = {rights, NULL}, *env[] = {backend, NULL};
	struct busd *second;
	struct svcd *dir;

	(void)state;
	write_second("grant VN/GOV/H40/one-stop task *\n");
	snprintf(rights, sizeof(rights), "LGSP_RIGHTS=%s/rights-2", busd_dir(t.bus));
	second = busd_start_beside(t.bus, "bus-2", bus_env);
	snprintf(backend, sizeof(backend), "LGSP_BUS_BACKEND=%s %s", busd_backend_endpoint(t.bus),
		 busd_backend_endpoint(second));
	dir = tiny_start(&t, "directory", env, true);
	assert_true(svcd_until(differs, dir));
	assert_true(svcd_log_has(dir, "svc.rights_differ"));
	/* It serves all the same: each broker's rights are whole. */
	assert_true(svcd_is_ready(dir));
	write_second("");
	assert_true(svcd_until(agrees, dir));
	assert_true(svcd_logged(dir, "svc.rights_agree"));
	svcd_free(dir);
	busd_free(second);
}

static int setup(void **state)
{
	(void)state;
	tiny_setup(&t);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tiny_teardown(&t);
	return 0;
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_at_both_brokers_notices),
	};

	return code >= 0 ? code : cmocka_run_group_tests(tests, setup, teardown);
}
