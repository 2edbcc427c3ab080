#include "tests/support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"

#define LOG_US     (10 * CLOCK_US_PER_S)
#define PAUSE_US   10000
#define LOG_MAX    (4 << 20)
#define ANSWER_MAX (2 << 20)

/* --- what it runs as --- */

static bool has_env(const struct child *c, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; i < c->n_env; i++)
		if (strncmp(c->env[i], name, n) == 0 && c->env[i][n] == '=')
			return true;
	return false;
}

void child_env(struct child *c, const char *name, const char *value)
{
	if (has_env(c, name))
		return;
	CHECK(c->n_env < CHILD_ENV_MAX);
	snprintf(c->env_text[c->n_env], sizeof(c->env_text[0]), "%s=%s", name, value);
	c->env[c->n_env] = c->env_text[c->n_env];
	c->n_env++;
}

void child_env_list(struct child *c, const char *const *env)
{
	for (; env && *env; env++) {
		const char *eq = strchr(*env, '=');
		char name[64];

		CHECK(eq && eq - *env < (ptrdiff_t)sizeof(name));
		snprintf(name, sizeof(name), "%.*s", (int)(eq - *env), *env);
		child_env(c, name, eq + 1);
	}
}

void child_init(struct child *c, const char *name)
{
	*c = (struct child){0};
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(c->dir, sizeof(c->dir), "/tmp/%s-XXXXXX", name);
	CHECK(mkdtemp(c->dir));
}

static void pass_on(struct child *c)
{
	static const char *const names[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "PATH"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (getenv(names[i]))
			child_env(c, names[i], getenv(names[i]));
}

/* build/<variant>/tests/it/test_x -> build/<variant>/bin/lgsp-<name>, or the test itself */
static void find_program(const struct child *c, char out[static 512])
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *at;

	CHECK(n > 0);
	self[n] = '\0';
	if (c->self_option) {
		snprintf(out, 512, "%s", self);
		return;
	}
	at = strstr(self, "/tests/");
	CHECK(at);
	*at = '\0';
	snprintf(out, 512, "%s/bin/lgsp-%s", self, c->name);
}

static void log_path(const struct child *c, char out[static 96])
{
	snprintf(out, 96, "%s/log", c->dir);
}

static _Noreturn void run(struct child *c)
{
	char program[512], log[96];
	char *const argv[] = {program, (char *)c->self_option, NULL};
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	find_program(c, program);
	log_path(c, log);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 2) < 0)
		_exit(125);
	execve(program, argv, c->env);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(125);
}

/* --- life --- */

void child_spawn(struct child *c)
{
	CHECK(c->pid == 0);
	pass_on(c);
	fflush(NULL);
	c->pid = fork();
	CHECK(c->pid >= 0);
	if (c->pid == 0)
		run(c);
}

bool child_running(struct child *c)
{
	siginfo_t info = {0};

	if (c->pid == 0)
		return false;
	CHECK(waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
	return info.si_pid == 0;
}

void child_signal(struct child *c, int signal)
{
	CHECK(c->pid > 0 && kill(c->pid, signal) == 0);
}

int child_wait(struct child *c)
{
	int status;

	while (waitpid(c->pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	c->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_kill(struct child *c)
{
	child_signal(c, SIGKILL);
	child_wait(c);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void child_done(struct child *c)
{
	int code = 0;

	if (c->pid > 0) {
		child_signal(c, SIGTERM);
		code = child_wait(c);
	}
	if (code != 0) {
		fprintf(stderr, "lgsp-%s ended with %d, see %s/log\n", c->name, code, c->dir);
		abort();
	}
	nftw(c->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- what it says --- */

static void fetch(const struct child *c, const char *path, char text[static ANSWER_MAX])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char ask[256];
	size_t len = 0;
	ssize_t n;

	text[0] = '\0';
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/h", c->dir);
	snprintf(ask, sizeof(ask), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    send(fd, ask, strlen(ask), MSG_NOSIGNAL) < 0)
		return;
	while ((n = read(fd, text + len, ANSWER_MAX - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

const char *child_get(const struct child *c, const char *path, int *ret_status)
{
	static char text[ANSWER_MAX];

	fetch(c, path, text);
	*ret_status = strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
	return text;
}

/* Threads of a test ask too: a buffer of its own. */
long long child_metric(const struct child *c, const char *name)
{
	CLEANUP_FREE char *text = base_alloc(ANSWER_MAX);
	size_t n = strlen(name);

	fetch(c, "/metrics", text);
	for (const char *p = strstr(text, name); p; p = strstr(p + 1, name))
		if (p[-1] == '\n' && p[n] == ' ')
			return strtoll(p + n + 1, NULL, 10);
	return -1;
}

bool child_log_has(const struct child *c, const char *text)
{
	CLEANUP_FREE char *content = base_alloc(LOG_MAX);
	char path[96];

	log_path(c, path);
	CLEANUP_FILE FILE *file = fopen(path, "re");
	if (!file)
		return false;
	content[fread(content, 1, LOG_MAX - 1, file)] = '\0';
	return strstr(content, text) != NULL;
}

bool child_logged(const struct child *c, const char *text)
{
	int64_t until_us = clock_mono_us() + LOG_US;

	while (!child_log_has(c, text)) {
		if (clock_mono_us() > until_us)
			return false;
		usleep(PAUSE_US);
	}
	return true;
}
