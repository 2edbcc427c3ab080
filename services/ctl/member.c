/* member add|list: outside systems and their rights. */
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/rights/rights.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/keys.h"
#include "services/ctl/rights_file.h"

/* The right hand side of member add. */
struct wanted {
	const char *grants, *feeds; /* lists of SERVICE METHOD, SERVICE FEED */
	const char *acts_for;       /* NULL: no */
};

static int settings(struct keys_dir *keys)
{
	*keys = (struct keys_dir){
		.dir = ctl_setting("LGSP_KEYS_DIR", NULL),
		.members = ctl_setting("LGSP_MEMBERS_DIR", NULL),
		.rights = ctl_setting("LGSP_RIGHTS", NULL),
		.prefix = ctl_setting("LGSP_MEMBER_PREFIX", "VN/GOV/H40"),
	};
	return keys->dir && keys->members && keys->rights ? 0 : EXIT_CONFIG;
}

/* "dossier Submit, directory *" as lines "grant MEMBER dossier Submit". 0 or an exit code (said).
 */
static int add_lines(const char *verb, const char *member, const char *list, const char *tail,
		     struct buf *out)
{
	CLEANUP_FREE char *copy = base_strdup(list);
	char *save = NULL;

	for (char *g = strtok_r(copy, ",", &save); g; g = strtok_r(NULL, ",", &save)) {
		char service[64], name[80], more;

		if (sscanf(g, " %63s %79s %c", service, name, &more) != 2)
			return ctl_say(EXIT_USAGE, "\"%s\" is not SERVICE %s", g,
				       strcmp(verb, "feed") == 0 ? "FEED" : "METHOD");
		buf_printf(out, "%s %s %s %s%s\n", verb, member, service, name, tail);
	}
	return 0;
}

/* What is wanted, as lines that the broker would take. 0 or an exit code (said). */
static int make_lines(const char *member, const struct wanted *want, struct buf *out)
{
	const char *tail = want->acts_for ? " acts_for" : "";
	char reason[RIGHTS_FAULT_MAX];
	struct rights *rights = NULL;
	int rc = add_lines("grant", member, want->grants, tail, out);

	if (rc == 0)
		rc = add_lines("feed", member, want->feeds, tail, out);
	if (rc == 0 && rights_parse(buf_str(out), out->len, &rights, reason) < 0)
		rc = ctl_say(EXIT_USAGE, "%s", reason);
	rights_free(rights);
	return rc;
}

static int add_member(const struct keys_dir *keys, const char *name, const char *lines)
{
	int rc = keys_make(keys, name, true);

	if (rc < 0)
		return CTL_FAILED;
	if (rc > 0)
		return ctl_say(CTL_FAILED, "%s is a member already", name);
	return rights_file_append(keys->rights, lines) < 0 ? CTL_FAILED : 0;
}

int ctl_member_add(int argc, char **argv)
{
	struct wanted want = {.grants = "", .feeds = ""};
	const struct ctl_option options[] = {
		{"--grant", true, &want.grants},
		{"--feed", true, &want.feeds},
		{"--acts-for", false, &want.acts_for},
	};
	char member[RIGHTS_MEMBER_MAX];
	struct buf lines;
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	struct keys_dir keys;

	if (words < 0)
		return -words;
	if (words != 2 || !keys_name_ok(argv[1]))
		return ctl_say(EXIT_USAGE, "member add needs a name of a-z, 0-9 and -");
	int rc = settings(&keys);

	if (rc != 0)
		return rc;
	snprintf(member, sizeof member, "%s/%s", keys.prefix, argv[1]);
	buf_init(&lines, 65536);
	rc = make_lines(member, &want, &lines);
	if (rc == 0)
		rc = add_member(&keys, argv[1], buf_str(&lines));
	buf_done(&lines);
	if (rc == 0)
		printf("%s/%s\n  key     %s/%s.key_secret\n  broker  %s/broker.key\n", keys.prefix,
		       argv[1], keys.dir, argv[1], keys.dir);
	return rc;
}

static void list_rights(const char *rights, const char *member)
{
	CLEANUP_FILE FILE *f = fopen(rights, "re");
	char line[512], verb[16], who[256], rest[256];

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%15s %255s %255[^\n]", verb, who, rest) == 3 &&
		    strcmp(who, member) == 0)
			printf("  %s %s\n", verb, rest);
	}
}

static int list_one(const struct keys_dir *keys, const char *file)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", keys->members, file);
	zcert_t *cert = zcert_load(path);
	const char *member = cert ? zcert_meta(cert, "member") : NULL;

	if (!member) {
		zcert_destroy(&cert);
		return ctl_say(CTL_FAILED, "%s: no certificate with a member address", path);
	}
	printf("%s %s\n", member, zcert_public_txt(cert));
	list_rights(keys->rights, member);
	zcert_destroy(&cert);
	return 0;
}

static int is_key(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && strcmp(dot, ".key") == 0;
}

int ctl_member_list(int argc, char **argv)
{
	struct keys_dir keys;
	struct dirent **names = NULL;

	if (argc != 1)
		return ctl_say(EXIT_USAGE, "%s takes no words", argv[0]);
	int rc = settings(&keys);

	if (rc != 0)
		return rc;
	int n = scandir(keys.members, &names, is_key, alphasort);

	if (n < 0)
		return ctl_say(CTL_FAILED, "%s: %s", keys.members, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (list_one(&keys, names[i]->d_name) != 0)
			rc = CTL_FAILED;
		free(names[i]);
	}
	free(names);
	return rc;
}
