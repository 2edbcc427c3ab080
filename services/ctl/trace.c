/* trace: what became of a trace or a message id, from every broker's memory and the record files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "common/wire/pb.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/ctl/brokers.h"
#include "services/ctl/ctl.h"
#include "services/ctl/records.h"

#define FOUND_MAX 1000
#define COPY_CAP  (16u << 20)

struct found {
	const char *broker;
	const Bus__Record *record;
};

struct trace {
	struct records_filter filter;
	struct arena arena;
	struct found found[FOUND_MAX];
	unsigned n;
};

/* Memory and files hold the same records. */
static bool is_known(const struct trace *t, const char *broker, const Bus__Record *r)
{
	for (unsigned i = 0; i < t->n; i++) {
		const Bus__Record *k = t->found[i].record;

		if (k->arrived_us == r->arrived_us && strcmp(t->found[i].broker, broker) == 0 &&
		    k->message_id.len == r->message_id.len &&
		    (k->message_id.len == 0 ||
		     memcmp(k->message_id.data, r->message_id.data, k->message_id.len) == 0))
			return true;
	}
	return false;
}

static void take(struct trace *t, const char *broker, const Bus__Record *r)
{
	ProtobufCMessage *copy;
	struct err err;
	uint8_t *bytes;
	size_t n;

	if (t->n == FOUND_MAX || is_known(t, broker, r))
		return;
	if (pb_pack(&r->base, &t->arena, &bytes, &n, &err) < 0 ||
	    pb_unpack(&bus__record__descriptor, bytes, n, NULL, &t->arena, &copy, &err) < 0)
		return;
	t->found[t->n].broker = arena_strdup(&t->arena, broker);
	t->found[t->n++].record = (const Bus__Record *)copy;
}

static void take_entry(const struct records_entry *e, void *arg)
{
	struct trace *t = arg;

	if (e->entry->entry_case == BUS__RECORD_ENTRY__ENTRY_REQUEST &&
	    records_match(&t->filter, e->entry->request))
		take(t, e->broker, e->entry->request);
}

static int earlier_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->record->arrived_us < y->record->arrived_us
		       ? -1
		       : x->record->arrived_us > y->record->arrived_us;
}

static int ask_brokers(struct trace *t)
{
	Bus__TraceRequest in = BUS__TRACE_REQUEST__INIT;
	struct brokers b;
	int rc;

	in.id = t->filter.trace;
	rc = brokers_ask(&b, NULL, "Trace", &in.base, &bus__trace_reply__descriptor);
	for (unsigned i = 0; rc != EXIT_CONFIG && i < b.n; i++) {
		const Bus__TraceReply *out = (const Bus__TraceReply *)b.of[i].out;

		if (!out) {
			rc = ctl_fail(b.of[i].endpoint, &b.of[i].err);
			continue;
		}
		for (size_t k = 0; k < out->n_records; k++)
			take(t, out->instance, out->records[k]);
	}
	brokers_done(&b);
	return rc;
}

static void print_found(struct trace *t, const char *json)
{
	qsort(t->found, t->n, sizeof(t->found[0]), earlier_first);
	if (t->n > 0 && !json)
		records_head();
	for (unsigned i = 0; i < t->n; i++) {
		struct buf line;

		buf_init(&line, 8192);
		records_line(&line, t->found[i].broker, t->found[i].record, json);
		puts(buf_str(&line));
		buf_done(&line);
	}
}

int ctl_trace(int argc, char **argv)
{
	const char *json = NULL, *dir;
	const struct ctl_option options[] = {{"--json", false, &json}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options)), rc;
	CLEANUP_FREE struct trace *t = base_alloc(sizeof(*t));

	if (words < 0)
		return -words;
	if (words != 2 && words != 3)
		return ctl_say(EXIT_USAGE, "trace needs a trace id or a message id");
	t->filter.trace = argv[1];
	arena_init(&t->arena, COPY_CAP);
	rc = ask_brokers(t);
	dir = records_dir(words == 3 ? argv[2] : NULL, true);
	if (rc != EXIT_CONFIG && *dir && records_each(dir, take_entry, t) != 0)
		rc = CTL_FAILED;
	print_found(t, json);
	if (rc == 0 && t->n == 0)
		rc = ctl_say(CTL_FAILED, "no record of %s%s", argv[1],
			     *dir ? "" : " in the brokers' memory; LGSP_RECORDS_DIR is not set");
	arena_done(&t->arena);
	return rc;
}
