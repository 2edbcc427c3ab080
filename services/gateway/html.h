/*
 * HTML, escaped by construction: text can get into a document only through html_put(), whose format
 * is a literal of ours and whose every %s is escaped, for text and for quoted attributes alike.
 * Never put a %s into a script, a style, an unquoted attribute or a URL.
 */
#ifndef LGSP_GATEWAY_HTML_H
#define LGSP_GATEWAY_HTML_H

#include "common/base/buf.h"

/* Formats: %s (escaped), %d, %%. Any other is a bug of the caller. */
#define html_put(out, ...) html_format(out, "" __VA_ARGS__)
void html_format(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Escapes & < > " '. */
void html_text(struct buf *out, const char *s);

#endif
