/*
 * A throw-away PostgreSQL for tests: one cluster per test program, started at the first pg_new()
 * and gone when the program ends, however it ends; one database per pg_new(), copied from a
 * template that was migrated once. Roles and rights are production's: <service>_owner owns the
 * schema, <service>_svc has DML only.
 *
 * Never as root: a root test runs the server as postgres. Only a unix socket, in a short path. The
 * fresh cluster itself is made once per machine and copied. fsync is off unless pg_use_durable();
 * what a killed process has committed survives either way.
 *
 * Failing to set up ends the program with a message: there is nothing to test then.
 */
#ifndef TESTS_SUPPORT_PG_H
#define TESTS_SUPPORT_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pg;

/* Before the first pg_new(): for benchmarks and for tests that cut the power. */
void pg_use_durable(void);

/*
 * A database with a schema for each service of a space-separated list. Each gets common/db/sql,
 * common/svc/sql and services/<service>/sql, as far as they exist, and its schema_migration rows.
 */
struct pg *pg_new(const char *services);
void pg_free(struct pg *pg); /* drops it; NULL is fine */

/* Conninfo of the service's login role, and of the administrator. */
const char *pg_dsn(struct pg *pg, const char *service);
const char *pg_admin_dsn(struct pg *pg);

/* As administrator, in the service's schema ("" for none); the statement must succeed. */
void pg_exec(struct pg *pg, const char *service, const char *sql);
/* As the schema's owner, as a migration would: for tables of a test's own. */
void pg_exec_owner(struct pg *pg, const char *service, const char *sql);
/* First value of the first row as a number; 0 for no row or NULL. */
int64_t pg_int(struct pg *pg, const char *service, const char *sql);
/* The administrator's connection, for everything else. */
PGconn *pg_admin(struct pg *pg);

/* Waits until pg_int() gives want; false after timeout_ms. */
bool pg_wait_int(struct pg *pg, const char *service, const char *sql, int64_t want, int timeout_ms);

/* Process id of the backend with this application_name in this database; 0 for none. */
pid_t pg_backend(struct pg *pg, const char *application_name);

/* The whole server: kill -9 and start again; stop (fast) and start. */
void pg_crash(void);
void pg_server_stop(void);
void pg_server_start(void);
/* The postmaster, for STOP and CONT. */
pid_t pg_server_pid(void);

#endif
