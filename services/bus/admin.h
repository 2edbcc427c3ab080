/*
 * Methods of the service "bus", on the admin socket. A method answers in the arena; 0, or the
 * status in b->err. admin.c has the table of them and the socket, the other files have the methods.
 */
#ifndef LGSP_SERVICES_BUS_ADMIN_H
#define LGSP_SERVICES_BUS_ADMIN_H

#include <protobuf-c/protobuf-c.h>

#include "services/bus/broker.h"

typedef int admin_method(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
			 ProtobufCMessage **ret_out);

/* The reply is larger than a reply may be. */
int admin_full(struct broker *b);

/* --- admin_report.c: what there is --- */

admin_method admin_services, admin_members, admin_queues, admin_quota, admin_keys, admin_whoami;

/* --- admin_look.c: what happened lately --- */

admin_method admin_top, admin_trace;

/* --- admin_act.c: what changes something; each leaves a line in the log --- */

admin_method admin_drain, admin_reload;

#endif
