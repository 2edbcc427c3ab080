#include "services/bus/record_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/record/record.h"

#define RETRY_US   CLOCK_US_PER_S /* between attempts to open a file, and between alarms */
#define NAMES_CAP  (64u << 20)
#define PATH_BYTES 4096

struct record_store {
	struct record_store_config config;
	struct record_writer *writer;
	struct record_link link;
	bool recovered;
	int64_t first_us; /* of the open file */
	int64_t retry_us; /* no file is opened before */
	int64_t alarmed_us;
	int error; /* the disk's last */
	uint64_t lost, lost_said;
	Bus__RecordGap gap;    /* lost and not written down yet */
	uint64_t gap_buffered; /* of them, what the writer's buffer says */
};

struct record_store *record_store_new(const struct record_store_config *config)
{
	struct record_store *s = base_alloc(sizeof(*s));

	s->config = *config;
	bus__record_gap__init(&s->gap);
	s->gap.reason = BUS__RECORD_GAP_REASON__RECORD_GAP_REASON_WRITE_FAILED;
	return s;
}

/* --- losses --- */

static void sound_alarm(struct record_store *s, const char *what, int64_t now_us)
{
	if (s->alarmed_us && now_us - s->alarmed_us < RETRY_US)
		return;
	s->alarmed_us = now_us;
	log_error("bus.records_lost", LOG_STR("what", what), LOG_STR("err", strerror(s->error)),
		  LOG_NUM("lost", s->lost - s->lost_said));
	s->lost_said = s->lost;
}

static void lose(struct record_store *s, uint64_t n, const char *what, int64_t now_us)
{
	if (n > 0) {
		if (s->gap.count == 0)
			s->gap.from_us = now_us;
		s->gap.to_us = now_us;
		s->gap.count += n;
		s->lost += n;
	}
	sound_alarm(s, what, now_us);
}

uint64_t record_store_lost(const struct record_store *s)
{
	return s->lost;
}

/* --- files --- */

/* Closes up what was left; not more than once a second while that fails. */
static bool recover(struct record_store *s, int64_t now_us)
{
	char fault[RECORD_NAME_MAX] = "";

	if (s->recovered)
		return true;
	if (now_us < s->retry_us)
		return false;
	s->retry_us = now_us + RETRY_US;
	if (record_recover(s->config.dir, s->config.broker, now_us, &s->link, fault) < 0) {
		s->error = errno;
		sound_alarm(s, fault, now_us);
		return false;
	}
	s->recovered = true;
	s->retry_us = 0;
	return true;
}

static bool open_file(struct record_store *s, int64_t now_us)
{
	if (s->writer)
		return true;
	if (!recover(s, now_us) || now_us < s->retry_us)
		return false;
	s->retry_us = now_us + RETRY_US;
	if (record_create(s->config.dir, s->config.broker, now_us, &s->link, &s->writer) < 0) {
		s->error = errno;
		sound_alarm(s, s->config.dir, now_us);
		return false;
	}
	s->retry_us = 0;
	s->first_us = now_us;
	return true;
}

static bool write_out(struct record_store *s, int64_t now_us)
{
	uint64_t lost;

	if (record_flush(s->writer, &lost) == 0) {
		s->gap.count -= s->gap_buffered;
		s->gap_buffered = 0;
		return true;
	}
	s->error = errno;
	lose(s, lost - s->gap_buffered, "write", now_us);
	s->gap_buffered = 0;
	return false;
}

/* Its buffer is empty. A file that cannot be closed is closed up before the next is opened. */
static void close_file(struct record_store *s, int64_t now_us)
{
	if (record_finish(s->writer, now_us, &s->link) < 0) {
		s->error = errno;
		s->recovered = false;
		sound_alarm(s, "close", now_us);
	}
	s->writer = NULL;
}

/* --- removal --- */

struct kept {
	uint64_t bytes;
	int64_t changed_us;
};

static struct kept stat_file(const struct record_store *s, const char *name, char path[PATH_BYTES])
{
	struct stat st;

	snprintf(path, PATH_BYTES, "%s/%s", s->config.dir, name);
	if (stat(path, &st) < 0)
		return (struct kept){.changed_us = INT64_MAX};
	return (struct kept){.bytes = (uint64_t)st.st_size,
			     .changed_us = st.st_mtim.tv_sec * CLOCK_US_PER_S};
}

static uint64_t total_bytes(const struct record_store *s, char **names, int n)
{
	char path[PATH_BYTES];
	uint64_t total = 0;

	for (int i = 0; i < n; i++)
		if (record_is_closed(names[i], s->config.broker))
			total += stat_file(s, names[i], path).bytes;
	return total;
}

/* The oldest first, as their names sort; the newest always stays, the chain hangs on it. */
static void remove_old(const struct record_store *s, int64_t now_us)
{
	char path[PATH_BYTES];
	struct arena arena;
	char **names;
	uint64_t total;
	int n;

	arena_init(&arena, NAMES_CAP);
	n = record_list(s->config.dir, &arena, &names);
	total = n > 0 ? total_bytes(s, names, n) : 0;
	for (int i = 0; i < n && strcmp(names[i], s->link.name) < 0; i++) {
		struct kept file;

		if (!record_is_closed(names[i], s->config.broker))
			continue;
		file = stat_file(s, names[i], path);
		if (now_us - file.changed_us < s->config.keep_us && total <= s->config.keep_bytes)
			break;
		if (unlink(path) == 0)
			log_info("bus.records_removed", LOG_STR("file", names[i]));
		total -= file.bytes;
	}
	arena_done(&arena);
}

/* --- adding --- */

static void append(struct record_store *s, const Bus__RecordEntry *entry, int64_t now_us)
{
	if (!record_has_room(s->writer))
		write_out(s, now_us);
	record_append(s->writer, entry);
}

/* What the disk refused before; it counts until it is written. */
static void append_gap(struct record_store *s, int64_t now_us)
{
	Bus__RecordEntry entry = BUS__RECORD_ENTRY__INIT;

	if (s->gap.count == 0 || s->gap_buffered > 0)
		return;
	if (!record_has_room(s->writer))
		write_out(s, now_us);
	entry.entry_case = BUS__RECORD_ENTRY__ENTRY_GAP;
	entry.gap = &s->gap;
	record_append(s->writer, &entry);
	s->gap_buffered = s->gap.count;
}

void record_store_message(const struct record *r, Bus__Record *out)
{
	bus__record__init(out);
	out->member = r->member;
	out->subject = r->subject;
	out->service = r->service;
	out->method = r->method;
	out->purpose = r->purpose;
	if (r->has_id)
		out->message_id = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)r->message_id,
							.len = sizeof(r->message_id)};
	out->trace_id = r->trace_id;
	out->request_bytes = r->request_bytes;
	out->reply_bytes = r->reply_bytes;
	out->arrived_us = r->arrived_us;
	out->dispatched_us = r->dispatched_us;
	out->answered_us = r->answered_us;
	out->forwarded_us = r->forwarded_us;
	out->attempt = r->attempt;
	out->dispatches = r->dispatches;
	out->worker = r->worker;
	out->provider = r->provider;
	out->code = r->code;
	out->status = r->status == 0 ? COMMON__STATUS__STATUS_OK : (Common__Status)-r->status;
	out->outcome = r->status == 0 ? COMMON__OUTCOME__OUTCOME_DONE
		       : r->unknown   ? COMMON__OUTCOME__OUTCOME_UNKNOWN
				      : COMMON__OUTCOME__OUTCOME_NOT_DONE;
	out->decided_by = r->by_worker ? BUS__RECORD_DECIDER__RECORD_DECIDER_WORKER
				       : BUS__RECORD_DECIDER__RECORD_DECIDER_BROKER;
}

void record_store_add(struct record_store *s, const struct record *r, int64_t now_us)
{
	Bus__RecordEntry entry = BUS__RECORD_ENTRY__INIT;
	Bus__RecordGap gap = BUS__RECORD_GAP__INIT;
	Bus__Record request;

	if (!open_file(s, now_us)) {
		lose(s, r->gap ? r->gap : 1, s->config.dir, now_us);
		return;
	}
	append_gap(s, now_us);
	if (r->gap) {
		gap.count = r->gap;
		gap.from_us = r->arrived_us;
		gap.to_us = r->answered_us;
		gap.reason = BUS__RECORD_GAP_REASON__RECORD_GAP_REASON_RING_FULL;
		entry.entry_case = BUS__RECORD_ENTRY__ENTRY_GAP;
		entry.gap = &gap;
	} else {
		record_store_message(r, &request);
		entry.entry_case = BUS__RECORD_ENTRY__ENTRY_REQUEST;
		entry.request = &request;
	}
	append(s, &entry, now_us);
}

void record_store_flush(struct record_store *s, int64_t now_us)
{
	if (recover(s, now_us) && s->gap.count > 0 && open_file(s, now_us))
		append_gap(s, now_us);
	if (!s->writer || !write_out(s, now_us))
		return;
	if (record_size(s->writer) < s->config.max_bytes &&
	    now_us - s->first_us < s->config.max_age_us)
		return;
	close_file(s, now_us);
	remove_old(s, now_us);
}

void record_store_free(struct record_store *s, int64_t now_us)
{
	if (!s)
		return;
	s->retry_us = 0;
	record_store_flush(s, now_us);
	if (s->writer)
		close_file(s, now_us);
	free(s);
}
