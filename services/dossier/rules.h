/*
 * The pure rules of dossiers: no clock, no database, no bus. Handlers gather what a rule needs
 * (under the dossier's row lock), ask, and write what it says.
 *
 *   rules.c           states and transitions, who may act
 *   rules_due.c       due dates, verdict
 *   rules_code.c      codes of dossiers
 *   rules_text.c      single values
 *   rules_intake.c    applicant, channel and components of a filing
 *   rules_identity.c  who files, by which evidence, for whom
 *   rules_form.c      its form
 *   rules_procedure.c what may stand in the catalogue
 *   rules_fees.c      what is to be paid when
 *
 * Checks of a filing add every broken rule to the error (err_add); the others report one.
 */
#ifndef LGSP_DOSSIER_RULES_H
#define LGSP_DOSSIER_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/calendar.h"
#include "common/base/err.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"

#define RULES_NAME_MAX        200
#define RULES_ADDRESS_MAX     500
#define RULES_NOTE_MAX        1000
#define RULES_FILES_MAX       100 /* of one dossier; digitisation.Stat takes no more */
#define RULES_PAPERS_MAX      200 /* paper copies of one component */
#define RULES_QUANTITY_MAX    10000
#define RULES_PAUSES_MAX      64
#define RULES_FILE_ID_BYTES   64
#define RULES_FORM_FIELDS_MAX 200
#define RULES_FORM_TEXT_MAX   2000
#define RULES_NUMBER_MAX      999999999999999999
#define RULES_FEES_MAX        20
#define RULES_REPLY_DAYS_MAX  180

/* --- states --- */

enum rules_action {
	RULES_SUBMIT = 1,
	RULES_ACCEPT,
	RULES_REFUSE,
	RULES_REQUEST_SUPPLEMENT,
	RULES_SUPPLEMENT,
	RULES_REQUEST_PAYMENT,
	RULES_PAY,
	RULES_EXEMPT_FEE,   /* from fees, or parts of them */
	RULES_LIFT_PAYMENT, /* exempt from all it waited for */
	RULES_FORWARD,
	RULES_RECEIVE, /* of a hand-off on paper */
	RULES_CLAIM,
	RULES_ASSIGN,
	RULES_STAND_IN, /* take over from an absent colleague */
	RULES_NEXT_STEP,
	RULES_REQUEST_OPINION,
	RULES_GIVE_OPINION,
	RULES_WITHDRAW_OPINION,
	RULES_LATE_OPINION,
	RULES_OPEN_CHILD,
	RULES_SIGN_OFF,
	RULES_REWORK, /* sign-off refused */
	RULES_EXTEND,
	RULES_STOP,
	RULES_CONTINUE,
	RULES_ISSUE_RESULT,
	RULES_RETURN,
	RULES_HAND_OVER, /* what was posted has arrived */
	RULES_WITHDRAW,
	RULES_EXPIRE,
	RULES_REOPEN,
	RULES_COMPLAIN,
	RULES_ANSWER_COMPLAINT,
	RULES_RATE,
	RULES_REBASE,
	RULES_RECOUNT, /* of the due date */
	RULES_REUSE,   /* a held record meets a component later */
	RULES_REISSUE, /* of the receipt: a new secret */
	RULES_LATE_ANSWER,
	RULES_IMPORT_LEGACY,
};
#define RULES_ACTIONS RULES_IMPORT_LEGACY

/* Who may act: agencies of the dossier, its applicant, or the suite itself. */
enum rules_party {
	RULES_RECEIVER = 1,
	RULES_COMPETENT = 2,
	RULES_HOLDER = 4,
	RULES_SUPPORTING = 8,
	RULES_ASKED = 16,     /* agency an opinion is asked of */
	RULES_APPLICANT = 32, /* account that filed, or secret of the receipt */
	RULES_SUITE = 64,     /* a feed, a job, the operator */
};
#define RULES_AGENCIES                                                                             \
	(RULES_RECEIVER | RULES_COMPETENT | RULES_HOLDER | RULES_SUPPORTING | RULES_ASKED)
#define RULES_PARTIES 7 /* bits of enum rules_party */

struct rules_transition {
	Dossier__DossierState from; /* UNSPECIFIED: the dossier does not exist yet */
	enum rules_action action;
	Dossier__DossierState to;
	unsigned parties; /* of enum rules_party */
	/* Only when it resumes to this one, or - for an import - was in this one; UNSPECIFIED: any.
	 */
	Dossier__DossierState back;
};

/* The state table: what is not in it is refused. */
extern const struct rules_transition rules_transitions[];
extern const size_t rules_n_transitions;

/* "accept", …: as stored in the history. */
const char *rules_action_name(enum rules_action action);
/* "receiver", …, by the number of the bit: 0..RULES_PARTIES - 1. */
const char *rules_party_name(unsigned bit);
/* "FILED", …; "-" for UNSPECIFIED. */
const char *rules_state_name(Dossier__DossierState state);

/* The row for an action in a state that resumes to back; ERR_CONFLICT with code WRONG_STATE. */
int rules_transition(Dossier__DossierState from, enum rules_action action,
		     Dossier__DossierState back, const struct rules_transition **ret_row,
		     struct err *err);

/* States in which the national table stops the clock: 5, 6, 8. */
bool rules_paused(Dossier__DossierState state);
/* What a dossier resumes to after going from a state (that resumed to back) to another. */
Dossier__DossierState rules_resumes_to(Dossier__DossierState from, Dossier__DossierState back,
				       Dossier__DossierState to);

/* Why the clock stands in a state with so many opinions that stop it: "" when it runs. */
const char *rules_pause_kind(Dossier__DossierState state, int opinions_pausing);

struct rules_agencies {
	const char *receiving;
	const char *competent;
	const char *holder;
	const char *supporting; /* "" or NULL: none */
	const char *asked;      /* for an opinion; "" or NULL: none */
};

/* Whether agency is one of the parties; ERR_DENIED with code NOT_IN_HAND. */
int rules_party(const struct rules_agencies *of, unsigned parties, const char *agency,
		struct err *err);

/* --- deadlines --- */

struct rules_limit {
	Dossier__LimitUnit unit; /* UNSPECIFIED: no deadline */
	int value;
};

/* --- codes --- */

/* "H40.31.01-240521-0001". */
bool rules_dossier_code(const char *s);
/* "<agency>-yymmdd-NNNN", five digits and more past 9999. NULL at the arena's cap. */
const char *rules_make_code(struct arena *arena, const char *agency, int32_t day, int64_t ordinal);

/* --- single values --- */

extern const struct err_kind rules_bad_citizen_number; /* BAD_CITIZEN_NUMBER */
extern const struct err_kind rules_bad_tax_code;       /* BAD_TAX_CODE */
extern const struct err_kind rules_bad_phone;          /* BAD_PHONE */
extern const struct err_kind rules_bad_email;          /* BAD_EMAIL */

/* Nothing but white space. */
bool rules_blank(const char *s);
/* An address of at most 254 ASCII characters with a domain of two labels at least. */
bool rules_email(const char *s);
/* At most max characters; of control characters only tabs and line ends. */
bool rules_text(const char *s, size_t max);
/* Adds BAD_TEXT; the second also REQUIRED when blank. */
void rules_check_text(const char *s, size_t max, const char *field, struct err *err);
void rules_check_required_text(const char *s, size_t max, const char *field, struct err *err);
/* One of a list that ends with NULL. */
bool rules_one_of(const char *s, const char *const *list);
/* An extended regular expression of POSIX, of ours: it compiles. */
bool rules_matches(const char *s, const char *regex);

/* --- filing --- */

enum rules_filer { RULES_BY_CITIZEN = 1, RULES_BY_STAFF, RULES_BY_SYSTEM };

/* What can be said of a request without knowing anything else. Adds all errors. */
void rules_check_filing(const Dossier__SubmitRequest *in, enum rules_filer filer, int32_t today,
			struct err *err);

/* Who files, by which evidence, and for whom (rules_identity.c). Adds all errors. */
void rules_check_filer(const Dossier__SubmitRequest *in, enum rules_filer by, int64_t now_us,
		       int32_t today, struct err *err);
/* Somebody files for another, and says so. */
bool rules_represented(const Dossier__SubmitRequest *in);
/* The number of who files: the representative's, else the applicant's. */
const char *rules_who_files(const Dossier__SubmitRequest *in);
/*
 * A citizen's account: the pseudonym of the number it was proven to be of, "" while it is nobody's,
 * and that of who files. Adds the error.
 */
void rules_check_account(const Dossier__SubmitRequest *in, const char *account, const char *files,
			 struct err *err);
/* Evidence of who files: what was said, a citizen's account, or none (with nothing set). */
const Dossier__Identity *rules_identity(const Dossier__SubmitRequest *in, enum rules_filer by);
/* Evidence that does not rest on the filer's own word; a citizen's account passed the check above.
 */
bool rules_identity_verified(const Dossier__SubmitRequest *in, enum rules_filer by);
/* A code of the national portal. */
bool rules_national_code(const char *s);

/* The form of a filing as it was stored: names and values, one entry each. */
struct rules_answers {
	const char **names, **values;
	size_t n;
};

/* Whether two forms say nearly the same: at least four of five of their answers are equal. */
bool rules_similar(const struct rules_answers *a, const struct rules_answers *b);

/* The form against the procedure's fields. Adds all errors. */
void rules_check_form(const Dossier__Procedure *procedure, const Dossier__SubmitRequest *in,
		      int32_t today, struct err *err);

/* Whether the form's answers make something required; false without a condition. */
bool rules_condition(const Dossier__Condition *condition, const Dossier__SubmitRequest *in);
/* Types and patterns a field of a form may have. */
bool rules_form_type(const char *name);
bool rules_form_pattern(const char *name);

/* A record the administration holds of the applicant, valid today. */
struct rules_held {
	const char *record_id;
	const char *type;
	const char *source; /* dossier or agency it came from */
	int32_t valid_from, valid_to;
};

/* Whether the record's type meets the component. */
bool rules_held_fits(const Dossier__Component *component, const struct rules_held *held);

/* How a component of the procedure is met by a filing. */
struct rules_component {
	const Dossier__Component *component;
	const Dossier__ComponentInput *input; /* NULL: nothing handed in */
	const struct rules_held *held;        /* NULL: the administration holds none */
	bool reused;                          /* met by the held record */
	bool demanded;                        /* asked for although held */
};

/*
 * Matches what was handed in and what is held with the procedure's components: one entry per
 * component of the procedure in ret, which has room for them. Adds all errors.
 */
void rules_check_components(const Dossier__Procedure *procedure, const Dossier__SubmitRequest *in,
			    const struct rules_held *held, size_t n_held,
			    struct rules_component *ret, struct err *err);

/* What may be imported as a procedure; the first fault, with its field. */
int rules_check_procedure(const Dossier__Procedure *p, const char *path, struct err *err);
int rules_check_channel(const Dossier__ChannelRule *r, const char *path, struct err *err);

#endif
