/* dossier states|verify: the state table, and the proof of one dossier. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/env.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/seals.h"
#include "services/ctl/session.h"
#include "services/ctl/verify.h"

#define ARENA_MAX  (64 << 20)
#define SETTLE_US  (5 * CLOCK_US_PER_S)
#define AGAIN_US   50000
#define PAGE_LIMIT 500

/* A session and what the calls of one command bring. */
struct visit {
	struct session *session;
	struct arena arena;
};

static const ProtobufCMessage *ask(struct visit *v, const char *method, const ProtobufCMessage *in,
				   const ProtobufCMessageDescriptor *out_desc)
{
	ProtobufCMessage *out = NULL;
	struct err err = {0};

	if (session_call(v->session, "dossier", method, in, out_desc, NULL, &v->arena, &out,
			 &err) == 0)
		return out;
	ctl_fail(method, &err);
	return NULL;
}

static const Dossier__StatesReply *ask_states(struct visit *v)
{
	Dossier__StatesRequest in = DOSSIER__STATES_REQUEST__INIT;

	return (const void *)ask(v, "States", &in.base, &dossier__states_reply__descriptor);
}

static int with_visit(const char *what, int (*run)(struct visit *v, const char *what))
{
	struct visit v = {.session = NULL};
	int rc = session_open("LGSP_BUS_MEMBER", &v.session);

	arena_init(&v.arena, ARENA_MAX);
	if (rc == 0)
		rc = run(&v, what);
	session_close(v.session);
	arena_done(&v.arena);
	return rc;
}

/* --- states --- */

/* As the table of docs/dossier.md. */
static void print_transition(const Dossier__StateTransition *t)
{
	printf("| %d %s | %s | %d %s | %s | ", (int)t->from, verify_state_name(t->from), t->action,
	       (int)t->to, verify_state_name(t->to), t->back ? verify_state_name(t->back) : "");
	for (size_t i = 0; i < t->n_parties; i++)
		printf("%s%s", i ? ", " : "", t->parties[i]);
	puts(" |");
}

static int print_states(struct visit *v, const char *unused)
{
	const Dossier__StatesReply *states = ask_states(v);

	(void)unused;
	if (!states)
		return CTL_FAILED;
	puts("| from | act | to | when it resumes to | who |\n|---|---|---|---|---|");
	for (size_t i = 0; i < states->n_transitions; i++)
		print_transition(states->transitions[i]);
	return 0;
}

int ctl_dossier_states(int argc, char **argv)
{
	if (ctl_options(argc, argv, NULL, 0) != 1)
		return ctl_say(EXIT_USAGE, "dossier states takes no words");
	return with_visit(NULL, print_states);
}

/* --- verify --- */

/* The proof once nothing of the dossier waits for its seal. */
static const Dossier__ProofReply *ask_proof(struct visit *v, const char *code)
{
	Dossier__ProofRequest in = DOSSIER__PROOF_REQUEST__INIT;
	int64_t end_us = clock_mono_us() + SETTLE_US;

	in.code = code;
	for (;;) {
		const Dossier__ProofReply *proof =
			(const void *)ask(v, "Proof", &in.base, &dossier__proof_reply__descriptor);

		if (!proof || proof->pending == 0)
			return proof;
		if (clock_mono_us() > end_us) {
			ctl_say(CTL_FAILED, "%" PRId64 " events of %s are not sealed yet",
				proof->pending, code);
			return NULL;
		}
		usleep(AGAIN_US);
	}
}

static int check_history(struct verify *check)
{
	const Dossier__ProofReply *proof = check->proof;

	for (size_t i = 0; i < proof->n_entries; i++) {
		const Dossier__ProofEntry *e = proof->entries[i];
		const Feed__Event *event = NULL;
		Dossier__DossierState was = check->state;
		int64_t pos = 0;
		char time[28];

		if (verify_entry(check, i, &event, &pos) < 0)
			return ctl_say(CTL_FAILED, "%s, entry %zu (%s): %s", proof->code, i + 1,
				       e->action, check->fault);
		clock_format_utc(e->time_us, time);
		printf("%3d  %s  %-20s %s -> %s  %s#%" PRId64 "\n", e->version, time, e->action,
		       verify_state_name(was), verify_state_name(e->state), event->type, pos);
	}
	return verify_end(check) < 0 ? ctl_say(CTL_FAILED, "%s: %s", proof->code, check->fault) : 0;
}

/* The events of the proof that lie in this page are the feed's. */
static int match_events(const Dossier__ProofReply *proof, const Feed__PullReply *page, size_t *next)
{
	for (size_t i = 0; i < page->n_entries && *next < proof->n_events; i++) {
		const Dossier__ProofEvent *event = proof->events[*next];
		const ProtobufCBinaryData *bytes = &page->entries[i]->event;

		if (page->entries[i]->pos != event->pos)
			continue;
		if (bytes->len != event->event.len ||
		    memcmp(bytes->data, event->event.data, bytes->len) != 0)
			return ctl_say(CTL_FAILED, "%s: the event at %" PRId64 " is not the feed's",
				       proof->code, event->pos);
		(*next)++;
	}
	return 0;
}

static int follow_page(struct visit *v, const Dossier__ProofReply *proof, struct seals *seals,
		       size_t *next, bool *ret_end)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;

	arena_init(&arena, ARENA_MAX);
	in.feed = "dossier";
	in.after = seals->pos;
	in.limit = PAGE_LIMIT;
	int rc = session_call(v->session, "dossier", "Feed.Pull", &in.base,
			      &feed__pull_reply__descriptor, NULL, &arena, &out, &err);

	if (rc < 0) {
		arena_done(&arena);
		return ctl_fail("Feed.Pull", &err);
	}
	const Feed__PullReply *page = (const Feed__PullReply *)out;

	rc = match_events(proof, page, next);
	if (rc == 0 && seals_take(seals, page) < 0)
		rc = ctl_say(CTL_FAILED, "%s: %s", proof->code, seals->fault);
	*ret_end = page->n_entries == 0 || page->next >= page->high_water;
	arena_done(&arena);
	return rc;
}

/*
 * From the batch of the first event to the end of the feed: who changed an event would have had to
 * make every later seal anew.
 */
static int check_seals(struct visit *v, const Dossier__ProofReply *proof)
{
	const Dossier__ProofEvent *first = proof->n_events ? proof->events[0] : NULL;
	char hex[CRYPT_SHA256_HEX];
	struct seals seals;
	size_t next = 0;
	bool end = false;
	int rc = 0;

	if (!first || first->previous_digest.len != CRYPT_SHA256_BYTES)
		return ctl_say(CTL_FAILED, "%s: no event, no seal", proof->code);
	seals_init_behind(&seals, first->after_pos, first->previous_digest.data);
	while (rc == 0 && !end)
		rc = follow_page(v, proof, &seals, &next, &end);
	if (rc == 0 && next < proof->n_events)
		rc = ctl_say(CTL_FAILED, "%s: the event at %" PRId64 " is not in the feed",
			     proof->code, proof->events[next]->pos);
	if (rc == 0) {
		crypt_hex(seals.digest, sizeof seals.digest, hex);
		printf("%s: %zu entries, %zu events under the seals %" PRId64 " to %" PRId64
		       ", the last %s\n",
		       proof->code, proof->n_entries, proof->n_events, first->pos_to, seals.sealed,
		       hex);
	}
	seals_done(&seals);
	return rc;
}

static int verify(struct visit *v, const char *code)
{
	const Dossier__StatesReply *states = ask_states(v);
	const Dossier__ProofReply *proof = states ? ask_proof(v, code) : NULL;
	struct verify check;

	if (!proof)
		return CTL_FAILED;
	verify_init(&check, states, proof, &v->arena);
	int rc = check_history(&check);

	return rc == 0 ? check_seals(v, proof) : rc;
}

int ctl_dossier_verify(int argc, char **argv)
{
	if (ctl_options(argc, argv, NULL, 0) != 2)
		return ctl_say(EXIT_USAGE, "dossier verify needs the code of a dossier");
	return with_visit(argv[1], verify);
}
