/*
 * lgspctl's own connection to the bus: a loop on a thread of its own, one client, settings from the
 * environment. One session per command; its calls block.
 */
#ifndef SERVICES_CTL_SESSION_H
#define SERVICES_CTL_SESSION_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "lgsp/bus/v1/header.pb-c.h"

struct session;

/* How a call is made; zeroed: for itself, 30 s, a new message id. */
struct session_how {
	const Bus__OnBehalfOf *on_behalf_of;
	uint32_t deadline_ms;
	/*
	 * How long what may pass is tried again, with the same message id: a service or database
	 * that is away, a lost worker, a full queue, an unknown outcome. 0: not at all.
	 */
	uint32_t patience_ms;
	uint8_t message_id[16];
};

/* endpoints_setting: LGSP_BUS_MEMBER or LGSP_BUS_ADMIN. 0 or an exit code (said). */
int session_open(const char *endpoints_setting, struct session **ret_session);
/* The same at these endpoints. */
int session_open_at(const char *endpoints, struct session **ret_session);
void session_close(struct session *session); /* NULL is fine */

/* 0 or the (negative) status, with err filled. The reply lives in the arena. */
int session_call(struct session *session, const char *service, const char *method,
		 const ProtobufCMessage *in, const ProtobufCMessageDescriptor *out_desc,
		 const struct session_how *how, struct arena *arena, ProtobufCMessage **ret_out,
		 struct err *err);

/* Parses SUBJECT:ROLE,ROLE:AGENCY (agency may be empty) into the arena. 0 or an exit code (said).
 */
int session_parse_as(const char *text, struct arena *arena, Bus__OnBehalfOf **ret);

#endif
