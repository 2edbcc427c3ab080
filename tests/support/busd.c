#include "tests/support/busd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/http/http.h"
#include "tests/support/child.h"

#define WAIT_US  (10 * CLOCK_US_PER_S)
#define PAUSE_US 10000

struct busd {
	struct child child;
	char member[128], backend[128], admin[128], http[128], key[128];
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

/* --- process --- */

static void wait_serving(struct busd *d)
{
	int64_t until_us = clock_mono_us() + WAIT_US;

	while (http_probe(d->http) != 0) {
		if (!child_running(&d->child) || clock_mono_us() > until_us) {
			fprintf(stderr, "lgsp-bus did not start, see %s/log\n", d->child.dir);
			abort();
		}
		usleep(PAUSE_US);
	}
}

void busd_restart(struct busd *d)
{
	child_spawn(&d->child);
	wait_serving(d);
}

static void make_folders(struct busd *d)
{
	char path[128];

	child_init(&d->child, "bus");
	snprintf(path, sizeof(path), "%s/members", d->child.dir);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(d->member, sizeof(d->member), "ipc://%s/m", d->child.dir);
	snprintf(d->backend, sizeof(d->backend), "ipc://%s/b", d->child.dir);
	snprintf(d->admin, sizeof(d->admin), "ipc://%s/a", d->child.dir);
	snprintf(d->http, sizeof(d->http), "unix:%s/h", d->child.dir);
	snprintf(d->key, sizeof(d->key), "%s/broker.key", d->child.dir);
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

static void add_caller_env(struct busd *d, const char *const *env)
{
	child_env_list(&d->child, env);
	for (; env && *env; env++)
		note_endpoint(d, *env);
}

/* Whose files it reads, and its own sockets. */
static void add_own_env(struct busd *d, const struct busd *files)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/members", files->child.dir);
	child_env(&d->child, "LGSP_MEMBERS_DIR", path);
	snprintf(path, sizeof(path), "%s/rights", files->child.dir);
	child_env(&d->child, "LGSP_RIGHTS", path);
	snprintf(path, sizeof(path), "%s/broker.key_secret", files->child.dir);
	child_env(&d->child, "LGSP_KEY", path);
	child_env(&d->child, "LGSP_BIND_MEMBER", d->member);
	child_env(&d->child, "LGSP_BIND_BACKEND", d->backend);
	child_env(&d->child, "LGSP_BIND_ADMIN", d->admin);
	child_env(&d->child, "LGSP_HTTP", d->http);
}

struct busd *busd_start(const struct busd_member *members, unsigned n, const char *rights,
			const char *const *env)
{
	struct busd *d = base_alloc(sizeof(*d));
	char path[256];

	make_folders(d);
	snprintf(path, sizeof(path), "%s/members", d->child.dir);
	for (unsigned i = 0; i < n; i++)
		write_pair(path, d->child.dir, members[i].name, members[i].member);
	write_pair(d->child.dir, d->child.dir, "broker", "VN/GOV/H40/lgsp-bus");
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
	child_env(&d->child, "LGSP_INSTANCE", instance);
	add_own_env(d, first);
	busd_restart(d);
	return d;
}

void busd_signal(struct busd *d, int signal)
{
	child_signal(&d->child, signal);
}

int busd_wait(struct busd *d)
{
	return child_wait(&d->child);
}

void busd_kill(struct busd *d)
{
	child_kill(&d->child);
}

void busd_free(struct busd *d)
{
	if (!d)
		return;
	child_done(&d->child);
	free(d);
}

/* --- facts --- */

pid_t busd_pid(const struct busd *d)
{
	return d->child.pid;
}

const char *busd_dir(const struct busd *d)
{
	return d->child.dir;
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
	snprintf(out, 256, "%s/%s.key_secret", d->child.dir, name);
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

	snprintf(path, sizeof(path), "%s/rights", d->child.dir);
	write_file(path, rights, 0600);
}

void busd_remove_member(struct busd *d, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/members/%s.key", d->child.dir, name);
	CHECK(unlink(path) == 0);
}

bool busd_logged(const struct busd *d, const char *text)
{
	return child_logged(&d->child, text);
}

long long busd_metric(const struct busd *d, const char *name)
{
	return child_metric(&d->child, name);
}
