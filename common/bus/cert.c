#include "common/bus/cert.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/utf8.h"

#define CERT_FILE_MAX 16384

static const struct err_kind bad_cert = {ERR_INVALID, "BAD_CERTIFICATE",
					 "Tệp khóa không hợp lệ: %s", "bad certificate: %s"};

struct reader {
	const char *path;
	unsigned line;
	char section[32];
	struct cert *cert;
	struct err *err;
};

static int fail(struct reader *r, const char *reason)
{
	char where[400];

	snprintf(where, sizeof(where), "%s:%u: %s", r->path, r->line, reason);
	return err_set(r->err, &bad_cert, NULL, where);
}

static int take_key(struct reader *r, char out[static 41], const char *value)
{
	uint8_t raw[32];

	if (strlen(value) != 40 || !zmq_z85_decode(raw, value))
		return fail(r, "a key is 40 characters of Z85");
	memcpy(out, value, 41);
	return 0;
}

static int take_metadata(struct reader *r, const char *name, const char *value)
{
	size_t n = strlen(value);

	if (strcmp(name, "member") == 0) {
		if (n == 0 || n >= CERT_MEMBER_MAX || !utf8_valid(value, n))
			return fail(r, "a member's address has 1 to 127 bytes");
		memcpy(r->cert->member, value, n + 1);
	} else if (strcmp(name, "valid_from") == 0 &&
		   civil_parse(value, &r->cert->valid_from) < 0) {
		return fail(r, "valid_from is a date, YYYY-MM-DD");
	} else if (strcmp(name, "valid_until") == 0 &&
		   civil_parse(value, &r->cert->valid_until) < 0) {
		return fail(r, "valid_until is a date, YYYY-MM-DD");
	}
	return 0;
}

static int take(struct reader *r, const char *name, const char *value)
{
	if (strcmp(r->section, "curve") == 0 && strcmp(name, "public-key") == 0)
		return take_key(r, r->cert->public_z85, value);
	if (strcmp(r->section, "curve") == 0 && strcmp(name, "secret-key") == 0)
		return take_key(r, r->cert->secret_z85, value);
	return strcmp(r->section, "metadata") == 0 ? take_metadata(r, name, value) : 0;
}

/* name = "value" or name = value; cuts the line up in place. */
static int read_pair(struct reader *r, char *line)
{
	char *eq = strchr(line, '='), *name_end = eq, *value;
	size_t n;

	if (!eq)
		return fail(r, "expected name = \"value\"");
	while (name_end > line && isspace((unsigned char)name_end[-1]))
		name_end--;
	*name_end = 0;
	value = eq + 1;
	while (*value == ' ')
		value++;
	n = strlen(value);
	while (n > 0 && isspace((unsigned char)value[n - 1]))
		value[--n] = 0;
	if (*value == '"' || *value == '\'') {
		if (n < 2 || value[n - 1] != *value)
			return fail(r, "a quote is not closed");
		value[n - 1] = 0;
		value++;
	}
	return take(r, line, value);
}

static int read_line(struct reader *r, char *line)
{
	size_t indent = strspn(line, " \t"), n;
	char *text = line + indent;

	if (*text == '#' || *text == 0 || *text == '\r')
		return 0;
	if (indent > 0)
		return read_pair(r, text);
	n = strcspn(text, " \t\r=#");
	if (n == 0 || n >= sizeof(r->section))
		return fail(r, "expected a section name");
	memcpy(r->section, text, n);
	r->section[n] = 0;
	return 0;
}

int cert_parse(const char *path, const char *text, struct cert *ret_cert, struct err *err)
{
	struct cert cert = {.valid_until = CIVIL_FOREVER};
	struct reader r = {.path = path, .cert = &cert, .err = err};
	char line[512];
	int rc;

	while (*text) {
		size_t n = strcspn(text, "\n");

		r.line++;
		if (n >= sizeof(line))
			return fail(&r, "line too long");
		memcpy(line, text, n);
		line[n] = 0;
		rc = read_line(&r, line);
		if (rc < 0)
			return rc;
		text += n + (text[n] == '\n');
	}
	if (!cert.public_z85[0])
		return fail(&r, "no public-key in section curve");
	if (cert.valid_until < cert.valid_from)
		return fail(&r, "valid_until lies before valid_from");
	*ret_cert = cert;
	return 0;
}

int cert_read(const char *path, struct cert *ret_cert, struct err *err)
{
	CLEANUP_FILE FILE *file = fopen(path, "re");
	struct reader r = {.path = path, .err = err};
	char text[CERT_FILE_MAX];
	size_t n;
	int rc;

	if (!file)
		return fail(&r, strerror(errno));
	n = fread(text, 1, sizeof(text) - 1, file);
	if (ferror(file) || n == sizeof(text) - 1)
		return fail(&r, "cannot be read, or longer than 16 KiB");
	text[n] = 0;
	rc = strlen(text) == n ? cert_parse(path, text, ret_cert, err) : fail(&r, "contains NUL");
	explicit_bzero(text, sizeof(text));
	return rc;
}
