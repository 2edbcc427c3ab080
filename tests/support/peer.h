/*
 * Another service as a test plays it on the bus: methods answered by functions of the test, and a
 * feed to which the test publishes events. Lives in a busrig; its thread answers pulls that wait.
 */
#ifndef LGSP_TESTS_SUPPORT_PEER_H
#define LGSP_TESTS_SUPPORT_PEER_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "tests/support/busd.h"
#include "tests/support/busrig.h"

struct peer;

/*
 * Answers a request: ret_reply in the request's arena, or an error in err. Runs in the loop's
 * thread: no waiting.
 */
typedef int peer_method_fn(struct bus_request *req, ProtobufCMessage **ret_reply, struct err *err,
			   void *arg);

struct peer_method {
	const char *name;
	peer_method_fn *fn;
	void *arg;
};

/* key: name of the member's key in the broker's folder. methods ends with a NULL name, or NULL. */
struct peer *peer_start(struct busrig *rig, const struct busd *bus, const char *service,
			const char *key, const struct peer_method *methods);
/* Before busrig_free(). NULL is fine. */
void peer_free(struct peer *p);

/* Appends an event to the feed; returns its position. */
int64_t peer_publish(struct peer *p, const char *type, const char *subject, int32_t version,
		     const ProtobufCMessage *payload);

/* How many requests of a method came (at most what methods names, and "Feed.Pull"). */
unsigned peer_calls(struct peer *p, const char *method);

#endif
