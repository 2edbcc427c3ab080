#include "common/base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/base/base.h"

/* Bytes of the character at s (at most n of them), 0 when it is not well formed (RFC 3629). */
static size_t char_bytes(const unsigned char *s, size_t n)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return s[0] ? 1 : 0;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0; /* overlong */
	if (s[0] == 0xed)
		hi = 0x9f; /* surrogates */
	if (s[0] == 0xf0)
		lo = 0x90; /* overlong */
	if (s[0] == 0xf4)
		hi = 0x8f; /* beyond U+10FFFF */
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return len;
}

/* Most text is ASCII for long stretches: eight at a time, while none is zero or above 127. */
static size_t ascii_bytes(const char *s, size_t n)
{
	size_t at = 0;
	uint64_t eight;

	for (; at + sizeof(eight) <= n; at += sizeof(eight)) {
		memcpy(&eight, s + at, sizeof(eight));
		if ((eight | (eight - 0x0101010101010101u)) & 0x8080808080808080u)
			break;
	}
	return at;
}

bool utf8_valid(const char *s, size_t n)
{
	size_t ascii = ascii_bytes(s, n);

	s += ascii;
	n -= ascii;
	while (n > 0) {
		size_t len = char_bytes((const unsigned char *)s, n);

		if (len == 0)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

size_t utf8_length(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

size_t utf8_cut(const char *s, size_t max)
{
	size_t n = strnlen(s, max);

	if (n < max || s[n] == 0)
		return n;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

bool utf8_is_letters(const char *s)
{
	const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)s;
	utf8proc_int32_t c;

	while (*p) {
		utf8proc_ssize_t n = utf8proc_iterate(p, -1, &c);
		const char *name;

		if (n <= 0)
			return false;
		name = utf8proc_category_string(c);
		if (name[0] != 'L' && name[0] != 'M' && !(c < 0x80 && strchr(" .-'", (int)c)))
			return false;
		p += n;
	}
	return true;
}

/* Decomposes s as options say; *ret_chars is malloc'ed with room for re-encoding. <0: invalid. */
static utf8proc_ssize_t decompose(const char *s, utf8proc_option_t options,
				  utf8proc_int32_t **ret_chars)
{
	const utf8proc_uint8_t *in = (const utf8proc_uint8_t *)s;
	utf8proc_ssize_t len = (utf8proc_ssize_t)strlen(s), n;
	utf8proc_int32_t *chars;

	n = utf8proc_decompose(in, len, NULL, 0, options);
	if (n < 0)
		return n;
	chars = base_alloc(((size_t)n + 1) * sizeof(*chars));
	CHECK(utf8proc_decompose(in, len, chars, n, options) == n);
	*ret_chars = chars;
	return n;
}

char *utf8_nfc(struct arena *arena, const char *s)
{
	CLEANUP_FREE utf8proc_int32_t *chars = NULL;
	utf8proc_ssize_t n;

	if (!utf8_valid(s, strlen(s)))
		return NULL;
	n = decompose(s, UTF8PROC_STABLE | UTF8PROC_COMPOSE, &chars);
	if (n < 0)
		return NULL;
	n = utf8proc_reencode(chars, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	return n < 0 ? NULL : arena_memdup(arena, chars, (size_t)n);
}

static bool is_space(utf8proc_int32_t c)
{
	if (c >= '\t' && c <= '\r')
		return true;
	switch ((int)utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return true;
	default:
		return false;
	}
}

/* One space for each run of white space, none at the ends; d for đ, which does not decompose. */
static utf8proc_ssize_t squeeze(utf8proc_int32_t *chars, utf8proc_ssize_t n)
{
	utf8proc_ssize_t len = 0;
	bool pending = false;

	for (utf8proc_ssize_t i = 0; i < n; i++) {
		if (is_space(chars[i])) {
			pending = len > 0;
			continue;
		}
		if (pending)
			chars[len++] = ' ';
		pending = false;
		chars[len++] = chars[i] == 0x111 ? 'd' : chars[i];
	}
	return len;
}

char *utf8_fold(struct arena *arena, const char *s)
{
	const utf8proc_option_t options =
		UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK;
	CLEANUP_FREE utf8proc_int32_t *chars = NULL;
	utf8proc_ssize_t n;

	if (!utf8_valid(s, strlen(s)))
		return NULL;
	n = decompose(s, options, &chars);
	if (n < 0)
		return NULL;
	n = squeeze(chars, n);
	n = utf8proc_reencode(chars, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	return n < 0 ? NULL : arena_memdup(arena, chars, (size_t)n);
}

char *utf8_ascii_upper(struct arena *arena, const char *s)
{
	char *out = utf8_fold(arena, s);
	size_t len = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; out[i]; i++) {
		if (out[i] < ' ' || out[i] > '~')
			continue;
		out[len++] = out[i] >= 'a' && out[i] <= 'z' ? (char)(out[i] - 'a' + 'A') : out[i];
	}
	out[len] = 0;
	return out;
}
