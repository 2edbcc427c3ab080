#include "services/ctl/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"

#define S(name) DOSSIER__DOSSIER_STATE__DOSSIER_STATE_##name
#define NONE    S(UNSPECIFIED)

static int fault(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fault(struct verify *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->fault, sizeof v->fault, fmt, ap);
	va_end(ap);
	return -1;
}

const char *verify_state_name(Dossier__DossierState state)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
		&dossier__dossier_state__descriptor, (int)state);

	return value && state != NONE ? value->name + strlen("DOSSIER_STATE_") : "-";
}

void verify_init(struct verify *v, const Dossier__StatesReply *states,
		 const Dossier__ProofReply *proof, struct arena *arena)
{
	*v = (struct verify){.states = states, .proof = proof, .arena = arena};
}

/* --- the state table --- */

static bool is_paused(Dossier__DossierState state)
{
	return state == S(SUPPLEMENT_REQUESTED) || state == S(PAYMENT_REQUESTED) ||
	       state == S(STOPPED);
}

static bool is_import(const char *action)
{
	return strcmp(action, "import_legacy") == 0;
}

/* A row of the table allows it. What an imported dossier resumes to is not in its history. */
static bool is_allowed(const struct verify *v, const Dossier__ProofEntry *e)
{
	for (size_t i = 0; i < v->states->n_transitions; i++) {
		const Dossier__StateTransition *t = v->states->transitions[i];

		if (t->from == v->state && t->to == e->state && strcmp(t->action, e->action) == 0 &&
		    (t->back == NONE || v->back == NONE || t->back == v->back))
			return true;
	}
	return false;
}

static int check_step(struct verify *v, const Dossier__ProofEntry *e)
{
	if (!is_allowed(v, e))
		return fault(v, "%s leads from %s to %s: not in the state table", e->action,
			     verify_state_name(v->state), verify_state_name(e->state));
	if (!is_paused(e->state))
		v->back = NONE;
	else if (!is_paused(v->state))
		v->back = is_import(e->action) ? NONE : v->state;
	v->state = e->state;
	return 0;
}

/* --- the event --- */

/* The forms of the digest: the first had neither its number nor the post. */
#define FORMS 2

static void digest_entry(const Dossier__ProofEntry *e, int form,
			 uint8_t out[static CRYPT_SHA256_BYTES])
{
	char version[16], state[16], due[24], at[24];
	const char *const texts[] = {"2",
				     version,
				     state,
				     e->action,
				     e->actor,
				     e->member,
				     e->roles,
				     e->agency_code,
				     e->holder_agency_code,
				     e->note,
				     e->reason,
				     e->acting_for,
				     due,
				     at,
				     e->post};

	snprintf(version, sizeof version, "%d", e->version);
	snprintf(state, sizeof state, "%d", (int)e->state);
	snprintf(due, sizeof due, "%" PRId64, e->due_us);
	snprintf(at, sizeof at, "%" PRId64, e->time_us);
	if (form == 1)
		crypt_sha256_texts(texts + 1, ARRAY_LEN(texts) - 2, out);
	else
		crypt_sha256_texts(texts, ARRAY_LEN(texts), out);
}

/* A digest of one form is never one of the other: their texts differ in number. */
static bool is_evidence(const Dossier__ProofEntry *e, const ProtobufCBinaryData *evidence)
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	for (int form = 1; form <= FORMS && evidence->len == sizeof digest; form++) {
		digest_entry(e, form, digest);
		if (memcmp(evidence->data, digest, sizeof digest) == 0)
			return true;
	}
	return false;
}

static const Feed__Event *unpack(struct verify *v, const Dossier__ProofEvent *raw)
{
	const struct pb_limits open = {.open_enums = true};
	ProtobufCMessage *msg = NULL;
	struct err err = {0};

	if (pb_unpack(&feed__event__descriptor, raw->event.data, raw->event.len, &open, v->arena,
		      &msg, &err) < 0)
		return NULL;
	return (const Feed__Event *)msg;
}

/* The event that vouches for the entry; those beside it, such as notices, have no evidence. */
static int find_event(struct verify *v, const Dossier__ProofEntry *e, const Feed__Event **ret_event,
		      int64_t *ret_pos)
{
	const Feed__Event *found = NULL;

	for (size_t i = 0; i < v->proof->n_events; i++) {
		const Feed__Event *event = unpack(v, v->proof->events[i]);

		if (!event || strcmp(event->subject, v->proof->code) != 0)
			return fault(v, "the event at %" PRId64 " is not one of this dossier",
				     v->proof->events[i]->pos);
		if (event->version != e->version || event->evidence.len == 0)
			continue;
		found = event;
		if (!is_evidence(e, &event->evidence))
			continue;
		*ret_event = event;
		*ret_pos = v->proof->events[i]->pos;
		return 0;
	}
	if (found)
		return fault(v, "the entry was changed: %s vouches for another", found->type);
	return fault(v, "no event vouches for the entry");
}

int verify_entry(struct verify *v, size_t i, const Feed__Event **ret_event, int64_t *ret_pos)
{
	const Dossier__ProofEntry *e = v->proof->entries[i];

	if (e->version != (int32_t)i + 1)
		return fault(v, "version %zu is missing", i + 1);
	if (check_step(v, e) < 0)
		return -1;
	if (e->time_us < v->time_us)
		return fault(v, "it is older than the entry before");
	v->time_us = e->time_us;
	if (find_event(v, e, ret_event, ret_pos) < 0)
		return -1;
	if ((*ret_event)->time_us != e->time_us)
		return fault(v, "its event is of another time");
	return 0;
}

int verify_end(struct verify *v)
{
	if (v->proof->n_entries != (size_t)v->proof->version)
		return fault(v, "the dossier has version %d, its history %zu", v->proof->version,
			     v->proof->n_entries);
	if (v->state != v->proof->state)
		return fault(v, "the dossier is %s, its history ends with %s",
			     verify_state_name(v->proof->state), verify_state_name(v->state));
	return 0;
}
