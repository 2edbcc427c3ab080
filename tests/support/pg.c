#include "tests/support/pg.h"

#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "tests/support/pg_server.h"

#define PG_DSN_MAX       320
#define PG_TEMPLATES_MAX 16
#define PG_SQL_MAX       (4 * 1024 * 1024)

struct pg {
	char name[32];
	char admin_dsn[PG_DSN_MAX];
	char dsn[PG_DSN_MAX];
	PGconn *admin;
};

/* Templates of this program by their list of services. */
static struct {
	char services[256];
	char name[32];
} templates[PG_TEMPLATES_MAX];
static unsigned n_templates;
static unsigned n_databases;

void pg_use_durable(void)
{
	pg_server_use_durable();
}

static void quiet(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static PGconn *connect_to(const char *database)
{
	char dsn[PG_DSN_MAX];

	snprintf(dsn, sizeof(dsn), "%s user=postgres dbname=%s", pg_server_conninfo(), database);
	PGconn *conn = PQconnectdb(dsn);

	if (PQstatus(conn) != CONNECTION_OK)
		pg_die(database, PQerrorMessage(conn));
	PQsetNoticeReceiver(conn, quiet, NULL);
	return conn;
}

static void must(PGconn *conn, const char *what, const char *sql)
{
	PGresult *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);

	PQclear(res);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		pg_die(what, PQerrorMessage(conn));
}

static void __attribute__((format(printf, 3, 4)))
mustf(PGconn *conn, const char *what, const char *fmt, ...)
{
	char sql[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	must(conn, what, sql);
}

/* --- migrating --- */

/* $s is the service. */
static const char roles_sql[] =
	"DO $$ BEGIN CREATE ROLE $s_owner NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL;"
	" END $$;"
	"DO $$ BEGIN CREATE ROLE $s_svc LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
	"REVOKE ALL ON SCHEMA public FROM PUBLIC;"
	"CREATE SCHEMA $s AUTHORIZATION $s_owner;"
	"GRANT USAGE ON SCHEMA $s TO $s_svc;"
	"SET ROLE $s_owner;"
	"CREATE TABLE $s.schema_migration(part text NOT NULL, version int NOT NULL, name text NOT"
	" NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),"
	" PRIMARY KEY (part, version));"
	"GRANT SELECT ON $s.schema_migration TO $s_svc;"
	"RESET ROLE;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner IN SCHEMA $s GRANT SELECT, INSERT, UPDATE,"
	" DELETE ON TABLES TO $s_svc;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner IN SCHEMA $s GRANT USAGE ON SEQUENCES TO "
	"$s_svc;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
	"ALTER DEFAULT PRIVILEGES FOR ROLE $s_owner IN SCHEMA $s GRANT EXECUTE ON FUNCTIONS TO"
	" $s_svc;";

static void make_schema(PGconn *conn, const char *service)
{
	struct buf sql;

	buf_init(&sql, 65536);
	for (const char *p = roles_sql; *p; p++) {
		if (p[0] == '$' && p[1] == 's') {
			buf_puts(&sql, service);
			p++;
		} else {
			buf_append(&sql, p, 1);
		}
	}
	must(conn, "roles", buf_str(&sql));
	buf_done(&sql);
}

static FILE *open_file(const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		pg_die(path, "cannot be read");
	return f;
}

static void read_file(const char *path, struct buf *out)
{
	char chunk[8192];
	size_t n;
	FILE *f = open_file(path);

	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(out, chunk, n);
	fclose(f);
	if (out->full)
		pg_die(path, "too large");
}

static void apply_file(PGconn *conn, const char *service, const char *part, const char *path)
{
	struct buf sql;
	uint8_t digest[CRYPT_SHA256_BYTES];
	char hex[CRYPT_SHA256_HEX];
	const char *name = strrchr(path, '/') + 1;

	buf_init(&sql, PG_SQL_MAX);
	read_file(path, &sql);
	crypt_sha256(sql.data, sql.len, digest);
	crypt_hex(digest, sizeof(digest), hex);
	mustf(conn, path, "BEGIN; SET LOCAL ROLE %s_owner; SET LOCAL search_path = %s", service,
	      service);
	must(conn, path, buf_str(&sql));
	mustf(conn, path,
	      "INSERT INTO schema_migration(part, version, name, sha256)"
	      " VALUES ('%s', %d, '%s', '%s'); COMMIT",
	      part, atoi(name), name, hex);
	buf_done(&sql);
}

static void apply_folder(PGconn *conn, const char *service, const char *part, const char *folder)
{
	const char *root = getenv("LGSP_SQL_ROOT");
	char pattern[512];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/%s/[0-9][0-9][0-9][0-9]_*.sql", root ? root : ".",
		 folder);
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			apply_file(conn, service, part, found.gl_pathv[i]);
	globfree(&found);
}

static void migrate(PGconn *conn, const char *services)
{
	char list[256], folder[128], *save = NULL;

	snprintf(list, sizeof(list), "%s", services);
	for (char *s = strtok_r(list, " ", &save); s; s = strtok_r(NULL, " ", &save)) {
		make_schema(conn, s);
		snprintf(folder, sizeof(folder), "services/%s/sql", s);
		apply_folder(conn, s, "common", "common/db/sql");
		apply_folder(conn, s, "ref", "common/svc/sql");
		apply_folder(conn, s, s, folder);
	}
}

static const char *template_for(const char *services)
{
	for (unsigned i = 0; i < n_templates; i++)
		if (strcmp(templates[i].services, services) == 0)
			return templates[i].name;
	if (n_templates == PG_TEMPLATES_MAX || strlen(services) >= sizeof(templates[0].services))
		pg_die("templates", "too many");
	char *name = templates[n_templates].name;
	PGconn *conn = connect_to("postgres");

	snprintf(name, sizeof(templates[0].name), "template_%u", n_templates);
	mustf(conn, name, "CREATE DATABASE %s", name);
	PQfinish(conn);
	conn = connect_to(name);
	mustf(conn, name, "REVOKE ALL ON DATABASE %s FROM PUBLIC", name);
	migrate(conn, services);
	PQfinish(conn);
	strcpy(templates[n_templates++].services, services);
	return name;
}

static void grant_connect(PGconn *conn, const char *database, const char *services)
{
	char list[256], *save = NULL;

	snprintf(list, sizeof(list), "%s", services);
	for (char *s = strtok_r(list, " ", &save); s; s = strtok_r(NULL, " ", &save))
		mustf(conn, database, "GRANT CONNECT ON DATABASE %s TO %s_svc", database, s);
}

/* --- a database --- */

struct pg *pg_new(const char *services)
{
	struct pg *pg = base_alloc(sizeof(*pg));

	pg_server_need();
	const char *template = template_for(services);

	snprintf(pg->name, sizeof(pg->name), "test_%u", n_databases++);
	PGconn *conn = connect_to("postgres");

	mustf(conn, pg->name, "CREATE DATABASE %s TEMPLATE %s", pg->name, template);
	mustf(conn, pg->name, "REVOKE ALL ON DATABASE %s FROM PUBLIC", pg->name);
	grant_connect(conn, pg->name, services);
	PQfinish(conn);
	pg->admin = connect_to(pg->name);
	snprintf(pg->admin_dsn, sizeof(pg->admin_dsn), "%s user=postgres dbname=%s",
		 pg_server_conninfo(), pg->name);
	return pg;
}

void pg_free(struct pg *pg)
{
	if (!pg)
		return;
	PQfinish(pg->admin);
	PGconn *conn = connect_to("postgres");

	mustf(conn, pg->name, "DROP DATABASE %s WITH (FORCE)", pg->name);
	PQfinish(conn);
	free(pg);
}

const char *pg_dsn(struct pg *pg, const char *service)
{
	snprintf(pg->dsn, sizeof(pg->dsn), "%s user=%s_svc dbname=%s", pg_server_conninfo(),
		 service, pg->name);
	return pg->dsn;
}

const char *pg_admin_dsn(struct pg *pg)
{
	return pg->admin_dsn;
}

PGconn *pg_admin(struct pg *pg)
{
	/* After a crash of the server. */
	if (PQstatus(pg->admin) != CONNECTION_OK)
		PQreset(pg->admin);
	return pg->admin;
}

static void set_path(struct pg *pg, const char *service)
{
	const char *path = service[0] ? service : "pg_catalog";
	PGresult *res = PQexecParams(pg_admin(pg), "SELECT set_config('search_path', $1, false)", 1,
				     NULL, &path, NULL, NULL, 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		PQclear(res); /* the server was restarted behind our back */
		PQreset(pg->admin);
		res = PQexecParams(pg->admin, "SELECT set_config('search_path', $1, false)", 1,
				   NULL, &path, NULL, NULL, 0);
	}
	PQclear(res);
}

void pg_exec(struct pg *pg, const char *service, const char *sql)
{
	set_path(pg, service);
	must(pg_admin(pg), sql, sql);
}

void pg_exec_owner(struct pg *pg, const char *service, const char *sql)
{
	set_path(pg, service);
	mustf(pg_admin(pg), service, "SET ROLE %s_owner", service);
	must(pg_admin(pg), sql, sql);
	must(pg_admin(pg), sql, "RESET ROLE");
}

int64_t pg_int(struct pg *pg, const char *service, const char *sql)
{
	set_path(pg, service);
	PGresult *res = PQexec(pg_admin(pg), sql);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		pg_die(sql, PQerrorMessage(pg->admin));
	int64_t value = PQntuples(res) > 0 ? atoll(PQgetvalue(res, 0, 0)) : 0;

	PQclear(res);
	return value;
}

bool pg_wait_int(struct pg *pg, const char *service, const char *sql, int64_t want, int timeout_ms)
{
	int64_t until_us = clock_mono_us() + timeout_ms * 1000LL;
	const struct timespec step = {.tv_nsec = 5 * 1000 * 1000};

	while (pg_int(pg, service, sql) != want) {
		if (clock_mono_us() > until_us)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

pid_t pg_backend(struct pg *pg, const char *application_name)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "SELECT pid FROM pg_stat_activity WHERE application_name = '%s'"
		 " AND datname = current_database()",
		 application_name);
	return (pid_t)pg_int(pg, "", sql);
}
