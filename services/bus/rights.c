#include "services/bus/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/utf8.h"
#include "common/bus/bus.h"

#define FIELDS_MAX 5
#define METHOD_MAX 64

struct grant {
	const struct grant *next;
	const char *service, *method;
	bool acts_for;
};

struct serve {
	const struct serve *next;
	const char *service;
};

struct rights_of {
	struct rights_of *next;
	const char *member;
	const struct grant *grants;
	const struct serve *serves;
};

struct rights {
	struct arena arena;
	struct rights_of *members;
	unsigned rules;
};

static bool part_valid(const char *p, size_t n)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789._-";

	return n > 0 && strspn(p, ok) >= n;
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

static bool service_valid(const char *s)
{
	return strcmp(s, "*") == 0 || bus_name_valid(s, strlen(s));
}

static bool method_valid(const char *s)
{
	size_t n = strlen(s);

	return strcmp(s, "*") == 0 ||
	       (n <= METHOD_MAX &&
		strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.") == n);
}

static struct rights_of *find(const struct rights *r, const char *member)
{
	struct rights_of *who = r->members;

	while (who && strcmp(who->member, member) != 0)
		who = who->next;
	return who;
}

static struct rights_of *find_or_add(struct rights *r, const char *member)
{
	struct rights_of *who = find(r, member);

	if (who)
		return who;
	who = arena_alloc(&r->arena, sizeof(*who));
	if (!who)
		return NULL;
	who->member = arena_strdup(&r->arena, member);
	who->next = r->members;
	r->members = who;
	return who->member ? who : NULL;
}

static const char *add_grant(struct rights *r, char **f, unsigned n)
{
	struct rights_of *who;
	struct grant *g;

	if (n < 4)
		return "grant needs MEMBER SERVICE METHOD";
	if (n == 5 && strcmp(f[4], "acts_for") != 0)
		return "expected acts_for or nothing behind METHOD";
	if (!service_valid(f[2]))
		return "bad service name";
	if (!method_valid(f[3]))
		return "bad method name";
	who = find_or_add(r, f[1]);
	g = who ? arena_alloc(&r->arena, sizeof(*g)) : NULL;
	if (!g)
		return "too many rules";
	g->service = arena_strdup(&r->arena, f[2]);
	g->method = arena_strdup(&r->arena, f[3]);
	g->acts_for = n == 5;
	g->next = who->grants;
	who->grants = g;
	return g->service && g->method ? NULL : "too many rules";
}

static const char *add_serve(struct rights *r, char **f, unsigned n)
{
	struct rights_of *who;
	struct serve *s;

	if (n != 3)
		return "serve needs MEMBER SERVICE and nothing else";
	if (!service_valid(f[2]))
		return "bad service name";
	who = find_or_add(r, f[1]);
	s = who ? arena_alloc(&r->arena, sizeof(*s)) : NULL;
	if (!s)
		return "too many rules";
	s->service = arena_strdup(&r->arena, f[2]);
	s->next = who->serves;
	who->serves = s;
	return s->service ? NULL : "too many rules";
}

/* NULL, or what is wrong with the line. */
static const char *read_line(struct rights *r, char *line)
{
	char *f[FIELDS_MAX + 1], *save = NULL;
	unsigned n = 0;

	if (!utf8_valid(line, strlen(line)))
		return "not UTF-8";
	line[strcspn(line, "#\r")] = 0;
	for (char *w = strtok_r(line, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		if (n == FIELDS_MAX)
			return "too many words";
		f[n++] = w;
	}
	if (n == 0)
		return NULL;
	if (r->rules++ == RIGHTS_RULES_MAX)
		return "too many rules";
	if (n > 1 && !rights_member_valid(f[1]))
		return "a member is instance/class/member/subsystem";
	if (strcmp(f[0], "grant") == 0)
		return add_grant(r, f, n);
	if (strcmp(f[0], "serve") == 0)
		return add_serve(r, f, n);
	return "expected grant or serve";
}

static const char *read_lines(struct rights *r, const char *text, size_t n, unsigned *ret_line)
{
	const char *end = text + n, *fault = NULL;

	for (*ret_line = 1; text < end && !fault; (*ret_line)++) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((eol ? eol : end) - text);
		char line[512];

		if (len >= sizeof(line) || memchr(text, 0, len)) {
			fault = "line too long or not text";
			break;
		}
		memcpy(line, text, len);
		line[len] = 0;
		fault = read_line(r, line);
		if (fault)
			break;
		text += len + (eol != NULL);
	}
	return fault;
}

int rights_parse(const char *text, size_t n, struct rights **ret_rights,
		 char fault[static RIGHTS_FAULT_MAX])
{
	struct rights *r = base_alloc(sizeof(*r));
	const char *reason;
	unsigned line;

	arena_init(&r->arena, 16 << 20);
	reason = read_lines(r, text, n, &line);
	if (reason) {
		snprintf(fault, RIGHTS_FAULT_MAX, "line %u: %s", line, reason);
		rights_free(r);
		return -1;
	}
	*ret_rights = r;
	return 0;
}

void rights_free(struct rights *r)
{
	if (!r)
		return;
	arena_done(&r->arena);
	free(r);
}

const struct rights_of *rights_find(const struct rights *r, const char *member)
{
	return find(r, member);
}

static bool matches(const char *pattern, const char *name)
{
	return (pattern[0] == '*' && pattern[1] == 0) || strcmp(pattern, name) == 0;
}

bool rights_may_call(const struct rights_of *who, const char *service, const char *method,
		     bool *ret_acts_for)
{
	bool may = false, acts_for = false;

	for (const struct grant *g = who ? who->grants : NULL; g && !acts_for; g = g->next) {
		if (!matches(g->service, service) || !matches(g->method, method))
			continue;
		may = true;
		acts_for = g->acts_for;
	}
	*ret_acts_for = acts_for;
	return may;
}

bool rights_may_serve(const struct rights_of *who, const char *service)
{
	for (const struct serve *s = who ? who->serves : NULL; s; s = s->next)
		if (matches(s->service, service))
			return true;
	return false;
}
