#include "services/ctl/health.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/http/http.h"
#include "services/ctl/ctl.h"

#define ANSWER_BYTES_MAX (1024 * 1024)
#define AGAIN_US         100000

int health_get(const char *address, const char *path, json_t **ret_json)
{
	struct buf body;

	buf_init(&body, ANSWER_BYTES_MAX);
	int status = http_ask(address, path, &body);

	*ret_json = status > 0 ? json_loads(buf_str(&body), 0, NULL) : NULL;
	buf_done(&body);
	return status;
}

int health_each(const char *list, int (*fn)(const char *, const char *, void *), void *arg)
{
	CLEANUP_FREE char *copy = base_strdup(list);
	char *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *address = strchr(w, '=');

		if (!address)
			return ctl_say(EXIT_CONFIG, "LGSP_HEALTH: \"%s\" is not NAME=ADDRESS", w);
		*address++ = '\0';
		int rc = fn(w, address, arg);

		if (rc != 0)
			return rc;
	}
	return 0;
}

struct waited {
	const char *service, *source;
	int64_t pos;
};

/* Non-zero while a consumer of this process is behind. */
static int is_behind(const char *name, const char *address, void *arg)
{
	const struct waited *w = arg;
	json_t *json = NULL, *consumer;
	size_t i;
	int behind = 0;

	if (w->service && strcmp(name, w->service) != 0)
		return 0;
	health_get(address, "/healthz", &json);
	json_array_foreach(json_object_get(json, "consumers"), i, consumer)
	{
		const char *source = json_string_value(json_object_get(consumer, "source"));

		if (source && strcmp(source, w->source) == 0 &&
		    json_integer_value(json_object_get(consumer, "pos")) < w->pos)
			behind = 1;
	}
	json_decref(json);
	return behind;
}

int health_wait_consumers(const char *service, const char *source, int64_t pos, int64_t wait_us)
{
	const char *list = ctl_setting("LGSP_HEALTH", "");
	int64_t end_us = clock_mono_us() + wait_us;
	struct waited w = {service, source, pos};

	while (health_each(list, is_behind, &w) != 0) {
		if (clock_mono_us() > end_us)
			return ctl_say(-1, "%s: %s#%lld was not applied in time",
				       service ? service : "some service", source, (long long)pos);
		usleep(AGAIN_US);
	}
	return 0;
}

struct asking {
	bool print;
	int away;
};

/* " database schema": the checks of a document that are false. */
static void print_failed(json_t *json)
{
	const char *name;
	json_t *ok;

	json_object_foreach(json_object_get(json, "checks"), name, ok)
	{
		if (json_is_false(ok))
			printf(" %s", name);
	}
}

static int ask(const char *name, const char *address, void *arg)
{
	struct asking *asking = arg;
	json_t *json = NULL;
	int status = health_get(address, "/readyz", &json);

	asking->away += status != 200;
	if (asking->print) {
		printf("%-14s %s", name,
		       status == 200 ? "ready"
		       : status == 0 ? "does not answer"
				     : "not ready:");
		if (status != 200)
			print_failed(json);
		putchar('\n');
	}
	json_decref(json);
	return 0;
}

static int ask_all(const char *list, bool print, int *ret_away)
{
	struct asking asking = {.print = print};
	int rc = health_each(list, ask, &asking);

	*ret_away = asking.away;
	return rc;
}

int ctl_health(int argc, char **argv)
{
	const char *wait = "0";
	const struct ctl_option options[] = {{"--wait", true, &wait}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	const char *list = ctl_setting("LGSP_HEALTH", NULL);
	int64_t wait_s = 0;
	int away = 1;

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "health takes no words");
	int rc = ctl_number("--wait", wait, 0, 3600, &wait_s);

	if (rc != 0 || !list)
		return rc != 0 ? rc : EXIT_CONFIG;
	int64_t end_us = clock_mono_us() + wait_s * CLOCK_US_PER_S;

	while (rc == 0 && away > 0 && clock_mono_us() < end_us) {
		rc = ask_all(list, false, &away);
		if (away > 0)
			usleep(AGAIN_US);
	}
	if (rc == 0)
		rc = ask_all(list, true, &away);
	return rc != 0 ? rc : away > 0 ? CTL_FAILED : 0;
}
