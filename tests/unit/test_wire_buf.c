/*
 * pbjson compared with buf, an implementation we did not write: for every accepted text, what buf
 * makes of the JSON must be our message, and what we pack must be buf's JSON again. buf is a locked
 * npm package of the tests; without it these tests are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glob.h>
#include <jansson.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/wire/pb.h"
#include "common/wire/pbjson.h"
#include "tests/support/pbjson_cases.h"

static char buf_program[512];
static char dir[] = "/tmp/lgsp-buf-XXXXXX";

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void convert(const char *type, const char *from, const char *to)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "%s convert %s/image.binpb --type %s --from %s/%s --to %s/%s", buf_program, dir,
		 type, dir, from, dir, to);
	run(command);
}

static void write_file(const char *name, const void *bytes, size_t n)
{
	CLEANUP_FILE FILE *f = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
}

static size_t read_file(const char *name, uint8_t *out, size_t size)
{
	CLEANUP_FILE FILE *f = NULL;
	char path[256];
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(out, 1, size, f);
	assert_true(n < size);
	return n;
}

/* buf reads the JSON: its bytes, unpacked and written by us, are the canonical text. */
static void check_reading(const struct pbjson_case *c)
{
	static uint8_t bytes[65536];
	struct err err = {0};
	struct arena arena;
	struct buf out;
	ProtobufCMessage *msg;
	size_t n;

	write_file("in.json", c->in, strlen(c->in));
	convert(c->type, "in.json", "out.binpb");
	n = read_file("out.binpb", bytes, sizeof(bytes));
	arena_init(&arena, 1 << 20);
	buf_init(&out, 65536);
	assert_int_equal(pb_unpack(c->desc, bytes, n, NULL, &arena, &msg, &err), 0);
	assert_int_equal(pbjson_write(msg, false, &out), 0);
	if (strcmp(buf_str(&out), c->out) != 0)
		fail_msg("buf reads %s as %s", c->in, buf_str(&out));
	buf_done(&out);
	arena_done(&arena);
}

/* buf writes what we read and packed: the same JSON value as ours, member for member. */
static void check_writing(const struct pbjson_case *c)
{
	static uint8_t text[65536];
	struct err err = {0};
	struct arena arena;
	ProtobufCMessage *msg;
	uint8_t *bytes;
	json_t *ours;
	json_t *theirs;
	size_t n;

	arena_init(&arena, 1 << 20);
	assert_int_equal(pbjson_read(c->desc, c->in, strlen(c->in), &arena, &msg, &err), 0);
	assert_int_equal(pb_pack(msg, &arena, &bytes, &n, &err), 0);
	write_file("in.binpb", bytes, n);
	convert(c->type, "in.binpb", "out.json");
	n = read_file("out.json", text, sizeof(text));
	theirs = json_loadb((const char *)text, n, 0, NULL);
	ours = json_loads(c->out, 0, NULL);
	if (!json_equal(ours, theirs))
		fail_msg("%s: buf writes %.*s", c->out, (int)n, (const char *)text);
	json_decref(ours);
	json_decref(theirs);
	arena_done(&arena);
}

static void need_buf(void)
{
	if (buf_program[0] == '\0') {
		print_message("buf is not installed: make tests/node_modules/.package-lock.json\n");
		skip();
	}
}

static void test_buf_reads_what_we_read(void **state)
{
	(void)state;
	need_buf();
	for (const struct pbjson_case *c = pbjson_cases; c->type != NULL; c++)
		check_reading(c);
}

static void test_buf_writes_what_we_write(void **state)
{
	(void)state;
	need_buf();
	for (const struct pbjson_case *c = pbjson_cases; c->type != NULL; c++)
		check_writing(c);
}

static int find_buf(void **state)
{
	char command[1024];
	glob_t found;

	(void)state;

	if (glob("tests/node_modules/@bufbuild/buf-linux-*/bin/buf", 0, NULL, &found) == 0)
		snprintf(buf_program, sizeof(buf_program), "%s", found.gl_pathv[0]);
	globfree(&found);
	assert_non_null(mkdtemp(dir));
	/* buf takes protoc's descriptor set as an image: one for the contracts and our messages. */
	snprintf(command, sizeof(command),
		 "protoc -Iproto -Itests/proto --include_imports "
		 "--descriptor_set_out=%s/image.binpb "
		 "lgsp/wiretest/v1/wiretest.proto lgsp/dossier/v1/dossier.proto",
		 dir);
	run(command);
	return 0;
}

static int clean_up(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	run(command);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_reads_what_we_read),
		cmocka_unit_test(test_buf_writes_what_we_write),
	};

	return cmocka_run_group_tests(tests, find_buf, clean_up);
}
