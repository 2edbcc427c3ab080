#include "services/ctl/keys.h"

#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/crypt.h"
#include "common/base/env.h"
#include "common/base/jwt.h"
#include "common/rights/rights.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/rights_file.h"

#define PATH_BYTES 4096
/* Systems outside the suite, here one to try the bus with; the template says what each may. */
#define OUTSIDE_MEMBERS "one-stop"

bool keys_name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n >= 1 && n <= 40 && name[n] == '\0' && name[0] != '-';
}

static int path_of(char out[static PATH_BYTES], const char *dir, const char *name,
		   const char *suffix)
{
	if (snprintf(out, PATH_BYTES, "%s/%s%s", dir, name, suffix) < PATH_BYTES)
		return 0;
	ctl_say(0, "%s: path too long", dir);
	return -1;
}

/* Both halves of a pair; the secret one first, so that a public one never stands alone. */
static int save_pair(zcert_t *cert, const char *path)
{
	char public_path[PATH_BYTES];

	if (zcert_save_secret(cert, path) < 0 || chmod(path, 0600) < 0)
		return -1;
	snprintf(public_path, sizeof public_path, "%.*s", (int)(strlen(path) - strlen("_secret")),
		 path);
	if (zcert_save_public(cert, public_path) < 0 || chmod(public_path, 0644) < 0)
		return -1;
	return 0;
}

int keys_make(const struct keys_dir *keys, const char *name, bool member)
{
	char secret[PATH_BYTES], listed[PATH_BYTES];
	int rc = 1;

	if (path_of(secret, keys->dir, name, ".key_secret") < 0 ||
	    path_of(listed, keys->members, name, ".key") < 0)
		return -1;
	zcert_t *cert = file_exists(secret) ? zcert_load(secret) : zcert_new();

	if (!cert)
		return ctl_say(-1, "%s: not a certificate", secret);
	if (!file_exists(secret)) {
		zcert_set_meta(cert, "name", "%s", name);
		if (member)
			zcert_set_meta(cert, "member", "%s/%s", keys->prefix, name);
		rc = save_pair(cert, secret) < 0 ? -1 : 0;
	}
	if (rc >= 0 && member && !file_exists(listed))
		rc = zcert_save_public(cert, listed) < 0 || chmod(listed, 0644) < 0 ? -1 : 0;
	if (rc < 0)
		ctl_say(0, "%s: cannot write: %s", secret, strerror(errno));
	zcert_destroy(&cert);
	return rc;
}

/* --- rights --- */

/*
 * A word of the rights template: "@name" is the member of a suite's service, "@*" any of them,
 * "%name" a member outside the suite; other words stay. Returns false when the word is another
 * member than this one.
 */
static bool expand(const char *word, const char *name, const char *prefix, bool *ret_mine,
		   struct buf *out)
{
	if (word[0] != '@' && word[0] != '%') {
		buf_puts(out, word);
		return true;
	}
	bool suite = strncmp(name, "lgsp-", 5) == 0;
	const char *known = word[0] == '@' && suite ? name + 5 : name;
	bool mine = (word[0] == '@') == suite &&
		    (strcmp(word + 1, "*") == 0 || strcmp(word + 1, known) == 0);

	*ret_mine = *ret_mine || mine;
	return mine && buf_printf(out, "%s/%s", prefix, name) == 0;
}

/* Appends a template line for one member, when it is about it. */
static void expand_line(const char *line, const char *name, const char *prefix, struct buf *out)
{
	char copy[512];
	struct buf text;
	char *save = NULL;
	bool mine = false, keep = true;

	buf_init(&text, 4096);
	snprintf(copy, sizeof copy, "%.*s", (int)strcspn(line, "#\n"), line);
	for (char *w = strtok_r(copy, " \t", &save); w && keep; w = strtok_r(NULL, " \t", &save)) {
		if (text.len > 0)
			buf_puts(&text, " ");
		keep = expand(w, name, prefix, &mine, &text);
	}
	if (keep && mine)
		buf_printf(out, "%s\n", buf_str(&text));
	buf_done(&text);
}

/* What the template says of one member. 0, or -1 (said). */
static int template_lines(const struct keys_dir *keys, const char *template, const char *name,
			  struct buf *out)
{
	CLEANUP_FILE FILE *f = fopen(template, "re");
	char line[512];

	if (!f)
		return ctl_say(-1, "%s: %s", template, strerror(errno));
	while (fgets(line, sizeof line, f))
		expand_line(line, name, keys->prefix, out);
	return 0;
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = strstr(text, line); at; at = strstr(at + 1, line))
		if ((at == text || at[-1] == '\n') && (at[n] == '\n' || at[n] == '\0'))
			return true;
	return false;
}

/*
 * Of a member that is there already somebody may have taken a line away, so what the template has
 * beyond the file is said, and written only with --add-rights.
 */
static void pick_missing(const struct keys_dir *keys, const char *have, char *lines, bool is_new,
			 struct buf *out)
{
	char *save = NULL;

	for (char *l = strtok_r(lines, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (has_line(have, l))
			continue;
		if (is_new || keys->add_rights)
			buf_printf(out, "%s\n", l);
		else
			ctl_say(0, "the rights lack \"%s\"; --add-rights writes it", l);
	}
}

static int add_rights(const struct keys_dir *keys, const char *template, const char *name,
		      bool is_new)
{
	struct buf lines, have, missing;
	int rc;

	buf_init(&lines, 65536);
	buf_init(&have, RIGHTS_FILE_MAX);
	buf_init(&missing, 65536);
	rc = template_lines(keys, template, name, &lines);
	if (rc == 0)
		rc = rights_file_read(keys->rights, &have);
	if (rc == 0 && lines.len > 0)
		pick_missing(keys, buf_str(&have), (char *)lines.data, is_new, &missing);
	if (rc == 0 && missing.len > 0)
		rc = rights_file_append(keys->rights, buf_str(&missing));
	buf_done(&lines);
	buf_done(&have);
	buf_done(&missing);
	return rc;
}

/* --- init --- */

/* The rights come first: a key without them would be taken for done by the next run. */
static int make_member(const struct keys_dir *keys, const char *template, const char *name)
{
	char secret[PATH_BYTES];

	if (!keys_name_ok(name))
		return ctl_say(-1, "\"%s\" is no name of a-z, 0-9 and -", name);
	if (path_of(secret, keys->dir, name, ".key_secret") < 0)
		return -1;
	if (add_rights(keys, template, name, !file_exists(secret)) < 0)
		return -1;
	return keys_make(keys, name, true) < 0 ? -1 : 0;
}

/* A list of names, each behind the prefix. */
static int make_members(const struct keys_dir *keys, const char *template, const char *prefix,
			const char *list)
{
	CLEANUP_FREE char *copy = base_strdup(list);
	char *save = NULL;

	for (char *s = strtok_r(copy, " ,", &save); s; s = strtok_r(NULL, " ,", &save)) {
		char name[64];

		snprintf(name, sizeof name, "%s%.50s", prefix, s);
		if (make_member(keys, template, name) < 0)
			return -1;
	}
	return 0;
}

static int make_owner_key(const struct keys_dir *keys)
{
	char path[PATH_BYTES];
	uint8_t key[32];

	if (path_of(path, keys->dir, "owner", ".key") < 0)
		return -1;
	crypt_random(key, sizeof key);
	if (file_create(path, key, sizeof key, 0600, NULL) < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	return 0;
}

static int make_token_key(const struct keys_dir *keys)
{
	char pem_path[PATH_BYTES], jwks_path[PATH_BYTES];
	struct arena arena;
	char *pem = NULL, *jwks = NULL;
	bool made = true;

	if (path_of(pem_path, keys->dir, "token", ".pem") < 0 ||
	    path_of(jwks_path, keys->dir, "jwks", ".json") < 0)
		return -1;
	if (file_exists(pem_path) && file_exists(jwks_path))
		return 0;
	if (file_exists(pem_path) || file_exists(jwks_path))
		return ctl_say(-1, "%s and %s do not belong together: one of them is missing",
			       pem_path, jwks_path);
	arena_init(&arena, 65536);
	int rc = jwt_key_new(&arena, &pem, &jwks);

	if (rc == 0)
		rc = file_create(pem_path, pem, strlen(pem), 0600, &made);
	if (rc == 0)
		rc = file_create(jwks_path, jwks, strlen(jwks), 0644, &made);
	arena_done(&arena);
	return rc < 0 ? ctl_say(-1, "%s: cannot write", pem_path) : 0;
}

static int make_all(const struct keys_dir *keys, const char *template, const char *services,
		    const char *outside)
{
	if (file_mkdir(keys->dir, 0700) < 0 || file_mkdir(keys->members, 0755) < 0)
		return ctl_say(-1, "%s: %s", keys->dir, strerror(errno));
	if (file_exists(keys->rights) && rights_file_upgrade(keys->rights) < 0)
		return -1;
	if (!file_exists(keys->rights) &&
	    file_append(keys->rights, "# grant MEMBER SERVICE METHOD | feed MEMBER SERVICE FEED | "
				      "serve MEMBER SERVICE\n") < 0)
		return ctl_say(-1, "%s: %s", keys->rights, strerror(errno));
	if (keys_make(keys, "broker", false) < 0 ||
	    make_members(keys, template, "lgsp-", services) < 0 ||
	    make_member(keys, template, "lgsp-operator") < 0 ||
	    make_members(keys, template, "", outside) < 0)
		return -1;
	return make_owner_key(keys) < 0 || make_token_key(keys) < 0 ? -1 : 0;
}

int ctl_keys_init(int argc, char **argv)
{
	const char *services = "gateway directory dossier payment digitisation task kpi";
	const char *template = "deploy/rights";
	const char *prefix = ctl_setting("LGSP_MEMBER_PREFIX", "VN/GOV/H40");
	const char *outside = OUTSIDE_MEMBERS, *add_rights = NULL;
	const struct ctl_option options[] = {
		{"--services", true, &services}, {"--members", true, &outside},
		{"--rights", true, &template},   {"--add-rights", false, &add_rights},
		{"--prefix", true, &prefix},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	char members[PATH_BYTES], rights[PATH_BYTES];

	if (words < 0)
		return -words;
	if (words != 2)
		return ctl_say(EXIT_USAGE, "keys init needs the folder");
	if (path_of(members, argv[1], "members", "") < 0 ||
	    path_of(rights, argv[1], "rights", "") < 0)
		return EXIT_USAGE;
	const struct keys_dir keys = {argv[1], members, rights, prefix, add_rights != NULL};

	return make_all(&keys, template, services, outside) < 0 ? CTL_FAILED : 0;
}
