/* member rotate|revoke: keys come and go while the member works. */
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/rights/rights.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/ctl/brokers.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/member.h"
#include "services/ctl/rights_file.h"

#define SETTLE_TRIES    50
#define SETTLE_PAUSE_MS 100

/* --- what the brokers say --- */

static const Bus__KeyStatus *find_key(const struct broker_answer *a, const char *public_z85)
{
	const Bus__KeysReply *r = (const Bus__KeysReply *)a->out;

	for (size_t i = 0; r && i < r->n_keys; i++)
		if (strcmp(r->keys[i]->key, public_z85) == 0)
			return r->keys[i];
	return NULL;
}

static int ask_keys(struct brokers *b)
{
	Bus__KeysRequest in = BUS__KEYS_REQUEST__INIT;

	return brokers_ask(b, NULL, "Keys", &in.base, &bus__keys_reply__descriptor);
}

static unsigned answering(const struct brokers *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++)
		n += b->of[i].out != NULL;
	return n;
}

/* All that answer have the key as wished. */
static bool is_settled(const char *public_z85, bool in_force)
{
	struct brokers b;
	bool settled = ask_keys(&b) == 0;

	for (unsigned i = 0; i < b.n && settled; i++) {
		const Bus__KeyStatus *k = find_key(&b.of[i], public_z85);

		settled = !b.of[i].out || (k && k->valid) == in_force;
	}
	brokers_done(&b);
	return settled;
}

/* How many brokers took the files; -1: one refused them (said). */
static int tell_brokers(void)
{
	Bus__ReloadRequest in = BUS__RELOAD_REQUEST__INIT;
	struct brokers b;
	int n = 0;

	if (brokers_ask(&b, NULL, "Reload", &in.base, &bus__reload_reply__descriptor) == 0) {
		n = (int)answering(&b);
		for (unsigned i = 0; i < b.n; i++)
			if (strcmp(err_code(&b.of[i].err), "RIGHTS_REFUSED") == 0) {
				ctl_fail(b.of[i].endpoint, &b.of[i].err);
				n = -1;
			}
	}
	brokers_done(&b);
	return n;
}

int member_settle(const char *public_z85, bool in_force)
{
	const struct timespec pause = {.tv_nsec = SETTLE_PAUSE_MS * 1000000L};
	int n = getenv("LGSP_BUS_ADMIN") ? tell_brokers() : 0;

	if (n < 0)
		return CTL_FAILED;
	if (n == 0) {
		fputs("  no broker answers: it holds from its next start\n", stderr);
		return 0;
	}
	for (int i = 0; i < SETTLE_TRIES; i++) {
		if (is_settled(public_z85, in_force)) {
			printf("  %d broker%s: the key is %s\n", n, n == 1 ? "" : "s",
			       in_force ? "in force" : "refused");
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	return ctl_say(CTL_FAILED,
		       in_force ? "the brokers do not take the key: is today one of its days, "
				  "and are LGSP_MEMBERS_DIR and LGSP_RIGHTS theirs?"
				: "a broker still takes the key: are LGSP_MEMBERS_DIR and "
				  "LGSP_RIGHTS its own?");
}

bool member_was_heard(const char *public_z85)
{
	struct brokers b;
	bool heard = false;

	if (getenv("LGSP_BUS_ADMIN") && ask_keys(&b) == 0) {
		for (unsigned i = 0; i < b.n; i++) {
			const Bus__KeyStatus *k = find_key(&b.of[i], public_z85);

			heard |= k && k->last_heard_us > 0;
		}
		brokers_done(&b);
	}
	return heard;
}

/* --- rotate --- */

static int read_listed(const struct member_place *p, const char *which, struct cert *ret_cert)
{
	char path[MEMBER_PATH_BYTES];
	struct err err = {0};

	member_listed_path(p, which, path);
	if (!file_exists(path))
		return 0;
	return cert_read(path, ret_cert, &err) < 0 ? ctl_fail(path, &err), -1 : 1;
}

static int begin_rotation(const struct member_place *p, const char *public_z85)
{
	char key[41], secret[MEMBER_PATH_BYTES];
	struct cert old, new;
	int rc = read_listed(p, "", &old);

	if (rc == 0)
		return ctl_say(CTL_FAILED, "%s is no member; member enrol makes it one", p->name);
	if (rc < 0 || (rc = read_listed(p, ".new", &new)) < 0)
		return CTL_FAILED;
	if (rc > 0)
		return ctl_say(CTL_FAILED,
			       "%s has two keys already; member rotate %s --finish removes the old "
			       "one first",
			       p->name, p->name);
	if (public_z85)
		snprintf(key, sizeof key, "%s", public_z85);
	else if (member_make_pair(p, ".new", key) < 0)
		return CTL_FAILED;
	if (member_list_key(p, ".new", key, "", "") < 0)
		return CTL_FAILED;
	printf("%s\n  old key %s\n  new key %s\n", p->member, old.public_z85, key);
	member_secret_path(p, ".new", secret);
	if (!public_z85)
		printf("  secret  %s\n", secret);
	printf("  both are taken; when the member uses the new one: member rotate %s --finish\n",
	       p->name);
	return member_settle(key, true);
}

/* The new certificate takes the old one's place, and so do the secrets, as far as they are here. */
static int take_place(const struct member_place *p)
{
	char from[MEMBER_PATH_BYTES], to[MEMBER_PATH_BYTES];

	member_secret_path(p, ".new", from);
	member_secret_path(p, "", to);
	if (!file_exists(from))
		unlink(to); /* the outsider keeps the new one: the old is of no use any more */
	else if (rename(from, to) < 0)
		return ctl_say(-1, "%s: %s", to, strerror(errno));
	member_listed_path(p, ".new", from);
	member_listed_path(p, "", to);
	return rename(from, to) < 0 ? ctl_say(-1, "%s: %s", to, strerror(errno)) : 0;
}

static int finish_rotation(const struct member_place *p, bool force)
{
	struct cert old, new;

	if (read_listed(p, "", &old) <= 0 || read_listed(p, ".new", &new) <= 0)
		return ctl_say(CTL_FAILED, "%s is not in rotation", p->name);
	if (!force && !member_was_heard(new.public_z85))
		return ctl_say(
			CTL_FAILED,
			"the new key %s was never heard by a running broker: without the old "
			"one %s would be out (--force does it all the same)",
			new.public_z85, p->name);
	if (take_place(p) < 0)
		return CTL_FAILED;
	printf("%s\n  removed %s\n  left    %s\n", p->member, old.public_z85, new.public_z85);
	return member_settle(old.public_z85, false);
}

int ctl_member_rotate(int argc, char **argv)
{
	const char *public_z85 = NULL, *finish = NULL, *force = NULL;
	const struct ctl_option options[] = {
		{"--public", true, &public_z85},
		{"--finish", false, &finish},
		{"--force", false, &force},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	struct member_place p;

	if (words < 0)
		return -words;
	if (words != 2)
		return ctl_say(EXIT_USAGE, "member rotate needs a name");
	if (public_z85 && !member_key_ok(public_z85))
		return EXIT_USAGE;
	int rc = member_place_of(argv[1], &p);

	if (rc != 0)
		return rc;
	return finish ? finish_rotation(&p, force != NULL) : begin_rotation(&p, public_z85);
}

/* --- revoke --- */

/* Takes one certificate away when it is the one meant. 1 taken, 0 not, -1 failed (said). */
static int revoke_one(const struct member_place *p, const char *which, const char *key,
		      char ret_key[static 41])
{
	char path[MEMBER_PATH_BYTES];
	struct cert cert;
	int rc = read_listed(p, which, &cert);

	if (rc <= 0 || (key && strcmp(key, cert.public_z85) != 0))
		return rc < 0 ? -1 : 0;
	member_listed_path(p, which, path);
	if (unlink(path) < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	member_secret_path(p, which, path);
	unlink(path); /* made here or not */
	snprintf(ret_key, 41, "%s", cert.public_z85);
	printf("%s\n  revoked %s\n", p->member, cert.public_z85);
	return 1;
}

/* Without a key the member is none: who is enrolled under its name again begins with nothing. */
static int drop_rights(const struct member_place *p)
{
	char verb[16], who[256];
	struct buf text, kept;
	char *save = NULL;
	int rc;

	buf_init(&text, RIGHTS_FILE_MAX);
	buf_init(&kept, RIGHTS_FILE_MAX);
	rc = rights_file_read(p->keys.rights, &text);
	CLEANUP_FREE char *copy = base_strdup(buf_str(&text));

	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (sscanf(l, " %15s %255s", verb, who) != 2 || strcmp(who, p->member) != 0)
			buf_printf(&kept, "%s\n", l);
	if (rc == 0)
		rc = rights_file_write(p->keys.rights, &kept);
	buf_done(&text);
	buf_done(&kept);
	return rc;
}

int ctl_member_revoke(int argc, char **argv)
{
	const char *key = NULL;
	const struct ctl_option options[] = {{"--key", true, &key}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	char path[MEMBER_PATH_BYTES], taken[2][41];
	struct member_place p;

	if (words < 0)
		return -words;
	if (words != 2)
		return ctl_say(EXIT_USAGE, "member revoke needs a name");
	int rc = member_place_of(argv[1], &p);

	if (rc != 0)
		return rc;
	int first = revoke_one(&p, "", key, taken[0]);
	int second = first < 0 ? -1 : revoke_one(&p, ".new", key, taken[1]);

	if (first < 0 || second < 0)
		return CTL_FAILED;
	if (first + second == 0)
		return ctl_say(CTL_FAILED, key ? "%s has no such key" : "%s has no key", p.name);
	member_listed_path(&p, ".new", path);
	if (first && !second && file_exists(path) && take_place(&p) < 0)
		return CTL_FAILED;
	member_listed_path(&p, "", path);
	if (!file_exists(path) && drop_rights(&p) < 0)
		return CTL_FAILED;
	if (first)
		rc = member_settle(taken[0], false);
	return rc == 0 && second ? member_settle(taken[1], false) : rc;
}
