#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/crypt.h"
#include "common/base/number.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/migrate.h"

#define FILE_MAX_BYTES (1024 * 1024)

/* NNNN_name.sql with a name of a-z, 0-9 and _. */
static bool is_migration(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	size_t rest = strspn(name + digits, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return digits == 4 && name[4] == '_' && strcmp(name + digits + rest, ".sql") == 0;
}

static int by_migration(const struct dirent *e)
{
	return is_migration(e->d_name);
}

static int hash_file(struct migrate_file *f)
{
	uint8_t digest[CRYPT_SHA256_BYTES];
	struct buf text;

	buf_init(&text, FILE_MAX_BYTES);
	int rc = file_read(f->path, &text);

	if (rc < 0)
		ctl_say(0, "%s: %s", f->path, strerror(errno));
	crypt_sha256(text.data, text.len, digest);
	crypt_hex(digest, sizeof digest, f->sha256);
	buf_done(&text);
	return rc;
}

static int add_file(struct migrate_files *files, const char *part, const char *dir,
		    const char *name)
{
	if (files->n == MIGRATE_FILES_MAX)
		return ctl_say(-1, "%s: more than %d migrations", dir, MIGRATE_FILES_MAX);
	struct migrate_file *f = &files->items[files->n];
	const struct migrate_file *last = files->n > 0 ? f - 1 : NULL;
	int64_t version;

	if (number_prefix(name, 1, 9999, &version) < 0)
		return ctl_say(-1, "%s/%s: a migration's name begins with its number", dir, name);
	f->version = (int)version;
	if (snprintf(f->part, sizeof f->part, "%s", part) >= (int)sizeof f->part ||
	    snprintf(f->name, sizeof f->name, "%s", name) >= (int)sizeof f->name ||
	    snprintf(f->path, sizeof f->path, "%s/%s", dir, name) >= (int)sizeof f->path)
		return ctl_say(-1, "%s/%s: name too long", dir, name);
	if (last && strcmp(last->part, part) == 0 && last->version == f->version)
		return ctl_say(-1, "%s: %s and %s have one number", dir, last->name, name);
	files->n++;
	return hash_file(f);
}

static int add_part(struct migrate_files *files, const char *part, const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, by_migration, alphasort);
	int rc = 0;

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return ctl_say(-1, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = add_file(files, part, dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return rc;
}

int migrate_find_files(const char *root, const char *service, struct migrate_files *ret)
{
	char dir[900];

	ret->n = 0;
	snprintf(dir, sizeof dir, "%s/common/db/sql", root);
	if (add_part(ret, "common", dir) < 0)
		return -1;
	snprintf(dir, sizeof dir, "%s/common/svc/sql", root);
	if (add_part(ret, "ref", dir) < 0)
		return -1;
	snprintf(dir, sizeof dir, "%s/services/%s/sql", root, service);
	return add_part(ret, service, dir);
}

static int by_service(const struct dirent *e)
{
	size_t n = strspn(e->d_name, "abcdefghijklmnopqrstuvwxyz");

	return n > 0 && n < 40 && e->d_name[n] == '\0';
}

int migrate_find_services(const char *root, struct migrate_services *ret)
{
	char path[1024];
	struct dirent **names = NULL;

	ret->n = 0;
	snprintf(path, sizeof path, "%s/services", root);
	int n = scandir(path, &names, by_service, alphasort);

	if (n < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/services/%s/sql", root, names[i]->d_name);
		if (file_exists(path) && ret->n < MIGRATE_SERVICES_MAX)
			snprintf(ret->names[ret->n++], sizeof ret->names[0], "%.47s",
				 names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return ret->n > 0 ? 0 : ctl_say(-1, "%s/services: no folder sql in any of them", root);
}
