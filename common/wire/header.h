/*
 * The "LGH1" frames: four magic bytes, then a protobuf message of lgsp.bus.v1, at most
 * HEADER_MAX_BYTES in all; a reply header, which carries every violation found, at most
 * HEADER_REPLY_MAX_BYTES. Every reader checks the raw bytes first.
 */
#ifndef LGSP_WIRE_HEADER_H
#define LGSP_WIRE_HEADER_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "lgsp/bus/v1/header.pb-c.h"

#define HEADER_MAX_BYTES       4096
#define HEADER_REPLY_MAX_BYTES 12288
#define HEADER_DEADLINE_MAX_MS 300000
#define HEADER_FLAG_REPEATABLE 1u
#define HEADER_FLAG_NO_QUEUE   2u

/*
 * Decodes and validates a request header: ERR_INVALID with code BAD_HEADER when the magic, the
 * protobuf, the message id (16 bytes, not all zero), the method ([A-Za-z.]{1,64}), the deadline
 * (1..max) or the traceparent is not as header.proto says; nothing else may be read then.
 */
int header_read_request(const void *frame, size_t n, struct arena *arena,
			Bus__RequestHeader **ret_header, struct err *err);
int header_read_reply(const void *frame, size_t n, struct arena *arena,
		      Bus__ReplyHeader **ret_header, struct err *err);
int header_read_caller(const void *frame, size_t n, struct arena *arena, Bus__Caller **ret_caller,
		       struct err *err);
int header_read_worker_hello(const void *frame, size_t n, struct arena *arena,
			     Bus__WorkerHello **ret_hello, struct err *err);
int header_read_broker_hello(const void *frame, size_t n, struct arena *arena,
			     Bus__BrokerHello **ret_hello, struct err *err);

/* Magic and packed message in the arena. 0 or ERR_TOO_LARGE. */
int header_write(const ProtobufCMessage *msg, struct arena *arena, uint8_t **ret_frame,
		 size_t *ret_n, struct err *err);

/*
 * A reply header that carries an error (outcome NOT_DONE, or UNKNOWN when err says so), or OK
 * (DONE) when err is NULL or empty. It lives in the arena, its strings stay where they are; NULL at
 * the arena's cap.
 */
Bus__ReplyHeader *header_of_error(const struct err *err, const char *served_by,
				  const char *trace_id, struct arena *arena);
/* The error a reply header carries; 0 when it is OK, else the (negative) status. */
int header_to_error(const Bus__ReplyHeader *header, struct err *err);

/* Fills out[33] with the trace id of a traceparent, or "" when it is not one (W3C Trace Context).
 */
void header_trace_id(const char *traceparent, char out[static 33]);
/* The same of a header that header_read_request() took, without looking at it again. */
void header_request_trace_id(const Bus__RequestHeader *header, char out[static 33]);
/* A fresh traceparent, sampled, into out[56]. */
void header_new_traceparent(char out[static 56]);

#endif
