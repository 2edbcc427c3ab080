#include "common/base/log.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/utf8.h"

/* A pipe takes lines of this size whole (PIPE_BUF), so lines of two threads never mix. */
#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 1024

static char service[32] = "-";
static _Atomic int lowest = LOG_INFO;
static _Thread_local char trace[40];

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

int log_init(const char *svc, const char *level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(level, level_names[i]) != 0)
			continue;
		snprintf(service, sizeof(service), "%s", svc);
		lowest = (int)i;
		return 0;
	}
	return ERR_INVALID;
}

void log_trace_set(const char *trace_id)
{
	snprintf(trace, sizeof(trace), "%s", trace_id ? trace_id : "");
}

static bool needs_quotes(const char *s)
{
	if (!*s)
		return true;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
			return true;
	return false;
}

static size_t put_escaped(char *out, unsigned char c, bool utf8)
{
	if (c == '"' || c == '\\')
		return (size_t)sprintf(out, "\\%c", c);
	if (c == '\n')
		return (size_t)sprintf(out, "\\n");
	if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8))
		return (size_t)sprintf(out, "\\x%02x", c);
	*out = (char)c;
	return 1;
}

/* Writes key=value; a field that does not fit whole is left out and said so at the end. */
static bool put_field(struct line *line, const char *key, const char *value)
{
	char text[4 * VALUE_MAX_BYTES + 8];
	size_t n = utf8_cut(value, VALUE_MAX_BYTES), len = 0, k = strlen(key);
	bool utf8 = utf8_valid(value, n), quotes = !utf8 || needs_quotes(value);

	if (quotes)
		text[len++] = '"';
	for (size_t i = 0; i < n; i++)
		len += put_escaped(text + len, (unsigned char)value[i], utf8);
	if (quotes)
		text[len++] = '"';
	/* 16: room for " cut=1" and the newline. */
	if (line->len + k + len + 2 > sizeof(line->text) - 16)
		return false;
	line->text[line->len++] = ' ';
	memcpy(line->text + line->len, key, k);
	line->len += k;
	line->text[line->len++] = '=';
	memcpy(line->text + line->len, text, len);
	line->len += len;
	return true;
}

static bool put_any_field(struct line *line, const struct log_field *f)
{
	char number[24];

	if (f->str)
		return put_field(line, f->key, f->str);
	snprintf(number, sizeof(number), "%lld", (long long)f->num);
	return put_field(line, f->key, number);
}

static int write_line(int fd, enum log_level level, const char *event, const struct log_field *f,
		      size_t n)
{
	struct line line;
	bool whole = true;
	char ts[28];

	clock_format_utc(clock_wall_us(), ts);
	line.len = (size_t)snprintf(line.text, sizeof(line.text), "ts=%s level=%s", ts,
				    level_names[level]);
	put_field(&line, "svc", service);
	put_field(&line, "event", event);
	if (trace[0])
		put_field(&line, "trace", trace);
	for (size_t i = 0; i < n; i++)
		whole &= put_any_field(&line, &f[i]);
	if (!whole)
		line.len += (size_t)sprintf(line.text + line.len, " cut=1");
	line.text[line.len++] = '\n';
	return write(fd, line.text, line.len) == (ssize_t)line.len ? 0 : -1;
}

void log_write(enum log_level level, const char *event, const struct log_field *f, size_t n)
{
	/* Nothing sensible can be done when even the log cannot be written. */
	if ((int)level >= lowest)
		(void)write_line(STDERR_FILENO, level, event, f, n);
}

int log_write_to(int fd, const char *event, const struct log_field *f, size_t n)
{
	return write_line(fd, LOG_INFO, event, f, n);
}
