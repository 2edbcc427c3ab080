/* Reads the rights file, line by line. What the lines mean is in rights.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/number.h"
#include "common/base/utf8.h"
#include "common/bus/bus.h"
#include "common/rights/room.h"

#define LINE_MAX_BYTES 4096
#define WORDS_MAX      256
#define METHOD_MAX     64
#define PURPOSE_MAX    64
#define GROUP_PREFIX   "group:"
#define ARENA_MAX      (64u << 20)
#define FEEDS_MAX      512 /* of one member or group */
#define GROUPS_MAX     64  /* of one member */
#define LETTERS        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS         "0123456789"

static const char no_room[] = "too many rules";

struct reader {
	struct rights *rights;
	unsigned line;
	char *words[WORDS_MAX];
	unsigned n;
	const char *text; /* the line, for people */
	char reason[160];
};

/* Something a line may say behind its fixed words. */
struct option {
	const char *name; /* with its "="; without: a word by itself */
	const char *(*take)(struct reader *rd, const char *value, void *into);
	size_t at; /* in what take fills */
};

static const char *fault(struct reader *rd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static const char *fault(struct reader *rd, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(rd->reason, sizeof(rd->reason), fmt, args);
	va_end(args);
	return rd->reason;
}

/* --- names --- */

static bool part_valid(const char *p, size_t n)
{
	return n > 0 && strspn(p, LETTERS DIGITS "._-") >= n;
}

bool rights_member_valid(const char *address)
{
	const char *p = address;

	if (strlen(address) >= RIGHTS_MEMBER_MAX)
		return false;
	for (int part = 0; part < 4; part++) {
		size_t n = strcspn(p, "/");

		if (!part_valid(p, n) || (p[n] == '/') != (part < 3))
			return false;
		p += n + 1;
	}
	return true;
}

static bool group_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz" DIGITS "-");

	return n >= 1 && n <= 40 && name[n] == 0;
}

static bool service_valid(const char *s)
{
	return strcmp(s, "*") == 0 || bus_name_valid(s, strlen(s));
}

/* "*", a name, or a beginning and "*". */
static bool method_valid(const char *s)
{
	size_t n = strspn(s, LETTERS ".");

	return n <= METHOD_MAX && (s[n] == 0 || (s[n] == '*' && s[n + 1] == 0)) && *s;
}

static struct rights_of *holder(struct reader *rd, const char *name)
{
	struct rights *r = rd->rights;
	struct rights_of *who = rights_find_holder(r, name), **bucket;

	if (who)
		return who;
	who = arena_alloc(&r->arena, sizeof(*who));
	if (!who)
		return NULL;
	who->name = arena_strdup(&r->arena, name);
	if (!who->name)
		return NULL;
	who->line = rd->line;
	who->next = r->first;
	r->first = who;
	bucket = &r->buckets[rights_hash(name, "") & (RIGHTS_BUCKETS - 1)];
	who->next_in_bucket = *bucket;
	*bucket = who;
	return who;
}

/* Word 1: a member or a group. */
static const char *check_holder(struct reader *rd)
{
	const char *name = rd->words[1];

	if (strncmp(name, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0)
		return group_valid(name + strlen(GROUP_PREFIX))
			       ? NULL
			       : "a group's name is 1 to 40 of a-z, 0-9 and -";
	return rights_member_valid(name) ? NULL : "a member is instance/class/member/subsystem";
}

/* --- options --- */

static const char *take_flag(struct reader *rd, const char *value, void *into)
{
	(void)rd;
	(void)value;
	*(bool *)into = true;
	return NULL;
}

static const char *take_date(struct reader *rd, const char *value, void *into)
{
	return civil_parse(value, into) == 0 ? NULL : fault(rd, "\"%.40s\" is no date", value);
}

static const char *take_u32(struct reader *rd, const char *value, void *into)
{
	int64_t n;

	if (number_parse(value, 1, 1000000, &n) < 0)
		return fault(rd, "\"%.40s\" is no number of 1 to 1000000", value);
	*(uint32_t *)into = (uint32_t)n;
	return NULL;
}

static const char *take_u64(struct reader *rd, const char *value, void *into)
{
	int64_t n;

	if (number_parse(value, 1, 1LL << 40, &n) < 0)
		return fault(rd, "\"%.40s\" is no number of 1 to 2^40", value);
	*(uint64_t *)into = (uint64_t)n;
	return NULL;
}

static const char *take_purposes(struct reader *rd, const char *value, void *into)
{
	struct rule *rule = into;
	char *save = NULL, *list = arena_strdup(&rd->rights->arena, value);

	if (!list)
		return no_room;
	if (!*value || value[0] == ',' || strstr(value, ",,") || value[strlen(value) - 1] == ',')
		return "purpose= is WORD,WORD,...";
	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (rule->n_purposes == RIGHTS_PURPOSES)
			return "more than 16 purposes";
		if (!part_valid(w, strlen(w)) || strlen(w) > PURPOSE_MAX)
			return "a purpose is 1 to 64 letters, digits, '.', '_' or '-'";
		rule->purposes[rule->n_purposes++] = w;
	}
	return NULL;
}

static const struct option grant_options[] = {
	{"acts_for", take_flag, offsetof(struct rule, acts_for)},
	{"from=", take_date, offsetof(struct rule, from)},
	{"until=", take_date, offsetof(struct rule, until)},
	{"purpose=", take_purposes, 0},
};
static const struct option feed_options[] = {
	{"acts_for", take_flag, offsetof(struct rule, acts_for)},
	{"from=", take_date, offsetof(struct rule, from)},
	{"until=", take_date, offsetof(struct rule, until)},
};
static const struct option serve_options[] = {
	{"from=", take_date, offsetof(struct rule, from)},
	{"until=", take_date, offsetof(struct rule, until)},
};
static const struct option limit_options[] = {
	{"requests_per_s=", take_u32, offsetof(struct rights_limits, requests_per_s)},
	{"burst=", take_u32, offsetof(struct rights_limits, burst)},
	{"in_flight=", take_u32, offsetof(struct rights_limits, in_flight)},
	{"bytes_in_flight=", take_u64, offsetof(struct rights_limits, bytes_in_flight)},
};

static const struct option *find_option(const struct option *options, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(options[i].name);
		bool valued = options[i].name[len - 1] == '=';

		if (valued ? strncmp(word, options[i].name, len) == 0
			   : strcmp(word, options[i].name) == 0)
			return &options[i];
	}
	return NULL;
}

/* The words behind the fixed ones, each at most once. */
static const char *take_options(struct reader *rd, unsigned first, const struct option *options,
				size_t n, void *into)
{
	unsigned said = 0;

	for (unsigned i = first; i < rd->n; i++) {
		const struct option *o = find_option(options, n, rd->words[i]);
		const char *bad;

		if (!o)
			return fault(rd, "\"%.40s\" is not understood here", rd->words[i]);
		if (said & 1u << (o - options))
			return fault(rd, "%s is said twice", o->name);
		said |= 1u << (o - options);
		bad = o->take(rd, rd->words[i] + strlen(o->name), (char *)into + o->at);
		if (bad)
			return bad;
	}
	return NULL;
}

/* --- lines --- */

/* A rule of the words; name_at: the word with the method or feed, 0 for none. */
static const char *make_rule(struct reader *rd, unsigned name_at, const struct option *options,
			     size_t n_options, struct rule **ret_rule)
{
	struct arena *arena = &rd->rights->arena;
	struct rule *rule = arena_alloc(arena, sizeof(*rule));
	unsigned fixed = name_at ? name_at + 1 : 3;
	const char *bad;

	if (!rule)
		return no_room;
	rule->from = 0;
	rule->until = CIVIL_FOREVER;
	rule->prefix = SIZE_MAX;
	rule->service = arena_strdup(arena, rd->words[2]);
	rule->line = arena_strdup(arena, rd->text);
	rule->name = arena_strdup(arena, name_at ? rd->words[name_at] : "");
	if (!rule->service || !rule->line || !rule->name)
		return no_room;
	if (!service_valid(rule->service))
		return "bad service name";
	bad = take_options(rd, fixed, options, n_options, rule);
	if (!bad && rule->until < rule->from)
		bad = "until= lies before from=";
	*ret_rule = rule;
	return bad;
}

static const char *push(struct reader *rd, struct rule *rule, size_t list)
{
	struct rights_of *who = holder(rd, rd->words[1]);
	struct rule **head;

	if (!who)
		return no_room;
	if (list == offsetof(struct rights_of, feeds) && who->n_feeds++ == FEEDS_MAX)
		return "more than 512 feeds of one member";
	head = (struct rule **)(void *)((char *)who + list);
	rule->next = *head;
	*head = rule;
	if (list == offsetof(struct rights_of, grants))
		who->n_grants++;
	return NULL;
}

static const char *read_grant(struct reader *rd)
{
	struct rule *rule;
	const char *bad;
	size_t n;

	if (rd->n < 4)
		return "grant needs MEMBER SERVICE METHOD";
	bad = check_holder(rd);
	if (!bad && !method_valid(rd->words[3]))
		bad = "bad method name";
	if (!bad && rights_is_feed_method(rd->words[3]))
		bad = fault(rd, "a feed is granted by \"feed %.60s %.30s FEED\", not by a method",
			    rd->words[1], rd->words[2]);
	if (!bad)
		bad = make_rule(rd, 3, grant_options, ARRAY_LEN(grant_options), &rule);
	if (bad)
		return bad;
	n = strlen(rule->name);
	if (rule->name[n - 1] == '*')
		rule->prefix = n - 1;
	return push(rd, rule, offsetof(struct rights_of, grants));
}

static const char *read_feed(struct reader *rd)
{
	struct rule *rule;
	const char *bad;

	if (rd->n < 4)
		return "feed needs MEMBER SERVICE FEED";
	bad = check_holder(rd);
	if (!bad && !service_valid(rd->words[3]))
		bad = "bad feed name";
	if (!bad)
		bad = make_rule(rd, 3, feed_options, ARRAY_LEN(feed_options), &rule);
	return bad ? bad : push(rd, rule, offsetof(struct rights_of, feeds));
}

static const char *read_serve(struct reader *rd)
{
	struct rule *rule;
	const char *bad;

	if (rd->n < 3)
		return "serve needs MEMBER SERVICE";
	bad = check_holder(rd);
	if (!bad)
		bad = make_rule(rd, 0, serve_options, ARRAY_LEN(serve_options), &rule);
	return bad ? bad : push(rd, rule, offsetof(struct rights_of, serves));
}

static const char *read_limit(struct reader *rd)
{
	bool everybody = rd->n > 1 && strcmp(rd->words[1], "*") == 0;
	struct rights_of *who;
	const char *bad;

	if (rd->n < 3)
		return "limit needs MEMBER and at least one limit";
	bad = everybody ? NULL : check_holder(rd);
	if (bad)
		return bad;
	who = holder(rd, rd->words[1]);
	if (!who)
		return no_room;
	if (who->limited)
		return fault(rd, "the limit of %.100s is said twice", who->name);
	who->limited = true;
	return take_options(rd, 2, limit_options, ARRAY_LEN(limit_options), &who->own);
}

static const char *join_group(struct reader *rd, struct rights_of *group, const char *member)
{
	struct rights_of *who;
	struct in_group *in;
	const struct in_group **end;
	unsigned n = 0;

	if (!rights_member_valid(member))
		return "a member is instance/class/member/subsystem";
	who = holder(rd, member);
	in = who ? arena_alloc(&rd->rights->arena, sizeof(*in)) : NULL;
	if (!in)
		return no_room;
	for (end = &who->groups; *end; end = (const struct in_group **)&(*end)->next, n++)
		if ((*end)->group == group)
			return fault(rd, "%.120s is in the group twice", member);
	if (n == GROUPS_MAX)
		return fault(rd, "%.100s is in more than 64 groups", member);
	in->group = group;
	*end = in;
	return NULL;
}

static const char *read_group(struct reader *rd)
{
	struct rights_of *group;
	char name[64];
	const char *bad = NULL;

	if (rd->n < 3)
		return "group needs NAME MEMBER...";
	if (!group_valid(rd->words[1]))
		return "a group's name is 1 to 40 of a-z, 0-9 and -";
	snprintf(name, sizeof(name), GROUP_PREFIX "%s", rd->words[1]);
	group = holder(rd, name);
	if (!group)
		return no_room;
	group->defined = true;
	for (unsigned i = 2; i < rd->n && !bad; i++)
		bad = join_group(rd, group, rd->words[i]);
	return bad;
}

static const struct {
	const char *verb;
	const char *(*read)(struct reader *rd);
} verbs[] = {
	{"grant", read_grant}, {"feed", read_feed},   {"serve", read_serve},
	{"limit", read_limit}, {"group", read_group},
};

/* The words with one space between them: as the line is shown to people. */
static const char *tidy(struct reader *rd)
{
	char text[LINE_MAX_BYTES] = "";
	size_t n = 0;

	for (unsigned i = 0; i < rd->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
				      rd->words[i]);
	return arena_strdup(&rd->rights->arena, text);
}

/* NULL, or what is wrong with the line. */
static const char *read_line(struct reader *rd, char *line)
{
	char *save = NULL;

	if (!utf8_valid(line, strlen(line)))
		return "not UTF-8";
	line[strcspn(line, "#\r")] = 0;
	rd->n = 0;
	for (char *w = strtok_r(line, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		if (rd->n == WORDS_MAX)
			return "too many words";
		rd->words[rd->n++] = w;
	}
	if (rd->n == 0)
		return NULL;
	rd->text = tidy(rd);
	if (!rd->text || rd->rights->rules++ == RIGHTS_RULES_MAX)
		return no_room;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(rd->words[0], verbs[i].verb) == 0)
			return verbs[i].read(rd);
	return "expected grant, feed, serve, limit or group";
}

static const char *read_lines(struct reader *rd, const char *text, size_t n)
{
	const char *end = text + n, *bad = NULL;

	while (text < end && !bad) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((eol ? eol : end) - text);
		char line[LINE_MAX_BYTES];

		rd->line++;
		if (len >= sizeof(line) || memchr(text, 0, len))
			return "line too long or not text";
		memcpy(line, text, len);
		line[len] = 0;
		bad = read_line(rd, line);
		text += len + (eol != NULL);
	}
	return bad;
}

int rights_parse(const char *text, size_t n, struct rights **ret_rights,
		 char ret_fault[static RIGHTS_FAULT_MAX])
{
	struct reader rd = {.rights = base_alloc(sizeof(struct rights))};
	const char *bad;

	arena_init(&rd.rights->arena, ARENA_MAX);
	bad = read_lines(&rd, text, n);
	if (!bad)
		bad = rights_settle(rd.rights, &rd.line);
	if (bad) {
		snprintf(ret_fault, RIGHTS_FAULT_MAX, "line %u: %s", rd.line, bad);
		rights_free(rd.rights);
		return -1;
	}
	*ret_rights = rd.rights;
	return 0;
}
