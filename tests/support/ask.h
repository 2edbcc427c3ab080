/*
 * Calling a service as somebody: a client of the bus with the right to speak for others (the
 * gateway's) and one that speaks for itself.
 */
#ifndef LGSP_TESTS_SUPPORT_ASK_H
#define LGSP_TESTS_SUPPORT_ASK_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/bus/client.h"

struct person {
	const char *subject; /* NULL: the member speaks for itself */
	const char *role;
	const char *agency;
};

/* A call and what came of it; ask_done() frees. */
struct ask {
	struct bus_client *client;
	const char *service;
	const char *purpose;
	uint8_t message_id[16]; /* zeros: a new one each time */
	struct arena arena;
	struct err err;
	struct bus_reply_in reply;
};

void ask_init(struct ask *a, struct bus_client *client, const char *service);
void ask_done(struct ask *a);

/*
 * Calls and returns the status (0 or ERR_…); the reply's message is in *ret (may be NULL) and lives
 * until the next call. Deadline 10 s.
 */
int ask(struct ask *a, const struct person *who, const char *method, const ProtobufCMessage *in,
	const ProtobufCMessageDescriptor *out_desc, void *ret);

/* The err has this code, for this field (NULL: any). */
bool ask_has(const struct ask *a, const char *code, const char *field);

#endif
