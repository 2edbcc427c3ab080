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

struct svcd {
	char service[32];
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

/* build/<variant>/tests/it/test_x -> build/<variant>/bin/lgsp-<service> */
static void find_program(const char *service, char out[static 512])
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *at;

	CHECK(n > 0);
	self[n] = '\0';
	at = strstr(self, "/tests/");
	CHECK(at);
	*at = '\0';
	snprintf(out, 512, "%s/bin/lgsp-%s", self, service);
}

static void log_path(const struct svcd *d, char out[static 96])
{
	snprintf(out, 96, "%s/log", d->dir);
}

static void run_child(struct svcd *d)
{
	char program[512], log[96];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	find_program(d->service, program);
	log_path(d, log);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 2) < 0)
		_exit(125);
	execle(program, program, (char *)NULL, d->env);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(125);
}

/* The first bytes of the answer to GET /readyz say whether it is 200. */
static bool is_ready(const struct svcd *d)
{
	static const char ask[] = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[16] = "";

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", d->socket);
	return fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       write(fd, ask, sizeof(ask) - 1) == (ssize_t)sizeof(ask) - 1 &&
	       read(fd, answer, sizeof(answer) - 1) >= 12 && strncmp(answer + 9, "200", 3) == 0;
}

void svcd_restart(struct svcd *d)
{
	int64_t until_us = clock_mono_us() + WAIT_US;

	CHECK(d->pid == 0);
	fflush(NULL);
	d->pid = fork();
	CHECK(d->pid >= 0);
	if (d->pid == 0)
		run_child(d);
	while (!is_ready(d)) {
		if (waitpid(d->pid, NULL, WNOHANG) == d->pid || clock_mono_us() > until_us) {
			fprintf(stderr, "lgsp-%s is not ready, see %s/log\n", d->service, d->dir);
			abort();
		}
		usleep(PAUSE_US);
	}
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
	for (const char *const *e = config->env; e && *e; e++)
		add_env(d, *e, "");
	svcd_restart(d);
	return d;
}

static int end(struct svcd *d, int signal)
{
	int status;

	CHECK(d->pid > 0 && kill(d->pid, signal) == 0);
	while (waitpid(d->pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	d->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void svcd_kill(struct svcd *d)
{
	end(d, SIGKILL);
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
	int code;

	if (!d)
		return;
	code = d->pid > 0 ? end(d, SIGTERM) : 0;
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
