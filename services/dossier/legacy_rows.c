/* The rows of a dossier taken over: as if it had been filed here, with a history that begins now.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/base/identity.h"
#include "services/dossier/legacy.h"

#define S(name) DOSSIER__DOSSIER_STATE__DOSSIER_STATE_##name

static const struct db_stmt insert_dossier = {
	"INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
	" receiving_agency, competent_agency, holder_agency, channel, submitted_at, accepted_at,"
	" clock_from_at, due_at, calendar_version, directory_pos, paused_at, pause_kind,"
	" resumes_to, finished_at, verdict, decision, handover_state, fee_vnd, fee_paid,"
	" finance_state, result_number, applicant_name, guarded, legacy, clock_unit, clock_value,"
	" supplements)"
	" VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14, $15, $16,"
	" $17, $18, $19, $20, $21, $22, $23, nullif($24, ''), $25, $26, true, $27, $28, $29)"};

/* Its receipt was another system's: nobody has a secret for it. */
static const struct db_stmt insert_filing = {
	"INSERT INTO filing (code, applicant_kind, applicant_number, applicant_name,"
	" applicant_phone, applicant_address, owner_key, form_names, form_values, filer,"
	" filer_is_citizen, secret_salt, secret_hash)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, '{}', '{}', $8, false, $9, $10)"};

static const struct db_stmt insert_legacy = {
	"WITH l AS (INSERT INTO legacy (dossier, source, control, line, elapsed_minutes, at)"
	" VALUES ($1, $2, $3, $4, $5, $6))"
	" INSERT INTO legacy_history (dossier, ordinal, state, actor, note, at)"
	" SELECT $1, u.n, u.state, u.actor, u.note,"
	" timestamptz '1970-01-01 00:00+00' + u.at * interval '1 microsecond'"
	" FROM unnest($7::int8[], $8::text[], $9::text[], $10::int8[])"
	" WITH ORDINALITY AS u (state, actor, note, at, n)"};

/* Asked for by the older system: what, and until when, is not known. */
static const struct db_stmt insert_supplement = {
	"INSERT INTO supplement (dossier, round, agency, asked_by, asked_at, note)"
	" VALUES ($1, 1, $2, $3, $4, $5)"};

/* In the order filings take them, so that the two never wait for each other in a ring. */
static const struct db_stmt raise_counters = {
	"INSERT INTO code_counter AS n (agency, day, last)"
	" SELECT u.agency, date '1970-01-01' + u.day::int, max(u.ordinal)"
	" FROM unnest($1::text[], $2::int8[], $3::int8[]) AS u (agency, day, ordinal)"
	" GROUP BY 1, 2 ORDER BY 1, 2"
	" ON CONFLICT (agency, day) DO UPDATE SET last = greatest(n.last, excluded.last)"};

static const struct db_stmt read_history = {
	"SELECT at, state, actor, note FROM legacy_history WHERE dossier = $1 ORDER BY ordinal"};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

/* What the row of the dossier says, from what the older system said. */
static struct dossier dossier_of(const struct legacy_row *row)
{
	const Dossier__LegacyDossier *in = row->in;
	bool decided = in->state == S(RESULT_READY) || in->state == S(RETURNED);
	struct dossier d = {
		.code = in->code,
		.version = 1,
		.state = in->state,
		.agencies.holder = in->holder_agency_code[0] ? in->holder_agency_code
							     : in->receiving_agency_code,
		.due_us = row->due_us,
		.pause_kind = rules_pause_kind(in->state, 0),
		.why = "",
		.acting_for = "",
		.post = "",
	};

	if (rules_paused(in->state))
		d.resumes_to = in->accepted_us ? S(PROCESSING) : S(FILED);
	if (decided || in->state == S(WITHDRAWN))
		d.verdict = rules_verdict(row->due_us, in->finished_us);
	if (decided)
		d.decision = DOSSIER__DECISION__DECISION_GRANTED;
	d.supplements = in->state == S(SUPPLEMENT_REQUESTED);
	if (in->state == S(RESULT_READY))
		d.handover_state = DOSSIER__HANDOVER_STATE__HANDOVER_STATE_READY;
	if (in->state == S(RETURNED))
		d.handover_state = DOSSIER__HANDOVER_STATE__HANDOVER_STATE_HANDED_OVER;
	if (in->fee_paid)
		d.finance_state = DOSSIER__FINANCE_STATE__FINANCE_STATE_PAID;
	else if (in->state == S(PAYMENT_REQUESTED))
		d.finance_state = DOSSIER__FINANCE_STATE__FINANCE_STATE_REQUESTED;
	return d;
}

static void add_row(struct call *c, const struct legacy_row *row, const struct dossier *d)
{
	const Dossier__LegacyDossier *in = row->in;

	tx_add(c, &insert_dossier, DB_TEXT(in->code), DB_INT4(in->state),
	       DB_TEXT(in->procedure_code), DB_INT4(row->known.procedure_version),
	       DB_TEXT(in->receiving_agency_code), DB_TEXT(in->competent_agency_code),
	       DB_TEXT(d->agencies.holder), DB_INT4(in->channel), DB_TIME(in->submitted_us),
	       DB_TIME(in->accepted_us), DB_TIME(row->due_us), DB_INT4(row->calendar_version),
	       DB_INT8(row->directory_pos), DB_TIME(in->paused_us), DB_TEXT(d->pause_kind),
	       DB_INT4(d->resumes_to), DB_TIME(in->finished_us), DB_INT4(d->verdict),
	       DB_INT4(d->decision), DB_INT4(d->handover_state), DB_INT8(in->fee_vnd),
	       DB_BOOL(in->fee_paid), DB_INT4(d->finance_state), DB_TEXT(in->result_number),
	       DB_TEXT(dossier_nfc(c, in->applicant->name)), DB_BOOL(row->known.guarded),
	       DB_INT4(row->known.limit.unit), DB_INT4(row->known.limit.value),
	       DB_INT4(d->supplements));
}

static void add_filing(struct call *c, const Dossier__LegacyDossier *in, const char *owner_key)
{
	const Dossier__Applicant *a = in->applicant;
	uint8_t salt[RECEIPT_SALT_BYTES], hash[CRYPT_SHA256_BYTES];

	crypt_random(salt, sizeof(salt));
	crypt_random(hash, sizeof(hash));
	tx_add(c, &insert_filing, DB_TEXT(in->code), DB_TEXT(a->kind), DB_TEXT(a->number),
	       DB_TEXT(dossier_nfc(c, a->name)),
	       DB_TEXT(a->phone[0] ? identity_phone_normal(c->arena, a->phone) : ""),
	       DB_TEXT(dossier_nfc(c, a->address)), DB_TEXT(owner_key), DB_TEXT(dossier_actor(c)),
	       DB_BYTEA(salt, sizeof(salt)), DB_BYTEA(hash, sizeof(hash)));
}

static int add_legacy(struct call *c, const Dossier__ImportLegacyRequest *of,
		      const Dossier__LegacyDossier *in)
{
	size_t n = in->n_history;
	int64_t *states = arena_calloc(c->arena, n, sizeof(*states));
	int64_t *times = arena_calloc(c->arena, n, sizeof(*times));
	const char **actors = arena_calloc(c->arena, n, sizeof(*actors));
	const char **notes = arena_calloc(c->arena, n, sizeof(*notes));

	if (!states || !times || !actors || !notes)
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		states[i] = in->history[i]->state;
		times[i] = in->history[i]->time_us;
		actors[i] = dossier_nfc(c, in->history[i]->actor);
		notes[i] = dossier_nfc(c, in->history[i]->note);
	}
	tx_add(c, &insert_legacy, DB_TEXT(in->code), DB_TEXT(of->source), DB_TEXT(of->control),
	       DB_INT4(in->line), DB_INT4(in->elapsed_minutes), DB_TIME(c->now_us),
	       DB_INT8S(states, n), DB_TEXTS(actors, n), DB_TEXTS(notes, n), DB_INT8S(times, n));
	return 0;
}

static void imported_event(struct call *c, const struct legacy_row *row, const struct dossier *d,
			   const char *owner_key, const char *source)
{
	Dossier__DossierImported ev = DOSSIER__DOSSIER_IMPORTED__INIT;
	const Dossier__LegacyDossier *in = row->in;

	ev.code = in->code;
	ev.procedure_code = in->procedure_code;
	ev.receiving_agency_code = in->receiving_agency_code;
	ev.competent_agency_code = in->competent_agency_code;
	ev.holder_agency_code = d->agencies.holder;
	ev.channel = in->channel;
	ev.online_level = row->known.online_level;
	ev.owner_key = owner_key;
	ev.state = in->state;
	ev.submitted_us = in->submitted_us;
	ev.accepted_us = in->accepted_us;
	ev.due_us = row->due_us;
	ev.finished_us = in->finished_us;
	ev.verdict = d->verdict;
	ev.source = source;
	tx_event(c, "dossier.imported", in->code, 1, &ev.base);
}

/* Who is to pay gets an order here: the older system's is gone. */
static void payment_event(struct call *c, const struct legacy_row *row, const struct dossier *d)
{
	Dossier__DossierPaymentRequested ev = DOSSIER__DOSSIER_PAYMENT_REQUESTED__INIT;

	ev.code = row->in->code;
	ev.procedure_code = row->in->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.fee_kind = row->known.fee_kind;
	ev.amount_vnd = row->in->fee_vnd;
	tx_event(c, "dossier.payment_requested", row->in->code, 1, &ev.base);
}

int legacy_add(struct call *c, const Dossier__ImportLegacyRequest *in, const struct legacy_row *row)
{
	const Dossier__Applicant *a = row->in->applicant;
	struct dossier d = dossier_of(row);
	char owner_key[CRYPT_SHA256_HEX];

	crypt_owner_key(receipt_owner_key(), a->kind, a->number, owner_key);
	add_row(c, row, &d);
	add_filing(c, row->in, owner_key);
	if (d.supplements > 0)
		tx_add(c, &insert_supplement, DB_TEXT(d.code), DB_TEXT(d.agencies.holder),
		       DB_TEXT(dossier_actor(c)), DB_TIME(row->in->paused_us), DB_TEXT(in->source));
	dossier_history(c, &d, rules_action_name(RULES_IMPORT_LEGACY), in->source);
	if (add_legacy(c, in, row->in) < 0)
		return c->err.status;
	imported_event(c, row, &d, owner_key, in->source);
	if (d.state == S(PAYMENT_REQUESTED))
		payment_event(c, row, &d);
	return 0;
}

int legacy_raise_counters(struct call *c, const Dossier__ImportLegacyRequest *in)
{
	size_t n = in->n_dossiers;
	const char **agencies = arena_calloc(c->arena, n, sizeof(*agencies));
	int64_t *days = arena_calloc(c->arena, n, sizeof(*days));
	int64_t *ordinals = arena_calloc(c->arena, n, sizeof(*ordinals));

	if (!agencies || !days || !ordinals)
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		const char *code = in->dossiers[i]->code;
		size_t agency;
		int32_t day;

		CHECK(rules_split_code(code, &agency, &day, &ordinals[i]) == 0); /* was checked */
		agencies[i] = arena_printf(c->arena, "%.*s", (int)agency, code);
		if (!agencies[i])
			return no_room(c);
		days[i] = day;
	}
	tx_add(c, &raise_counters, DB_TEXTS(agencies, n), DB_INT8S(days, n), DB_INT8S(ordinals, n));
	return 0;
}

int legacy_fill_history(struct call *c, Dossier__GetReply *out)
{
	Dossier__LegacyEvent *list;
	int slot, n;

	if (out->n_history == 0 ||
	    strcmp(out->history[0]->action, rules_action_name(RULES_IMPORT_LEGACY)) != 0)
		return 0;
	slot = tx_add(c, &read_history, DB_TEXT(out->dossier->code));
	if (tx_flush(c) < 0)
		return c->err.status;
	n = db_rows(&c->tx, slot);
	list = arena_calloc(c->arena, (size_t)n, sizeof(*list));
	out->legacy_history = arena_calloc(c->arena, (size_t)n, sizeof(out->legacy_history[0]));
	if (!list || !out->legacy_history)
		return no_room(c);
	for (int i = 0; i < n; i++) {
		dossier__legacy_event__init(&list[i]);
		list[i].time_us = db_get_time_us(&c->tx, slot, i, 0);
		list[i].state = (Dossier__DossierState)db_get_int(&c->tx, slot, i, 1);
		list[i].actor = db_get_text(&c->tx, slot, i, 2);
		list[i].note = db_get_text(&c->tx, slot, i, 3);
		out->legacy_history[out->n_legacy_history++] = &list[i];
	}
	return 0;
}
