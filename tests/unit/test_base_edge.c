/* What a process shows and is told: environment, log lines, metrics, checks and crash points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/metric.h"

/* --- environment --- */

static const char *str_value, *path_value, *secret_value;
static int64_t int_value;
static bool bool_value;

static const struct env_var vars[] = {
	{"LGSP_T_STR", ENV_STRING, "dflt", 0, 0, "A text.", &str_value},
	{"LGSP_T_INT", ENV_INT, "4", 1, 64, "A number.", &int_value},
	{"LGSP_T_BOOL", ENV_BOOL, "0", 0, 0, "A switch.", &bool_value},
	{"LGSP_T_PATH", ENV_PATH, "", 0, 0, "A file.", &path_value},
	{"LGSP_T_SECRET", ENV_SECRET, "", 0, 0, "A secret file.", &secret_value},
};

static const struct env_var needed[] = {
	{"LGSP_T_NEEDED", ENV_STRING, NULL, 0, 0, "Where the broker is.", &str_value},
};

/* Reads the table with one variable set; the complaint goes into out. */
static int read_with(const char *name, const char *value, char *out, size_t size)
{
	CLEANUP_FILE FILE *errors = fmemopen(out, size, "w");
	int faulty;

	memset(out, 0, size);
	if (name)
		setenv(name, value, 1);
	faulty = env_read(vars, ARRAY_LEN(vars), errors);
	if (name)
		unsetenv(name);
	return faulty;
}

static void env_defaults_and_values(void **state)
{
	char out[512];

	(void)state;
	assert_int_equal(read_with(NULL, NULL, out, sizeof(out)), 0);
	assert_string_equal(str_value, "dflt");
	assert_int_equal(int_value, 4);
	assert_false(bool_value);
	assert_int_equal(read_with("LGSP_T_INT", "64", out, sizeof(out)), 0);
	assert_int_equal(int_value, 64);
	assert_int_equal(read_with("LGSP_T_BOOL", "true", out, sizeof(out)), 0);
	assert_true(bool_value);
	assert_int_equal(read_with("LGSP_T_STR", "", out, sizeof(out)), 0);
	assert_string_equal(str_value, "");
}

static void env_faults_are_named(void **state)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{"LGSP_T_INT", "0"},
		{"LGSP_T_INT", "65"},
		{"LGSP_T_INT", "4x"},
		{"LGSP_T_INT", ""},
		{"LGSP_T_INT", " 4"},
		{"LGSP_T_INT", "99999999999999999999"},
		{"LGSP_T_BOOL", "yes"},
		{"LGSP_T_BOOL", ""},
		{"LGSP_T_PATH", "/nowhere/at/all"},
		{"LGSP_T_SECRET", "/nowhere/at/all"},
	};
	char out[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(read_with(bad[i].name, bad[i].value, out, sizeof(out)), 1);
		assert_non_null(strstr(out, bad[i].name));
		assert_int_equal(out[strlen(out) - 1], '\n');
	}
	assert_null(strstr(out, "/nowhere")); /* the last one was a secret */
}

static void env_secret_must_be_private(void **state)
{
	char path[] = "/tmp/lgsp-env-XXXXXX", out[512];
	CLEANUP_FD int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(read_with("LGSP_T_SECRET", path, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "chmod 600"));
	assert_int_equal(read_with("LGSP_T_PATH", path, out, sizeof(out)), 0);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(read_with("LGSP_T_SECRET", path, out, sizeof(out)), 0);
	unlink(path);
}

static void env_needed_and_help(void **state)
{
	CLEANUP_FREE char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_int_equal(env_read(needed, 1, out), 1);
	env_help(vars, ARRAY_LEN(vars), out);
	fclose(out);
	assert_non_null(strstr(text, "LGSP_T_NEEDED: must be set (Where the broker is.)"));
	assert_non_null(strstr(text, "number 1..64, default \"4\""));
	assert_non_null(strstr(text, "A secret file."));
}

/* --- log --- */

/* Runs fn with standard error in a pipe and returns what came out, at most size - 1 bytes. */
static void capture(void (*fn)(void), char *out, size_t size)
{
	char path[] = "/tmp/lgsp-log-XXXXXX";
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_true(fd >= 0 && saved >= 0);
	unlink(path);
	dup2(fd, STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fd, out, size - 1, 0);
	close(fd);
	assert_true(n >= 0);
	out[n] = 0;
}

static void write_lines(void)
{
	assert_int_equal(log_init("dossier", "info"), 0);
	log_debug("not.seen");
	log_info("plain");
	log_trace_set("4bf92f3577b34da6a3ce929d0e0e4736");
	log_warn("fields", LOG_STR("code", "H40.31-240521-0001"), LOG_NUM("n", INT64_MIN),
		 LOG_STR("text", "a \"b\"\\\n\x01=đ"), LOG_STR("empty", ""), LOG_STR("null", NULL),
		 LOG_STR("bad", "x\xff"));
	log_trace_set(NULL);
	log_error("last");
}

static void log_lines_are_logfmt(void **state)
{
	char out[8192], *line;

	(void)state;
	capture(write_lines, out, sizeof(out));
	assert_null(strstr(out, "not.seen"));
	line = strtok(out, "\n");
	assert_memory_equal(line, "ts=", 3);
	assert_string_equal(line + 30, " level=info svc=dossier event=plain");
	line = strtok(NULL, "\n");
	assert_string_equal(line + 30,
			    " level=warn svc=dossier event=fields "
			    "trace=4bf92f3577b34da6a3ce929d0e0e4736 code=H40.31-240521-0001 "
			    "n=-9223372036854775808 text=\"a \\\"b\\\"\\\\\\n\\x01=đ\" empty=\"\" "
			    "null=\"\" bad=\"x\\xff\"");
	line = strtok(NULL, "\n");
	assert_string_equal(line + 30, " level=error svc=dossier event=last");
	assert_null(strtok(NULL, "\n"));
}

static void write_long_line(void)
{
	static char big[3000], quotes[3000];

	memset(big, 'x', sizeof(big) - 1);
	memset(quotes, '"', sizeof(quotes) - 1);
	log_info("long", LOG_STR("a", big), LOG_STR("b", big), LOG_STR("q", quotes),
		 LOG_STR("c", big), LOG_STR("d", big), LOG_STR("e", "short"));
}

static void log_lines_are_bounded(void **state)
{
	char out[16384];

	(void)state;
	capture(write_long_line, out, sizeof(out));
	assert_true(strlen(out) <= 4096);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	assert_non_null(strstr(out, " cut=1\n"));
	assert_non_null(strstr(out, " e=short"));
	assert_null(strstr(out, "\xc3\n"));
}

static void log_level_must_be_known(void **state)
{
	(void)state;
	assert_int_equal(log_init("x", "chatty"), ERR_INVALID);
	assert_int_equal(log_init("x", "error"), 0);
	assert_int_equal(log_init("x", "debug"), 0);
}

/* --- metrics --- */

static void *add_many(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		metric_add(arg, 1);
		metric_observe_us(metric_histogram("t_seconds", "m=\"x\"", "Time."), i % 2000);
	}
	return NULL;
}

static const char *rendered(struct buf *buf)
{
	buf_init(buf, 1 << 22);
	assert_int_equal(metric_render(buf), 0);
	return buf_str(buf);
}

static void metrics_count_across_threads(void **state)
{
	struct metric *c = metric_counter("t_total", "", "Things.");
	pthread_t threads[4];
	struct buf buf;
	const char *text;

	(void)state;
	assert_ptr_equal(c, metric_counter("t_total", "", "Things."));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_value(c), 40000);
	text = rendered(&buf);
	assert_non_null(
		strstr(text, "# HELP t_total Things.\n# TYPE t_total counter\nt_total 40000\n"));
	assert_non_null(strstr(text, "# TYPE t_seconds histogram\n"));
	assert_non_null(strstr(text, "t_seconds_bucket{m=\"x\",le=\"0.0001\"} 2020\n"));
	assert_non_null(strstr(text, "t_seconds_bucket{m=\"x\",le=\"0.001\"} 20020\n"));
	assert_non_null(strstr(text, "t_seconds_bucket{m=\"x\",le=\"+Inf\"} 40000\n"));
	assert_non_null(strstr(text, "t_seconds_count{m=\"x\"} 40000\n"));
	assert_non_null(strstr(text, "t_seconds_sum{m=\"x\"} 39.980000\n"));
	buf_done(&buf);
}

static void percentiles_are_as_fine_as_the_buckets(void **state)
{
	struct metric *h = metric_histogram("t_percentile_seconds", "", "Time.");

	(void)state;
	assert_int_equal(metric_percentile_us(h, 50), 0);
	for (int i = 0; i < 100; i++)
		metric_observe_us(h, i < 90 ? 200 : 4000);
	assert_in_range(metric_percentile_us(h, 50), 100, 250);
	assert_in_range(metric_percentile_us(h, 90), 200, 250);
	assert_in_range(metric_percentile_us(h, 99), 2500, 5000);
	for (int i = 0; i < 10000; i++)
		metric_observe_us(h, 90000000);
	assert_int_equal(metric_percentile_us(h, 99), 30000000);
	assert_int_equal(metric_percentile_us(metric_counter("t_total", "", "Things."), 50), 0);
}

static void metrics_group_by_name(void **state)
{
	struct buf buf;
	const char *text;

	(void)state;
	metric_set(metric_gauge("t_depth", "q=\"b\"", "Depth."), 7);
	metric_add(metric_counter("t_a_total", "", "A."), 1);
	metric_set(metric_gauge("t_depth", "q=\"a\"", "Depth."), -3);
	text = rendered(&buf);
	assert_non_null(strstr(text, "# HELP t_depth Depth.\n# TYPE t_depth gauge\n"
				     "t_depth{q=\"a\"} -3\nt_depth{q=\"b\"} 7\n"));
	buf_done(&buf);
	buf_init(&buf, 40);
	assert_int_equal(metric_render(&buf), ERR_TOO_LARGE);
	buf_done(&buf);
}

static void metrics_overflow_is_shared(void **state)
{
	struct metric *m = NULL;
	char labels[32];
	int64_t before;
	struct buf buf;

	(void)state;
	for (int i = 0; i < 4200; i++) {
		snprintf(labels, sizeof(labels), "i=\"%d\"", i);
		m = metric_counter("t_flood_total", labels, "Flood.");
	}
	before = metric_value(m);
	assert_ptr_equal(m, metric_histogram("t_late_seconds", "", "Late."));
	metric_observe_us(m, 5);
	metric_add(metric_gauge("t_late", "", "Late."), 2);
	assert_int_equal(metric_value(m), before + 3);
	assert_non_null(strstr(rendered(&buf), "\nlgsp_metric_overflow_total 3\n"));
	buf_done(&buf);
}

/* --- checks and crash points --- */

static int status_of_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void break_invariant(void)
{
	volatile int zero = 0;

	CHECK(zero == 1);
}

static void keep_invariant(void)
{
	CHECK(1 + 1 == 2);
}

static void check_aborts(void **state)
{
	int status = status_of_child(break_invariant);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	status = status_of_child(keep_invariant);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#ifdef LGSP_CRASH_POINTS
static void pass_points(void)
{
	CRASH_POINT("test.other");
	CRASH_POINT("test.here");
}

static void crash_point_kills_and_leaves_a_note(void **state)
{
	char path[] = "/tmp/lgsp-crash-XXXXXX", note[64] = "";
	CLEANUP_FD int fd = mkstemp(path);
	int status;

	(void)state;
	setenv("LGSP_CRASH_LOG", path, 1);
	status = status_of_child(pass_points); /* not armed */
	assert_true(WIFEXITED(status));
	setenv("LGSP_CRASH_POINT", "test.here", 1);
	status = status_of_child(pass_points);
	unsetenv("LGSP_CRASH_POINT");
	unsetenv("LGSP_CRASH_LOG");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(read(fd, note, sizeof(note) - 1) > 0);
	assert_memory_equal(note, "test.here ", 10);
	assert_true(strtol(note + 10, NULL, 10) > 1);
	unlink(path);
}

static void fault_point_is_armed_by_a_file(void **state)
{
	char path[] = "/tmp/lgsp-fault-XXXXXX", armed[64];
	CLEANUP_FD int fd = mkstemp(path);

	(void)state;
	assert_false(FAULT_POINT("test.fault"));
	snprintf(armed, sizeof(armed), "@%s", path);
	setenv("LGSP_FAULT_POINT", armed, 1);
	assert_false(FAULT_POINT("test.fault"));
	assert_int_equal(write(fd, "test.fault\n", 11), 11);
	assert_true(FAULT_POINT("test.fault"));
	assert_false(FAULT_POINT("test.faul"));
	unlink(path);
	assert_false(FAULT_POINT("test.fault"));
	unsetenv("LGSP_FAULT_POINT");
}
#endif

static void version_is_told(void **state)
{
	(void)state;
	assert_memory_equal(base_version(), "0.", 2);
	assert_non_null(strchr(base_version(), '+'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(env_defaults_and_values),
		cmocka_unit_test(env_faults_are_named),
		cmocka_unit_test(env_secret_must_be_private),
		cmocka_unit_test(env_needed_and_help),
		cmocka_unit_test(log_lines_are_logfmt),
		cmocka_unit_test(log_lines_are_bounded),
		cmocka_unit_test(log_level_must_be_known),
		cmocka_unit_test(metrics_count_across_threads),
		cmocka_unit_test(percentiles_are_as_fine_as_the_buckets),
		cmocka_unit_test(metrics_group_by_name),
		cmocka_unit_test(metrics_overflow_is_shared),
		cmocka_unit_test(check_aborts),
#ifdef LGSP_CRASH_POINTS
		cmocka_unit_test(crash_point_kills_and_leaves_a_note),
		cmocka_unit_test(fault_point_is_armed_by_a_file),
#endif
		cmocka_unit_test(version_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
