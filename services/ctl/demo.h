/*
 * The demo: plays one dossier through all services over the bus, as lgspctl's own member acting for
 * people, and shows for each step the feed position that proves it and the indicators it changed.
 *
 *   demo.c        the story
 *   demo_proof.c  feeds and indicators
 *   demo_file.c   scans and their upload
 */
#ifndef SERVICES_CTL_DEMO_H
#define SERVICES_CTL_DEMO_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "services/ctl/session.h"

enum demo_feed { DEMO_DOSSIER, DEMO_PAYMENT, DEMO_DIGITISATION, DEMO_TASK, DEMO_FEEDS };

struct demo_event {
	int64_t pos;
	const char *type, *subject;
	ProtobufCBinaryData payload;
	bool matched;
	struct demo_event *next;
};

struct demo_cursor {
	int64_t start; /* where the demo began */
	int64_t pos;
	struct demo_event *first, *last;
};

#define DEMO_MEASURES_MAX 128

struct demo_measure {
	const char *id;
	int64_t numerator, denominator;
	bool changed; /* since the demo began */
};

struct demo {
	struct session *session;
	struct arena arena; /* lives as long as the demo */
	struct err err;     /* of the last call */
	int64_t now_us;     /* business time the demo began */
	char period[8];     /* its month */
	int step;
	struct demo_cursor feeds[DEMO_FEEDS];
	struct demo_measure measures[DEMO_MEASURES_MAX];
	size_t n_measures;
};

/* Somebody the demo acts for; role "" is lgspctl itself. */
struct demo_person {
	const char *subject, *role, *agency;
};

/*
 * One call; the reply in the demo's arena, or NULL with demo->err set and said (unless quiet). The
 * message id is new: what is repeated is repeated by the bus client.
 */
const ProtobufCMessage *demo_call(struct demo *d, const char *service, const char *method,
				  const struct demo_person *as, const ProtobufCMessage *in,
				  const ProtobufCMessageDescriptor *out_desc);

/* Prints the number and sentence of the next step. */
void demo_say(struct demo *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Notes where the feeds stand and what the indicators are. 0 or -1 (said). */
int demo_begin(struct demo *d);
/*
 * Waits for an event of a type since the beginning that is about key (its subject, or in its
 * payload), prints its position, waits until it is counted, and prints the indicators that changed.
 * 0 or -1 (said).
 */
int demo_prove(struct demo *d, enum demo_feed feed, const char *type, const char *key,
	       const struct demo_event **ret_event);
/* Waits until a service's consumer has applied a feed up to a position. 0 or -1 (said). */
int demo_wait_consumer(struct demo *d, const char *service, enum demo_feed feed, int64_t pos);
/* The same of all that is in the directory's feed, or on its way there. */
int demo_wait_directory(struct demo *d, const char *service);
/* Waits until everything written is counted; events since the beginning, indicators changed. */
int demo_end(struct demo *d, int64_t *ret_events, int64_t *ret_indicators);

/* Uploads a one-page document with these lines; a new file each time. NULL: said. */
const char *demo_upload(struct demo *d, const struct demo_person *as, const char *name,
			const char *const *lines, size_t n_lines);

#endif
