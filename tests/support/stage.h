/*
 * What a test of a real service stands on: a database, a broker, clients of it, and the services
 * themselves as processes.
 */
#ifndef LGSP_TESTS_SUPPORT_STAGE_H
#define LGSP_TESTS_SUPPORT_STAGE_H

#include "tests/support/ask.h"
#include "tests/support/busd.h"
#include "tests/support/busrig.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

#define STAGE_SERVICES 4
#define STAGE_ASKS     4

/* 2024-05-21 08:00 +07:00: a Tuesday, on which the agencies of the tests are in force. */
#define STAGE_DEMO_US 1716253200000000LL

struct stage {
	struct pg *pg;
	struct busd *bus;
	struct busrig *rig;
	char offset[64];
	const char *env[2];
	struct svcd *services[STAGE_SERVICES];
	struct ask *asks[STAGE_ASKS];
	unsigned n_services, n_asks;
};

struct stage_config {
	const char *schemas; /* as pg_new() */
	const struct busd_member *members;
	unsigned n_members;
	const char *rights;
	int64_t now_us; /* business time at the start; 0: the real one */
};

void stage_setup(struct stage *s, const struct stage_config *config);
/* A client with the key of that name, for the service. */
void stage_client(struct stage *s, struct ask *a, const char *key, const char *service);
/* Starts lgsp-<service>, with its own schema and key, and waits until it is ready. */
struct svcd *stage_service(struct stage *s, const char *service);
/* Ends everything: services, the last first, clients, broker, database. */
void stage_teardown(struct stage *s);

#endif
