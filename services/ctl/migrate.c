/* migrate: the only runner of migrations. */
#include "services/ctl/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/base/number.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"

#define FILE_MAX_BYTES (1024 * 1024)

struct run {
	PGconn *conn;
	const char *root;
	const char *password_dir;
	bool status_only;
	int applied;
	int pending;
};

/* What the database says about a file. */
enum standing { STANDING_PENDING, STANDING_APPLIED, STANDING_CHANGED, STANDING_LATE };

/* Column 1 is an integer in the database: what is no number there is no version of ours. */
static int version_of(const PGresult *rows, int row)
{
	int64_t version = 0;

	number_parse(PQgetvalue(rows, row, 1), 0, INT32_MAX, &version);
	return (int)version;
}

static enum standing standing_of(const struct migrate_file *f, const PGresult *rows)
{
	bool newer = false;

	for (int i = 0; i < PQntuples(rows); i++) {
		int version = version_of(rows, i);

		if (strcmp(PQgetvalue(rows, i, 0), f->part) != 0)
			continue;
		if (version == f->version)
			return strcmp(PQgetvalue(rows, i, 2), f->sha256) == 0 ? STANDING_APPLIED
									      : STANDING_CHANGED;
		newer = newer || version > f->version;
	}
	return newer ? STANDING_LATE : STANDING_PENDING;
}

static int record(PGconn *conn, const char *service, const struct migrate_file *f)
{
	char sql[256], version[16];
	const char *args[] = {f->part, version, f->name, f->sha256};

	snprintf(version, sizeof version, "%d", f->version);
	snprintf(sql, sizeof sql,
		 "INSERT INTO %s.schema_migration(part, version, name, sha256) "
		 "VALUES ($1, $2, $3, $4)",
		 service);
	PGresult *res = PQexecParams(conn, sql, 4, NULL, args, NULL, NULL, 0);
	int rc = PQresultStatus(res) == PGRES_COMMAND_OK ? 0 : -1;

	PQclear(res);
	return rc < 0 ? ctl_say(-1, "%s: %s", f->path, PQerrorMessage(conn)) : 0;
}

static int apply_in_transaction(struct run *run, const char *service, const struct migrate_file *f,
				const char *text)
{
	char begin[256];

	snprintf(begin, sizeof begin,
		 "BEGIN; SET LOCAL ROLE %s_owner; SET LOCAL search_path = %s; "
		 "SET LOCAL lock_timeout = '3s'",
		 service, service);
	if (migrate_exec(run->conn, f->path, begin, NULL) < 0 ||
	    migrate_exec(run->conn, f->path, text, NULL) < 0)
		return -1;
	if (PQtransactionStatus(run->conn) != PQTRANS_INTRANS)
		return ctl_say(-1, "%s: a migration must not end its transaction", f->path);
	if (record(run->conn, service, f) < 0)
		return -1;
	return migrate_exec(run->conn, f->path, "COMMIT", NULL);
}

static int apply(struct run *run, const char *service, const struct migrate_file *f)
{
	struct buf text;

	buf_init(&text, FILE_MAX_BYTES);
	int rc = file_read(f->path, &text);

	if (rc < 0)
		ctl_say(0, "%s: %s", f->path, strerror(errno));
	else
		rc = apply_in_transaction(run, service, f, buf_str(&text));
	buf_done(&text);
	if (rc < 0) {
		PQclear(PQexec(run->conn, "ROLLBACK"));
		return -1;
	}
	printf("migrate: %s %s/%s applied\n", service, f->part, f->name);
	run->applied++;
	return 0;
}

static int take_file(struct run *run, const char *service, const struct migrate_file *f,
		     const PGresult *rows)
{
	enum standing standing = standing_of(f, rows);

	switch (standing) {
	case STANDING_APPLIED:
		break;
	case STANDING_CHANGED:
		return ctl_say(-1, "%s: changed after it was applied to %s; write a new migration",
			       f->path, service);
	case STANDING_LATE:
		return ctl_say(-1, "%s: %s has a newer one of part %s; give it a higher number",
			       f->path, service, f->part);
	case STANDING_PENDING:
		run->pending++;
		if (!run->status_only)
			return apply(run, service, f);
		break;
	}
	if (run->status_only)
		printf("%s %s/%s %s\n", service, f->part, f->name,
		       standing == STANDING_PENDING ? "pending" : "applied");
	return 0;
}

/* Applied by a newer build: its services run beside ours, so it is no error. */
static void tell_unknown(const char *service, const struct migrate_files *files,
			 const PGresult *rows)
{
	for (int i = 0; i < PQntuples(rows); i++) {
		size_t k = 0;

		while (k < files->n && (strcmp(files->items[k].part, PQgetvalue(rows, i, 0)) != 0 ||
					files->items[k].version != version_of(rows, i)))
			k++;
		if (k == files->n)
			printf("%s %s/%s applied by a newer build\n", service,
			       PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 3));
	}
}

static PGresult *applied_rows(struct run *run, const char *service)
{
	char sql[512];

	/* Without the table (status before the first run) there are no rows. */
	snprintf(sql, sizeof sql, "SELECT to_regclass('%s.schema_migration') IS NOT NULL", service);
	PGresult *res = PQexec(run->conn, sql);
	bool there = PQntuples(res) == 1 && PQgetvalue(res, 0, 0)[0] == 't';

	PQclear(res);
	snprintf(sql, sizeof sql,
		 there ? "SELECT part, version, sha256, name FROM %s.schema_migration"
		       : "SELECT '', 0, '', '' WHERE false AND '%s' = ''",
		 service);
	res = PQexec(run->conn, sql);
	if (PQresultStatus(res) == PGRES_TUPLES_OK)
		return res;
	ctl_say(0, "%s: %s", service, PQerrorMessage(run->conn));
	PQclear(res);
	return NULL;
}

static int take_service(struct run *run, const char *service)
{
	static struct migrate_files files; /* large; one service at a time */

	if (migrate_find_files(run->root, service, &files) < 0)
		return -1;
	if (!run->status_only && migrate_roles(run->conn, service, run->password_dir) < 0)
		return -1;
	PGresult *rows = applied_rows(run, service);
	int rc = rows ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < files.n; i++)
		rc = take_file(run, service, &files.items[i], rows);
	if (rc == 0)
		tell_unknown(service, &files, rows);
	PQclear(rows);
	return rc;
}

static bool wanted(const char *service, int n, char **words)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(words[i], service) == 0)
			return true;
	}
	return n == 0;
}

/* Every word has to be a service. */
static int check_words(const struct migrate_services *services, int n, char **words)
{
	for (int i = 0; i < n; i++) {
		bool found = false;

		for (size_t j = 0; j < services->n; j++)
			found |= strcmp(services->names[j], words[i]) == 0;
		if (!found)
			return ctl_say(-1, "migrate: no service \"%s\" has an sql folder",
				       words[i]);
	}
	return 0;
}

static int take_all(struct run *run, int n_words, char **words)
{
	static struct migrate_services services;

	if (migrate_find_services(run->root, &services) < 0 ||
	    check_words(&services, n_words, words) < 0)
		return -1;
	/* One runner at a time; the lock ends with the connection. */
	if (migrate_exec(run->conn, "lock", "SELECT pg_advisory_lock(hashtext('migrate'))", NULL) <
	    0)
		return -1;
	for (size_t i = 0; i < services.n; i++) {
		if (wanted(services.names[i], n_words, words) &&
		    take_service(run, services.names[i]) < 0)
			return -1;
	}
	return 0;
}

int ctl_migrate(int argc, char **argv)
{
	const char *status = NULL;
	const struct ctl_option options[] = {{"--status", false, &status}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));

	if (words < 0)
		return -words;
	const char *dsn = ctl_setting("LGSP_ADMIN_DSN", NULL);
	const char *password_dir = getenv("LGSP_DB_PASSWORD_DIR");
	struct run run = {
		.root = ctl_setting("LGSP_SQL_ROOT", "."),
		.password_dir = password_dir && password_dir[0] ? password_dir : NULL,
		.status_only = status != NULL,
	};

	if (!dsn)
		return EXIT_CONFIG;
	run.conn = migrate_connect(dsn);
	if (!run.conn)
		return EXIT_DEPENDENCY;
	int rc = take_all(&run, words - 1, argv + 1) < 0 ? EXIT_CONFIG : 0;

	PQfinish(run.conn);
	if (rc == 0 && status)
		return run.pending > 0 ? CTL_FAILED : 0;
	if (rc == 0)
		printf("migrate: %d applied, schemas are up to date\n", run.applied);
	return rc;
}
