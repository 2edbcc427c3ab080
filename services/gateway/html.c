#include "services/gateway/html.h"

#include <stdarg.h>
#include <string.h>

#include "common/base/base.h"

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	}
	return NULL;
}

void html_text(struct buf *out, const char *s)
{
	while (*s) {
		size_t plain = strcspn(s, "&<>\"'");

		buf_append(out, s, plain);
		s += plain;
		if (*s)
			buf_puts(out, entity_of(*s++));
	}
}

static void put_argument(struct buf *out, char kind, va_list *args)
{
	if (kind == 's') {
		html_text(out, va_arg(*args, const char *));
	} else if (kind == 'd') {
		buf_printf(out, "%d", va_arg(*args, int));
	} else {
		CHECK(kind == '%');
		buf_append(out, "%", 1);
	}
}

void html_format(struct buf *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	while (*fmt) {
		size_t plain = strcspn(fmt, "%");

		buf_append(out, fmt, plain);
		fmt += plain;
		if (*fmt == '\0')
			break;
		put_argument(out, fmt[1], &args);
		fmt += 2;
	}
	va_end(args);
}
