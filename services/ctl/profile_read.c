/* Reading a profile's folder: the manifest, then every file with its columns. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/profile.h"

#define MANIFEST       "manifest.csv"
#define ARENA_BYTES    (64 << 20)
#define FILE_BYTES_MAX (8 << 20)
#define ROLES          "clerk officer leader cashier archivist statistician operator"
#define SOURCES        "official assumed"
#define AMOUNT_MAX_VND 1000000000000
#define REPLY_DAYS_MAX 180

static const struct csv_column unit_columns[] = {
	{"gso_code", CSV_TEXT, NULL, 0, 10},
	{"level", CSV_WORD, "province district commune", 0, 0},
	{"parent_gso_code", CSV_MAYBE, NULL, 0, 10},
	{"name", CSV_TEXT, NULL, 0, 200},
	{"valid_from", CSV_DATE, NULL, 0, 0},
	{"valid_to", CSV_MAYBE_DATE, NULL, 0, 0},
	{"successor_gso_code", CSV_MAYBE, NULL, 0, 10},
};

static const struct csv_column agency_columns[] = {
	{"agency_code", CSV_TEXT, NULL, 0, 35},   {"parent_agency_code", CSV_MAYBE, NULL, 0, 35},
	{"level", CSV_WORD, "T H X V", 0, 0},     {"gso_unit_code", CSV_TEXT, NULL, 0, 10},
	{"name", CSV_TEXT, NULL, 0, 200},         {"valid_from", CSV_DATE, NULL, 0, 0},
	{"valid_to", CSV_MAYBE_DATE, NULL, 0, 0}, {"successor_agency_code", CSV_MAYBE, NULL, 0, 35},
};

static const struct csv_column calendar_columns[] = {
	{"date", CSV_DATE, NULL, 0, 0},
	{"kind", CSV_WORD, "OFF WORK", 0, 0},
	{"why", CSV_TEXT, NULL, 0, 200},
	{"certainty", CSV_WORD, "announced estimated", 0, 0},
};

static const struct csv_column hours_columns[] = {
	{"scope", CSV_TEXT, NULL, 0, 35},     {"weekdays", CSV_WORDS, "1 2 3 4 5 6 7", 0, 0},
	{"am", CSV_MAYBE, NULL, 0, 11},       {"pm", CSV_MAYBE, NULL, 0, 11},
	{"valid_from", CSV_DATE, NULL, 0, 0}, {"valid_to", CSV_MAYBE_DATE, NULL, 0, 0},
	{"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column officer_columns[] = {
	{"subject", CSV_TEXT, NULL, 0, 100},      {"name", CSV_TEXT, NULL, 0, 200},
	{"agency_code", CSV_TEXT, NULL, 0, 35},   {"post", CSV_TEXT, NULL, 0, 200},
	{"roles", CSV_WORDS, ROLES, 0, 0},        {"valid_from", CSV_DATE, NULL, 0, 0},
	{"valid_to", CSV_MAYBE_DATE, NULL, 0, 0}, {"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column category_columns[] = {
	{"category", CSV_TEXT, NULL, 0, 60},      {"code", CSV_TEXT, NULL, 0, 60},
	{"name_vi", CSV_TEXT, NULL, 0, 200},      {"name_en", CSV_TEXT, NULL, 0, 200},
	{"needs_note", CSV_BOOL, NULL, 0, 0},     {"valid_from", CSV_DATE, NULL, 0, 0},
	{"valid_to", CSV_MAYBE_DATE, NULL, 0, 0},
};

static const struct csv_column system_columns[] = {
	{"member", CSV_TEXT, NULL, 0, 200},           {"name", CSV_TEXT, NULL, 0, 200},
	{"owner_agency_code", CSV_TEXT, NULL, 0, 35}, {"valid_from", CSV_DATE, NULL, 0, 0},
	{"valid_to", CSV_MAYBE_DATE, NULL, 0, 0},     {"citizen_facing", CSV_BOOL, NULL, 0, 0},
};

static const struct csv_column procedure_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60},
	{"name", CSV_TEXT, NULL, 0, 500},
	{"field", CSV_TEXT, NULL, 0, 60},
	{"levels", CSV_TEXT, NULL, 0, 3},
	{"limit_unit", CSV_WORD, "same_day working_day calendar_day working_hour", 0, 0},
	{"limit_value", CSV_NUMBER, NULL, 0, 8000},
	{"fee_kind", CSV_MAYBE, NULL, 0, 10},
	{"fee_vnd", CSV_NUMBER, NULL, 0, AMOUNT_MAX_VND},
	{"online_level", CSV_NUMBER, NULL, 1, 4},
	{"data_class", CSV_WORD, "basic sensitive child", 0, 0},
	{"result_type", CSV_TEXT, NULL, 0, 60},
	{"valid_from", CSV_DATE, NULL, 0, 0},
	{"valid_to", CSV_MAYBE_DATE, NULL, 0, 0},
	{"internal", CSV_BOOL, NULL, 0, 0},
	{"online_service", CSV_WORD, "information partial full", 0, 0},
	{"eligible", CSV_BOOL, NULL, 0, 0},
	{"decision_number", CSV_MAYBE, NULL, 0, 100},
	{"decided_on", CSV_MAYBE_DATE, NULL, 0, 0},
	{"published_on", CSV_MAYBE_DATE, NULL, 0, 0},
	{"reply_days", CSV_NUMBER, NULL, 0, REPLY_DAYS_MAX},
	{"source", CSV_WORD, SOURCES, 0, 0},
	{"note", CSV_MAYBE, NULL, 0, 500},
};

static const struct csv_column step_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60}, {"ordinal", CSV_NUMBER, NULL, 1, 99},
	{"role", CSV_WORD, ROLES, 0, 0},           {"agency_rule", CSV_TEXT, NULL, 0, 35},
	{"hours", CSV_NUMBER, NULL, 1, 8000},      {"name", CSV_TEXT, NULL, 0, 200},
	{"actions", CSV_MAYBE, NULL, 0, 500},      {"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column opinion_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60}, {"ordinal", CSV_NUMBER, NULL, 1, 99},
	{"agency_code", CSV_TEXT, NULL, 0, 35},    {"hours", CSV_NUMBER, NULL, 1, 8000},
	{"question", CSV_TEXT, NULL, 0, 1000},     {"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column legal_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60}, {"number", CSV_TEXT, NULL, 0, 100},
	{"title", CSV_TEXT, NULL, 0, 500},         {"article", CSV_MAYBE, NULL, 0, 200},
	{"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column item_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60},
	{"code", CSV_TEXT, NULL, 0, 60},
	{"name", CSV_TEXT, NULL, 0, 200},
	{"kind", CSV_WORD, "phi le_phi", 0, 0},
	{"amount_vnd", CSV_NUMBER, NULL, 1, AMOUNT_MAX_VND},
	{"per", CSV_MAYBE, NULL, 0, 20},
	{"timing", CSV_WORD, "before during after", 0, 0},
	{"exempt_online", CSV_BOOL, NULL, 0, 0},
	{"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column channel_columns[] = {
	{"channel", CSV_WORD, "counter post own_portal national_portal", 0, 0},
	{"opens", CSV_DATE, NULL, 0, 0},
	{"closes", CSV_MAYBE_DATE, NULL, 0, 0},
	{"legal_basis", CSV_TEXT, NULL, 0, 200},
	{"instead", CSV_MAYBE, NULL, 0, 200},
};

static const struct csv_column component_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60}, {"code", CSV_TEXT, NULL, 0, 60},
	{"name", CSV_TEXT, NULL, 0, 500},          {"required", CSV_BOOL, NULL, 0, 0},
	{"record_types", CSV_MAYBE, NULL, 0, 500}, {"originals", CSV_NUMBER, NULL, 0, 99},
	{"copies", CSV_NUMBER, NULL, 0, 99},       {"required_if", CSV_MAYBE, NULL, 0, 500},
	{"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column form_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60},
	{"name", CSV_TEXT, NULL, 0, 80},
	{"label", CSV_TEXT, NULL, 0, 200},
	{"type", CSV_WORD,
	 "text date integer decimal money choice boolean citizen_number tax_code phone email "
	 "agency",
	 0, 0},
	{"required", CSV_BOOL, NULL, 0, 0},
	{"max_length", CSV_NUMBER, NULL, 1, 2000},
	{"min_length", CSV_NUMBER, NULL, 0, 2000},
	{"pattern", CSV_MAYBE, NULL, 0, 20},
	{"date_rule", CSV_MAYBE, NULL, 0, 20},
	{"min", CSV_MAYBE, NULL, 0, 14},
	{"max", CSV_MAYBE, NULL, 0, 14},
	{"options", CSV_MAYBE, NULL, 0, 4000},
	{"required_if", CSV_MAYBE, NULL, 0, 500},
	{"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column fee_columns[] = {
	{"procedure_code", CSV_TEXT, NULL, 0, 60},
	{"kind", CSV_WORD, "phi le_phi", 0, 0},
	{"amount_vnd", CSV_NUMBER, NULL, 1, AMOUNT_MAX_VND},
	{"online", CSV_BOOL, NULL, 0, 0},
	{"valid_from", CSV_DATE, NULL, 0, 0},
	{"valid_to", CSV_MAYBE_DATE, NULL, 0, 0},
	{"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column account_columns[] = {
	{"agency_code", CSV_TEXT, NULL, 0, 35}, {"bin", CSV_TEXT, NULL, 0, 6},
	{"number", CSV_TEXT, NULL, 0, 19},      {"holder", CSV_TEXT, NULL, 0, 100},
	{"valid_from", CSV_DATE, NULL, 0, 0},   {"valid_to", CSV_MAYBE_DATE, NULL, 0, 0},
	{"source", CSV_WORD, SOURCES, 0, 0},
};

static const struct csv_column indicator_columns[] = {
	{"id", CSV_TEXT, NULL, 0, 20},
	{"name_vi", CSV_TEXT, NULL, 0, 300},
	{"name_en", CSV_TEXT, NULL, 0, 300},
	{"numerator", CSV_TEXT, NULL, 0, 500},
	{"denominator", CSV_MAYBE, NULL, 0, 500},
	{"kind", CSV_WORD, "stock flow distinct survey milestone", 0, 0},
	{"scopes", CSV_TEXT, NULL, 0, 10},
	{"source", CSV_TEXT, NULL, 0, 200},
	{"owner_agency", CSV_TEXT, NULL, 0, 35},
	{"note", CSV_MAYBE, NULL, 0, 500},
};

static const struct csv_column target_columns[] = {
	{"indicator", CSV_TEXT, NULL, 0, 20}, {"scope", CSV_WORD, "T H X ALL", 0, 0},
	{"due", CSV_DATE, NULL, 0, 0},        {"operator", CSV_WORD, ">= > milestone", 0, 0},
	{"value", CSV_TEXT, NULL, 0, 12},     {"baseline", CSV_MAYBE, NULL, 0, 200},
};

#define FILE_OF(name, columns)                                                                     \
	{                                                                                          \
		name, columns, ARRAY_LEN(columns), NULL, 0                                         \
	}
static const struct csv_table empty_tables[PROFILE_FILES] = {
	[PROFILE_UNITS] = FILE_OF("units.csv", unit_columns),
	[PROFILE_AGENCIES] = FILE_OF("agencies.csv", agency_columns),
	[PROFILE_CALENDAR] = FILE_OF("calendar.csv", calendar_columns),
	[PROFILE_HOURS] = FILE_OF("hours.csv", hours_columns),
	[PROFILE_OFFICERS] = FILE_OF("officers.csv", officer_columns),
	[PROFILE_CATEGORIES] = FILE_OF("categories.csv", category_columns),
	[PROFILE_SYSTEMS] = FILE_OF("systems.csv", system_columns),
	[PROFILE_PROCEDURES] = FILE_OF("procedures.csv", procedure_columns),
	[PROFILE_STEPS] = FILE_OF("steps.csv", step_columns),
	[PROFILE_COMPONENTS] = FILE_OF("components.csv", component_columns),
	[PROFILE_FORM] = FILE_OF("form-fields.csv", form_columns),
	[PROFILE_OPINIONS] = FILE_OF("opinions.csv", opinion_columns),
	[PROFILE_LEGAL] = FILE_OF("legal-basis.csv", legal_columns),
	[PROFILE_ITEMS] = FILE_OF("fee-items.csv", item_columns),
	[PROFILE_CHANNELS] = FILE_OF("channels.csv", channel_columns),
	[PROFILE_FEES] = FILE_OF("fees.csv", fee_columns),
	[PROFILE_ACCOUNTS] = FILE_OF("accounts.csv", account_columns),
	[PROFILE_INDICATORS] = FILE_OF("indicators.csv", indicator_columns),
	[PROFILE_TARGETS] = FILE_OF("targets.csv", target_columns),
};

static const struct csv_column manifest_columns[] = {
	{"key", CSV_TEXT, NULL, 0, 60},
	{"value", CSV_TEXT, NULL, 0, 200},
};

const char *profile_file_name(enum profile_file file)
{
	return empty_tables[file].file;
}

int64_t profile_hundredths(const char *text)
{
	int64_t value = 0, digits = 0, decimals = -1;

	for (const char *p = text; *p; p++) {
		if (*p == '.' && decimals < 0 && digits > 0) {
			decimals = 0;
			continue;
		}
		if (*p < '0' || *p > '9' || decimals == 2 || ++digits > 9)
			return -1;
		value = value * 10 + (*p - '0');
		decimals += decimals >= 0;
	}
	if (digits == 0 || decimals == 0)
		return -1;
	for (int64_t d = decimals < 0 ? 0 : decimals; d < 2; d++)
		value *= 10;
	return value;
}

static void hash_hex(const struct buf *bytes, char out[static CRYPT_SHA256_HEX])
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	crypt_sha256(bytes->data, bytes->len, digest);
	crypt_hex(digest, sizeof digest, out);
}

static int read_file(const char *dir, const char *name, struct buf *out)
{
	char path[4096];

	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return file_read(path, out);
}

/* --- manifest --- */

static const struct csv_row *manifest_row(const struct csv_table *manifest, const char *key)
{
	for (size_t i = 0; i < manifest->n_rows; i++) {
		if (strcmp(manifest->rows[i].cells[0], key) == 0)
			return &manifest->rows[i];
	}
	return NULL;
}

static const char *manifest_value(struct profile *p, const struct csv_table *manifest,
				  const char *key, int *ret_line)
{
	const struct csv_row *row = manifest_row(manifest, key);

	*ret_line = row ? row->line : 0;
	if (!row)
		csv_fault(&p->report, MANIFEST, 0, "no line %s", key);
	return row ? row->cells[1] : "";
}

static void take_day(struct profile *p, const struct csv_table *manifest, const char *key,
		     int32_t *ret)
{
	int line = 0;
	const char *value = manifest_value(p, manifest, key, &line);

	if (line > 0 && civil_parse(value, ret) < 0)
		csv_fault(&p->report, MANIFEST, line, "%s is not a date YYYY-MM-DD", key);
}

/* With what it rests on, for whoever reads the bundle. */
static void take_reply_days(struct profile *p, const struct csv_table *manifest)
{
	int line = 0;
	const char *value = manifest_value(p, manifest, "reply_days", &line);
	char *end;
	long days = strtol(value, &end, 10);

	if (line > 0 && (*end || days < 1 || days > REPLY_DAYS_MAX))
		csv_fault(&p->report, MANIFEST, line, "reply_days is no number of days, 1..180");
	else
		p->reply_days = (uint32_t)days;
	manifest_value(p, manifest, "reply_days_basis", &line);
}

static void take_manifest(struct profile *p, const struct csv_table *manifest)
{
	int line = 0;

	p->name = manifest_value(p, manifest, "name", &line);
	take_day(p, manifest, "calendar_from", &p->covers_from);
	take_day(p, manifest, "calendar_to", &p->covers_to);
	take_reply_days(p, manifest);
	const char *demo = manifest_value(p, manifest, "demo_time", &line);

	if (line > 0 && clock_parse_rfc3339(demo, &p->demo_us) < 0)
		csv_fault(&p->report, MANIFEST, line, "demo_time is not a time of RFC 3339");
	for (size_t i = 0; i < manifest->n_rows; i++) {
		const struct csv_row *row = &manifest->rows[i];

		if (manifest_row(manifest, row->cells[0]) != row)
			csv_fault(&p->report, MANIFEST, row->line, "%s twice", row->cells[0]);
	}
}

static void read_manifest(struct profile *p, const char *dir, struct csv_table *manifest)
{
	struct buf bytes;

	*manifest = (struct csv_table)FILE_OF(MANIFEST, manifest_columns);
	buf_init(&bytes, FILE_BYTES_MAX);
	if (read_file(dir, MANIFEST, &bytes) < 0) {
		csv_fault(&p->report, MANIFEST, 0, "%s", strerror(errno));
	} else {
		hash_hex(&bytes, p->manifest_sha256);
		csv_read(manifest, buf_str(&bytes), bytes.len, &p->arena, &p->report);
		take_manifest(p, manifest);
	}
	buf_done(&bytes);
}

/* --- files --- */

static void read_table(struct profile *p, const char *dir, const struct csv_table *manifest,
		       struct csv_table *table)
{
	const struct csv_row *row = manifest_row(manifest, table->file);
	char hex[CRYPT_SHA256_HEX];
	struct buf bytes;

	buf_init(&bytes, FILE_BYTES_MAX);
	if (read_file(dir, table->file, &bytes) < 0) {
		csv_fault(&p->report, table->file, 0, "%s", strerror(errno));
	} else {
		hash_hex(&bytes, hex);
		if (!row)
			csv_fault(&p->report, table->file, 0, "not named in %s", MANIFEST);
		else if (strcmp(row->cells[1], hex) != 0)
			csv_fault(&p->report, table->file, 0,
				  "changed: its SHA-256 is not the one in %s", MANIFEST);
		csv_read(table, buf_str(&bytes), bytes.len, &p->arena, &p->report);
	}
	buf_done(&bytes);
}

static int is_csv(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && strcmp(dot, ".csv") == 0 && strcmp(e->d_name, MANIFEST) != 0;
}

/* A file nobody reads is a mistake of somebody who thinks it is read. */
static void check_strangers(struct profile *p, const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_csv, alphasort);

	for (int i = 0; i < n; i++) {
		int f = 0;

		while (f < PROFILE_FILES && strcmp(empty_tables[f].file, names[i]->d_name) != 0)
			f++;
		if (f == PROFILE_FILES)
			csv_fault(&p->report, names[i]->d_name, 0, "no file of a profile");
		free(names[i]);
	}
	free(names);
}

void profile_load(struct profile *p, const char *dir)
{
	struct csv_table manifest;

	memset(p, 0, sizeof *p);
	arena_init(&p->arena, ARENA_BYTES);
	csv_report_init(&p->report);
	memcpy(p->tables, empty_tables, sizeof p->tables);
	p->name = "";
	read_manifest(p, dir, &manifest);
	for (int f = 0; f < PROFILE_FILES; f++)
		read_table(p, dir, &manifest, &p->tables[f]);
	check_strangers(p, dir);
}

void profile_done(struct profile *p)
{
	csv_report_done(&p->report);
	arena_done(&p->arena);
}

/* --- sealing --- */

static bool names_a_file(const char *line)
{
	size_t n = strcspn(line, ",");

	for (int f = 0; f < PROFILE_FILES; f++) {
		if (strlen(empty_tables[f].file) == n &&
		    strncmp(empty_tables[f].file, line, n) == 0)
			return true;
	}
	return false;
}

/* The manifest without its lines of files. */
static int keep_lines(const char *dir, struct buf *out)
{
	struct buf bytes;
	int rc;

	buf_init(&bytes, FILE_BYTES_MAX);
	rc = read_file(dir, MANIFEST, &bytes);
	for (const char *p = buf_str(&bytes); rc == 0 && *p;) {
		size_t n = strcspn(p, "\n");

		if (n > 0 && !names_a_file(p))
			buf_printf(out, "%.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
	buf_done(&bytes);
	return rc < 0 ? ctl_say(-1, "%s/%s: %s", dir, MANIFEST, strerror(errno)) : 0;
}

int profile_seal(const char *dir)
{
	char path[4096], hex[CRYPT_SHA256_HEX];
	struct buf out, bytes;
	int rc;

	buf_init(&out, FILE_BYTES_MAX);
	buf_init(&bytes, FILE_BYTES_MAX);
	rc = keep_lines(dir, &out);
	for (int f = 0; rc == 0 && f < PROFILE_FILES; f++) {
		buf_reset(&bytes);
		rc = read_file(dir, empty_tables[f].file, &bytes);
		if (rc < 0)
			ctl_say(0, "%s/%s: %s", dir, empty_tables[f].file, strerror(errno));
		hash_hex(&bytes, hex);
		buf_printf(&out, "%s,%s\n", empty_tables[f].file, hex);
	}
	snprintf(path, sizeof path, "%s/%s", dir, MANIFEST);
	if (rc == 0 && file_replace(path, out.data, out.len, 0644) < 0)
		rc = ctl_say(-1, "%s: %s", path, strerror(errno));
	buf_done(&out);
	buf_done(&bytes);
	return rc;
}
