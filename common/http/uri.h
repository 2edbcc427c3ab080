/*
 * The parts of RFC 3986 a server needs: a strict origin-form target, percent-decoding, form
 * parameters (http_param() of http.h). Without I/O.
 */
#ifndef LGSP_HTTP_URI_H
#define LGSP_HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"

/* "/path?query" of characters RFC 3986 allows there, with well-formed percent escapes. */
bool uri_is_origin_form(const char *target);

/*
 * The decoded path in the arena; NULL when it is not UTF-8, has control characters, an escaped
 * slash or backslash, or a "." or ".." segment: what two readers could take for two paths.
 */
char *uri_decode_path(struct arena *arena, const char *path, size_t n);

#endif
