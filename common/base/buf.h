/*
 * A growable byte buffer that is born with a maximum. Reaching it is an error of the append, which
 * then sets buf->full and leaves the content as it was: writers may append on and look once.
 */
#ifndef LGSP_BASE_BUF_H
#define LGSP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* NULL while empty; otherwise a NUL stands behind data[len - 1] */
	size_t len;
	size_t cap;
	size_t max;
	bool full;
};

void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);
void buf_reset(struct buf *buf);
/* 0, or ERR_TOO_LARGE when max would be passed. */
int buf_append(struct buf *buf, const void *p, size_t n);
int buf_puts(struct buf *buf, const char *s);
int buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first n bytes (n <= len). */
void buf_consume(struct buf *buf, size_t n);
/* The content as a string; "" while empty. */
const char *buf_str(const struct buf *buf);

#endif
