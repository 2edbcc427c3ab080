/*
 * Text: validity, NFC (utf8proc), folding for search, cutting without splitting a character.
 * Stored text is NFC; files of a profile may come in NFD from other systems.
 */
#ifndef LGSP_BASE_UTF8_H
#define LGSP_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"

/* Valid UTF-8 (RFC 3629: no surrogates, no overlong forms) without NUL. */
bool utf8_valid(const char *s, size_t n);
/* Number of code points of a valid string. */
size_t utf8_length(const char *s);
/* Largest prefix of at most max bytes that ends between characters. */
size_t utf8_cut(const char *s, size_t max);
/* Names and the like: letters of any script, their marks, spaces, and . - ' only. */
bool utf8_is_letters(const char *s);
/* NFC in the arena; NULL when invalid or at the cap. */
char *utf8_nfc(struct arena *arena, const char *s);
/* For search: NFC, lower case, accents removed, d for đ, white space trimmed and made one space. */
char *utf8_fold(struct arena *arena, const char *s);
/* ASCII for payment references: as fold but in upper case, what is not printable ASCII dropped. */
char *utf8_ascii_upper(struct arena *arena, const char *s);

#endif
