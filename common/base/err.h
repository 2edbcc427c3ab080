/*
 * Errors. A function that can fail returns 0 or one of the negative ERR_ numbers; the detail goes
 * into a struct err that the caller owns. The numbers are the wire's lgsp.common.v1.Status,
 *negated.
 *
 * Every error a user can see is declared once, as a constant struct err_kind with its machine code
 * and its sentence in Vietnamese and in English; "%s" in a sentence stands for one argument.
 *
 *	static const struct err_kind unknown_procedure = {
 *		ERR_INVALID, "UNKNOWN_PROCEDURE", "Không có thủ tục %s", "no procedure %s"};
 *	return err_set(err, &unknown_procedure, "procedure_code", in->procedure_code);
 *
 * Three tiers, never mixed: refusal (the caller's fault), trouble (database or peer), bug (CHECK).
 */
#ifndef LGSP_BASE_ERR_H
#define LGSP_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum err_status {
	ERR_INVALID = -2,
	ERR_DENIED = -3,
	ERR_NOT_FOUND = -4,
	ERR_CONFLICT = -5,
	ERR_BUSY = -6,
	ERR_EXPIRED = -7,
	ERR_NO_SERVICE = -8,
	ERR_TOO_LARGE = -9,
	ERR_WORKER_LOST = -10,
	ERR_DRAINING = -11,
	ERR_UNAVAILABLE = -12,
	ERR_INTERNAL = -13,
};

enum err_side { ERR_SIDE_CALLER = 1, ERR_SIDE_SERVICE = 2, ERR_SIDE_PLATFORM = 3 };

struct err_kind {
	enum err_status status;
	const char *code;
	const char *vi;
	const char *en;
};

#define ERR_ITEMS_MAX 16

struct err_item {
	char code[48];
	char field[96];
	char vi[240];
	char en[240];
};

struct err {
	int status;              /* 0 while nothing is wrong, else the first error's */
	uint32_t retry_after_ms; /* advice to the caller; 0 = none */
	bool outcome_unknown;    /* the effect may exist: repeat with the same message id */
	bool truncated;          /* more than ERR_ITEMS_MAX violations were found */
	unsigned n_items;
	struct err_item items[ERR_ITEMS_MAX];
};

/* Forgets everything. */
void err_clear(struct err *err);

/*
 * Records an error, replacing any earlier one; field (may be NULL) is the path in the request,
 * arg (may be NULL) replaces "%s" in both sentences, cut at a UTF-8 boundary. Returns kind->status.
 */
int err_set(struct err *err, const struct err_kind *kind, const char *field, const char *arg);

/* Adds a violation behind the others; the first one decides the status. Returns err->status. */
int err_add(struct err *err, const struct err_kind *kind, const char *field, const char *arg);

/* Like err_set() for trouble that passes: also sets the advised wait. */
int err_set_retry(struct err *err, const struct err_kind *kind, const char *arg, uint32_t ms);

/* Whose side an error status lies on. */
enum err_side err_side(int status);

/* "INVALID", "CONFLICT", …; "OK" for 0. */
const char *err_status_name(int status);

/* Machine code of the first violation, "" when there is none. */
const char *err_code(const struct err *err);

/* Kinds that any room may use. */
extern const struct err_kind err_internal;        /* INTERNAL */
extern const struct err_kind err_unavailable;     /* UNAVAILABLE, arg = what is away */
extern const struct err_kind err_deadline_passed; /* EXPIRED */
extern const struct err_kind err_cancelled;       /* EXPIRED, by the caller's own word */
extern const struct err_kind err_too_large;       /* TOO_LARGE, arg = what */
extern const struct err_kind err_invalid_field;   /* INVALID_FIELD, arg = the rule broken */
extern const struct err_kind err_required_field;  /* REQUIRED_FIELD */
extern const struct err_kind err_denied;          /* DENIED, arg = what is not allowed */
extern const struct err_kind err_not_found;       /* NOT_FOUND, arg = what */
extern const struct err_kind err_conflict;        /* CONFLICT, arg = why */

#endif
