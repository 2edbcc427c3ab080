/*
 * A filing on its way to a dossier, in steps that whoever files puts together: Submit, the national
 * portal, drafts.
 *
 *	f = intake_new(c, in);
 *	intake_look(c, f);              // the request, the files: before the transaction
 *	tx_begin(c);
 *	intake_reads(c, f);             // what the rules need
 *	intake_reserve(c, f);           // the ordinal of the code
 *	tx_flush(c); intake_check(c, f);
 *	intake_rows(c, f);              // rows and event
 *	intake_receipt(c, f, &out); tx_commit(c, &out.base);
 *
 * A refusal rolls the ordinal back - or, in a group, comes before it is taken -, so codes stay
 * without gaps.
 */
#ifndef LGSP_DOSSIER_INTAKE_H
#define LGSP_DOSSIER_INTAKE_H

#include "services/dossier/dossier.h"

#define INTAKE_DUPLICATES_MAX 10

/* One file handed in, for one component. */
struct intake_file {
	const char *component;
	const char *file_id;
	const Digitisation__FileStat *stat;
	char field[64];
};

/* Lives in the call's arena. */
struct filing {
	const Dossier__SubmitRequest *in;
	enum rules_filer filer;
	int32_t today;
	const char *competent;
	const char *post;          /* of the officer who files; "" for everybody else */
	const char *national_code; /* "" unless from the national portal */
	uint8_t content_sha256[CRYPT_SHA256_BYTES]; /* of a national filing */
	char owner_key[CRYPT_SHA256_HEX];
	struct rules_answers answers; /* the form, values in NFC */
	struct intake_file *files;
	size_t n_files;
	const Dossier__Procedure *procedure;
	struct rules_held *held;
	size_t n_held;
	struct rules_component *components; /* one per component of the procedure */
	/* open dossiers that say nearly the same; shown: those the filer may know of */
	const char *duplicates[INTAKE_DUPLICATES_MAX], *shown[INTAKE_DUPLICATES_MAX];
	size_t n_duplicates, n_shown;
	const char *code;
	int64_t answer_due_us; /* 0: at the desk, which answers at once */
	char secret[RECEIPT_SECRET_CHARS + 1];
	struct err looked; /* every broken rule that was found before the transaction */
	struct err found;  /* every broken rule */
	Dossier__SubmitReply out;
	struct {
		int procedure, places, held, similar, account, ordinal;
	} slot;
};

/* Around the whole life of the process. */
void intake_start(void);
void intake_stop(void);

/* Days within which another filing may be the same one; 0: never (LGSP_DUPLICATE_DAYS). */
extern int64_t intake_duplicate_days;

/* Days a draft is kept after its last change (LGSP_DRAFT_DAYS). */
extern int64_t drafts_days;

/* NULL with c->err at the arena's cap. */
struct filing *intake_new(struct call *c, const Dossier__SubmitRequest *in);
/* Lets the secret out with the answer, and with every repetition of it. First in the handler. */
int intake_show_secret(struct call *c, struct filing *f);
/*
 * What can be said without the database. Broken rules are kept for intake_check(); ends early only
 * on trouble, or with NOT_IN_HAND when it is not the caller's agency that files.
 */
int intake_look(struct call *c, struct filing *f);
/* Item: the struct filing. Reads what the rules need. */
void intake_reads(struct call *c, void *item);
/* Takes the ordinal of the code, when the filing may succeed: its counter is locked to the end. */
void intake_reserve(struct call *c, void *item);
/* 0 when all rules hold, else c->err has all that do not. */
int intake_check(struct call *c, void *item);
int intake_rows(struct call *c, struct filing *f);

/* account.c: a citizen files as who the directory says the account is. */
void account_reads(struct call *c, struct filing *f);
void account_check(struct call *c, struct filing *f);
int intake_receipt(struct call *c, const struct filing *f, Dossier__SubmitReply *out);
/* The receipt of each file, as one array in the arena. */
Dossier__FileReceipt **intake_files(struct call *c, const struct filing *f);

#endif
