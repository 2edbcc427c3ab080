/*
 * Proof: the state table as it is in force, and a dossier's history beside the sealed events that
 * vouch for it. Whoever checks it - lgspctl, an auditor - recomputes everything.
 */
#include "services/dossier/dossier.h"

#include "common/base/base.h"

static const struct db_stmt read_entries = {
	"SELECT version, state, action, actor, member, roles, agency, holder_agency, note, reason,"
	" acting_for, due_at, at, post FROM history WHERE dossier = $1 ORDER BY version"};

/* Each event with the seal over its batch and the one before. */
static const struct db_stmt read_events = {
	"SELECT f.pos, f.event, coalesce(p.pos_to, 0), s.pos_to,"
	" coalesce(p.digest, decode(repeat('00', 32), 'hex')), s.digest FROM feed f"
	" JOIN LATERAL (SELECT pos_to, digest FROM seal WHERE pos_to >= f.pos"
	"  ORDER BY pos_to LIMIT 1) s ON true"
	" LEFT JOIN LATERAL (SELECT pos_to, digest FROM seal WHERE pos_to < f.pos"
	"  ORDER BY pos_to DESC LIMIT 1) p ON true"
	" WHERE f.subject = $1 ORDER BY f.pos"};

static const struct db_stmt count_pending = {"SELECT count(*) FROM outbox WHERE subject = $1"};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

/* --- states --- */

static int fill_parties(struct call *c, unsigned parties, Dossier__StateTransition *out)
{
	out->parties = arena_calloc(c->arena, RULES_PARTIES, sizeof(out->parties[0]));
	if (!out->parties)
		return no_room(c);
	for (unsigned bit = 0; bit < RULES_PARTIES; bit++)
		if (parties & 1u << bit)
			out->parties[out->n_parties++] = rules_party_name(bit);
	return 0;
}

DOSSIER_HANDLER(states, States)
{
	struct call *c = call_of(data);
	Dossier__StatesReply out = DOSSIER__STATES_REPLY__INIT;
	size_t n = rules_n_transitions;
	Dossier__StateTransition *list = arena_calloc(c->arena, n, sizeof(*list));

	(void)svc;
	(void)in;
	out.transitions = arena_calloc(c->arena, n, sizeof(out.transitions[0]));
	if (!list || !out.transitions) {
		no_room(c);
		return call_fail(c);
	}
	for (size_t i = 0; i < n; i++) {
		const struct rules_transition *row = &rules_transitions[i];

		dossier__state_transition__init(&list[i]);
		list[i].from = row->from;
		list[i].action = rules_action_name(row->action);
		list[i].to = row->to;
		list[i].back = row->back;
		if (fill_parties(c, row->parties, &list[i]) < 0)
			return call_fail(c);
		out.transitions[out.n_transitions++] = &list[i];
	}
	reply(&out, data);
}

/* --- proof --- */

/* Up to the version of the row: a later entry may have come between the two readings. */
static int fill_entries(struct call *c, int slot, Dossier__ProofReply *out)
{
	int n = db_rows(&c->tx, slot);
	Dossier__ProofEntry *list = arena_calloc(c->arena, (size_t)n, sizeof(*list));

	out->entries = arena_calloc(c->arena, (size_t)n, sizeof(out->entries[0]));
	if (!list || !out->entries)
		return no_room(c);
	for (int i = 0; i < n; i++) {
		dossier__proof_entry__init(&list[i]);
		list[i].version = (int32_t)db_get_int(&c->tx, slot, i, 0);
		if (list[i].version > out->version)
			break;
		list[i].state = (Dossier__DossierState)db_get_int(&c->tx, slot, i, 1);
		list[i].action = db_get_text(&c->tx, slot, i, 2);
		list[i].actor = db_get_text(&c->tx, slot, i, 3);
		list[i].member = db_get_text(&c->tx, slot, i, 4);
		list[i].roles = db_get_text(&c->tx, slot, i, 5);
		list[i].agency_code = db_get_text(&c->tx, slot, i, 6);
		list[i].holder_agency_code = db_get_text(&c->tx, slot, i, 7);
		list[i].note = db_get_text(&c->tx, slot, i, 8);
		list[i].reason = db_get_text(&c->tx, slot, i, 9);
		list[i].acting_for = db_get_text(&c->tx, slot, i, 10);
		list[i].due_us = db_get_time_us(&c->tx, slot, i, 11);
		list[i].time_us = db_get_time_us(&c->tx, slot, i, 12);
		list[i].post = db_get_text(&c->tx, slot, i, 13);
		out->entries[out->n_entries++] = &list[i];
	}
	return 0;
}

static ProtobufCBinaryData bytes_of(const struct call *c, int slot, int row, int col)
{
	size_t n;
	const uint8_t *p = db_get_bytes(&c->tx, slot, row, col, &n);

	return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)p, .len = n};
}

static int fill_events(struct call *c, int slot, Dossier__ProofReply *out)
{
	int n = db_rows(&c->tx, slot);
	Dossier__ProofEvent *list = arena_calloc(c->arena, (size_t)n, sizeof(*list));

	out->events = arena_calloc(c->arena, (size_t)n, sizeof(out->events[0]));
	if (!list || !out->events)
		return no_room(c);
	for (int i = 0; i < n; i++) {
		dossier__proof_event__init(&list[i]);
		list[i].pos = db_get_int(&c->tx, slot, i, 0);
		list[i].event = bytes_of(c, slot, i, 1);
		list[i].after_pos = db_get_int(&c->tx, slot, i, 2);
		list[i].pos_to = db_get_int(&c->tx, slot, i, 3);
		list[i].previous_digest = bytes_of(c, slot, i, 4);
		list[i].digest = bytes_of(c, slot, i, 5);
		out->events[out->n_events++] = &list[i];
	}
	return 0;
}

DOSSIER_HANDLER(proof, Proof)
{
	struct call *c = call_of(data);
	Dossier__ProofReply out = DOSSIER__PROOF_REPLY__INIT;
	int row, entries, events, pending;
	struct dossier d;

	(void)svc;
	tx_begin(c);
	row = tx_add(c, &dossier_row, DB_TEXT(in->code));
	entries = tx_add(c, &read_entries, DB_TEXT(in->code));
	pending = tx_add(c, &count_pending, DB_TEXT(in->code));
	events = tx_add(c, &read_events, DB_TEXT(in->code));
	if (tx_flush(c) < 0)
		return call_fail(c);
	if (!dossier_read(c, row, in->code, &d)) {
		err_set(&c->err, &dossier_unknown, "code", in->code);
		return call_fail(c);
	}
	out.code = d.code;
	out.state = d.state;
	out.version = d.version;
	out.pending = db_get_int(&c->tx, pending, 0, 0);
	if (fill_entries(c, entries, &out) < 0 || fill_events(c, events, &out) < 0 ||
	    tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
