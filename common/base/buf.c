#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/err.h"

#define BUF_FIRST_BYTES 256

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void buf_done(struct buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	*buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->full = false;
	if (buf->data)
		buf->data[0] = 0;
}

/* Makes room for n more bytes and the NUL. */
static int buf_reserve(struct buf *buf, size_t n)
{
	size_t cap = buf->cap ? buf->cap : BUF_FIRST_BYTES;

	if (n > buf->max - buf->len) {
		buf->full = true;
		return ERR_TOO_LARGE;
	}
	while (cap <= buf->len + n)
		cap *= 2;
	if (cap > buf->cap) {
		buf->data = base_realloc(buf->data, cap);
		buf->cap = cap;
	}
	return 0;
}

int buf_append(struct buf *buf, const void *p, size_t n)
{
	int r;

	if (n == 0)
		return 0;
	r = buf_reserve(buf, n);
	if (r < 0)
		return r;
	memcpy(buf->data + buf->len, p, n);
	buf->len += n;
	buf->data[buf->len] = 0;
	return 0;
}

int buf_puts(struct buf *buf, const char *s)
{
	return buf_append(buf, s, strlen(s));
}

int buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	if (n == 0)
		return 0;

	r = buf_reserve(buf, (size_t)n);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *buf, size_t n)
{
	CHECK(n <= buf->len);
	if (n == 0)
		return;
	buf->len -= n;
	memmove(buf->data, buf->data + n, buf->len + 1);
}

const char *buf_str(const struct buf *buf)
{
	return buf->data ? (const char *)buf->data : "";
}
