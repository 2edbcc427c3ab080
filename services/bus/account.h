/*
 * What is noted of each request, once, where it ends: its operational record, and the counters of
 * its member. b->record is the record of the message in hand; a request that is accepted takes a
 * copy of it along (pending.record). No system call and no allocation here.
 */
#ifndef LGSP_SERVICES_BUS_ACCOUNT_H
#define LGSP_SERVICES_BUS_ACCOUNT_H

#include "common/bus/frame.h"
#include "lgsp/bus/v1/header.pb-c.h"
#include "services/bus/pending.h"

struct broker;
struct member_key;
struct worker;

/* A message came from a caller. key NULL: unknown. */
void account_begin(struct broker *b, const struct member_key *key);
/* Its frames, whatever they are; service NULL: it names none. */
void account_frames(struct broker *b, const zmq_msg_t *service, const struct frames *f);
void account_header(struct broker *b, const Bus__RequestHeader *h);
/* All that is known of a header that was not read. */
void account_message_id(struct broker *b, const uint8_t id[static 16]);
/* The record in hand is this request's. */
void account_accepted(struct broker *b, struct pending *p);

/* The message in hand was answered b->err, or OK by the broker itself. */
void account_refused(struct broker *b);
void account_served(struct broker *b, size_t reply_bytes);

void account_dispatched(struct broker *b, struct pending *p, const struct worker *w);
/* A PARTIAL or FINAL of its worker, in bytes. */
void account_reply(struct broker *b, struct pending *p, size_t bytes);
/* It was answered as its worker said; header NULL when OK. sent: the caller was there. */
void account_answered(struct broker *b, struct pending *p, int status,
		      const Bus__ReplyHeader *header, bool sent);
/* It was answered b->err by the broker. */
void account_ended(struct broker *b, struct pending *p, bool sent);

#endif
