#include "common/http/uri.h"

#include <string.h>

#include "common/base/utf8.h"
#include "common/http/http.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte of "%XY" at s, or -1. */
static int escaped_byte(const char *s, size_t left)
{
	int high = left >= 3 ? hex_digit(s[1]) : -1;
	int low = left >= 3 ? hex_digit(s[2]) : -1;

	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_target_char(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("-._~!$&'()*+,;=:@/?%", c) != NULL;
}

bool uri_is_origin_form(const char *target)
{
	if (target[0] != '/')
		return false;
	for (const char *c = target; *c; c++) {
		if (!is_target_char(*c))
			return false;
		if (*c == '%' && escaped_byte(c, strlen(c) < 3 ? 0 : 3) < 0)
			return false;
	}
	return true;
}

/*
 * Decodes n bytes into the arena; NULL when malformed, not UTF-8 or with a NUL. plus: '+' is a
 * space, as in forms.
 */
static char *decode(struct arena *arena, const char *s, size_t n, bool plus)
{
	char *out = arena_alloc(arena, n + 1);
	size_t len = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		int byte = (unsigned char)s[i];

		if (byte == '%') {
			byte = escaped_byte(s + i, n - i);
			if (byte < 0)
				return NULL;
			i += 2;
		} else if (byte == '+' && plus) {
			byte = ' ';
		}
		out[len++] = (char)byte;
	}
	out[len] = '\0';
	return utf8_valid(out, len) ? out : NULL;
}

static bool has_odd_segment(const char *path)
{
	for (const char *s = path; s; s = strchr(s, '/')) {
		size_t n;

		s++;
		n = strcspn(s, "/");
		if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return true;
	}
	return false;
}

static size_t count_slashes(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += s[i] == '/';
	return count;
}

char *uri_decode_path(struct arena *arena, const char *path, size_t n)
{
	char *out = decode(arena, path, n, false);

	if (!out || has_odd_segment(out))
		return NULL;
	for (const char *c = out; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '\\')
			return NULL;
	}
	return count_slashes(out, strlen(out)) == count_slashes(path, n) ? out : NULL;
}

const char *http_param(struct arena *arena, const char *urlencoded, const char *name)
{
	const char *found = NULL;

	for (const char *s = urlencoded; *s;) {
		size_t n = strcspn(s, "&");
		size_t key_len = strcspn(s, "=&");
		const char *key = decode(arena, s, key_len, true);

		if (key && strcmp(key, name) == 0) {
			if (found || key_len == n)
				return NULL;
			found = decode(arena, s + key_len + 1, n - key_len - 1, true);
			if (!found)
				return NULL;
		}
		s += n + (s[n] == '&');
	}
	return found;
}
