/*
 * Connections heard lately, by key: what an operator sees as "peers". ZeroMQ tells nobody when a
 * connection ends, so one is forgotten a minute after its last message.
 */
#ifndef LGSP_SERVICES_BUS_PEERS_H
#define LGSP_SERVICES_BUS_PEERS_H

#include <stdint.h>

#include "services/bus/members.h"
#include "services/bus/pending.h"

struct peers;

struct peers *peers_new(void);
void peers_free(struct peers *peers); /* NULL is fine */
/* Keeps member_key.peers right. Beyond 65536 connections further ones are not counted. */
void peers_heard(struct peers *peers, const struct peer *peer, struct member_key *key,
		 int64_t now_us);
/* Forgets the silent ones. Call every second or so. */
void peers_sweep(struct peers *peers, int64_t now_us);

#endif
