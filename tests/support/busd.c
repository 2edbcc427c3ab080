#include "tests/support/busd.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/http/http.h"

#define ENV_MAX    32
#define WAIT_US    (10 * CLOCK_US_PER_S)
#define METRIC_MAX (1 << 20)

struct busd {
	char dir[64];
	char member[128], backend[128], admin[128], http[128], key[128];
	char env_text[ENV_MAX][256];
	char *env[ENV_MAX + 1];
	unsigned n_env;
	pid_t pid;
};

/* --- files --- */

static void write_file(const char *path, const char *text, mode_t mode)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* As czmq's zcert_save() writes them. */
static void write_pair(const char *public_dir, const char *secret_dir, const char *name,
		       const char *member)
{
	char public[41], secret[41], text[512], path[256];

	CHECK(zmq_curve_keypair(public, secret) == 0);
	snprintf(text, sizeof(text),
		 "#   ZeroMQ CURVE Public Certificate\nmetadata\n    member = \"%s\"\ncurve\n"
		 "    public-key = \"%s\"\n",
		 member, public);
	snprintf(path, sizeof(path), "%s/%s.key", public_dir, name);
	write_file(path, text, 0644);
	snprintf(text, sizeof(text),
		 "#   ZeroMQ CURVE **Secret** Certificate\nmetadata\n    member = \"%s\"\ncurve\n"
		 "    public-key = \"%s\"\n    secret-key = \"%s\"\n",
		 member, public, secret);
	snprintf(path, sizeof(path), "%s/%s.key_secret", secret_dir, name);
	write_file(path, text, 0600);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* --- process --- */

static void add_env(struct busd *d, const char *name, const char *value)
{
	CHECK(d->n_env < ENV_MAX);
	snprintf(d->env_text[d->n_env], sizeof(d->env_text[0]), "%s%s%s", name, *value ? "=" : "",
		 value);
	d->env[d->n_env] = d->env_text[d->n_env];
	d->n_env++;
}

/* build/<variant>/tests/it/test_x -> build/<variant>/bin/lgsp-bus */
static void find_program(char out[static 512])
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *at;

	CHECK(n > 0);
	self[n] = 0;
	at = strstr(self, "/tests/");
	CHECK(at);
	*at = 0;
	snprintf(out, 512, "%s/bin/lgsp-bus", self);
}

static void run_child(struct busd *d)
{
	char program[512], log[128];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	find_program(program);
	snprintf(log, sizeof(log), "%s/log", d->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 2) < 0)
		_exit(125);
	execle(program, "lgsp-bus", (char *)NULL, d->env);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(125);
}

static void pause_10ms(void)
{
	usleep(10000);
}

static void wait_serving(struct busd *d)
{
	int64_t until_us = clock_mono_us() + WAIT_US;

	while (http_probe(d->http) != 0) {
		if (waitpid(d->pid, NULL, WNOHANG) == d->pid || clock_mono_us() > until_us) {
			fprintf(stderr, "lgsp-bus did not start, see %s/log\n", d->dir);
			abort();
		}
		pause_10ms();
	}
}

void busd_restart(struct busd *d)
{
	CHECK(d->pid == 0);
	fflush(NULL);
	d->pid = fork();
	CHECK(d->pid >= 0);
	if (d->pid == 0)
		run_child(d);
	wait_serving(d);
}

static void make_folders(struct busd *d)
{
	char path[128];

	snprintf(d->dir, sizeof(d->dir), "/tmp/busd-XXXXXX");
	CHECK(mkdtemp(d->dir));
	snprintf(path, sizeof(path), "%s/members", d->dir);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(d->member, sizeof(d->member), "ipc://%s/m", d->dir);
	snprintf(d->backend, sizeof(d->backend), "ipc://%s/b", d->dir);
	snprintf(d->admin, sizeof(d->admin), "ipc://%s/a", d->dir);
	snprintf(d->http, sizeof(d->http), "unix:%s/h", d->dir);
	snprintf(d->key, sizeof(d->key), "%s/broker.key", d->dir);
}

/* Where the caller had it bound elsewhere. */
static void note_endpoint(struct busd *d, const char *variable)
{
	static const char member[] = "LGSP_BIND_MEMBER=", backend[] = "LGSP_BIND_BACKEND=";

	if (strchr(variable, '*')) /* the system chooses the port: it stands in the log */
		return;
	if (strncmp(variable, member, strlen(member)) == 0)
		snprintf(d->member, sizeof(d->member), "%s", variable + strlen(member));
	if (strncmp(variable, backend, strlen(backend)) == 0)
		snprintf(d->backend, sizeof(d->backend), "%s", variable + strlen(backend));
}

/* The caller's first: of two equal names the first counts. */
static void add_caller_env(struct busd *d, const char *const *env)
{
	for (; env && *env; env++) {
		add_env(d, *env, "");
		note_endpoint(d, *env);
	}
}

/* Whose files it reads, and its own sockets. */
static void add_own_env(struct busd *d, const struct busd *files)
{
	const char *inherited = getenv("ASAN_OPTIONS");
	char path[256];

	snprintf(path, sizeof(path), "%s/members", files->dir);
	add_env(d, "LGSP_MEMBERS_DIR", path);
	snprintf(path, sizeof(path), "%s/rights", files->dir);
	add_env(d, "LGSP_RIGHTS", path);
	snprintf(path, sizeof(path), "%s/broker.key_secret", files->dir);
	add_env(d, "LGSP_KEY", path);
	add_env(d, "LGSP_BIND_MEMBER", d->member);
	add_env(d, "LGSP_BIND_BACKEND", d->backend);
	add_env(d, "LGSP_BIND_ADMIN", d->admin);
	add_env(d, "LGSP_HTTP", d->http);
	if (inherited)
		add_env(d, "ASAN_OPTIONS", inherited);
}

struct busd *busd_start(const struct busd_member *members, unsigned n, const char *rights,
			const char *const *env)
{
	struct busd *d = base_alloc(sizeof(*d));
	char path[256];

	make_folders(d);
	snprintf(path, sizeof(path), "%s/members", d->dir);
	for (unsigned i = 0; i < n; i++)
		write_pair(path, d->dir, members[i].name, members[i].member);
	write_pair(d->dir, d->dir, "broker", "VN/GOV/H40/lgsp-bus");
	busd_write_rights(d, rights);
	add_caller_env(d, env);
	add_own_env(d, d);
	busd_restart(d);
	return d;
}

struct busd *busd_start_beside(const struct busd *first, const char *instance,
			       const char *const *env)
{
	struct busd *d = base_alloc(sizeof(*d));

	make_folders(d);
	memcpy(d->key, first->key, sizeof(d->key));
	add_caller_env(d, env);
	add_env(d, "LGSP_INSTANCE", instance);
	add_own_env(d, first);
	busd_restart(d);
	return d;
}

void busd_signal(struct busd *d, int sig)
{
	CHECK(d->pid > 0 && kill(d->pid, sig) == 0);
}

int busd_wait(struct busd *d)
{
	int status;

	while (waitpid(d->pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	d->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void busd_kill(struct busd *d)
{
	busd_signal(d, SIGKILL);
	busd_wait(d);
}

/* A broker that was ended here must have ended well: no abort, no leak. */
void busd_free(struct busd *d)
{
	int code = 0;

	if (!d)
		return;
	if (d->pid > 0) {
		busd_signal(d, SIGTERM);
		code = busd_wait(d);
	}
	if (code != 0) {
		fprintf(stderr, "lgsp-bus ended with %d, see %s/log\n", code, d->dir);
		abort();
	}
	nftw(d->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(d);
}

/* --- facts --- */

pid_t busd_pid(const struct busd *d)
{
	return d->pid;
}

const char *busd_dir(const struct busd *d)
{
	return d->dir;
}

const char *busd_member_endpoint(const struct busd *d)
{
	return d->member;
}

const char *busd_backend_endpoint(const struct busd *d)
{
	return d->backend;
}

const char *busd_admin_endpoint(const struct busd *d)
{
	return d->admin;
}

const char *busd_http(const struct busd *d)
{
	return d->http;
}

const char *busd_key_path(const struct busd *d)
{
	return d->key;
}

void busd_secret_path(const struct busd *d, const char *name, char out[static 256])
{
	snprintf(out, 256, "%s/%s.key_secret", d->dir, name);
}

struct bus_keys busd_keys(const struct busd *d, const char *name)
{
	struct bus_keys keys;
	struct err err;
	char path[256];

	busd_secret_path(d, name, path);
	CHECK(bus_keys_read(path, d->key, &keys, &err) == 0);
	return keys;
}

struct bus_keys busd_stranger(const struct busd *d)
{
	struct bus_keys keys = busd_keys(d, "broker");

	CHECK(zmq_curve_keypair(keys.public_z85, keys.secret_z85) == 0);
	return keys;
}

void busd_write_rights(struct busd *d, const char *rights)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/rights", d->dir);
	write_file(path, rights, 0600);
}

void busd_remove_member(struct busd *d, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/members/%s.key", d->dir, name);
	CHECK(unlink(path) == 0);
}

static bool file_contains(const char *path, const char *text)
{
	CLEANUP_FREE char *content = base_alloc(METRIC_MAX);
	CLEANUP_FILE FILE *file = fopen(path, "re");

	if (!file)
		return false;
	content[fread(content, 1, METRIC_MAX - 1, file)] = 0;
	return strstr(content, text) != NULL;
}

bool busd_logged(const struct busd *d, const char *text)
{
	int64_t until_us = clock_mono_us() + WAIT_US;
	char path[128];

	snprintf(path, sizeof(path), "%s/log", d->dir);
	while (!file_contains(path, text)) {
		if (clock_mono_us() > until_us)
			return false;
		pause_10ms();
	}
	return true;
}

static void fetch_metrics(const struct busd *d, char *out)
{
	static const char ask[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t n;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", d->http + strlen("unix:"));
	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(write(fd, ask, sizeof(ask) - 1) == sizeof(ask) - 1);
	while ((n = read(fd, out + len, METRIC_MAX - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = 0;
}

long long busd_metric(const struct busd *d, const char *name)
{
	CLEANUP_FREE char *text = base_alloc(METRIC_MAX);
	size_t n = strlen(name);

	fetch_metrics(d, text);
	for (const char *p = strstr(text, name); p; p = strstr(p + 1, name))
		if (p[-1] == '\n' && p[n] == ' ')
			return strtoll(p + n + 1, NULL, 10);
	return -1;
}
