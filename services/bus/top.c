#include "services/bus/top.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"

#define PROBES 8

struct cell {
	int64_t second; /* since boot; older than a minute: stale */
	uint32_t requests, failed;
	uint64_t request_bytes, reply_bytes;
	int64_t took_us;
};

struct row {
	struct row *next; /* of all */
	const char *member;
	char service[BUS_NAME_MAX];
	char method[RECORD_METHOD_MAX];
	int64_t last; /* second */
	struct cell cells[TOP_SECONDS];
};

/* A row has memory once it is used. */
struct top {
	struct row *rows[TOP_ROWS]; /* by hash */
	struct row *all, *other;
};

struct top *top_new(void)
{
	struct top *t = base_alloc(sizeof(*t));

	t->all = t->other = base_alloc(sizeof(struct row));
	t->other->member = "";
	return t;
}

void top_free(struct top *t)
{
	if (!t)
		return;
	while (t->all) {
		struct row *next = t->all->next;

		free(t->all);
		t->all = next;
	}
	free(t);
}

static uint32_t hash_text(uint32_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static struct row *row_new(struct top *t)
{
	struct row *r = base_alloc(sizeof(*r));

	r->next = t->all;
	t->all = r;
	return r;
}

/* Whoever was silent for a minute gives its place up. */
static struct row *find_row(struct top *t, const char *member, const char *service,
			    const char *method, int64_t second)
{
	uint32_t h =
		hash_text(hash_text((uint32_t)(uintptr_t)member * 2654435761u, service), method);
	struct row **place = NULL;

	for (unsigned i = 0; i < PROBES; i++) {
		struct row **r = &t->rows[(h + i) % TOP_ROWS];

		if (*r && (*r)->member == member && strcmp((*r)->method, method) == 0 &&
		    strcmp((*r)->service, service) == 0)
			return *r;
		if (!place && (!*r || second - (*r)->last >= TOP_SECONDS))
			place = r;
	}
	if (!place)
		return t->other;
	if (!*place)
		*place = row_new(t);
	**place = (struct row){.next = (*place)->next, .member = member};
	strcpy((*place)->service, service); /* both are bounded alike in struct record */
	strcpy((*place)->method, method);
	return *place;
}

void top_note(struct top *t, const struct record *r, int64_t took_us, int64_t now_us)
{
	int64_t second = now_us / CLOCK_US_PER_S;
	bool accepted = r->by_worker || r->dispatches > 0;
	struct row *row = find_row(t, r->member, accepted ? r->service : "",
				   accepted ? r->method : "", second);
	struct cell *c = &row->cells[second % TOP_SECONDS];

	if (c->second != second)
		*c = (struct cell){.second = second};
	row->last = second;
	c->requests++;
	c->failed += r->status != 0;
	c->request_bytes += r->request_bytes;
	c->reply_bytes += r->reply_bytes;
	c->took_us += took_us;
}

static struct top_row sum(const struct row *row, unsigned seconds, int64_t second)
{
	struct top_row out = {
		.member = row->member, .service = row->service, .method = row->method};

	for (unsigned i = 0; i < TOP_SECONDS; i++) {
		const struct cell *c = &row->cells[i];

		if (c->requests == 0 || second - c->second >= seconds)
			continue;
		out.requests += c->requests;
		out.failed += c->failed;
		out.request_bytes += c->request_bytes;
		out.reply_bytes += c->reply_bytes;
		out.took_us += c->took_us;
	}
	return out;
}

static int more_requests_first(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return x->requests < y->requests ? 1 : x->requests > y->requests ? -1 : 0;
}

unsigned top_read(const struct top *t, unsigned seconds, int64_t now_us, struct top_row *ret_rows,
		  unsigned max)
{
	CLEANUP_FREE struct top_row *all = base_alloc((TOP_ROWS + 1) * sizeof(*all));
	unsigned n = 0;

	for (const struct row *r = t->all; r; r = r->next) {
		all[n] = sum(r, seconds, now_us / CLOCK_US_PER_S);
		n += all[n].requests > 0;
	}
	qsort(all, n, sizeof(*all), more_requests_first);
	if (n > max)
		n = max;
	memcpy(ret_rows, all, n * sizeof(*all));
	return n;
}

uint64_t top_of_member(const struct top *t, const char *member, unsigned seconds, int64_t now_us)
{
	uint64_t requests = 0;

	for (const struct row *r = t->all; r; r = r->next)
		if (r->member == member)
			requests += sum(r, seconds, now_us / CLOCK_US_PER_S).requests;
	return requests;
}
