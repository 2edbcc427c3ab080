#include "tests/support/svcd.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "tests/support/child.h"

#define WAIT_US  (30 * CLOCK_US_PER_S)
#define PAUSE_US 10000

struct svcd {
	struct child child;
};

const char *svcd_get(const struct svcd *d, const char *path, int *ret_status)
{
	return child_get(&d->child, path, ret_status);
}

long long svcd_metric(const struct svcd *d, const char *name)
{
	return child_metric(&d->child, name);
}

bool svcd_is_ready(const struct svcd *d)
{
	int status;

	svcd_get(d, "/readyz", &status);
	return status == 200;
}

bool svcd_running(struct svcd *d)
{
	return child_running(&d->child);
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
	fprintf(stderr, "lgsp-%s is not ready, see %s/log\n", d->child.name, d->child.dir);
	abort();
}

void svcd_restart_no_wait(struct svcd *d)
{
	child_spawn(&d->child);
}

void svcd_restart(struct svcd *d)
{
	svcd_restart_no_wait(d);
	svcd_wait_ready(d);
}

const char *svcd_dir(const struct svcd *d)
{
	return d->child.dir;
}

static void write_owner_key(const char *path)
{
	FILE *file = fopen(path, "we");

	CHECK(file && fputs(SVCD_OWNER_KEY, file) >= 0 && fclose(file) == 0);
	CHECK(chmod(path, 0600) == 0);
}

struct svcd *svcd_start(const struct svcd_config *config)
{
	struct svcd *d = base_alloc(sizeof(*d));
	struct child *c = &d->child;
	char path[256];

	child_init(c, config->service);
	c->self_option = config->self_option;
	child_env_list(c, config->env);
	snprintf(path, sizeof(path), "unix:%s/h", c->dir);
	child_env(c, "LGSP_HTTP", path);
	busd_secret_path(config->bus, config->service, path);
	child_env(c, "LGSP_KEY", path);
	child_env(c, "LGSP_BUS_KEY", busd_key_path(config->bus));
	child_env(c, "LGSP_BUS_BACKEND", busd_backend_endpoint(config->bus));
	child_env(c, "LGSP_BUS_MEMBER", busd_member_endpoint(config->bus));
	child_env(c, "LGSP_DSN", config->dsn);
	snprintf(path, sizeof(path), "%s/owner.key", c->dir);
	write_owner_key(path);
	child_env(c, "LGSP_OWNER_KEY", path);
	svcd_restart_no_wait(d);
	if (!config->no_wait)
		svcd_wait_ready(d);
	return d;
}

void svcd_signal(struct svcd *d, int signal)
{
	child_signal(&d->child, signal);
}

int svcd_wait(struct svcd *d)
{
	return child_wait(&d->child);
}

void svcd_kill(struct svcd *d)
{
	child_kill(&d->child);
}

void svcd_free(struct svcd *d)
{
	if (!d)
		return;
	child_done(&d->child);
	free(d);
}

bool svcd_log_has(const struct svcd *d, const char *text)
{
	return child_log_has(&d->child, text);
}

bool svcd_logged(const struct svcd *d, const char *text)
{
	return child_logged(&d->child, text);
}
