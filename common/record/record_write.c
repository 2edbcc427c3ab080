#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/record/record.h"

#define BUFFER_BYTES 65536
#define ARENA_CAP    65536
#define NAME_TRIES   100 /* microseconds tried when a name is taken */

struct record_writer {
	int dir_fd, fd;
	char name[RECORD_NAME_MAX]; /* while it is open */
	struct crypt_hash *hash;
	size_t offset; /* written */
	uint64_t requests, missing;
	int64_t opened_us;
	uint8_t buffer[BUFFER_BYTES];
	size_t used;
	uint64_t buffered_requests, buffered_missing;
};

/* 20240521T010000.123456Z, the first part of a name. */
static void format_time(int64_t us, char out[static RECORD_TIME_LEN + 1])
{
	char utc[28];
	size_t n = 0;

	clock_format_utc(us, utc);
	for (const char *p = utc; *p && n < RECORD_TIME_LEN; p++)
		if (*p != '-' && *p != ':')
			out[n++] = *p;
	out[n] = '\0';
}

/* The last bytes of the name are those of ".open"; count as in the file's end. */
static void closed_name(const char *open_name, uint64_t count, char out[static RECORD_NAME_MAX])
{
	size_t n = strlen(open_name) - strlen(".open");

	snprintf(out, RECORD_NAME_MAX, "%.*s.%llu.rec", (int)n, open_name,
		 (unsigned long long)count);
}

/* --- bytes --- */

static int write_all(int fd, const uint8_t *p, size_t n, size_t offset)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
		offset += (size_t)done;
	}
	return 0;
}

int record_flush(struct record_writer *w, uint64_t *ret_lost)
{
	int rc = write_all(w->fd, w->buffer, w->used, w->offset);
	int error = errno;

	*ret_lost = 0;
	if (rc == 0) {
		crypt_hash_update(w->hash, w->buffer, w->used);
		w->offset += w->used;
		w->requests += w->buffered_requests;
		w->missing += w->buffered_missing;
	} else {
		/* The next bytes go to the same place; a reader shall not see half of these. */
		if (ftruncate(w->fd, (off_t)w->offset) == 0)
			errno = error;
		*ret_lost = w->buffered_requests + w->buffered_missing;
	}
	w->used = 0;
	w->buffered_requests = w->buffered_missing = 0;
	errno = error;
	return rc;
}

bool record_has_room(const struct record_writer *w)
{
	return w->used + RECORD_ENTRY_MAX + 2 <= BUFFER_BYTES;
}

void record_append(struct record_writer *w, const Bus__RecordEntry *entry)
{
	size_t n = protobuf_c_message_get_packed_size(&entry->base);

	CHECK(n > 0 && n <= RECORD_ENTRY_MAX && record_has_room(w));
	if (n >= 0x80)
		w->buffer[w->used++] = (uint8_t)(n | 0x80);
	w->buffer[w->used++] = (uint8_t)(n >= 0x80 ? n >> 7 : n);
	w->used += protobuf_c_message_pack(&entry->base, w->buffer + w->used);
	if (entry->entry_case == BUS__RECORD_ENTRY__ENTRY_REQUEST)
		w->buffered_requests++;
	if (entry->entry_case == BUS__RECORD_ENTRY__ENTRY_GAP)
		w->buffered_missing += entry->gap->count;
}

size_t record_size(const struct record_writer *w)
{
	return w->offset + w->used;
}

/* --- life of a file --- */

static struct record_writer *writer_new(int dir_fd, int fd, const char *name)
{
	struct record_writer *w = base_alloc(sizeof(*w));

	w->dir_fd = dir_fd;
	w->fd = fd;
	w->hash = crypt_hash_new();
	snprintf(w->name, sizeof(w->name), "%s", name);
	return w;
}

void record_abandon(struct record_writer *w)
{
	if (!w)
		return;
	close(w->fd);
	close(w->dir_fd);
	if (w->hash)
		crypt_hash_free(w->hash);
	free(w);
}

static int append_head(struct record_writer *w, const char *broker, const struct record_link *link)
{
	Bus__RecordFileHead head = BUS__RECORD_FILE_HEAD__INIT;
	Bus__RecordEntry entry = BUS__RECORD_ENTRY__INIT;
	uint64_t lost;

	head.format = RECORD_FORMAT;
	head.broker = broker;
	head.opened_us = w->opened_us;
	head.business_offset_us = clock_business_offset_us();
	head.previous_file = link->name;
	if (link->name[0])
		head.previous_sha256 = (ProtobufCBinaryData){
			.data = (uint8_t *)(uintptr_t)link->sha256, .len = CRYPT_SHA256_BYTES};
	entry.entry_case = BUS__RECORD_ENTRY__ENTRY_HEAD;
	entry.head = &head;
	record_append(w, &entry);
	return record_flush(w, &lost);
}

/* A file that is not there yet; the time moves on while its name is taken. */
static int create_file(int dir_fd, const char *broker, int64_t *us,
		       char name[static RECORD_NAME_MAX])
{
	char when[RECORD_TIME_LEN + 1];
	int fd = -1;

	for (int i = 0; i < NAME_TRIES && fd < 0; i++, (*us)++) {
		format_time(*us, when);
		snprintf(name, RECORD_NAME_MAX, "%s.%.63s.open", when, broker);
		fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
		if (fd < 0 && errno != EEXIST)
			return -1;
	}
	(*us)--;
	return fd;
}

int record_create(const char *dir, const char *broker, int64_t now_us,
		  const struct record_link *link, struct record_writer **ret_writer)
{
	int64_t us = now_us > link->opened_us ? now_us : link->opened_us + 1;
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1, error;
	char name[RECORD_NAME_MAX];
	struct record_writer *w;

	if (dir_fd >= 0)
		fd = create_file(dir_fd, broker, &us, name);
	if (fd < 0) {
		error = errno;
		if (dir_fd >= 0)
			close(dir_fd);
		errno = error;
		return -1;
	}
	w = writer_new(dir_fd, fd, name);
	w->opened_us = us;
	/* Whoever closes up what a crash left leaves a locked file alone. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && append_head(w, broker, link) == 0) {
		*ret_writer = w;
		return 0;
	}
	error = errno;
	unlinkat(dir_fd, name, 0);
	record_abandon(w);
	errno = error;
	return -1;
}

static int append_end(struct record_writer *w, int64_t now_us, bool recovered,
		      const uint8_t digest[static CRYPT_SHA256_BYTES])
{
	Bus__RecordFileEnd end = BUS__RECORD_FILE_END__INIT;
	Bus__RecordEntry entry = BUS__RECORD_ENTRY__INIT;
	uint64_t lost;

	end.records = w->requests;
	end.missing = w->missing;
	end.sha256 = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)digest,
					   .len = CRYPT_SHA256_BYTES};
	end.closed_us = now_us;
	end.recovered = recovered;
	entry.entry_case = BUS__RECORD_ENTRY__ENTRY_END;
	entry.end = &end;
	if (!w->hash)
		w->hash = crypt_hash_new(); /* of bytes nobody asks for any more */
	record_append(w, &entry);
	return record_flush(w, &lost);
}

/* The end, the disk, the final name. */
static int close_up(struct record_writer *w, int64_t now_us, bool recovered,
		    const uint8_t digest[static CRYPT_SHA256_BYTES], struct record_link *link)
{
	char name[RECORD_NAME_MAX];

	closed_name(w->name, w->requests, name);
	if (append_end(w, now_us, recovered, digest) < 0 ||
	    ftruncate(w->fd, (off_t)w->offset) < 0 || fsync(w->fd) < 0 ||
	    renameat(w->dir_fd, w->name, w->dir_fd, name) < 0 || fsync(w->dir_fd) < 0)
		return -1;
	memcpy(link->name, name, sizeof(name));
	memcpy(link->sha256, digest, CRYPT_SHA256_BYTES);
	link->opened_us = w->opened_us;
	return 0;
}

int record_finish(struct record_writer *w, int64_t now_us, struct record_link *link)
{
	uint8_t digest[CRYPT_SHA256_BYTES];
	int rc, error;

	CHECK(w->used == 0);
	crypt_hash_final(w->hash, digest);
	w->hash = NULL;
	rc = close_up(w, now_us, false, digest, link);
	error = errno;
	record_abandon(w);
	errno = error;
	return rc;
}

/* --- what a crash left --- */

/* Reads as far as the file is whole. The reader's error, if any, is where it ends. */
static int64_t read_whole(struct record_reader *r)
{
	Bus__RecordEntry *entry;
	int64_t opened_us = 0;
	struct arena arena;
	struct err err = {0};

	arena_init(&arena, ARENA_CAP);
	while (record_next(r, &arena, &entry, &err) > 0) {
		if (entry->entry_case == BUS__RECORD_ENTRY__ENTRY_HEAD)
			opened_us = entry->head->opened_us;
		arena_done(&arena);
	}
	arena_done(&arena);
	return opened_us;
}

static int close_up_read(struct record_writer *w, struct record_reader *r, int64_t now_us,
			 struct record_link *link)
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	w->opened_us = read_whole(r);
	w->offset = record_offset(r);
	w->requests = record_requests(r);
	w->missing = record_missing(r);
	if (w->offset == 0) /* not even a head */
		return unlinkat(w->dir_fd, w->name, 0) < 0 && errno != ENOENT ? -1 : 0;
	if (record_ended(r)) { /* only its name was missing */
		char name[RECORD_NAME_MAX];

		closed_name(w->name, w->requests, name);
		return ftruncate(w->fd, (off_t)w->offset) < 0 ||
				       renameat(w->dir_fd, w->name, w->dir_fd, name) < 0
			       ? -1
			       : 0;
	}
	record_digest(r, digest);
	return close_up(w, now_us, true, digest, link);
}

static int recover_open(const char *dir, const char *name, int64_t now_us)
{
	struct record_reader *r = NULL;
	struct record_link link;
	struct record_writer *w;
	char path[4096];
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0, error;
	int fd = dir_fd < 0 ? -1 : openat(dir_fd, name, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		error = errno;
		if (dir_fd >= 0)
			close(dir_fd);
		errno = error;
		return -1;
	}
	w = writer_new(dir_fd, fd, name);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		rc = record_open(path, &r);
		if (rc == 0)
			rc = close_up_read(w, r, now_us, &link);
	}
	error = errno;
	record_close(r);
	record_abandon(w);
	errno = error;
	return rc;
}

/* What the next file's head says of this one. */
static int read_link(const char *dir, const char *name, struct record_link *link)
{
	struct record_reader *r;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (record_open(path, &r) < 0)
		return -1;
	link->opened_us = read_whole(r);
	snprintf(link->name, sizeof(link->name), "%s", name);
	record_digest(r, link->sha256);
	record_close(r);
	return 0;
}

int record_recover(const char *dir, const char *broker, int64_t now_us,
		   struct record_link *ret_link, char fault[static RECORD_NAME_MAX])
{
	const char *newest = NULL;
	struct arena arena;
	char **names;
	int rc = 0, n;

	arena_init(&arena, 64 << 20);
	snprintf(fault, RECORD_NAME_MAX, "%.150s", dir);
	n = record_list(dir, &arena, &names);
	rc = n < 0 ? -1 : 0;
	for (int i = 0; i < n && rc == 0; i++) {
		if (!record_is_open(names[i], broker))
			continue;
		snprintf(fault, RECORD_NAME_MAX, "%s", names[i]);
		rc = recover_open(dir, names[i], now_us);
	}
	if (rc == 0)
		n = record_list(dir, &arena, &names);
	for (int i = 0; i < n && rc == 0; i++)
		if (record_is_closed(names[i], broker))
			newest = names[i];
	memset(ret_link, 0, sizeof(*ret_link));
	if (rc == 0 && newest)
		rc = read_link(dir, newest, ret_link);
	arena_done(&arena);
	return rc;
}
