#include "common/rights/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/rights/room.h"

static const struct err_kind refusals[] = {
	[RIGHTS_NOT_GRANTED] = {ERR_DENIED, "NOT_GRANTED", "Hệ thống chưa được cấp quyền gọi %s",
				"this system is not granted %s"},
	[RIGHTS_NOT_IN_FORCE] = {ERR_DENIED, "GRANT_NOT_IN_FORCE",
				 "Quyền gọi %s của hệ thống chưa hoặc không còn hiệu lực hôm nay",
				 "this system's grant of %s is not in force today"},
	[RIGHTS_PURPOSE_REQUIRED] = {ERR_DENIED, "PURPOSE_REQUIRED",
				     "Phải nêu mục đích (purpose) khi gọi %s",
				     "%s is granted for a purpose only; the request names none"},
	[RIGHTS_PURPOSE_NOT_GRANTED] = {ERR_DENIED, "PURPOSE_NOT_GRANTED",
					"Hệ thống không được gọi %s với mục đích đã nêu",
					"this system is not granted %s for the purpose it names"},
	[RIGHTS_ACTS_FOR_NOT_GRANTED] = {ERR_DENIED, "ACTS_FOR_NOT_GRANTED",
					 "Hệ thống không được thay mặt người khác gọi %s",
					 "this system may not call %s on behalf of a person"},
};

/* FNV-1a over both names and the NUL between them. */
uint32_t rights_hash(const char *a, const char *b)
{
	uint32_t h = 2166136261u;

	for (const char *p = a; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	h *= 16777619u;
	for (const char *p = b; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return h ^ h >> 15;
}

struct rights_of *rights_find_holder(const struct rights *r, const char *name)
{
	struct rights_of *who = r->buckets[rights_hash(name, "") & (RIGHTS_BUCKETS - 1)];

	while (who && strcmp(who->name, name) != 0)
		who = who->next_in_bucket;
	return who;
}

const struct rights_of *rights_find(const struct rights *r, const char *member)
{
	return rights_member_valid(member) ? rights_find_holder(r, member) : NULL;
}

void rights_free(struct rights *r)
{
	if (!r)
		return;
	arena_done(&r->arena);
	free(r);
}

int32_t rights_today(void)
{
	return civil_of_us(clock_wall_us());
}

/* --- questions --- */

static bool is_any(const char *pattern)
{
	return pattern[0] == '*' && pattern[1] == 0;
}

static bool matches(const struct rule *rule, const char *service, const char *name)
{
	if (!is_any(rule->service) && strcmp(rule->service, service) != 0)
		return false;
	return rule->prefix == SIZE_MAX ? strcmp(rule->name, name) == 0
					: strncmp(rule->name, name, rule->prefix) == 0;
}

static bool in_force(const struct rule *rule, int32_t today)
{
	return rule->from <= today && today <= rule->until;
}

static bool has_purpose(const struct rule *rule, const char *purpose)
{
	for (unsigned i = 0; i < rule->n_purposes; i++)
		if (strcmp(rule->purposes[i], purpose) == 0)
			return true;
	return rule->n_purposes == 0;
}

static enum rights_answer weigh(const struct rule *rule, const struct rights_question *q)
{
	if (!in_force(rule, q->today))
		return RIGHTS_NOT_IN_FORCE;
	if (!has_purpose(rule, q->purpose))
		return q->purpose[0] ? RIGHTS_PURPOSE_NOT_GRANTED : RIGHTS_PURPOSE_REQUIRED;
	if (q->on_behalf && !rule->acts_for)
		return RIGHTS_ACTS_FOR_NOT_GRANTED;
	return RIGHTS_GRANTED;
}

/* The answers beside GRANTED stand in the order of how near they come. */
static enum rights_answer nearer(enum rights_answer a, enum rights_answer b)
{
	if (a == RIGHTS_GRANTED || b == RIGHTS_GRANTED)
		return RIGHTS_GRANTED;
	return a > b ? a : b;
}

static enum rights_answer ask_list(const struct rule *rule, const struct rights_question *q,
				   enum rights_answer best)
{
	for (; rule && best != RIGHTS_GRANTED; rule = rule->next)
		if (matches(rule, q->service, q->method))
			best = nearer(best, weigh(rule, q));
	return best;
}

static enum rights_answer ask_holder(const struct rights_of *who, const struct rights_question *q,
				     uint32_t hash, enum rights_answer best)
{
	if (who->exact)
		best = ask_list(who->exact[hash & who->exact_mask], q, best);
	return ask_list(who->grants, q, best);
}

static enum rights_answer ask_feeds(const struct rights_of *who, const struct rights_question *q,
				    enum rights_answer best)
{
	for (const struct rule *f = who->feeds; f && best != RIGHTS_GRANTED; f = f->next)
		if (is_any(f->service) || strcmp(f->service, q->service) == 0)
			best = nearer(best, weigh(f, q));
	return best;
}

bool rights_is_feed_method(const char *method)
{
	return strncmp(method, "Feed.", 5) == 0;
}

enum rights_answer rights_ask(const struct rights_of *who, const struct rights_question *q)
{
	bool feed = rights_is_feed_method(q->method);
	uint32_t hash = feed ? 0 : rights_hash(q->service, q->method);
	enum rights_answer best = RIGHTS_NOT_GRANTED;

	if (!who)
		return best;
	best = feed ? ask_feeds(who, q, best) : ask_holder(who, q, hash, best);
	for (const struct in_group *g = who->groups; g && best != RIGHTS_GRANTED; g = g->next)
		best = feed ? ask_feeds(g->group, q, best) : ask_holder(g->group, q, hash, best);
	return best;
}

int rights_refuse(enum rights_answer answer, const struct rights_question *q, struct err *err)
{
	const char *field = NULL;
	char what[200];

	if (answer == RIGHTS_GRANTED)
		return 0;
	if (answer == RIGHTS_ACTS_FOR_NOT_GRANTED)
		field = "on_behalf_of";
	else if (answer == RIGHTS_PURPOSE_REQUIRED || answer == RIGHTS_PURPOSE_NOT_GRANTED)
		field = "purpose";
	snprintf(what, sizeof(what), "%s.%s", q->service, q->method);
	return err_set(err, &refusals[answer], field, what);
}

/* --- feeds, services, limits --- */

static unsigned add_feeds(const struct rights_of *who, const struct rights_question *q,
			  const char **feeds, unsigned n)
{
	for (const struct rule *f = who->feeds; f && n < RIGHTS_FEEDS_MAX; f = f->next)
		if ((is_any(f->service) || strcmp(f->service, q->service) == 0) &&
		    weigh(f, q) == RIGHTS_GRANTED)
			feeds[n++] = f->name;
	return n;
}

unsigned rights_feeds(const struct rights_of *who, const struct rights_question *q,
		      const char *ret_feeds[static RIGHTS_FEEDS_MAX])
{
	unsigned n = 0;

	if (!who)
		return 0;
	n = add_feeds(who, q, ret_feeds, n);
	for (const struct in_group *g = who->groups; g; g = g->next)
		n = add_feeds(g->group, q, ret_feeds, n);
	return n;
}

bool rights_may_read_feed(const struct rights_of *who, const struct rights_question *q,
			  const char *feed)
{
	const char *feeds[RIGHTS_FEEDS_MAX];
	unsigned n = rights_feeds(who, q, feeds);

	for (unsigned i = 0; i < n; i++)
		if (is_any(feeds[i]) || strcmp(feeds[i], feed) == 0)
			return true;
	return false;
}

static bool serves(const struct rights_of *who, const char *service, int32_t today)
{
	for (const struct rule *s = who->serves; s; s = s->next)
		if (in_force(s, today) && (is_any(s->service) || strcmp(s->service, service) == 0))
			return true;
	return false;
}

bool rights_may_serve(const struct rights_of *who, const char *service, int32_t today)
{
	if (!who)
		return false;
	if (serves(who, service, today))
		return true;
	for (const struct in_group *g = who->groups; g; g = g->next)
		if (serves(g->group, service, today))
			return true;
	return false;
}

struct rights_limits rights_limits_of(const struct rights *r, const struct rights_of *who)
{
	return who ? who->limits : r->everybody;
}

/* --- for people --- */

static void each_of(const struct rule *rule, int32_t today,
		    void (*fn)(const char *line, bool in_force, void *arg), void *arg)
{
	for (; rule; rule = rule->next)
		fn(rule->line, in_force(rule, today), arg);
}

static void each_of_holder(const struct rights_of *who, int32_t today,
			   void (*fn)(const char *line, bool in_force, void *arg), void *arg)
{
	for (unsigned i = 0; who->exact && i <= who->exact_mask; i++)
		each_of(who->exact[i], today, fn, arg);
	each_of(who->grants, today, fn, arg);
	each_of(who->feeds, today, fn, arg);
	each_of(who->serves, today, fn, arg);
}

void rights_each(const struct rights_of *who, int32_t today,
		 void (*fn)(const char *line, bool in_force, void *arg), void *arg)
{
	if (!who)
		return;
	each_of_holder(who, today, fn, arg);
	for (const struct in_group *g = who->groups; g; g = g->next)
		each_of_holder(g->group, today, fn, arg);
}
