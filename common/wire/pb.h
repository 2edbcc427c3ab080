/*
 * Packing and unpacking protobuf messages in arenas, and the registry of the suite's messages.
 */
#ifndef LGSP_WIRE_PB_H
#define LGSP_WIRE_PB_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"

/* pb_check() and unpack in one; the message lives in the arena. limits as pb_check()'s. */
struct pb_limits;
int pb_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
	      const struct pb_limits *limits, struct arena *arena, ProtobufCMessage **ret_msg,
	      struct err *err);

/* Packs into the arena; ERR_TOO_LARGE at its cap. An empty message gives n = 0 and a valid pointer.
 */
int pb_pack(const ProtobufCMessage *msg, struct arena *arena, uint8_t **ret_bytes, size_t *ret_n,
	    struct err *err);

/*
 * Descriptor of the event payload for an event type: "dossier.payment_requested" is
 * lgsp.dossier.v1.DossierPaymentRequested. NULL when unknown. Generated from proto/.
 */
const ProtobufCMessageDescriptor *pb_event_descriptor(const char *event_type);

#endif
