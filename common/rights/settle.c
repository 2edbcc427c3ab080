/* What is worked out once when the last line is read, so that a request costs little. */
#include <string.h>

#include "common/base/base.h"
#include "common/rights/room.h"

static bool is_group(const struct rights_of *who)
{
	return strchr(who->name, ':') != NULL;
}

static unsigned buckets_for(unsigned n)
{
	unsigned size = 8;

	while (size < n)
		size *= 2;
	return size;
}

/* Grants that name service and method go into buckets; the others stay in the list. */
static bool spread_grants(struct rights *r, struct rights_of *who)
{
	struct rule *rule = who->grants, *next;
	unsigned n = buckets_for(who->n_grants);

	who->exact = arena_calloc(&r->arena, n, sizeof(struct rule *));
	if (!who->exact)
		return false;
	who->exact_mask = n - 1;
	who->grants = NULL;
	for (; rule; rule = next) {
		bool exact = rule->prefix == SIZE_MAX && strcmp(rule->service, "*") != 0;
		struct rule **into = exact ? &who->exact[rights_hash(rule->service, rule->name) &
							 who->exact_mask]
					   : &who->grants;

		next = rule->next;
		rule->next = *into;
		*into = rule;
	}
	return true;
}

static void inherit(struct rights_limits *limits, const struct rights_limits *from)
{
	if (limits->requests_per_s == 0)
		limits->requests_per_s = from->requests_per_s;
	if (limits->burst == 0)
		limits->burst = from->burst;
	if (limits->in_flight == 0)
		limits->in_flight = from->in_flight;
	if (limits->bytes_in_flight == 0)
		limits->bytes_in_flight = from->bytes_in_flight;
}

static void settle_limits(const struct rights *r, struct rights_of *who)
{
	who->limits = who->own;
	for (const struct in_group *g = who->groups; g; g = g->next)
		inherit(&who->limits, &g->group->own);
	inherit(&who->limits, &r->everybody);
}

static unsigned count_feeds(const struct rights_of *who, const char *service)
{
	unsigned n = 0;

	for (const struct rule *f = who->feeds; f; f = f->next)
		n += strcmp(f->service, "*") == 0 || strcmp(f->service, service) == 0;
	return n;
}

/* They travel in the header of every pull. */
static bool feeds_fit(const struct rights_of *who)
{
	for (const struct in_group *own = &(struct in_group){who->groups, (struct rights_of *)who};
	     own; own = own->next)
		for (const struct rule *f = own->group->feeds; f; f = f->next) {
			unsigned n = count_feeds(who, f->service);

			for (const struct in_group *g = who->groups; g; g = g->next)
				n += count_feeds(g->group, f->service);
			if (n > RIGHTS_FEEDS_MAX)
				return false;
		}
	return true;
}

static const char *settle_one(struct rights *r, struct rights_of *who)
{
	if (is_group(who) && !who->defined)
		return "the group is nowhere defined";
	if (who->n_grants > 0 && !spread_grants(r, who))
		return "too many rules";
	settle_limits(r, who);
	if (!feeds_fit(who))
		return "more than 16 rules about feeds of one service for one member";
	return NULL;
}

const char *rights_settle(struct rights *r, unsigned *ret_line)
{
	struct rights_of *all = rights_find_holder(r, "*");

	if (all)
		r->everybody = all->own;
	for (struct rights_of *who = r->first; who; who = who->next) {
		const char *bad = settle_one(r, who);

		if (bad) {
			*ret_line = who->line;
			return bad;
		}
	}
	return NULL;
}
