/* call: one method by its descriptors, JSON in and out. */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/base/uuid.h"
#include "common/bus/bus.h"
#include "common/wire/header.h"
#include "common/wire/pbjson.h"
#include "common/wire/rpc.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/session.h"

/* Interfaces every service has, under a prefix. */
static const struct {
	const char *prefix;
	const ProtobufCServiceDescriptor *interface;
} shared[] = {
	{"Feed.", &feed__feed_service__descriptor},
	{"DeadLetter.", &feed__dead_letter_service__descriptor},
};

static const ProtobufCMethodDescriptor *find_shared(const char *method)
{
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		size_t n = strlen(shared[i].prefix);

		if (strncmp(method, shared[i].prefix, n) == 0)
			return protobuf_c_service_descriptor_get_method_by_name(shared[i].interface,
										method + n);
	}
	return NULL;
}

static void tell_methods(const char *service, const struct rpc_table *table, const char *method)
{
	if (!table) {
		ctl_say(0, "no service \"%s\"; known are:", service);
		for (size_t i = 0; rpc_registry[i]; i++)
			fprintf(stderr, "  %s\n", rpc_registry[i]->service);
		return;
	}
	ctl_say(0, "%s has no method \"%s\"; it has:", service, method);
	for (size_t i = 0; i < table->n_rows; i++)
		fprintf(stderr, "  %s\n", table->rows[i].method);
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		for (unsigned k = 0; k < shared[i].interface->n_methods; k++)
			fprintf(stderr, "  %s%s\n", shared[i].prefix,
				shared[i].interface->methods[k].name);
	}
}

/* The method of a service's own interface, or one every service has. NULL: said. */
static const ProtobufCMethodDescriptor *find_method(const char *service, const char *method)
{
	const struct rpc_table *table = rpc_find_service(service);
	const ProtobufCMethodDescriptor *found = table ? find_shared(method) : NULL;

	if (!found && table)
		rpc_find_method(table, method, NULL, &found);
	if (!found)
		tell_methods(service, table, method);
	return found;
}

static int call(const char *service, const ProtobufCMethodDescriptor *method, const char *name,
		const struct session_how *how, struct arena *arena)
{
	struct session *session = NULL;
	struct err err = {0};
	struct buf json;
	ProtobufCMessage *in = NULL, *out = NULL;

	buf_init(&json, 2 * BUS_BODY_MAX_BYTES);
	int rc = file_read("/dev/stdin", &json) < 0 ? ctl_say(CTL_FAILED, "standard input") : 0;

	if (rc == 0 && pbjson_read(method->input, buf_str(&json), json.len, arena, &in, &err) < 0)
		rc = ctl_fail("standard input", &err);
	if (rc == 0)
		rc = session_open("LGSP_BUS_MEMBER", &session);
	if (rc == 0 &&
	    session_call(session, service, name, in, method->output, how, arena, &out, &err) < 0)
		rc = ctl_fail(name, &err);
	session_close(session);
	buf_reset(&json);
	if (rc == 0 && pbjson_write(out, false, &json) == 0)
		puts(buf_str(&json));
	buf_done(&json);
	return rc;
}

int ctl_call(int argc, char **argv)
{
	const char *as = NULL, *deadline = "30000", *id = NULL;
	const struct ctl_option options[] = {
		{"--as", true, &as},
		{"--deadline", true, &deadline},
		{"--id", true, &id},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	struct session_how how = {0};
	Bus__OnBehalfOf *who = NULL;
	struct arena arena;
	int64_t ms = 0;

	if (words < 0)
		return -words;
	if (words != 3)
		return ctl_say(EXIT_USAGE, "call needs a service and a method");
	int rc = ctl_number("--deadline", deadline, 1, HEADER_DEADLINE_MAX_MS, &ms);

	if (rc != 0)
		return rc;
	if (id && uuid_parse(id, how.message_id) < 0)
		return ctl_say(EXIT_USAGE, "--id: \"%s\" is no UUID", id);
	const ProtobufCMethodDescriptor *method = find_method(argv[1], argv[2]);

	if (!method)
		return EXIT_USAGE;
	arena_init(&arena, 64 << 20);
	rc = as ? session_parse_as(as, &arena, &who) : 0;
	how.on_behalf_of = who;
	how.deadline_ms = (uint32_t)ms;
	if (rc == 0)
		rc = call(argv[1], method, argv[2], &how, &arena);
	arena_done(&arena);
	return rc;
}
