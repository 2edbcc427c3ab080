#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/record/record.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"

#define OPEN_SUFFIX   ".open"
#define CLOSED_SUFFIX ".rec"

static const struct err_kind bad_entry = {ERR_INVALID, "BAD_RECORD_FILE",
					  "Tệp nhật ký vận hành sai: %s",
					  "not a record file as it should be: %s"};

struct record_reader {
	FILE *file;
	struct crypt_hash *hash;
	size_t offset;
	uint64_t requests, missing;
	bool began, ended;
	uint8_t digest[CRYPT_SHA256_BYTES];  /* once hash is NULL */
	uint8_t bytes[RECORD_ENTRY_MAX + 2]; /* length, then entry */
};

/* --- names --- */

static bool is_word(const char *s, size_t n)
{
	return n >= 1 && n <= 63 &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") >= n;
}

bool record_broker_valid(const char *broker)
{
	return is_word(broker, strlen(broker));
}

/* <time>.<broker><suffix>, the suffix given from the last dot but for a count before ".rec". */
static bool name_matches(const char *name, const char *broker, bool closed)
{
	const char *word = name + RECORD_TIME_LEN + 1, *rest;
	size_t n;

	if (strlen(name) <= RECORD_TIME_LEN + 1 || name[15] != '.' || name[22] != 'Z' ||
	    name[23] != '.')
		return false;
	n = strcspn(word, ".");
	if (!is_word(word, n) || (broker && (strlen(broker) != n || strncmp(broker, word, n) != 0)))
		return false;
	rest = word + n;
	if (!closed)
		return strcmp(rest, OPEN_SUFFIX) == 0;
	n = strspn(rest + 1, "0123456789");
	return n > 0 && strcmp(rest + 1 + n, CLOSED_SUFFIX) == 0;
}

bool record_is_closed(const char *name, const char *broker)
{
	return name_matches(name, broker, true);
}

bool record_is_open(const char *name, const char *broker)
{
	return name_matches(name, broker, false);
}

static int is_record_file(const struct dirent *d)
{
	return record_is_closed(d->d_name, NULL) || record_is_open(d->d_name, NULL);
}

int record_list(const char *dir, struct arena *arena, char ***ret_names)
{
	struct dirent **found;
	int n = scandir(dir, &found, is_record_file, alphasort);
	char **names;

	if (n < 0)
		return -1;
	names = arena_calloc(arena, (size_t)n, sizeof(*names));
	for (int i = 0; i < n; i++) {
		if (names)
			names[i] = arena_strdup(arena, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	if (!names || (n > 0 && !names[n - 1])) {
		errno = ENOMEM;
		return -1;
	}
	*ret_names = names;
	return n;
}

/* --- reading --- */

int record_open(const char *path, struct record_reader **ret_reader)
{
	FILE *file = fopen(path, "re");
	struct record_reader *r;

	if (!file)
		return -1;
	r = base_alloc(sizeof(*r));
	r->file = file;
	r->hash = crypt_hash_new();
	*ret_reader = r;
	return 0;
}

void record_close(struct record_reader *r)
{
	if (!r)
		return;
	fclose(r->file);
	if (r->hash)
		crypt_hash_free(r->hash);
	free(r);
}

size_t record_offset(const struct record_reader *r)
{
	return r->offset;
}

uint64_t record_requests(const struct record_reader *r)
{
	return r->requests;
}

uint64_t record_missing(const struct record_reader *r)
{
	return r->missing;
}

bool record_ended(const struct record_reader *r)
{
	return r->ended;
}

void record_digest(struct record_reader *r, uint8_t out[static CRYPT_SHA256_BYTES])
{
	if (r->hash)
		crypt_hash_final(r->hash, r->digest);
	r->hash = NULL;
	memcpy(out, r->digest, sizeof(r->digest));
}

/* A length of one or two bytes and the entry, into r->bytes: 1, 0 where the file ends, <0 error. */
static int read_bytes(struct record_reader *r, size_t *ret_head, size_t *ret_n, struct err *err)
{
	int first = getc(r->file), second = 0;
	size_t n = (size_t)(first & 0x7f), head = 1;

	if (first == EOF)
		return ferror(r->file) ? err_set(err, &err_unavailable, NULL, "the disk") : 0;
	r->bytes[0] = (uint8_t)first;
	if (first & 0x80) {
		second = getc(r->file);
		if (second == EOF)
			return 0;
		r->bytes[1] = (uint8_t)second;
		n |= (size_t)second << 7;
		head = 2;
	}
	if (n == 0 || n > RECORD_ENTRY_MAX || second > 0x7f)
		return err_set(err, &bad_entry, NULL, "length");
	if (fread(r->bytes + head, 1, n, r->file) != n)
		return ferror(r->file) ? err_set(err, &err_unavailable, NULL, "the disk") : 0;
	*ret_head = head;
	*ret_n = n;
	return 1;
}

static int check_end(struct record_reader *r, const Bus__RecordFileEnd *end, struct err *err)
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	record_digest(r, digest);
	if (end->sha256.len != sizeof(digest) ||
	    memcmp(end->sha256.data, digest, sizeof(digest)) != 0)
		return err_set(err, &bad_entry, NULL, "its SHA-256 does not match");
	if (end->records != r->requests || end->missing != r->missing)
		return err_set(err, &bad_entry, NULL, "its counts do not match");
	r->ended = true;
	return 0;
}

static int check_entry(struct record_reader *r, const Bus__RecordEntry *e, struct err *err)
{
	bool head = e->entry_case == BUS__RECORD_ENTRY__ENTRY_HEAD;

	if (r->ended)
		return err_set(err, &bad_entry, NULL, "something behind its end");
	if (head == r->began)
		return err_set(err, &bad_entry, NULL, "a head, and only one, comes first");
	if (head && strcmp(e->head->format, RECORD_FORMAT) != 0)
		return err_set(err, &bad_entry, NULL, "of another format");
	r->began = true;
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_REQUEST)
		r->requests++;
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_GAP)
		r->missing += e->gap->count;
	if (e->entry_case == BUS__RECORD_ENTRY__ENTRY_END)
		return check_end(r, e->end, err);
	return 0;
}

int record_next(struct record_reader *r, struct arena *arena, Bus__RecordEntry **ret_entry,
		struct err *err)
{
	static const struct pb_limits limits = {.open_enums = true};
	ProtobufCMessage *msg;
	size_t head = 0, n = 0;
	int rc = read_bytes(r, &head, &n, err);

	if (rc <= 0)
		return rc;
	rc = pb_unpack(&bus__record_entry__descriptor, r->bytes + head, n, &limits, arena, &msg,
		       err);
	if (rc == 0)
		rc = check_entry(r, (const Bus__RecordEntry *)msg, err);
	if (rc < 0)
		return rc;
	if (r->hash)
		crypt_hash_update(r->hash, r->bytes, head + n);
	r->offset += head + n;
	*ret_entry = (Bus__RecordEntry *)msg;
	return 1;
}
