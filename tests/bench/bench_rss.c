/*
 * rss.<process>: resident memory of every process of an idle suite, started by the local runner
 * with the profile loaded, against the limit of 64 MiB. The reader of digitisation, which holds the
 * recognition model, is a process of its own.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "tests/bench/bench.h"

#define LIMIT_MIB 64
#define START_US  (120 * CLOCK_US_PER_S)
#define SETTLE_S  3

static char var[] = "/tmp/lgsp-rss-XXXXXX";

static pid_t start_suite(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setenv("VAR", var, 1);
	setenv("DEMO", "0", 1);
	setenv("LGSP_PORT", "0", 1);
	setenv("LGSP_BUS_PORT", "0", 1);
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(1);
	execl("deploy/local/run", "deploy/local/run", NULL);
	_exit(127);
}

static bool wait_ready(pid_t runner)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	int64_t end_us = clock_mono_us() + START_US;
	char path[64];

	snprintf(path, sizeof(path), "%s/run/ready", var);
	while (clock_mono_us() < end_us && waitpid(runner, NULL, WNOHANG) == 0) {
		if (access(path, F_OK) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* MiB of one process; 0 when it is gone. */
static double rss_of(pid_t pid)
{
	char path[64], line[256];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmRSS: %lf", &kib) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kib / 1024;
}

static void report(const char *name, double mib)
{
	char full[96];

	snprintf(full, sizeof(full), "rss.%s", name);
	bench_report(&(struct bench_result){.name = full,
					    .value = mib,
					    .unit = "MiB",
					    .baseline = "limit",
					    .baseline_value = LIMIT_MIB,
					    .less_is_better = true,
					    .note = "idle, profile loaded, release build"});
}

/* The first child of a process; 0 when it has none. */
static pid_t child_of(pid_t pid)
{
	char path[80];
	int child = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &child) != 1)
		child = 0;
	if (f)
		fclose(f);
	return child;
}

static void report_process(const char *name, const char *path)
{
	FILE *f = fopen(path, "re");
	int pid = 0;

	if (!f || fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	if (pid == 0 || rss_of(pid) == 0)
		return;
	report(name, rss_of(pid));
	if (strcmp(name, "digitisation") == 0 && child_of(pid) != 0)
		report("digitisation.reader", rss_of(child_of(pid)));
}

static void report_all(void)
{
	char dir[64], path[400], name[64];
	struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/run", var);
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n < 5 || n > sizeof(name) || strcmp(e->d_name + n - 4, ".pid") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(n - 4), e->d_name);
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (strcmp(name, "run") != 0 && strcmp(name, "postgres") != 0 &&
		    strcmp(name, "nginx") != 0)
			report_process(name, path);
	}
	if (d)
		closedir(d);
}

int main(void)
{
	char command[96];
	pid_t runner;
	bool ready;

	CHECK(mkdtemp(var));
	CHECK(rmdir(var) == 0); /* the runner makes it, for the user it runs as */
	runner = start_suite();
	ready = wait_ready(runner);
	if (ready) {
		sleep(SETTLE_S); /* idle means: what starting needed is over */
		report_all();
	}
	kill(runner, SIGTERM);
	waitpid(runner, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf \"$(readlink -f %s)\" %s", var, var);
	return system(command) == 0 && ready ? 0 : 1;
}
