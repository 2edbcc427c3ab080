#include "tests/support/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"

#define ROWS_MAX 64
#define HEAD     "| code | status | outcome | wait | said by |"

struct row {
	char code[48], status[32];
	bool unknown, waits, noted;
};

struct refusals {
	struct row rows[ROWS_MAX];
	unsigned n;
};

/* The i-th cell of a Markdown row, without blanks and backquotes around it. */
static void cell(const char *line, unsigned i, char *out, size_t size)
{
	size_t n;

	for (line++; i > 0; i--)
		line += strcspn(line, "|") + 1;
	line += strspn(line, " `");
	n = strcspn(line, "|");
	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '`'))
		n--;
	snprintf(out, size, "%.*s", (int)n, line);
}

static void read_row(struct refusals *r, const char *line, const char *who)
{
	struct row *row = &r->rows[r->n];
	char text[64];

	cell(line, 4, text, sizeof(text));
	if (!strstr(text, who))
		return;
	CHECK(r->n < ROWS_MAX);
	cell(line, 0, row->code, sizeof(row->code));
	cell(line, 1, row->status, sizeof(row->status));
	cell(line, 2, text, sizeof(text));
	row->unknown = strcmp(text, "UNKNOWN") == 0;
	CHECK(row->unknown || strcmp(text, "NOT_DONE") == 0);
	cell(line, 3, text, sizeof(text));
	row->waits = strcmp(text, "yes") == 0;
	r->n++;
}

struct refusals *refusals_read(const char *who)
{
	struct refusals *r = base_alloc(sizeof(*r));
	CLEANUP_FILE FILE *file = fopen("docs/wire.md", "re");
	bool inside = false;
	char line[1024];

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, HEAD, strlen(HEAD)) == 0)
			inside = true;
		else if (line[0] != '|')
			inside = false;
		else if (inside && line[1] == ' ')
			read_row(r, line, who);
	}
	CHECK(r->n > 0);
	return r;
}

void refusals_free(struct refusals *r)
{
	free(r);
}

void refusals_note(struct refusals *r, const struct err *err)
{
	for (unsigned i = 0; i < r->n; i++) {
		struct row *row = &r->rows[i];

		if (strcmp(row->code, err_code(err)) != 0 || row->unknown != err->outcome_unknown)
			continue;
		assert_string_equal(row->status, err_status_name(err->status));
		if (row->waits != (err->retry_after_ms > 0))
			fail_msg("%s: retry_after_ms %u", row->code, err->retry_after_ms);
		row->noted = true;
		return;
	}
	fail_msg("docs/wire.md has no row %s with outcome %s", err_code(err),
		 err->outcome_unknown ? "UNKNOWN" : "NOT_DONE");
}

bool refusals_have(const struct refusals *r, const char *code, int status)
{
	for (unsigned i = 0; i < r->n; i++)
		if (strcmp(r->rows[i].code, code) == 0 &&
		    strcmp(r->rows[i].status, err_status_name(status)) == 0)
			return true;
	return false;
}

void refusals_all_noted(const struct refusals *r)
{
	for (unsigned i = 0; i < r->n; i++)
		if (!r->rows[i].noted)
			fail_msg("nothing provoked %s with outcome %s", r->rows[i].code,
				 r->rows[i].unknown ? "UNKNOWN" : "NOT_DONE");
}
