// with: services/bus/rights.c services/bus/members.c
/* The rights file and the members' folder: what is taken, what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/bus/cert.h"
#include "services/bus/members.h"

#define GATE "VN/GOV/H40/lgsp-gateway"
#define SHOP "VN/GOV/H40/one-stop"

static struct rights *parse(const char *text)
{
	char fault[RIGHTS_FAULT_MAX] = "";
	struct rights *r = NULL;

	if (rights_parse(text, strlen(text), &r, fault) < 0)
		fail_msg("%s", fault);
	return r;
}

static void rules_grant_what_they_say(void **state)
{
	struct rights *r = parse("# a comment\n"
				 "\n"
				 "grant " GATE " * * acts_for\r\n"
				 "\tgrant " SHOP "   dossier Submit # one method\n"
				 "grant " SHOP " dossier Feed.Pull\n"
				 "grant " SHOP " task *\n"
				 "serve " SHOP " dossier\n"
				 "grant " SHOP " dossier Get acts_for\n"
				 "grant " SHOP " dossier Get");
	static const struct {
		const char *member, *service, *method;
		bool may, acts_for;
	} cases[] = {
		{GATE, "payment", "Anything", true, true},
		{SHOP, "dossier", "Submit", true, false},
		{SHOP, "dossier", "Feed.Pull", true, false},
		{SHOP, "dossier", "submit", false, false},
		{SHOP, "dossier", "Accept", false, false},
		{SHOP, "task", "Report", true, false},
		{SHOP, "payment", "Submit", false, false},
		{SHOP, "dossier", "Get", true, true}, /* the wider of two rules counts */
		{"VN/GOV/H40/nobody", "dossier", "Submit", false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool acts_for = true;

		assert_int_equal(rights_may_call(rights_find(r, cases[i].member), cases[i].service,
						 cases[i].method, &acts_for),
				 cases[i].may);
		assert_int_equal(acts_for, cases[i].acts_for);
	}
	assert_true(rights_may_serve(rights_find(r, SHOP), "dossier"));
	assert_false(rights_may_serve(rights_find(r, SHOP), "payment"));
	assert_false(rights_may_serve(rights_find(r, GATE), "dossier"));
	assert_false(rights_may_serve(NULL, "dossier"));
	rights_free(r);
}

static void faulty_files_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{"allow " GATE " a b\n", "line 1: expected grant or serve"},
		{"\n\ngrant " GATE " dossier\n", "line 3: grant needs MEMBER SERVICE METHOD"},
		{"grant\n", "line 1: grant needs MEMBER SERVICE METHOD"},
		{"grant " GATE " dossier Get actsfor\n",
		 "line 1: expected acts_for or nothing behind METHOD"},
		{"grant " GATE " dossier Get acts_for more\n", "line 1: too many words"},
		{"grant " GATE " Dossier Get\n", "line 1: bad service name"},
		{"grant " GATE " dossier Get2\n", "line 1: bad method name"},
		{"grant * dossier Get\n", "line 1: a member is instance/class/member/subsystem"},
		{"grant VN/GOV/H40 dossier Get\n",
		 "line 1: a member is instance/class/member/subsystem"},
		{"grant VN/GOV/H40/a/b dossier Get\n",
		 "line 1: a member is instance/class/member/subsystem"},
		{"grant VN//H40/a dossier Get\n",
		 "line 1: a member is instance/class/member/subsystem"},
		{"# ok\nserve " GATE " dossier now\n",
		 "line 2: serve needs MEMBER SERVICE and nothing else"},
		{"serve " GATE " a/b\n", "line 1: bad service name"},
		{"# \xff\n", "line 1: not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char fault[RIGHTS_FAULT_MAX] = "";
		struct rights *r = NULL;

		assert_int_equal(rights_parse(cases[i].text, strlen(cases[i].text), &r, fault), -1);
		assert_string_equal(fault, cases[i].fault);
		assert_null(r);
	}
}

static void long_lines_and_nul_are_refused(void **state)
{
	char text[1024], fault[RIGHTS_FAULT_MAX];
	struct rights *r = NULL;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(rights_parse(text, sizeof(text), &r, fault), -1);
	assert_string_equal(fault, "line 1: line too long or not text");
	assert_int_equal(rights_parse("serve\0x", 7, &r, fault), -1);
	assert_string_equal(fault, "line 1: line too long or not text");
}

/* --- folder --- */

struct folder {
	char dir[64], members[80], rights[80];
	struct members *m;
	char fault[MEMBERS_FAULT_MAX];
};

static void write_file(const struct folder *d, const char *name, const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void write_cert(const struct folder *d, const char *name, const char *member,
		       char key[static 41])
{
	char secret[41], text[512], file[64];

	if (!key[0])
		assert_int_equal(zmq_curve_keypair(key, secret), 0);
	snprintf(text, sizeof(text),
		 "metadata\n    member = \"%s\"\ncurve\n    public-key = \"%s\"\n", member, key);
	snprintf(file, sizeof(file), "members/%s", name);
	write_file(d, file, text);
}

static int setup(void **state)
{
	struct folder *d = base_alloc(sizeof(*d));

	snprintf(d->dir, sizeof(d->dir), "/tmp/rights-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->members, sizeof(d->members), "%s/members", d->dir);
	snprintf(d->rights, sizeof(d->rights), "%s/rights", d->dir);
	assert_int_equal(mkdir(d->members, 0700), 0);
	write_file(d, "rights", "grant " SHOP " dossier Get\n");
	d->m = members_new();
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct folder *d = *state;
	char command[96];

	members_free(d->m);
	snprintf(command, sizeof(command), "rm -r %s", d->dir);
	assert_int_equal(system(command), 0);
	free(d);
	return 0;
}

static int load(struct folder *d)
{
	d->fault[0] = 0;
	return members_load(d->m, d->members, d->rights, d->fault);
}

static void members_are_found_by_key(void **state)
{
	struct folder *d = *state;
	char shop[41] = "", second[41] = "", stranger[41], secret[41], hash[65];
	char keys[2][41];
	struct member_key *key;

	write_cert(d, "shop.key", SHOP, shop);
	write_cert(d, "shop-new.key", SHOP, second);
	write_file(d, "members/readme.txt", "no certificate");
	assert_int_equal(load(d), 0);
	key = members_find_key(d->m, shop);
	assert_non_null(key);
	assert_true(key->valid);
	assert_string_equal(key->member->name, SHOP);
	assert_non_null(key->member->rights);
	assert_ptr_equal(members_find_key(d->m, second)->member, key->member);
	assert_int_equal(members_count(d->m), 1);
	assert_int_equal(members_keys(d->m, keys), 2);
	assert_int_equal(zmq_curve_keypair(stranger, secret), 0);
	assert_null(members_find_key(d->m, stranger));
	assert_null(members_find_key(d->m, "short"));
	snprintf(hash, sizeof(hash), "%s", members_hash(d->m));
	/* The first key is taken away: its object stays and is no longer valid. */
	snprintf(keys[0], sizeof(keys[0]), "x");
	write_file(d, "rights", "grant " SHOP " dossier Get\n# changed\n");
	{
		char path[160];

		snprintf(path, sizeof(path), "%s/shop.key", d->members);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(load(d), 0);
	assert_false(key->valid);
	assert_true(members_find_key(d->m, second)->valid);
	assert_int_equal(members_keys(d->m, keys), 1);
	assert_string_not_equal(hash, members_hash(d->m));
}

static void hash_says_what_is_in_force_not_how_files_are_called(void **state)
{
	struct folder *d = *state;
	char a[41] = "", b[41] = "", before[65], path[2][200];

	write_cert(d, "a.key", SHOP, a);
	write_cert(d, "b.key", GATE, b);
	assert_int_equal(load(d), 0);
	snprintf(before, sizeof(before), "%s", members_hash(d->m));
	snprintf(path[0], sizeof(path[0]), "%s/a.key", d->members);
	snprintf(path[1], sizeof(path[1]), "%s/z.key", d->members);
	assert_int_equal(rename(path[0], path[1]), 0);
	assert_int_equal(load(d), 0);
	assert_string_equal(before, members_hash(d->m));
}

static void faulty_folders_change_nothing(void **state)
{
	struct folder *d = *state;
	char a[41] = "", bad[64], before[65];
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{"curve\n    public-key = \"too short\"\n", "c.key:2: a key is 40 characters"},
		{"curve\npublic-key\n", "no public-key in section curve"},
		{"metadata\n    member = \"x\n", "c.key:2: a quote is not closed"},
		{"metadata\n    member\n", "c.key:2: expected name"},
		{"", "no public-key in section curve"},
	};

	write_cert(d, "a.key", SHOP, a);
	assert_int_equal(load(d), 0);
	snprintf(before, sizeof(before), "%s", members_hash(d->m));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_file(d, "members/c.key", cases[i].text);
		assert_int_equal(load(d), -1);
		if (!strstr(d->fault, cases[i].fault))
			fail_msg("%s", d->fault);
	}
	memset(bad, 0, sizeof(bad));
	write_cert(d, "c.key", "not-an-address", bad);
	assert_int_equal(load(d), -1);
	assert_non_null(strstr(d->fault, "is not instance/class/member/subsystem"));
	write_cert(d, "c.key", GATE, a); /* another member with the same key */
	assert_int_equal(load(d), -1);
	assert_non_null(strstr(d->fault, "its key is in two certificates"));
	{
		char text[400];

		snprintf(text, sizeof(text),
			 "metadata\n    member = \"" GATE
			 "\"\ncurve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
			 bad, a);
		write_file(d, "members/c.key", text);
	}
	assert_int_equal(load(d), -1);
	assert_non_null(strstr(d->fault, "a secret key does not belong here"));
	assert_string_equal(before, members_hash(d->m));
	assert_true(members_find_key(d->m, a)->valid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_grant_what_they_say),
		cmocka_unit_test(faulty_files_are_refused_with_their_line),
		cmocka_unit_test(long_lines_and_nul_are_refused),
		cmocka_unit_test_setup_teardown(members_are_found_by_key, setup, teardown),
		cmocka_unit_test_setup_teardown(hash_says_what_is_in_force_not_how_files_are_called,
						setup, teardown),
		cmocka_unit_test_setup_teardown(faulty_folders_change_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
