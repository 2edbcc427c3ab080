#include "tests/support/recdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/record/record.h"
#include "common/wire/pb.h"
#include "tests/support/busrig.h"

void recdir_make(struct recdir *d)
{
	snprintf(d->path, sizeof(d->path), "/tmp/recdir-XXXXXX");
	CHECK(mkdtemp(d->path));
	snprintf(d->env, sizeof(d->env), "LGSP_RECORDS_DIR=%s", d->path);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void recdir_remove(const struct recdir *d)
{
	nftw(d->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool each_of_file(const char *path, bool (*fn)(const Bus__RecordEntry *e, void *arg),
			 void *arg)
{
	struct record_reader *r;
	Bus__RecordEntry *e;
	struct arena arena;
	struct err err = {0};
	bool found = false;

	if (record_open(path, &r) < 0)
		return false; /* closed and renamed meanwhile */
	arena_init(&arena, 1 << 20);
	while (!found && record_next(r, &arena, &e, &err) > 0) {
		found = fn(e, arg);
		arena_done(&arena);
	}
	record_close(r);
	return found;
}

bool recdir_each(const struct recdir *d, bool (*fn)(const Bus__RecordEntry *e, void *arg),
		 void *arg)
{
	struct arena arena;
	bool found = false;
	char **names, path[512];
	int n;

	arena_init(&arena, 1 << 20);
	n = record_list(d->path, &arena, &names);
	CHECK(n >= 0);
	for (int i = 0; i < n && !found; i++) {
		snprintf(path, sizeof(path), "%s/%s", d->path, names[i]);
		found = each_of_file(path, fn, arg);
	}
	arena_done(&arena);
	return found;
}

struct search {
	const struct recdir *dir;
	const char *code, *method;
	struct arena *arena;
	ProtobufCMessage *found;
};

static bool is_it(const Bus__RecordEntry *e, void *arg)
{
	struct search *s = arg;
	struct err err;
	uint8_t *bytes;
	size_t n;

	if (e->entry_case != BUS__RECORD_ENTRY__ENTRY_REQUEST ||
	    strcmp(e->request->code, s->code) != 0 || strcmp(e->request->method, s->method) != 0)
		return false;
	CHECK(pb_pack(&e->request->base, s->arena, &bytes, &n, &err) == 0);
	CHECK(pb_unpack(&bus__record__descriptor, bytes, n, NULL, s->arena, &s->found, &err) == 0);
	return true;
}

static bool look(void *arg)
{
	struct search *s = arg;

	return recdir_each(s->dir, is_it, s);
}

const Bus__Record *recdir_wait(const struct recdir *d, const char *code, const char *method,
			       struct arena *arena)
{
	struct search s = {.dir = d, .code = code, .method = method, .arena = arena};

	if (!busrig_until(look, &s)) {
		fprintf(stderr, "no record of %s with code %s in %s\n", method, code, d->path);
		abort();
	}
	return (const Bus__Record *)s.found;
}

static bool count_one(const Bus__RecordEntry *e, void *arg)
{
	uint64_t *counts = arg;

	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_REQUEST)
		counts[0]++;
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_GAP)
		counts[1] += e->gap->count;
	return false;
}

void recdir_count(const struct recdir *d, uint64_t *ret_requests, uint64_t *ret_missing)
{
	uint64_t counts[2] = {0};

	recdir_each(d, count_one, counts);
	*ret_requests = counts[0];
	*ret_missing = counts[1];
}
