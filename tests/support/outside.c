#include "tests/support/outside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"

void outside_init(struct outside *o)
{
	strcpy(o->dir, "/tmp/lgsp-outside-XXXXXX");
	assert_non_null(mkdtemp(o->dir));
}

void outside_done(struct outside *o)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", o->dir);
	assert_int_equal(system(command), 0);
}

void outside_write(const struct outside *o, const char *name, const void *bytes, size_t n)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/%s", o->dir, name);
	CLEANUP_FILE FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
}

const char *outside_run(const struct outside *o, const char *command)
{
	static char out[1 << 18];
	char line[512];
	FILE *pipe;
	size_t n;

	snprintf(line, sizeof(line), "cd %s && %s", o->dir, command);
	pipe = popen(line, "re");
	assert_non_null(pipe);
	n = fread(out, 1, sizeof(out) - 1, pipe);
	out[n] = 0;
	assert_int_equal(pclose(pipe), 0);
	return out;
}

void outside_expect(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is missing in:\n%s", what, text);
}

void outside_expect_not(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("\"%s\" stands in:\n%s", what, text);
}
