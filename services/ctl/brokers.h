/*
 * The brokers of LGSP_BUS_ADMIN (endpoints separated by spaces): asked the same one after the
 * other, shown one after the other. A broker that does not answer is said with what to look at, the
 * others are shown all the same, and the exit code is 1.
 */
#ifndef SERVICES_CTL_BROKERS_H
#define SERVICES_CTL_BROKERS_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/arena.h"
#include "common/base/err.h"

#define BROKERS_MAX 4

struct broker_answer {
	char endpoint[128];
	struct err err;              /* status 0: out is the answer */
	const ProtobufCMessage *out; /* in the arena */
};

struct brokers {
	struct broker_answer of[BROKERS_MAX];
	unsigned n;
	struct arena arena;
};

/*
 * Asks every broker, or the one whose instance is `only` (NULL: every). 0 or an exit code (said):
 * of a wrong setting, or of an instance that no broker has. brokers_done() in either case.
 */
int brokers_ask(struct brokers *b, const char *only, const char *method, const ProtobufCMessage *in,
		const ProtobufCMessageDescriptor *out_desc);
void brokers_done(struct brokers *b);

/*
 * Shows what was answered: with `json` a line of JSON a broker ({"endpoint", "error"} for one that
 * refused), else by fn, and refusals on standard error. 0, or CTL_FAILED when one did not answer.
 */
int brokers_show(const struct brokers *b, const char *json, const char *what,
		 void (*fn)(const ProtobufCMessage *out));

/* The usual command: asks every broker and shows each answer. */
struct brokers_command {
	const char *method;
	const ProtobufCMessageDescriptor *out;
	void (*show)(const ProtobufCMessage *out);
};
int brokers_run(const struct brokers_command *command, const ProtobufCMessage *in,
		const char *json);

#endif
