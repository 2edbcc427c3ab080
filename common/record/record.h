/*
 * Files of operational records (lgsp.bus.v1.RecordEntry, each behind its length; docs/records.md).
 * A file has one writer; it is called <time>.<broker>.open while it grows and
 * <time>.<broker>.<records>.rec once it is closed, so that names sort by time. Readers take both,
 * and a torn tail is where an open file ends for now.
 *
 * Every file names the one before it and the digest of that one's end: a file that was taken away
 * or changed breaks the chain.
 */
#ifndef LGSP_RECORD_RECORD_H
#define LGSP_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/crypt.h"
#include "common/base/err.h"
#include "lgsp/bus/v1/record.pb-c.h"

#define RECORD_FORMAT    "lgsp-records-1"
#define RECORD_ENTRY_MAX 4096 /* bytes of one entry, without its length */
#define RECORD_NAME_MAX  160  /* of a file, with NUL */
#define RECORD_TIME_LEN  23   /* of a name's first part: 20240521T010000.123456Z */

/* [A-Za-z0-9_-]{1,63}: what a broker that keeps records may be called; it is part of names. */
bool record_broker_valid(const char *broker);

/* --- names --- */

/* Names of the closed and open files of a folder, in order of time; count, or -1 with errno. */
int record_list(const char *dir, struct arena *arena, char ***ret_names);
/* Is it a file of this broker, and closed? NULL broker: of any. */
bool record_is_closed(const char *name, const char *broker);
bool record_is_open(const char *name, const char *broker);

/* --- reading --- */

struct record_reader;

/* 0, or -1 with errno. */
int record_open(const char *path, struct record_reader **ret_reader);
void record_close(struct record_reader *r); /* NULL is fine */
/*
 * The next entry, in the arena: 1; 0 where the file ends for now; or ERR_INVALID (malformed, no
 * head at the beginning, something behind the end, an end that does not match) or ERR_UNAVAILABLE
 * (the disk), for good.
 */
int record_next(struct record_reader *r, struct arena *arena, Bus__RecordEntry **ret_entry,
		struct err *err);
/* Bytes of whole entries read so far, requests among them, requests their gaps stand for. */
size_t record_offset(const struct record_reader *r);
uint64_t record_requests(const struct record_reader *r);
uint64_t record_missing(const struct record_reader *r);
/* The file's last entry was read and its digest is right. */
bool record_ended(const struct record_reader *r);
/*
 * SHA-256 over what was read but for a file's end: what that end says, or would say. Nothing may be
 * read after it.
 */
void record_digest(struct record_reader *r, uint8_t out[static CRYPT_SHA256_BYTES]);

/* --- writing --- */

struct record_writer;

/* Where a chain stands: the broker's newest closed file. */
struct record_link {
	char name[RECORD_NAME_MAX]; /* "" when there is none */
	uint8_t sha256[CRYPT_SHA256_BYTES];
	int64_t opened_us;
};

/* Makes a file and writes its head. 0, or -1 with errno and no file. */
int record_create(const char *dir, const char *broker, int64_t now_us,
		  const struct record_link *link, struct record_writer **ret_writer);
/* Room for one more entry; if not, record_flush() first. */
bool record_has_room(const struct record_writer *w);
/* Takes an entry into the writer's buffer. */
void record_append(struct record_writer *w, const Bus__RecordEntry *entry);
/*
 * Writes the buffer out. 0, or -1 with errno: then what was in it is lost, *ret_lost requests, and
 * the file ends before it. The buffer is empty either way.
 */
int record_flush(struct record_writer *w, uint64_t *ret_lost);
/* Bytes of the file, with what is in the buffer. */
size_t record_size(const struct record_writer *w);
/*
 * After record_flush(): writes the end, brings everything to the disk, gives the file its final
 * name and frees the writer. *link is then that file. 0, or -1 with errno: the file stays as it is,
 * to be closed up later.
 */
int record_finish(struct record_writer *w, int64_t now_us, struct record_link *link);
/* Frees the writer and leaves the file open, as a crash would. NULL is fine. */
void record_abandon(struct record_writer *w);

/*
 * Closes up what a broker's crash left open, and finds the end of its chain. A file that another
 * process is still writing is left alone. 0, or -1 with errno and the path in fault.
 */
int record_recover(const char *dir, const char *broker, int64_t now_us,
		   struct record_link *ret_link, char fault[static RECORD_NAME_MAX]);

#endif
