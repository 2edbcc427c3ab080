/* The pure rules of lists: sizes, what waits for whom, names, cursors. */
#include <inttypes.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/number.h"
#include "common/base/utf8.h"
#include "services/dossier/lists.h"

#define S(name) DOSSIER__DOSSIER_STATE__DOSSIER_STATE_##name

#define SOON_DEFAULT 8
#define SOON_MAX     80
#define CURSOR_MAX   2048 /* of its text */

static const struct err_kind bad_cursor = {ERR_INVALID, "BAD_CURSOR",
					   "Con trỏ trang không thuộc danh sách này",
					   "the cursor is not one of this list"};

int rules_list_limit(uint32_t asked, uint32_t *ret_limit, struct err *err)
{
	if (asked > LISTS_PAGE_MAX)
		return err_set(err, &err_invalid_field, "limit", "1..100");
	*ret_limit = asked ? asked : RULES_LIST_DEFAULT;
	return 0;
}

int rules_list_soon(uint32_t asked, uint32_t *ret_hours, struct err *err)
{
	if (asked > SOON_MAX)
		return err_set(err, &err_invalid_field, "soon_hours", "1..80");
	*ret_hours = asked ? asked : SOON_DEFAULT;
	return 0;
}

int rules_list_states(const char *role, int64_t out[static RULES_LIST_STATES], struct err *err)
{
	static const struct {
		const char *role;
		int n;
		int64_t states[RULES_LIST_STATES];
	} waiting[] = {
		{"",
		 7,
		 {S(FILED), S(ACCEPTED), S(PROCESSING), S(SUPPLEMENT_REQUESTED),
		  S(PAYMENT_REQUESTED), S(STOPPED), S(RESULT_READY)}},
		{"clerk",
		 5,
		 {S(FILED), S(ACCEPTED), S(SUPPLEMENT_REQUESTED), S(PAYMENT_REQUESTED),
		  S(RESULT_READY)}},
		{"officer", 3, {S(ACCEPTED), S(PROCESSING), S(STOPPED)}},
		{"leader", 2, {S(PROCESSING), S(STOPPED)}},
	};

	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		if (strcmp(role, waiting[i].role) != 0)
			continue;
		memcpy(out, waiting[i].states, sizeof(waiting[i].states));
		return waiting[i].n;
	}
	return err_set(err, &err_invalid_field, "role", "clerk, officer, leader");
}

bool rules_list_named(bool own, bool guarded, const char *purpose)
{
	return own && (!guarded || purpose[0] != '\0');
}

/* "i1716253200000000\nkey\ncode", as base64url. */
char *rules_cursor_text(struct arena *arena, const struct lists_cursor *cursor)
{
	const char *plain = arena_printf(arena, "%c%" PRId64 "\n%s\n%s", cursor->list, cursor->us,
					 cursor->key, cursor->code);

	return plain ? crypt_base64url(arena, plain, strlen(plain)) : NULL;
}

/* Cuts the text at the next line end; NULL when there is none. */
static char *cut_line(char *text)
{
	char *end = strchr(text, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	return end + 1;
}

int rules_cursor_parse(struct arena *arena, char list, const char *text,
		       struct lists_cursor *ret_cursor, struct err *err)
{
	struct lists_cursor cursor = {.list = list};
	uint8_t *bytes;
	size_t n;
	char *plain, *key, *code;

	if (strlen(text) > CURSOR_MAX || crypt_unbase64(arena, text, strlen(text), &bytes, &n) < 0)
		return err_set(err, &bad_cursor, "cursor", NULL);
	plain = arena_memdup(arena, bytes, n);
	if (!plain || !utf8_valid(plain, n) || plain[0] != list)
		return err_set(err, &bad_cursor, "cursor", NULL);
	key = cut_line(plain);
	code = key ? cut_line(key) : NULL;
	if (!code || number_parse(plain + 1, 0, INT64_MAX, &cursor.us) < 0)
		return err_set(err, &bad_cursor, "cursor", NULL);
	cursor.key = key;
	cursor.code = code;
	*ret_cursor = cursor;
	return 0;
}

int rules_cursor_word(struct lists_cursor *cursor, int most, int *ret_word, struct err *err)
{
	int word = cursor->key[0] - '0';

	if (word < 1 || word > most || cursor->key[1] != ' ')
		return err_set(err, &bad_cursor, "cursor", NULL);
	cursor->key += 2;
	*ret_word = word;
	return 0;
}
