#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/crypt.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/migrate.h"

#define PASSWORD_RANDOM_BYTES 24
/* Roles belong to the whole cluster: runners of two of its databases can meet there. */
#define ROLE_TRIES 10
/* While another runner makes the database: 10 s. */
#define CONNECT_TRIES    50
#define CONNECT_PAUSE_US 200000

static void cleanup_result(PGresult **res)
{
	PQclear(*res);
}
#define CLEANUP_RESULT __attribute__((cleanup(cleanup_result)))

int migrate_exec(PGconn *conn, const char *what, const char *sql, char *ret_state)
{
	CLEANUP_RESULT PGresult *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (ret_state)
		snprintf(ret_state, 6, "%s", state ? state : "");
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return 0;
	if (!ret_state)
		ctl_say(0, "%s: %s", what, PQerrorMessage(conn));
	return -1;
}

static void be_quiet(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

/* Of several runners that make one database, the losers see one of these. */
static bool made_by_another(const char *state)
{
	return strcmp(state, "42P04") == 0 || strcmp(state, "23505") == 0 ||
	       strcmp(state, "55006") == 0;
}

/*
 * Makes the database a connection string names, by way of the database postgres, when it is absent
 * (libpq 15 gives no SQLSTATE for a failed connection, so that is asked). True when it is worth
 * connecting again.
 */
static bool make_database(const char *dsn, const char *name)
{
	const char *keys[] = {"dbname", "dbname", NULL};
	const char *values[] = {dsn, "postgres", NULL};
	PGconn *conn = PQconnectdbParams(keys, values, 1);
	char sql[256], state[6] = "";
	bool again = false;

	if (PQstatus(conn) == CONNECTION_OK) {
		char *ident = PQescapeIdentifier(conn, name, strlen(name));

		snprintf(sql, sizeof sql, "CREATE DATABASE %s ENCODING 'UTF8' TEMPLATE template0",
			 ident);
		PQfreemem(ident);
		again = migrate_exec(conn, name, sql, state) == 0 || made_by_another(state);
	}
	PQfinish(conn);
	return again;
}

PGconn *migrate_connect(const char *dsn)
{
	PGconn *conn = PQconnectdb(dsn);

	for (int i = 0; i < CONNECT_TRIES && PQstatus(conn) != CONNECTION_OK; i++) {
		const char *name = PQdb(conn);

		if (!name || !make_database(dsn, name))
			break;
		PQfinish(conn);
		if (i > 0)
			usleep(CONNECT_PAUSE_US);
		conn = PQconnectdb(dsn);
	}
	if (PQstatus(conn) == CONNECTION_OK) {
		PQsetNoticeReceiver(conn, be_quiet, NULL);
		return conn;
	}
	ctl_say(0, "database: %s", PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

/* $s: the service; $d: the database, quoted. */
static const char roles_sql[] =
	"BEGIN;"
	"DO $$ BEGIN CREATE ROLE $s_owner NOLOGIN; EXCEPTION WHEN duplicate_object OR "
	"unique_violation THEN NULL; END $$;"
	"DO $$ BEGIN CREATE ROLE $s_svc LOGIN CONNECTION LIMIT 24; EXCEPTION WHEN "
	"duplicate_object OR unique_violation THEN NULL; END $$;"
	/* An administrator who is no superuser must be a member to act as the owner. */
	"DO $$ BEGIN IF NOT pg_has_role(current_user, '$s_owner', 'MEMBER') THEN "
	"EXECUTE format('GRANT $s_owner TO %I', current_user); END IF; END $$;"
	"REVOKE ALL ON DATABASE $d FROM PUBLIC;"
	"REVOKE ALL ON SCHEMA public FROM PUBLIC;"
	"GRANT CONNECT ON DATABASE $d TO $s_svc;"
	"CREATE SCHEMA IF NOT EXISTS $s AUTHORIZATION $s_owner;"
	"GRANT USAGE ON SCHEMA $s TO $s_svc;"
	"SET LOCAL ROLE $s_owner;"
	"CREATE TABLE IF NOT EXISTS $s.schema_migration(part text NOT NULL, version int NOT NULL, "
	"name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), "
	"PRIMARY KEY (part, version));"
	"REVOKE ALL ON $s.schema_migration FROM $s_svc;"
	"GRANT SELECT ON $s.schema_migration TO $s_svc;"
	"RESET ROLE;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner IN SCHEMA $s "
	"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO $s_svc;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner IN SCHEMA $s GRANT USAGE ON SEQUENCES TO "
	"$s_svc;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner IN SCHEMA $s GRANT EXECUTE ON FUNCTIONS TO "
	"$s_svc;"
	"ALTER ROLE $s_svc IN DATABASE $d SET search_path = $s;"
	"ALTER ROLE $s_svc SET statement_timeout = '15s';"
	"ALTER ROLE $s_svc SET lock_timeout = '3s';"
	"ALTER ROLE $s_svc SET idle_in_transaction_session_timeout = '10s';"
	"COMMIT";

static void fill_in(const char *sql, const char *service, const char *database, struct buf *out)
{
	for (const char *p = sql; *p; p++) {
		if (p[0] == '$' && (p[1] == 's' || p[1] == 'd'))
			buf_puts(out, *++p == 's' ? service : database);
		else
			buf_append(out, p, 1);
	}
}

/* Concurrent changes of one role give XX000 "tuple concurrently updated". */
static int exec_roles(PGconn *conn, const char *service, const char *sql)
{
	char state[6] = "";

	for (int i = 0; i < ROLE_TRIES; i++) {
		if (migrate_exec(conn, service, sql, state) == 0)
			return 0;
		if (strcmp(state, "XX000") != 0 && strcmp(state, "23505") != 0)
			break;
		CLEANUP_RESULT PGresult *res = PQexec(conn, "ROLLBACK; SELECT pg_sleep(0.05)");
	}
	ctl_say(0, "roles of %s: %s", service, PQerrorMessage(conn));
	CLEANUP_RESULT PGresult *res = PQexec(conn, "ROLLBACK");
	return -1;
}

/* The password of a login role; made when there is none. */
static int read_password(const char *path, struct buf *out)
{
	uint8_t random[PASSWORD_RANDOM_BYTES];
	struct arena arena;

	arena_init(&arena, 4096);
	crypt_random(random, sizeof random);
	const char *fresh = crypt_base64url(&arena, random, sizeof random);
	int rc = file_create(path, fresh, strlen(fresh), 0600, NULL);

	arena_done(&arena);
	if (rc == 0)
		rc = file_read(path, out);
	if (rc < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	while (out->len > 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
		out->data[--out->len] = '\0';
	return out->len > 0 ? 0 : ctl_say(-1, "%s: empty", path);
}

/* Only the SCRAM verifier travels and reaches the server's log. */
static int set_password(PGconn *conn, const char *service, const char *path)
{
	char role[64];
	struct buf password, sql;

	snprintf(role, sizeof role, "%.40s_svc", service);
	buf_init(&password, 1024);
	buf_init(&sql, 4096);
	int rc = read_password(path, &password);
	char *verifier =
		rc == 0 ? PQencryptPasswordConn(conn, buf_str(&password), role, "scram-sha-256")
			: NULL;

	if (verifier) {
		char *literal = PQescapeLiteral(conn, verifier, strlen(verifier));

		buf_printf(&sql, "ALTER ROLE %s PASSWORD %s", role, literal);
		PQfreemem(literal);
		PQfreemem(verifier);
		rc = exec_roles(conn, service, buf_str(&sql));
	} else if (rc == 0) {
		rc = ctl_say(-1, "%s: %s", role, PQerrorMessage(conn));
	}
	buf_done(&password);
	buf_done(&sql);
	return rc;
}

int migrate_roles(PGconn *conn, const char *service, const char *password_dir)
{
	char path[1024];
	struct buf sql;
	const char *name = PQdb(conn);
	char *database = PQescapeIdentifier(conn, name, strlen(name));

	buf_init(&sql, 16384);
	fill_in(roles_sql, service, database, &sql);
	PQfreemem(database);
	int rc = exec_roles(conn, service, buf_str(&sql));

	buf_done(&sql);
	if (rc < 0 || !password_dir)
		return rc;
	snprintf(path, sizeof path, "%s/%s_svc", password_dir, service);
	return set_password(conn, service, path);
}
