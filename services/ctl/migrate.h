/*
 * Migrations. Each service's schema gets, in this order, the parts common (common/db/sql), ref
 * (common/svc/sql) and its own (services/<service>/sql): files NNNN_name.sql, each in one
 * transaction as the schema's owner, recorded with their SHA-256 in <schema>.schema_migration. A
 * file that changed after it was applied, or that comes with a version below the newest applied
 * one, stops everything. Two runners at once are safe.
 */
#ifndef SERVICES_CTL_MIGRATE_H
#define SERVICES_CTL_MIGRATE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#define MIGRATE_FILES_MAX    256
#define MIGRATE_SERVICES_MAX 64

struct migrate_file {
	char part[48];
	int version;
	char name[128]; /* 0001_task.sql */
	char path[1024];
	char sha256[65];
};

struct migrate_files {
	struct migrate_file items[MIGRATE_FILES_MAX];
	size_t n;
};

struct migrate_services {
	char names[MIGRATE_SERVICES_MAX][48];
	size_t n;
};

/* Services under root that have a folder sql, by name. 0 or -1 (said). */
int migrate_find_services(const char *root, struct migrate_services *ret);
/* Files of one service in the order they are applied. 0 or -1 (said). */
int migrate_find_files(const char *root, const char *service, struct migrate_files *ret);

/* --- migrate_roles.c --- */

/* Connects; a database that does not exist yet is made. NULL: said. */
PGconn *migrate_connect(const char *dsn);
/*
 * Schema, roles <service>_owner and <service>_svc, grants and settings of one service. With
 * password_dir, the login role's password is that of the file <service>_svc there, which is made
 * with a random one when it is absent. 0 or -1 (said).
 */
int migrate_roles(PGconn *conn, const char *service, const char *password_dir);
/* Runs statements; 0 or -1 (said, with what). ret_state (may be NULL): SQLSTATE of the failure. */
int migrate_exec(PGconn *conn, const char *what, const char *sql, char *ret_state);

#endif
