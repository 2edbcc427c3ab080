/*
 * Two tiny services for the tests of common/svc. "directory" serves a few RPCs of the directory's
 * interface with handlers that misbehave on demand (officer.post says how); "task" follows its
 * feed. The test program is the service when run with --as=directory or --as=task.
 */
#ifndef LGSP_TESTS_SVC_TINY_H
#define LGSP_TESTS_SVC_TINY_H

#include "common/svc/svc.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "lgsp/directory/v1/events.pb-c.h"
#include "lgsp/directory/v1/published.pb-c.h"
#include "tests/support/busrig.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

#define TINY_PUBLISHED "directory.names" /* the feed "directory" publishes: no "secret" posts */

/* The exit code when the program was started as a service, -1 when it is the test. */
int tiny_main(int argc, char **argv);

/* Database, broker and clients; the two services' tables are made. */
struct tiny {
	struct pg *pg;
	struct busd *bus;
	struct busrig *rig;
	struct bus_client *one_stop, *gateway, *operator, * task;
	struct arena arena;
	struct err err;
};
void tiny_setup(struct tiny *t);
void tiny_teardown(struct tiny *t);

/* Starts one of the two; wait: until it is ready. env as svcd_config's. */
struct svcd *tiny_start(struct tiny *t, const char *service, const char *const *env, bool wait);

/* A call; the reply, when there is one, lives in t->arena. Returns the status, detail in t->err. */
struct tiny_call {
	struct bus_client *client;
	const char *service;
	const char *method;
	const uint8_t *message_id; /* NULL: a new one */
	const Bus__OnBehalfOf *person;
	uint32_t deadline_ms; /* 0: 10 s */
};
int tiny_ask(struct tiny *t, const struct tiny_call *call, const ProtobufCMessage *in,
	     const ProtobufCMessageDescriptor *out_desc, ProtobufCMessage **ret_out);

/*
 * AppointOfficer as the operator: post says what the handler does. id NULL: a new message id.
 * Returns the status; *ret_version, when not NULL, the version replied.
 */
int tiny_appoint(struct tiny *t, const char *subject, const char *post, const uint8_t *id,
		 int32_t *ret_version);
int tiny_appoint_within(struct tiny *t, uint32_t deadline_ms, const char *subject,
			const uint8_t *id);

/* Any method of any member; returns the status, t->err has the detail. */
int tiny_call(struct tiny *t, struct bus_client *client, const char *method,
	      const Bus__OnBehalfOf *person);

/* Feed.Pull of the directory's feed as a member. */
int tiny_pull(struct tiny *t, struct bus_client *client, int64_t after, uint32_t wait_ms,
	      Feed__PullReply **ret_page);

/* Feed.Pull of any feed of "directory", from the beginning of its epoch or "" for any. */
int tiny_pull_feed(struct tiny *t, struct bus_client *client, const Feed__PullRequest *in,
		   Feed__PullReply **ret_page);

#endif
