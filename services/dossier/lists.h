/*
 * What the lists share: whose list it is, cursors, rows, and the record of who saw which name.
 * A list is read in one transaction with the record of the names it shows.
 */
#ifndef LGSP_DOSSIER_LISTS_H
#define LGSP_DOSSIER_LISTS_H

#include "lgsp/dossier/v1/lists.pb-c.h"
#include "services/dossier/dossier.h"
#include "services/dossier/lists_sql.h"

/* --- rules (rules_lists.c) --- */

#define RULES_LIST_DEFAULT 50
#define RULES_LIST_STATES  10

/* A page's size: 0 means 50; ERR_INVALID beyond 100. */
int rules_list_limit(uint32_t asked, uint32_t *ret_limit, struct err *err);
/* Working hours that count as soon: 0 means 8; ERR_INVALID beyond 80. */
int rules_list_soon(uint32_t asked, uint32_t *ret_hours, struct err *err);
/*
 * States of an inbox in which a dossier waits for a role ("": any): clerks take in and hand out,
 * officers and leaders work. Returns their number in out, or ERR_INVALID.
 */
int rules_list_states(const char *role, int64_t out[static RULES_LIST_STATES], struct err *err);
/* Whether a list may show the applicant's name. */
bool rules_list_named(bool own, bool guarded, const char *purpose);

/* Where a page ended: what the next goes on behind. */
struct lists_cursor {
	char list;        /* which list it belongs to */
	int64_t us;       /* of its order, or 0 */
	const char *key;  /* of its order, or "" */
	const char *code; /* of the last entry */
};

/* Opaque text of a cursor; NULL at the arena's cap. */
char *rules_cursor_text(struct arena *arena, const struct lists_cursor *cursor);
/* ERR_INVALID with code BAD_CURSOR unless it is one of this list. */
int rules_cursor_parse(struct arena *arena, char list, const char *text,
		       struct lists_cursor *ret_cursor, struct err *err);

/* Of a search by name: takes the ordinal of the word off its key. ERR_INVALID with BAD_CURSOR. */
int rules_cursor_word(struct lists_cursor *cursor, int most, int *ret_word, struct err *err);

/* --- whose list (lists.c) --- */

struct lists_view {
	const char *agency;
	bool own; /* the caller's agency's */
};

/*
 * The caller's agency, or one below it for a leader; ERR_DENIED with code LIST_NOT_YOURS. Asks the
 * database, before the transaction.
 */
int lists_view(struct call *c, const char *agency, struct lists_view *ret_view);

/* A page on its way from the slot of a list statement into the answer. */
struct lists_page {
	Dossier__ListedDossier **dossiers;
	size_t n;
	bool more;                /* rows behind the limit were there */
	struct lists_cursor last; /* of its order; list not set */
	const char **named;       /* codes whose names it shows */
	size_t n_named;
};

/* Reads at most limit rows; the order is that of inboxes (next deadline) or searches. */
int lists_read(struct call *c, int slot, const struct lists_view *view, uint32_t limit,
	       bool by_deadline, struct lists_page *ret_page);

/* --- who read (reads.c) --- */

/* Queues the record that the caller saw these dossiers; n = 0 queues nothing. */
void reads_log(struct call *c, const char *const *codes, size_t n, Dossier__ReadKind kind);
/* ERR_DENIED with code PURPOSE_REQUIRED for a guarded dossier without a purpose. */
int reads_check_purpose(struct call *c, bool guarded);

/*
 * Who may read a dossier that was read: its parties, and an agency an opinion was asked of (slot of
 * read_asked; 0: not looked for), with a purpose where its class wants one.
 */
int read_check_right(struct call *c, int asked, struct dossier *d);

#endif
