// with: services/bus/members.c
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
#include "common/base/civil.h"
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

#define TODAY (civil_from_ymd(2026, 3, 15))

static enum rights_answer ask(const struct rights *r, const char *member, const char *service,
			      const char *method)
{
	const struct rights_question q = {
		.service = service, .method = method, .purpose = "", .today = TODAY};

	return rights_ask(rights_find(r, member), &q);
}

static enum rights_answer ask_for(const struct rights *r, const char *method, const char *purpose,
				  bool on_behalf)
{
	const struct rights_question q = {.service = "dossier",
					  .method = method,
					  .purpose = purpose,
					  .on_behalf = on_behalf,
					  .today = TODAY};

	return rights_ask(rights_find(r, SHOP), &q);
}

static void rules_grant_what_they_say(void **state)
{
	struct rights *r = parse("# a comment\n"
				 "\n"
				 "grant " GATE " * * acts_for\r\n"
				 "\tgrant " SHOP "   dossier Submit # one method\n"
				 "grant " SHOP " task *\n"
				 "grant " SHOP " kpi Get*\n"
				 "grant " SHOP " * ListPublic\n"
				 "serve " SHOP " dossier\n"
				 "grant " SHOP " dossier Get acts_for\n"
				 "grant " SHOP " dossier Get");
	static const struct {
		const char *member, *service, *method;
		bool may;
	} cases[] = {
		{GATE, "payment", "Anything", true},
		{GATE, "payment", "Feed.Pull", false}, /* not by a grant */
		{SHOP, "dossier", "Submit", true},
		{SHOP, "dossier", "submit", false},
		{SHOP, "dossier", "Accept", false},
		{SHOP, "task", "Report", true},
		{SHOP, "payment", "Submit", false},
		{SHOP, "kpi", "Get", true},
		{SHOP, "kpi", "GetAll", true},
		{SHOP, "kpi", "Ge", false},
		{SHOP, "kpi", "List", false},
		{SHOP, "payment", "ListPublic", true},
		{"VN/GOV/H40/nobody", "dossier", "Submit", false},
		{"*", "dossier", "Submit", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(ask(r, cases[i].member, cases[i].service, cases[i].method),
				 cases[i].may ? RIGHTS_GRANTED : RIGHTS_NOT_GRANTED);
	/* The wider of two rules counts. */
	assert_int_equal(ask_for(r, "Get", "", true), RIGHTS_GRANTED);
	assert_int_equal(ask_for(r, "Submit", "", true), RIGHTS_ACTS_FOR_NOT_GRANTED);
	assert_true(rights_may_serve(rights_find(r, SHOP), "dossier", TODAY));
	assert_false(rights_may_serve(rights_find(r, SHOP), "payment", TODAY));
	assert_false(rights_may_serve(rights_find(r, GATE), "dossier", TODAY));
	assert_false(rights_may_serve(NULL, "dossier", TODAY));
	rights_free(r);
}

static void many_grants_are_all_found(void **state)
{
	char *text = base_alloc(64 * 1024), method[8] = "MAA", *end = text;
	struct rights *r;

	(void)state;
	for (int i = 0; i < 500; i++) {
		method[1] = (char)('A' + i / 26);
		method[2] = (char)('A' + i % 26);
		end += sprintf(end, "grant " SHOP " dossier %s\n", method);
	}
	r = parse(text);
	for (int i = 0; i < 500; i++) {
		method[1] = (char)('A' + i / 26);
		method[2] = (char)('A' + i % 26);
		assert_int_equal(ask(r, SHOP, "dossier", method), RIGHTS_GRANTED);
		assert_int_equal(ask(r, SHOP, "payment", method), RIGHTS_NOT_GRANTED);
	}
	rights_free(r);
	free(text);
}

static void groups_stand_for_their_members(void **state)
{
	struct rights *r = parse("grant group:desks dossier Submit\n" /* before it is defined */
				 "group desks " SHOP "\n"
				 "group desks " GATE "\n" /* continued */
				 "group readers " SHOP "\n"
				 "feed group:readers dossier dossier.states\n"
				 "serve group:readers echo\n");

	(void)state;
	assert_int_equal(ask(r, SHOP, "dossier", "Submit"), RIGHTS_GRANTED);
	assert_int_equal(ask(r, GATE, "dossier", "Submit"), RIGHTS_GRANTED);
	assert_int_equal(ask(r, "VN/GOV/H40/other", "dossier", "Submit"), RIGHTS_NOT_GRANTED);
	assert_int_equal(ask(r, "group:desks", "dossier", "Submit"), RIGHTS_NOT_GRANTED);
	assert_int_equal(ask(r, SHOP, "dossier", "Feed.Pull"), RIGHTS_GRANTED);
	assert_int_equal(ask(r, GATE, "dossier", "Feed.Pull"), RIGHTS_NOT_GRANTED);
	assert_true(rights_may_serve(rights_find(r, SHOP), "echo", TODAY));
	assert_false(rights_may_serve(rights_find(r, GATE), "echo", TODAY));
	rights_free(r);
}

static void rights_begin_and_end_with_their_days(void **state)
{
	struct rights *r = parse("grant " SHOP " dossier Get from=2026-03-01 until=2026-03-31\n"
				 "serve " SHOP " echo from=2026-03-01 until=2026-03-31\n"
				 "feed " SHOP " kpi kpi.figures until=2026-03-31\n");
	static const struct {
		int month, day;
		bool may;
	} cases[] = {{2, 28, false}, {3, 1, true}, {3, 15, true}, {3, 31, true}, {4, 1, false}};
	const struct rights_of *shop = rights_find(r, SHOP);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rights_question q = {
			.service = "dossier",
			.method = "Get",
			.purpose = "",
			.today = civil_from_ymd(2026, cases[i].month, cases[i].day)};

		assert_int_equal(rights_ask(shop, &q),
				 cases[i].may ? RIGHTS_GRANTED : RIGHTS_NOT_IN_FORCE);
		assert_int_equal(rights_may_serve(shop, "echo", q.today), cases[i].may);
		q.service = "kpi";
		q.method = "Feed.Head";
		assert_int_equal(rights_ask(shop, &q),
				 cases[i].month < 4 ? RIGHTS_GRANTED : RIGHTS_NOT_IN_FORCE);
	}
	rights_free(r);
}

static void purposes_must_be_named(void **state)
{
	struct rights *r = parse("grant " SHOP " dossier Get purpose=intake,audit\n"
				 "grant " SHOP " dossier Read purpose=audit acts_for\n"
				 "grant " SHOP " dossier Read\n");

	(void)state;
	assert_int_equal(ask_for(r, "Get", "intake", false), RIGHTS_GRANTED);
	assert_int_equal(ask_for(r, "Get", "audit", false), RIGHTS_GRANTED);
	assert_int_equal(ask_for(r, "Get", "", false), RIGHTS_PURPOSE_REQUIRED);
	assert_int_equal(ask_for(r, "Get", "intak", false), RIGHTS_PURPOSE_NOT_GRANTED);
	assert_int_equal(ask_for(r, "Get", "intake", true), RIGHTS_ACTS_FOR_NOT_GRANTED);
	/* One rule must allow the whole: the purpose of one does not go with another's acts_for. */
	assert_int_equal(ask_for(r, "Read", "audit", true), RIGHTS_GRANTED);
	assert_int_equal(ask_for(r, "Read", "curiosity", false), RIGHTS_GRANTED);
	assert_int_equal(ask_for(r, "Read", "curiosity", true), RIGHTS_ACTS_FOR_NOT_GRANTED);
	rights_free(r);
}

static void refusals_say_what_was_asked(void **state)
{
	static const struct {
		enum rights_answer answer;
		const char *code, *field;
	} cases[] = {
		{RIGHTS_NOT_GRANTED, "NOT_GRANTED", ""},
		{RIGHTS_NOT_IN_FORCE, "GRANT_NOT_IN_FORCE", ""},
		{RIGHTS_PURPOSE_REQUIRED, "PURPOSE_REQUIRED", "purpose"},
		{RIGHTS_PURPOSE_NOT_GRANTED, "PURPOSE_NOT_GRANTED", "purpose"},
		{RIGHTS_ACTS_FOR_NOT_GRANTED, "ACTS_FOR_NOT_GRANTED", "on_behalf_of"},
	};
	const struct rights_question q = {.service = "dossier", .method = "Get", .purpose = ""};
	struct err err = {0};

	(void)state;
	assert_int_equal(rights_refuse(RIGHTS_GRANTED, &q, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(rights_refuse(cases[i].answer, &q, &err), ERR_DENIED);
		assert_string_equal(err_code(&err), cases[i].code);
		assert_string_equal(err.items[0].field, cases[i].field);
		assert_non_null(strstr(err.items[0].en, "dossier.Get"));
	}
}

static void feeds_are_granted_by_name(void **state)
{
	struct rights *r = parse("feed " SHOP " dossier dossier.states\n"
				 "feed " SHOP " * usage\n"
				 "feed " GATE " * * acts_for\n"
				 "feed " GATE " kpi kpi.figures\n");
	struct rights_question q = {
		.service = "dossier", .method = "Feed.Pull", .purpose = "", .today = TODAY};
	const char *feeds[RIGHTS_FEEDS_MAX];

	(void)state;
	assert_true(rights_may_read_feed(rights_find(r, SHOP), &q, "dossier.states"));
	assert_true(rights_may_read_feed(rights_find(r, SHOP), &q, "usage"));
	assert_false(rights_may_read_feed(rights_find(r, SHOP), &q, "dossier"));
	assert_int_equal(rights_feeds(rights_find(r, SHOP), &q, feeds), 2);
	assert_true(rights_may_read_feed(rights_find(r, GATE), &q, "dossier"));
	assert_int_equal(rights_feeds(rights_find(r, GATE), &q, feeds), 1);
	assert_string_equal(feeds[0], "*");
	q.on_behalf = true;
	assert_int_equal(rights_ask(rights_find(r, GATE), &q), RIGHTS_GRANTED);
	assert_int_equal(rights_ask(rights_find(r, SHOP), &q), RIGHTS_ACTS_FOR_NOT_GRANTED);
	assert_int_equal(rights_feeds(rights_find(r, SHOP), &q, feeds), 0);
	/* Only the rule that says acts_for reaches a person's pull. */
	q.service = "kpi";
	assert_int_equal(rights_feeds(rights_find(r, GATE), &q, feeds), 1);
	assert_int_equal(rights_feeds(NULL, &q, feeds), 0);
	rights_free(r);
}

static void the_most_specific_limit_wins(void **state)
{
	struct rights *r = parse("limit * requests_per_s=10 in_flight=5\n"
				 "group a " SHOP "\n"
				 "group b " SHOP " " GATE "\n"
				 "limit group:a burst=7\n"
				 "limit group:b burst=9 requests_per_s=20 bytes_in_flight=1048576\n"
				 "limit " SHOP " requests_per_s=30\n");
	struct rights_limits shop = rights_limits_of(r, rights_find(r, SHOP));
	struct rights_limits gate = rights_limits_of(r, rights_find(r, GATE));
	struct rights_limits other = rights_limits_of(r, NULL);

	(void)state;
	assert_int_equal(shop.requests_per_s, 30);
	assert_int_equal(shop.burst, 7); /* the group that stands first */
	assert_int_equal(shop.in_flight, 5);
	assert_int_equal(shop.bytes_in_flight, 1048576);
	assert_int_equal(gate.requests_per_s, 20);
	assert_int_equal(gate.burst, 9);
	assert_int_equal(other.requests_per_s, 10);
	assert_int_equal(other.burst, 0);
	rights_free(r);
}

static void note_line(const char *line, bool in_force, void *arg)
{
	char *out = arg;

	sprintf(out + strlen(out), "%s%s;", line, in_force ? "" : " (not today)");
}

static void people_see_the_lines_as_written(void **state)
{
	struct rights *r = parse("group a " SHOP "\n"
				 "grant  " SHOP "\tdossier   Get until=2020-01-01 # old\n"
				 "grant group:a kpi Get*\n");
	char text[512] = "";

	(void)state;
	rights_each(rights_find(r, SHOP), TODAY, note_line, text);
	assert_string_equal(text, "grant " SHOP " dossier Get until=2020-01-01 (not today);"
				  "grant group:a kpi Get*;");
	rights_free(r);
}

static void faulty_files_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{"allow " GATE " a b\n", "line 1: expected grant, feed, serve, limit or group"},
		{"\n\ngrant " GATE " dossier\n", "line 3: grant needs MEMBER SERVICE METHOD"},
		{"grant\n", "line 1: grant needs MEMBER SERVICE METHOD"},
		{"grant " GATE " dossier Get actsfor\n",
		 "line 1: \"actsfor\" is not understood here"},
		{"grant " GATE " dossier Get acts_for more\n",
		 "line 1: \"more\" is not understood here"},
		{"grant " GATE " dossier Get acts_for acts_for\n",
		 "line 1: acts_for is said twice"},
		{"grant " GATE " Dossier Get\n", "line 1: bad service name"},
		{"grant " GATE " dossier Get2\n", "line 1: bad method name"},
		{"grant " GATE " dossier G*t\n", "line 1: bad method name"},
		{"grant " GATE " dossier **\n", "line 1: bad method name"},
		{"grant " GATE " dossier Feed.Pull\n",
		 "line 1: a feed is granted by \"feed " GATE " dossier FEED\", not by a method"},
		{"grant " GATE " dossier Feed.*\n",
		 "line 1: a feed is granted by \"feed " GATE " dossier FEED\", not by a method"},
		{"grant * dossier Get\n", "line 1: a member is instance/class/member/subsystem"},
		{"grant VN/GOV/H40 dossier Get\n",
		 "line 1: a member is instance/class/member/subsystem"},
		{"grant VN/GOV/H40/a/b dossier Get\n",
		 "line 1: a member is instance/class/member/subsystem"},
		{"grant VN//H40/a dossier Get\n",
		 "line 1: a member is instance/class/member/subsystem"},
		{"grant " GATE " dossier Get from=2026-13-01\n",
		 "line 1: \"2026-13-01\" is no date"},
		{"grant " GATE " dossier Get until=\n", "line 1: \"\" is no date"},
		{"grant " GATE " dossier Get from=2026-02-02 until=2026-02-01\n",
		 "line 1: until= lies before from="},
		{"grant " GATE " dossier Get from=2026-02-02 from=2026-02-02\n",
		 "line 1: from= is said twice"},
		{"grant " GATE " dossier Get purpose=\n", "line 1: purpose= is WORD,WORD,..."},
		{"grant " GATE " dossier Get purpose=a,,b\n", "line 1: purpose= is WORD,WORD,..."},
		{"grant " GATE " dossier Get purpose=a,b,\n", "line 1: purpose= is WORD,WORD,..."},
		{"grant " GATE " dossier Get purpose=a,b/c\n",
		 "line 1: a purpose is 1 to 64 letters, digits, '.', '_' or '-'"},
		{"grant " GATE " d G purpose=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n",
		 "line 1: more than 16 purposes"},
		{"feed " GATE " dossier\n", "line 1: feed needs MEMBER SERVICE FEED"},
		{"feed " GATE " dossier Public\n", "line 1: bad feed name"},
		{"feed " GATE " dossier a purpose=x\n",
		 "line 1: \"purpose=x\" is not understood here"},
		{"feed * dossier a\n", "line 1: a member is instance/class/member/subsystem"},
		{"# ok\nserve " GATE " dossier now\n", "line 2: \"now\" is not understood here"},
		{"serve " GATE "\n", "line 1: serve needs MEMBER SERVICE"},
		{"serve " GATE " a/b\n", "line 1: bad service name"},
		{"serve " GATE " a acts_for\n", "line 1: \"acts_for\" is not understood here"},
		{"limit " GATE "\n", "line 1: limit needs MEMBER and at least one limit"},
		{"limit " GATE " burst\n", "line 1: \"burst\" is not understood here"},
		{"limit " GATE " burst=0\n", "line 1: \"0\" is no number of 1 to 1000000"},
		{"limit " GATE " in_flight=1e3\n", "line 1: \"1e3\" is no number of 1 to 1000000"},
		{"limit " GATE " requests_per_s=-1\n",
		 "line 1: \"-1\" is no number of 1 to 1000000"},
		{"limit " GATE " bytes_in_flight=9999999999999\n",
		 "line 1: \"9999999999999\" is no number of 1 to 2^40"},
		{"limit * burst=1\nlimit * burst=2\n", "line 2: the limit of * is said twice"},
		{"group a\n", "line 1: group needs NAME MEMBER..."},
		{"group A " GATE "\n", "line 1: a group's name is 1 to 40 of a-z, 0-9 and -"},
		{"group a b\n", "line 1: a member is instance/class/member/subsystem"},
		{"group a group:b\n", "line 1: a member is instance/class/member/subsystem"},
		{"group a " GATE "\ngroup a " GATE "\n", "line 2: " GATE " is in the group twice"},
		{"\ngrant group:a dossier Get\n", "line 2: the group is nowhere defined"},
		{"grant group: dossier Get\n",
		 "line 1: a group's name is 1 to 40 of a-z, 0-9 and -"},
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

/* A file of n lines, made by printf with the line's number. */
static int parse_many(const char *format, unsigned n, char fault[static RIGHTS_FAULT_MAX])
{
	char *text = base_alloc(n * 128 + 1), *end = text;
	struct rights *r = NULL;
	int rc;

	for (unsigned i = 0; i < n; i++)
		end += sprintf(end, format, i);
	rc = rights_parse(text, (size_t)(end - text), &r, fault);
	rights_free(r);
	free(text);
	return rc;
}

static void every_number_has_its_bound(void **state)
{
	char fault[RIGHTS_FAULT_MAX];

	(void)state;
	assert_int_equal(parse_many("feed " SHOP " dossier f%u\n", 16, fault), 0);
	assert_int_equal(parse_many("feed " SHOP " dossier f%u\n", 17, fault), -1);
	assert_string_equal(fault,
			    "line 1: more than 16 rules about feeds of one service for one member");
	assert_int_equal(parse_many("feed " SHOP " s%u f\n", 512, fault), 0);
	assert_int_equal(parse_many("feed " SHOP " s%u f\n", 513, fault), -1);
	assert_string_equal(fault, "line 513: more than 512 feeds of one member");
	assert_int_equal(parse_many("group g%u " SHOP "\n", 64, fault), 0);
	assert_int_equal(parse_many("group g%u " SHOP "\n", 65, fault), -1);
	assert_string_equal(fault, "line 65: " SHOP " is in more than 64 groups");
	assert_int_equal(parse_many("grant a/b/c/d%u e F\n", RIGHTS_RULES_MAX, fault), 0);
	assert_int_equal(parse_many("grant a/b/c/d%u e F\n", RIGHTS_RULES_MAX + 1, fault), -1);
	assert_string_equal(fault, "line 20001: too many rules");
}

static void long_lines_and_nul_are_refused(void **state)
{
	char text[5000], fault[RIGHTS_FAULT_MAX];
	struct rights *r = NULL;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(rights_parse(text, sizeof(text), &r, fault), -1);
	assert_string_equal(fault, "line 1: line too long or not text");
	for (size_t i = 1; i < 1000; i += 2)
		text[i] = ' ';
	text[1000] = 0;
	assert_int_equal(rights_parse(text, 1000, &r, fault), -1);
	assert_string_equal(fault, "line 1: too many words");
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

/* more: further lines of the metadata. */
static void write_dated(const struct folder *d, const char *name, const char *member,
			const char *more, char key[static 41])
{
	char secret[41], text[512], file[64];

	if (!key[0])
		assert_int_equal(zmq_curve_keypair(key, secret), 0);
	snprintf(text, sizeof(text),
		 "metadata\n    member = \"%s\"\n%scurve\n    public-key = \"%s\"\n", member, more,
		 key);
	snprintf(file, sizeof(file), "members/%s", name);
	write_file(d, file, text);
}

static void write_cert(const struct folder *d, const char *name, const char *member,
		       char key[static 41])
{
	write_dated(d, name, member, "", key);
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

static void keys_begin_and_end_with_their_days(void **state)
{
	struct folder *d = *state;
	char shop[41] = "", keys[2][41];
	const struct member_key *key;
	static const struct {
		int month, day;
		bool valid;
	} cases[] = {{4, 30, false}, {5, 1, true}, {5, 31, true}, {6, 1, false}, {5, 15, true}};

	write_dated(d, "shop.key", SHOP,
		    "    valid_from = \"2026-05-01\"\n    valid_until = \"2026-05-31\"\n", shop);
	assert_int_equal(load(d), 0);
	key = members_find_key(d->m, shop);
	members_set_today(d->m, civil_from_ymd(2026, 1, 1));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool was = key->valid;

		assert_int_equal(
			members_set_today(d->m, civil_from_ymd(2026, cases[i].month, cases[i].day)),
			was != cases[i].valid);
		assert_int_equal(key->valid, cases[i].valid);
		assert_int_equal(key->member->present, cases[i].valid);
		assert_int_equal(members_keys(d->m, keys), cases[i].valid);
	}
}

static void days_are_part_of_the_hash(void **state)
{
	struct folder *d = *state;
	char shop[41] = "", before[65];

	write_cert(d, "shop.key", SHOP, shop);
	assert_int_equal(load(d), 0);
	snprintf(before, sizeof(before), "%s", members_hash(d->m));
	write_dated(d, "shop.key", SHOP, "    valid_until = \"2199-01-01\"\n", shop);
	assert_int_equal(load(d), 0);
	assert_string_not_equal(before, members_hash(d->m));
}

static void a_third_valid_key_is_refused(void **state)
{
	struct folder *d = *state;
	char a[41] = "", b[41] = "", c[41] = "";

	write_cert(d, "a.key", SHOP, a);
	write_cert(d, "b.key", SHOP, b);
	write_dated(d, "c.key", SHOP, "    valid_until = \"2020-01-01\"\n", c);
	assert_int_equal(load(d), 0);
	/* One that begins later counts already: it would be the third some morning. */
	write_dated(d, "c.key", SHOP, "    valid_from = \"2199-01-01\"\n", c);
	assert_int_equal(load(d), -1);
	assert_string_equal(d->fault, SHOP ": has more than two valid keys; take the oldest away");
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
		{"metadata\n    valid_from = \"today\"\n", "c.key:2: valid_from is a date"},
		{"metadata\n    valid_until = \"2026-02-30\"\n", "c.key:2: valid_until is a date"},
		{"metadata\n valid_from = 2026-02-02\n valid_until = 2026-02-01\ncurve\n"
		 " public-key = \"0000000000000000000000000000000000000000\"\n",
		 "valid_until lies before valid_from"},
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
		cmocka_unit_test(many_grants_are_all_found),
		cmocka_unit_test(groups_stand_for_their_members),
		cmocka_unit_test(rights_begin_and_end_with_their_days),
		cmocka_unit_test(purposes_must_be_named),
		cmocka_unit_test(refusals_say_what_was_asked),
		cmocka_unit_test(feeds_are_granted_by_name),
		cmocka_unit_test(the_most_specific_limit_wins),
		cmocka_unit_test(people_see_the_lines_as_written),
		cmocka_unit_test(every_number_has_its_bound),
		cmocka_unit_test(faulty_files_are_refused_with_their_line),
		cmocka_unit_test(long_lines_and_nul_are_refused),
		cmocka_unit_test_setup_teardown(members_are_found_by_key, setup, teardown),
		cmocka_unit_test_setup_teardown(hash_says_what_is_in_force_not_how_files_are_called,
						setup, teardown),
		cmocka_unit_test_setup_teardown(keys_begin_and_end_with_their_days, setup,
						teardown),
		cmocka_unit_test_setup_teardown(days_are_part_of_the_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(a_third_valid_key_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(faulty_folders_change_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
