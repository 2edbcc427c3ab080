/*
 * The dossier service as a process, with a real broker and a real PostgreSQL; digitisation and
 * payment are played by the test. Business time starts at 2024-05-21 08:00 in Viet Nam. Shared by
 * the programs test_dossier*.c; each has its own.
 */
#ifndef LGSP_TESTS_IT_DOSSIER_RIG_H
#define LGSP_TESTS_IT_DOSSIER_RIG_H

#include "common/base/base.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "tests/support/ask.h"
#include "tests/support/peer.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

#define COMMUNE  "H40.31.01"
#define OTHER    "H40.31.02"
#define DISTRICT "H40.31"
#define GONE     "H40.99"
#define MARRIAGE "1.004873"
#define BIRTH    "1.001193"
#define FUTURE   "1.009999"
#define FILE_1   "0190d0a0-0000-7000-8000-000000000001"
#define FILE_2   "0190d0a0-0000-7000-8000-000000000002"
#define BAD_FILE "0190d0a0-0000-7000-8000-00000000000b"
#define NO_FILE  "0190d0a0-0000-7000-8000-00000000000f"
#define NUMBER   "036190000017"

struct dossier_rig {
	struct pg *pg;
	struct busd *bus;
	struct svcd *svc;
	struct busrig *rig;
	struct peer *payment, *digitisation;
	struct bus_client *gateway, *ops, *one_stop;
	char key_path[64];
	_Atomic int64_t *clock; /* business time of the service; 0: as it goes */
	bool files_away;        /* digitisation.Stat is in trouble */
};
extern struct dossier_rig rig;

extern const struct person citizen, other_citizen, public, clerk, officer, other_clerk, district,
	cashier;

/* cmocka's group set-up and tear-down: the procedures are imported. */
int set_up(void **state);
int tear_down(void **state);
/* Another process of the service with further environment; its name is told by LGSP_INSTANCE. */
struct svcd *start_service(const char *const *env);

struct bundle {
	Dossier__ImportProfileRequest in;
	Dossier__Procedure p[3];
	Dossier__Procedure *list[3];
	Dossier__Component component[2];
	Dossier__Component *components[2];
	Dossier__FormFieldRule rule;
	Dossier__FormFieldRule *rules[1];
	Dossier__ChannelRule channel[5]; /* the four, open; one more to fill in */
	Dossier__ChannelRule *channels[5];
};

struct filing {
	Dossier__SubmitRequest in;
	Dossier__Applicant applicant;
	Dossier__ComponentInput input;
	Dossier__ComponentInput *inputs[1];
	Dossier__FormField field;
	Dossier__FormField *fields[1];
	const char *files[2];
};

#define CALL(a, who, Name, name, out, ...)                                                         \
	({                                                                                         \
		Dossier__##Name##Request in_ = {                                                   \
			.base = PROTOBUF_C_MESSAGE_INIT(&dossier__##name##_request__descriptor)};  \
		dossier__##name##_request__init(&in_);                                             \
		__VA_ARGS__;                                                                       \
		ask(a, who, #Name, &in_.base, &dossier__##name##_reply__descriptor, out);          \
	})

/* The call, by the ask named a, is refused with that status and code. */
#define REFUSED(call, status, code_)                                                               \
	do {                                                                                       \
		assert_int_equal(call, status);                                                    \
		if (!ask_has(&a, code_, NULL))                                                     \
			fail_msg("wanted %s, got %s", code_, err_code(&a.err));                    \
	} while (0)

int import(struct ask *a, const struct bundle *b);
void make_bundle(struct bundle *b);
void make_filing(struct filing *f);
void make_plain(struct filing *f);
/* What the directory would say: the account is of this citizen number. */
void bind_account(const char *subject, const char *number);
/* citizen and other_citizen are bound first to the number of who files. */
int submit(struct ask *a, const struct person *who, const struct filing *f,
	   Dossier__SubmitReply **out);
void file_one(struct ask *a, const struct filing *f, char code[static 64], char secret[static 64]);
/* Submits what must be refused for this code at this field (NULL: any); returns the status. */
int refuse(struct ask *a, const struct person *who, const struct filing *f, const char *code,
	   const char *field);
int accept_it(struct ask *a, const struct person *who, const char *code,
	      Dossier__AcceptReply **out);
int forward_it(struct ask *a, const struct person *who, const char *code, const char *to);
int ask_payment(struct ask *a, const struct person *who, const char *code, uint32_t quantity,
		Dossier__RequestPaymentReply **out);
int issue_it(struct ask *a, const struct person *who, const char *code, const char *file,
	     Dossier__IssueResultReply **out);
int return_it(struct ask *a, const struct person *who, const char *code, const char *how);
int rate_it(struct ask *a, const struct person *who, const char *code, const char *secret);
int track_it(struct ask *a, const char *code, const char *secret, Dossier__TrackReply **out);
int get_it(struct ask *a, const struct person *who, const char *code, Dossier__GetReply **out);
void say_paid(const char *code, int64_t amount_vnd);
/* Digitisation holds a record of a citizen, valid since 2020; waits until the service knows. */
void say_held(const char *record_id, const char *number, const char *type, const char *dossier,
	      const char *valid_to);
void wait_state(const char *code, int state);
int64_t count(const char *sql);
int64_t count_events(const char *type, const char *code);
int64_t ask_feed(const char *what, const char *type, const char *code);
void relay_all(void);
/*
 * Runs lgspctl of the same build as the suite's operator: its exit code, what it says in out.
 */
#define CTL_OUT_BYTES 65536
int run_ctl(const char *words, char out[static CTL_OUT_BYTES]);
void put_calendar(int version, const char *covers_to);
/* Business time of the service stands at "2024-05-21 08:00"; NULL: goes on again. */
void set_clock(const char *local);
int64_t moment(const char *local);

#endif
