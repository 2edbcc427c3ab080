/* records import: the usage that closed record files tell of, to the directory, each once. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "common/record/record.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/records.h"
#include "services/ctl/session.h"
#include "services/ctl/usage.h"

#define NAMES_CAP    (64u << 20)
#define CALL_CAP     (4u << 20)
#define BROKERS_SEEN 64
#define PATIENCE_MS  20000

/* Up to which file a broker's usage was taken in. */
struct cursor {
	char broker[64], file[RECORD_NAME_MAX];
};

struct import {
	const char *dir;
	struct session *session;
	struct cursor cursors[BROKERS_SEEN];
	unsigned n_cursors;
	bool all, stopped;
	bool broken; /* a call failed: nothing more is reported, so that no file is passed over */
	uint64_t files, reports, already;
};

/* --- the end --- */

/* Before any other thread is made, so that none of them takes the signals. */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

/* Was, or is within these seconds, SIGTERM or SIGINT sent? */
static bool is_told_to_stop(struct import *im, int64_t seconds)
{
	const struct timespec wait = {.tv_sec = seconds};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	im->stopped = im->stopped || sigtimedwait(&set, NULL, &wait) > 0;
	return im->stopped;
}

/* --- calls --- */

static int send_report(const Directory__UsageReport *report, void *arg)
{
	Directory__ReportUsageRequest in = DIRECTORY__REPORT_USAGE_REQUEST__INIT;
	const struct session_how how = {.patience_ms = PATIENCE_MS};
	ProtobufCMessage *out = NULL;
	struct import *im = arg;
	struct err err = {0};
	struct arena arena;
	int rc = 0;

	in.report = (Directory__UsageReport *)(uintptr_t)report;
	arena_init(&arena, CALL_CAP);
	if (session_call(im->session, "directory", "ReportUsage", &in.base,
			 &directory__report_usage_reply__descriptor, &how, &arena, &out, &err) < 0)
		rc = ctl_fail(report->file, &err);
	else if (((const Directory__ReportUsageReply *)out)->already)
		im->already++;
	else
		im->reports++;
	im->broken = rc != 0;
	arena_done(&arena);
	return rc;
}

static int ask_cursor(struct import *im, struct cursor *c)
{
	Directory__GetUsageCursorRequest in = DIRECTORY__GET_USAGE_CURSOR_REQUEST__INIT;
	const struct session_how how = {.patience_ms = PATIENCE_MS};
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;
	int rc = 0;

	in.broker = c->broker;
	arena_init(&arena, CALL_CAP);
	if (session_call(im->session, "directory", "GetUsageCursor", &in.base,
			 &directory__get_usage_cursor_reply__descriptor, &how, &arena, &out,
			 &err) < 0)
		rc = ctl_fail("GetUsageCursor", &err);
	else
		snprintf(c->file, sizeof(c->file), "%s",
			 ((const Directory__GetUsageCursorReply *)out)->file);
	im->broken = rc != 0;
	arena_done(&arena);
	return rc;
}

/* --- files --- */

/* The broker's word in <time>.<broker>.<count>.rec. */
static void broker_of(const char *name, char out[static 64])
{
	const char *word = name + RECORD_TIME_LEN + 1;

	snprintf(out, 64, "%.*s", (int)strcspn(word, "."), word);
}

/* NULL: said why. */
static struct cursor *cursor_of(struct import *im, const char *name)
{
	struct cursor *c = &im->cursors[im->n_cursors];
	char broker[64];

	broker_of(name, broker);
	for (unsigned i = 0; i < im->n_cursors; i++)
		if (strcmp(im->cursors[i].broker, broker) == 0)
			return &im->cursors[i];
	if (im->n_cursors == BROKERS_SEEN) {
		ctl_say(CTL_FAILED, "more than %d brokers in one folder", BROKERS_SEEN);
		return NULL;
	}
	memcpy(c->broker, broker, sizeof(broker));
	c->file[0] = '\0';
	if (!im->all && ask_cursor(im, c) != 0)
		return NULL;
	im->n_cursors++;
	return c;
}

static int import_one(struct import *im, const char *name)
{
	struct cursor *c;
	int rc;

	if (!record_is_closed(name, NULL))
		return 0;
	c = cursor_of(im, name);
	if (!c)
		return CTL_FAILED;
	if (strcmp(name, c->file) <= 0)
		return 0;
	rc = usage_of_file(im->dir, name, send_report, im);
	if (rc == 0)
		im->files++;
	snprintf(c->file, sizeof(c->file), "%s", name);
	return rc;
}

/* All closed files the directory has not seen. A faulty one is said and passed over. */
static int import_folder(struct import *im)
{
	struct arena arena;
	char **names;
	int n, rc = 0;

	arena_init(&arena, NAMES_CAP);
	n = record_list(im->dir, &arena, &names);
	if (n < 0)
		rc = ctl_say(CTL_FAILED, "%s: %s", im->dir, strerror(errno));
	im->broken = false;
	for (int i = 0; i < n && !im->broken && !is_told_to_stop(im, 0); i++)
		if (import_one(im, names[i]) != 0)
			rc = CTL_FAILED;
	arena_done(&arena);
	return rc;
}

static void say_done(const struct import *im)
{
	printf("%" PRIu64 " files, %" PRIu64 " reports taken in, %" PRIu64 " known before\n",
	       im->files, im->reports, im->already);
	fflush(stdout);
}

/* Again and again, until SIGTERM; a round that failed is repeated whole, which doubles nothing. */
static int follow(struct import *im, int64_t every_s)
{
	do {
		if (import_folder(im) != 0)
			im->n_cursors = 0;
		if (im->files > 0)
			say_done(im);
		im->files = im->reports = im->already = 0;
	} while (!is_told_to_stop(im, every_s));
	return 0;
}

int ctl_records_import(int argc, char **argv)
{
	const char *every = NULL, *all = NULL;
	const struct ctl_option options[] = {{"--follow", true, &every}, {"--all", false, &all}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	CLEANUP_FREE struct import *im = base_alloc(sizeof(*im));
	int64_t every_s = 0;
	int rc;

	if (words < 0)
		return -words;
	if (words > 2)
		return ctl_say(EXIT_USAGE, "records import takes one folder");
	if (every && ctl_number("--follow", every, 1, 86400, &every_s) != 0)
		return EXIT_USAGE;
	im->dir = records_dir(words == 2 ? argv[1] : NULL, false);
	im->all = all != NULL;
	if (!im->dir)
		return EXIT_CONFIG;
	hold_signals();
	rc = session_open("LGSP_BUS_MEMBER", &im->session);
	if (rc != 0)
		return rc;
	if (every) {
		rc = follow(im, every_s);
	} else {
		rc = import_folder(im);
		say_done(im);
	}
	session_close(im->session);
	return rc;
}
