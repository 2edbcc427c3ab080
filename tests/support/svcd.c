#include "tests/support/svcd.h"

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

#define ENV_MAX  32
#define WAIT_US  (30 * CLOCK_US_PER_S)
#define LOG_MAX  (4 << 20)
#define PAUSE_US 10000
#define TEXT_MAX (2 << 20)

struct svcd {
	char service[32];
	const char *self_option;
	char dir[64];
	char socket[96];
	char env_text[ENV_MAX][512];
	char *env[ENV_MAX + 1];
	unsigned n_env;
	pid_t pid;
};

static void add_env(struct svcd *d, const char *name, const char *value)
{
	CHECK(d->n_env < ENV_MAX);
	snprintf(d->env_text[d->n_env], sizeof(d->env_text[0]), "%s%s%s", name, *value ? "=" : "",
		 value);
	d->env[d->n_env] = d->env_text[d->n_env];
	d->n_env++;
}

/* build/<variant>/tests/it/test_x -> build/<variant>/bin/lgsp-<service>, or the test itself */
static void find_program(const struct svcd *d, char out[static 512])
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *at;

	CHECK(n > 0);
	self[n] = '\0';
	if (d->self_option) {
		snprintf(out, 512, "%s", self);
		return;
	}
	at = strstr(self, "/tests/");
	CHECK(at);
	*at = '\0';
	snprintf(out, 512, "%s/bin/lgsp-%s", self, d->service);
}

static void log_path(const struct svcd *d, char out[static 96])
{
	snprintf(out, 96, "%s/log", d->dir);
}

static void run_child(struct svcd *d)
{
	char program[512], log[96];
	char *const argv[] = {program, (char *)d->self_option, NULL};
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	find_program(d, program);
	log_path(d, log);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 2) < 0)
		_exit(125);
	execve(program, argv, d->env);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(125);
}

const char *svcd_get(const struct svcd *d, const char *path, int *ret_status)
{
	static char text[TEXT_MAX];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char ask[256];
	size_t len = 0;
	ssize_t n;

	*ret_status = 0;
	text[0] = '\0';
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", d->socket);
	snprintf(ask, sizeof(ask), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    send(fd, ask, strlen(ask), MSG_NOSIGNAL) < 0)
		return text;
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	if (strncmp(text, "HTTP/1.1 ", 9) == 0)
		*ret_status = atoi(text + 9);
	return text;
}

long long svcd_metric(const struct svcd *d, const char *name)
{
	int status;
	const char *text = svcd_get(d, "/metrics", &status);
	size_t n = strlen(name);

	for (const char *p = strstr(text, name); p; p = strstr(p + 1, name))
		if (p[-1] == '\n' && p[n] == ' ')
			return atoll(p + n + 1);
	return -1;
}

bool svcd_is_ready(const struct svcd *d)
{
	int status;

	svcd_get(d, "/readyz", &status);
	return status == 200;
}

bool svcd_running(struct svcd *d)
{
	siginfo_t info = {0};

	if (d->pid == 0)
		return false;
	CHECK(waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
	return info.si_pid == 0;
}

bool svcd_until(bool (*fn)(void *arg), void *arg)
{
	int64_t until_us = clock_mono_us() + WAIT_US;

	while (!fn(arg)) {
		if (clock_mono_us() > until_us)
			return false;
		usleep(PAUSE_US);
	}
	return true;
}

static bool ready_or_dead(void *arg)
{
	return svcd_is_ready(arg) || !svcd_running(arg);
}

void svcd_wait_ready(struct svcd *d)
{
	if (svcd_until(ready_or_dead, d) && svcd_running(d))
		return;
	fprintf(stderr, "lgsp-%s is not ready, see %s/log\n", d->service, d->dir);
	abort();
}

void svcd_restart_no_wait(struct svcd *d)
{
	CHECK(d->pid == 0);
	fflush(NULL);
	d->pid = fork();
	CHECK(d->pid >= 0);
	if (d->pid == 0)
		run_child(d);
}

void svcd_restart(struct svcd *d)
{
	svcd_restart_no_wait(d);
	svcd_wait_ready(d);
}

const char *svcd_dir(const struct svcd *d)
{
	return d->dir;
}

struct svcd *svcd_start(const struct svcd_config *config)
{
	struct svcd *d = base_alloc(sizeof(*d));
	const char *const inherited[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "PATH"};
	char path[256];

	snprintf(d->service, sizeof(d->service), "%s", config->service);
	snprintf(d->dir, sizeof(d->dir), "/tmp/svcd-XXXXXX");
	CHECK(mkdtemp(d->dir));
	snprintf(d->socket, sizeof(d->socket), "%s/h", d->dir);
	snprintf(path, sizeof(path), "unix:%s", d->socket);
	/* The caller's first: of two equal names the first counts. */
	for (const char *const *e = config->env; e && *e; e++)
		add_env(d, *e, "");
	add_env(d, "LGSP_HTTP", path);
	busd_secret_path(config->bus, config->service, path);
	add_env(d, "LGSP_KEY", path);
	add_env(d, "LGSP_BUS_KEY", busd_key_path(config->bus));
	add_env(d, "LGSP_BUS_BACKEND", busd_backend_endpoint(config->bus));
	add_env(d, "LGSP_BUS_MEMBER", busd_member_endpoint(config->bus));
	add_env(d, "LGSP_DSN", config->dsn);
	for (size_t i = 0; i < ARRAY_LEN(inherited); i++)
		if (getenv(inherited[i]))
			add_env(d, inherited[i], getenv(inherited[i]));
	d->self_option = config->self_option;
	svcd_restart_no_wait(d);
	if (!config->no_wait)
		svcd_wait_ready(d);
	return d;
}

void svcd_signal(struct svcd *d, int signal)
{
	CHECK(d->pid > 0 && kill(d->pid, signal) == 0);
}

int svcd_wait(struct svcd *d)
{
	int status;

	while (waitpid(d->pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	d->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void svcd_kill(struct svcd *d)
{
	svcd_signal(d, SIGKILL);
	svcd_wait(d);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void svcd_free(struct svcd *d)
{
	int code = 0;

	if (!d)
		return;
	if (d->pid > 0) {
		svcd_signal(d, SIGTERM);
		code = svcd_wait(d);
	}
	if (code != 0) {
		fprintf(stderr, "lgsp-%s ended with %d, see %s/log\n", d->service, code, d->dir);
		abort();
	}
	nftw(d->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(d);
}

bool svcd_log_has(const struct svcd *d, const char *text)
{
	CLEANUP_FREE char *content = base_alloc(LOG_MAX);
	char path[96];

	log_path(d, path);
	CLEANUP_FILE FILE *file = fopen(path, "re");
	if (!file)
		return false;
	content[fread(content, 1, LOG_MAX - 1, file)] = '\0';
	return strstr(content, text) != NULL;
}

bool svcd_logged(const struct svcd *d, const char *text)
{
	int64_t until_us = clock_mono_us() + WAIT_US / 3;

	while (!svcd_log_has(d, text)) {
		if (clock_mono_us() > until_us)
			return false;
		usleep(PAUSE_US);
	}
	return true;
}
