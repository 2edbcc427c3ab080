/* member enrol|list: who may connect, and what they may do. */
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/civil.h"
#include "common/base/env.h"
#include "common/rights/rights.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/member.h"
#include "services/ctl/rights_file.h"

/* What member enrol is told. */
struct wanted {
	const char *grants, *feeds; /* lists of SERVICE METHOD, SERVICE FEED */
	const char *serves;         /* list of services */
	const char *acts_for;       /* NULL: no */
	const char *public_z85;     /* NULL: a pair is made here */
	const char *from, *until;   /* days of the key; "" for none */
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

int member_place_of(const char *name, struct member_place *ret_place)
{
	int rc = settings(&ret_place->keys);

	if (rc != 0)
		return rc;
	if (!keys_name_ok(name))
		return ctl_say(EXIT_USAGE, "\"%s\" is no name of a-z, 0-9 and -", name);
	ret_place->name = name;
	snprintf(ret_place->member, sizeof ret_place->member, "%s/%s", ret_place->keys.prefix,
		 name);
	return 0;
}

void member_listed_path(const struct member_place *p, const char *which,
			char out[static MEMBER_PATH_BYTES])
{
	snprintf(out, MEMBER_PATH_BYTES, "%.3900s/%s%s.key", p->keys.members, p->name, which);
}

void member_secret_path(const struct member_place *p, const char *which,
			char out[static MEMBER_PATH_BYTES])
{
	snprintf(out, MEMBER_PATH_BYTES, "%.3900s/%s%s.key_secret", p->keys.dir, p->name, which);
}

/* --- certificates --- */

bool member_key_ok(const char *public_z85)
{
	uint8_t raw[32];

	if (strlen(public_z85) == 40 && zmq_z85_decode(raw, public_z85))
		return true;
	ctl_say(0, "--public is a public key of 40 characters (Z85), as in public-key = \"...\"");
	return false;
}

static void add_date(struct buf *text, const char *name, const char *date)
{
	if (*date)
		buf_printf(text, "    %s = \"%s\"\n", name, date);
}

int member_list_key(const struct member_place *p, const char *which, const char *public_z85,
		    const char *from, const char *until)
{
	char path[MEMBER_PATH_BYTES];
	struct err err = {0};
	struct cert cert;
	struct buf text;
	int rc = 0;

	member_listed_path(p, which, path);
	buf_init(&text, 4096);
	buf_printf(&text, "metadata\n    name = \"%s\"\n    member = \"%s\"\n", p->name, p->member);
	add_date(&text, "valid_from", from);
	add_date(&text, "valid_until", until);
	buf_printf(&text, "curve\n    public-key = \"%s\"\n", public_z85);
	if (cert_parse(path, buf_str(&text), &cert, &err) < 0)
		rc = (ctl_fail("certificate", &err), -1);
	else if (file_replace(path, buf_str(&text), text.len, 0644) < 0)
		rc = ctl_say(-1, "%s: %s", path, strerror(errno));
	buf_done(&text);
	return rc;
}

int member_make_pair(const struct member_place *p, const char *which, char out[static 41])
{
	char path[MEMBER_PATH_BYTES];
	zcert_t *cert = zcert_new();
	struct buf text;
	bool made = false;
	int rc;

	CHECK(cert);
	member_secret_path(p, which, path);
	buf_init(&text, 4096);
	buf_printf(
		&text,
		"metadata\n    name = \"%s\"\n    member = \"%s\"\ncurve\n    public-key = \"%s\"\n"
		"    secret-key = \"%s\"\n",
		p->name, p->member, zcert_public_txt(cert), zcert_secret_txt(cert));
	snprintf(out, 41, "%s", zcert_public_txt(cert));
	rc = file_create(path, buf_str(&text), text.len, 0600, &made);
	explicit_bzero((char *)buf_str(&text), text.len);
	buf_done(&text);
	zcert_destroy(&cert);
	if (rc < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	return made ? 0 : ctl_say(-1, "%s is there already: whose is it?", path);
}

/* --- enrol --- */

/* "dossier Submit, directory *" as lines "grant MEMBER dossier Submit". 0 or an exit code (said).
 */
static int add_lines(const char *verb, const char *member, const char *list, const char *tail,
		     struct buf *out)
{
	CLEANUP_FREE char *copy = base_strdup(list);
	char *save = NULL;

	for (char *g = strtok_r(copy, ",", &save); g; g = strtok_r(NULL, ",", &save)) {
		char service[64], name[80];
		int used = 0;

		if (sscanf(g, " %63s %79s%n", service, name, &used) != 2)
			return ctl_say(EXIT_USAGE, "\"%s\" is not SERVICE %s", g,
				       strcmp(verb, "feed") == 0 ? "FEED" : "METHOD");
		buf_printf(out, "%s %s %s %s%s%s\n", verb, member, service, name, tail, g + used);
	}
	return 0;
}

/* "greeting, farewell" as lines "serve MEMBER greeting". */
static void add_serves(const char *member, const char *list, struct buf *out)
{
	CLEANUP_FREE char *copy = base_strdup(list);
	char *save = NULL;

	for (char *s = strtok_r(copy, ", ", &save); s; s = strtok_r(NULL, ", ", &save))
		buf_printf(out, "serve %s %s\n", member, s);
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
	add_serves(member, want->serves, out);
	if (rc == 0 && rights_parse(buf_str(out), out->len, &rights, reason) < 0)
		rc = ctl_say(EXIT_USAGE, "%s", reason);
	rights_free(rights);
	return rc;
}

static int check_wanted(const struct wanted *want)
{
	int32_t day;

	if (want->public_z85 && !member_key_ok(want->public_z85))
		return EXIT_USAGE;
	if ((*want->from && civil_parse(want->from, &day) < 0) ||
	    (*want->until && civil_parse(want->until, &day) < 0))
		return ctl_say(EXIT_USAGE, "--from and --until are dates, YYYY-MM-DD");
	return 0;
}

/* The rights stand before the key: a key that is known has what it was promised. */
static int enrol(const struct member_place *p, const struct wanted *want, const char *lines)
{
	char path[MEMBER_PATH_BYTES], key[41];

	member_listed_path(p, "", path);
	if (file_exists(path))
		return ctl_say(CTL_FAILED, "%s is a member already", p->name);
	if (want->public_z85)
		snprintf(key, sizeof key, "%s", want->public_z85);
	else if (member_make_pair(p, "", key) < 0)
		return CTL_FAILED;
	if ((*lines && rights_file_append(p->keys.rights, lines) < 0) ||
	    member_list_key(p, "", key, want->from, want->until) < 0)
		return CTL_FAILED;
	printf("%s\n", p->member);
	if (!want->public_z85) {
		member_secret_path(p, "", path);
		printf("  key     %s\n", path);
	}
	printf("  broker  %s/broker.key\n", p->keys.dir);
	return member_settle(key, true);
}

int ctl_member_enrol(int argc, char **argv)
{
	struct wanted want = {.grants = "", .feeds = "", .serves = "", .from = "", .until = ""};
	const struct ctl_option options[] = {
		{"--grant", true, &want.grants},      {"--feed", true, &want.feeds},
		{"--serve", true, &want.serves},      {"--acts-for", false, &want.acts_for},
		{"--public", true, &want.public_z85}, {"--from", true, &want.from},
		{"--until", true, &want.until},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	struct member_place p;
	struct buf lines;

	if (words < 0)
		return -words;
	if (words != 2)
		return ctl_say(EXIT_USAGE, "%s needs a name of a-z, 0-9 and -", argv[0]);
	int rc = member_place_of(argv[1], &p);

	if (rc != 0)
		return rc;
	rc = check_wanted(&want);
	if (rc != 0)
		return rc;
	buf_init(&lines, 65536);
	rc = make_lines(p.member, &want, &lines);
	if (rc == 0)
		rc = enrol(&p, &want, buf_str(&lines));
	buf_done(&lines);
	return rc;
}

/* --- list --- */

static void print_right(const char *line, bool in_force, void *arg)
{
	(void)arg;
	printf("  %s%s\n", line, in_force ? "" : "   # not today");
}

static void print_dates(const struct cert *cert)
{
	char date[11];

	if (cert->valid_from > 0) {
		civil_format(cert->valid_from, date);
		printf(" from %s", date);
	}
	if (cert->valid_until != CIVIL_FOREVER) {
		civil_format(cert->valid_until, date);
		printf(" until %s", date);
	}
	if (rights_today() < cert->valid_from || rights_today() > cert->valid_until)
		printf(" (not today)");
}

static int list_one(const struct keys_dir *keys, const char *file, const struct rights *rights)
{
	char path[MEMBER_PATH_BYTES];
	struct err err = {0};
	struct cert cert;

	snprintf(path, sizeof path, "%.3000s/%s", keys->members, file);
	if (cert_read(path, &cert, &err) < 0)
		return ctl_fail("member list", &err);
	printf("%s %s", cert.member, cert.public_z85);
	print_dates(&cert);
	putchar('\n');
	rights_each(rights_find(rights, cert.member), rights_today(), print_right, NULL);
	return 0;
}

static int is_key(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && strcmp(dot, ".key") == 0;
}

static int read_rights(const char *path, struct rights **ret_rights)
{
	char reason[RIGHTS_FAULT_MAX];
	struct buf text;
	int rc;

	buf_init(&text, RIGHTS_FILE_MAX);
	rc = rights_file_read(path, &text);
	if (rc == 0 && rights_parse(buf_str(&text), text.len, ret_rights, reason) < 0)
		rc = ctl_say(-1, "%s: %s", path, reason);
	buf_done(&text);
	return rc;
}

int ctl_member_list(int argc, char **argv)
{
	struct rights *rights = NULL;
	struct dirent **names = NULL;
	struct keys_dir keys;

	if (argc != 1)
		return ctl_say(EXIT_USAGE, "%s takes no words", argv[0]);
	int rc = settings(&keys);

	if (rc != 0)
		return rc;
	if (read_rights(keys.rights, &rights) < 0)
		return CTL_FAILED;
	int n = scandir(keys.members, &names, is_key, alphasort);

	if (n < 0)
		rc = ctl_say(CTL_FAILED, "%s: %s", keys.members, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (list_one(&keys, names[i]->d_name, rights) != 0)
			rc = CTL_FAILED;
		free(names[i]);
	}
	free(names);
	rights_free(rights);
	return rc;
}
