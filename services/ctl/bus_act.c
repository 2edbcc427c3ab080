/* drain, reload, quota: what an operator changes at the brokers. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/rights/rights.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/ctl/brokers.h"
#include "services/ctl/ctl.h"
#include "services/ctl/rights_file.h"

#define LOOK_MS 200

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/* --- drain --- */

static void print_drain(const ProtobufCMessage *out)
{
	const Bus__DrainReply *r = (const Bus__DrainReply *)out;

	printf("%s: %u workers, %u requests in their hands\n", r->instance, r->workers,
	       r->in_flight);
}

static bool all_idle(const struct brokers *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->of[i].out && ((const Bus__DrainReply *)b->of[i].out)->in_flight > 0)
			return false;
	return true;
}

/* Asks again, which changes nothing, until they are idle or the time is over. */
static int drain_and_wait(const char *broker, const Bus__DrainRequest *in, int64_t wait_s,
			  const char *json)
{
	int64_t until_us = clock_mono_us() + wait_s * CLOCK_US_PER_S;
	struct brokers b;
	int rc;

	for (;;) {
		rc = brokers_ask(&b, broker, "Drain", &in->base, &bus__drain_reply__descriptor);
		if (rc != 0 || in->resume || all_idle(&b) || clock_mono_us() >= until_us)
			break;
		brokers_done(&b);
		pause_ms(LOOK_MS);
	}
	if (rc == 0)
		rc = brokers_show(&b, json, "drain", print_drain);
	if (rc == 0 && wait_s > 0 && !all_idle(&b))
		rc = ctl_say(CTL_FAILED, "still busy after %" PRId64 " s", wait_s);
	brokers_done(&b);
	return rc;
}

int ctl_drain(int argc, char **argv)
{
	const char *json = NULL, *broker = NULL, *resume = NULL, *wait = "0";
	const struct ctl_option options[] = {{"--json", false, &json},
					     {"--broker", true, &broker},
					     {"--resume", false, &resume},
					     {"--wait", true, &wait}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	Bus__DrainRequest in = BUS__DRAIN_REQUEST__INIT;
	int64_t wait_s = 0;

	if (words < 0)
		return -words;
	if (words > 3)
		return ctl_say(EXIT_USAGE, "drain takes a service and a worker's instance");
	if (words == 1 && !broker)
		return ctl_say(EXIT_USAGE, "drain needs a service, or --broker INSTANCE to drain "
					   "one broker: its callers go to the others");
	if (ctl_number("--wait", wait, 0, 3600, &wait_s) != 0)
		return EXIT_USAGE;
	in.service = words > 1 ? argv[1] : "";
	in.worker = words > 2 ? argv[2] : "";
	in.resume = resume != NULL;
	return drain_and_wait(broker, &in, wait_s, json);
}

/* --- reload --- */

static void print_reload(const ProtobufCMessage *out)
{
	const Bus__ReloadReply *r = (const Bus__ReloadReply *)out;

	printf("%s: rights %.12s in force\n", r->instance, r->rights_hash);
}

static int reload(const char *json)
{
	static const struct brokers_command command = {"Reload", &bus__reload_reply__descriptor,
						       print_reload};
	Bus__ReloadRequest in = BUS__RELOAD_REQUEST__INIT;

	return brokers_run(&command, &in.base, json);
}

int ctl_reload(int argc, char **argv)
{
	const char *json = NULL;
	const struct ctl_option options[] = {{"--json", false, &json}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "reload takes no words");
	return reload(json);
}

/* --- quota --- */

static void print_limit(uint64_t limit)
{
	if (limit)
		printf(" %12" PRIu64, limit);
	else
		printf(" %12s", "-");
}

static void print_quota(const ProtobufCMessage *out)
{
	const Bus__QuotaReply *r = (const Bus__QuotaReply *)out;

	printf("%s\n%-40s %12s %12s %12s %12s  used: in flight, bytes, last 10 s  refused: rate, "
	       "in "
	       "flight, bytes\n",
	       r->instance, "member", "requests/s", "burst", "in flight", "bytes");
	for (size_t i = 0; i < r->n_members; i++) {
		const Bus__QuotaDetail *q = r->members[i];

		printf("%-40s", q->member);
		print_limit(q->requests_per_s);
		print_limit(q->burst);
		print_limit(q->in_flight);
		print_limit(q->bytes_in_flight);
		printf("  %u %" PRIu64 " %" PRIu64 "  %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		       q->used_in_flight, q->used_bytes, q->requests_lately, q->refused_rate,
		       q->refused_in_flight, q->refused_bytes);
	}
	putchar('\n');
}

static int show_quota(const char *member, const char *json)
{
	static const struct brokers_command command = {"Quota", &bus__quota_reply__descriptor,
						       print_quota};
	Bus__QuotaRequest in = BUS__QUOTA_REQUEST__INIT;

	in.member = member;
	return brokers_run(&command, &in.base, json);
}

/* Does the line begin with "limit MEMBER"? */
static bool is_limit_of(const char *line, const char *member)
{
	size_t n = strlen(member);

	if (strncmp(line, "limit", 5) != 0 || !isblank((unsigned char)line[5]))
		return false;
	line += 5 + strspn(line + 5, " \t");
	return strncmp(line, member, n) == 0 &&
	       (line[n] == '\0' || isspace((unsigned char)line[n]));
}

/* The file's text with this member's line in its place, or at the end; no words: without it. */
static void replace_limit(const char *text, const char *member, const char *words, struct buf *out)
{
	bool put = *words == '\0';

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (!is_limit_of(text, member)) {
			buf_append(out, text, n);
			buf_puts(out, "\n");
		} else if (!put) {
			buf_printf(out, "limit %s%s\n", member, words);
			put = true;
		}
		text += n + (text[n] == '\n');
	}
	if (!put)
		buf_printf(out, "limit %s%s\n", member, words);
}

/* Does any line speak of the member (or group, or everybody)? A limit for nobody is a slip. */
static bool is_named(const char *text, const char *member)
{
	size_t n = strlen(member);

	if (strcmp(member, "*") == 0)
		return true;
	for (const char *p = strstr(text, member); p; p = strstr(p + 1, member))
		if (p > text && isspace((unsigned char)p[-1]) &&
		    (p[n] == '\0' || isspace((unsigned char)p[n])))
			return true;
	return strncmp(member, "group:", 6) == 0; /* as the parser finds it */
}

/* Words key=value, as the rights file has them; "none" takes the line away. */
static int write_limit(const char *path, const char *member, const char *words)
{
	struct buf old, fresh;
	int rc;

	buf_init(&old, RIGHTS_FILE_MAX);
	buf_init(&fresh, RIGHTS_FILE_MAX);
	rc = rights_file_read(path, &old);
	if (rc == 0 && *words && !is_named(buf_str(&old), member))
		rc = ctl_say(-1, "%s: no line is about %s; nothing was changed", path, member);
	if (rc == 0) {
		replace_limit(buf_str(&old), member, words, &fresh);
		rc = fresh.full ? ctl_say(-1, "%s: too long", path)
				: rights_file_write(path, &fresh);
	}
	buf_done(&old);
	buf_done(&fresh);
	return rc < 0 ? CTL_FAILED : 0;
}

static int set_quota(const char *member, int n, char **words, const char *json)
{
	const char *path = ctl_setting("LGSP_RIGHTS", NULL);
	char line[512] = "";
	int rc;

	if (!path)
		return EXIT_CONFIG;
	for (int i = 0; i < n; i++) {
		if (n == 1 && strcmp(words[i], "none") == 0)
			break;
		if (!strchr(words[i], '=') || strpbrk(words[i], " \t\n#"))
			return ctl_say(EXIT_USAGE, "\"%s\" is not NAME=NUMBER, nor \"none\" alone",
				       words[i]);
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s", words[i]);
	}
	rc = write_limit(path, member, line);
	if (rc == 0)
		rc = reload(json);
	if (rc == 0 && strncmp(member, "group:", 6) != 0 && strcmp(member, "*") != 0)
		rc = show_quota(member, json);
	return rc;
}

int ctl_quota(int argc, char **argv)
{
	const char *json = NULL;
	const struct ctl_option options[] = {{"--json", false, &json}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	char member[RIGHTS_MEMBER_MAX];
	const char *who;

	if (words < 0)
		return -words;
	who = ctl_member_address(words > 1 ? argv[1] : "", member);
	return words > 2 ? set_quota(who, words - 2, argv + 2, json) : show_quota(who, json);
}
