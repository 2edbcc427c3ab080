/*
 * Files of operational records: the reader on any bytes, and closing up what a crash may have left.
 * Whatever is closed up must be whole when it is read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file is whole: nothing wrong, and its end was read. */
static bool read_all(const char *path)
{
	struct record_reader *r;
	Bus__RecordEntry *entry;
	struct arena arena;
	struct err err = {0};
	size_t offset = 0;
	bool whole;
	int rc;

	CHECK(record_open(path, &r) == 0);
	arena_init(&arena, 1 << 20);
	while ((rc = record_next(r, &arena, &entry, &err)) > 0) {
		CHECK(record_offset(r) > offset);
		offset = record_offset(r);
		arena_done(&arena);
	}
	arena_done(&arena);
	whole = rc == 0 && record_ended(r);
	record_close(r);
	return whole;
}

static void close_up(const char *folder)
{
	struct record_link link;
	char fault[RECORD_NAME_MAX], path[512];

	CHECK(record_recover(folder, "bus-1", 0, &link, fault) == 0);
	if (!link.name[0])
		return; /* there was not even a head */
	snprintf(path, sizeof(path), "%s/%s", folder, link.name);
	CHECK(read_all(path));
	unlink(path);
}

static char dir[64];

static void remove_folder(void)
{
	rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[512];
	FILE *file;

	if (!dir[0]) {
		snprintf(dir, sizeof(dir), "/dev/shm/fuzz-record-XXXXXX");
		CHECK(mkdtemp(dir));
		atexit(remove_folder);
	}
	snprintf(path, sizeof(path), "%s/20240521T010000.000000Z.bus-1.open", dir);
	file = fopen(path, "we");
	CHECK(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
	read_all(path);
	close_up(dir);
	return 0;
}
