// with: services/ctl/verify.c
/*
 * The evidence of a history entry in both its forms: each proves the entry it was made of, and
 * neither can be passed off as the other. The digests are those of sha256sum(1) over the texts
 * proof.proto names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "services/ctl/verify.h"

#define CODE    "H40.31.01-240521-0001"
#define TIME_US 1716253200000000

static const char first_form[] = "7680c0631880a3080c5bb917b8ba705e250825e42566ad42413a39e8951ec796";
static const char second_form[] =
	"9b7ae774c555c9b5bd5bf5a0ddf88e7798be8526128c6126a54b7692feec2394";

/* A dossier of one entry, and the event that vouches for it. */
struct proved {
	struct arena arena;
	Dossier__StateTransition row, *rows[1];
	Dossier__StatesReply states;
	Dossier__ProofEntry entry, *entries[1];
	Dossier__ProofEvent event, *events[1];
	Dossier__ProofReply proof;
	uint8_t evidence[CRYPT_SHA256_BYTES], packed[256];
};

static void from_hex(const char *hex, uint8_t out[static CRYPT_SHA256_BYTES])
{
	for (size_t i = 0; i < CRYPT_SHA256_BYTES; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
}

static void make_event(struct proved *p, const char *evidence)
{
	Feed__Event event = FEED__EVENT__INIT;

	from_hex(evidence, p->evidence);
	event.type = "dossier.submitted";
	event.subject = CODE;
	event.version = 1;
	event.time_us = TIME_US;
	event.evidence = (ProtobufCBinaryData){.data = p->evidence, .len = sizeof(p->evidence)};
	dossier__proof_event__init(&p->event);
	p->event.pos = 7;
	assert_true(feed__event__get_packed_size(&event) <= sizeof(p->packed));
	p->event.event = (ProtobufCBinaryData){.data = p->packed,
					       .len = feed__event__pack(&event, p->packed)};
	p->events[0] = &p->event;
}

static void make(struct proved *p, const char *evidence)
{
	arena_init(&p->arena, 1 << 16);
	dossier__state_transition__init(&p->row);
	p->row.action = "submit";
	p->row.to = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED;
	p->rows[0] = &p->row;
	dossier__states_reply__init(&p->states);
	p->states.transitions = p->rows;
	p->states.n_transitions = 1;
	dossier__proof_entry__init(&p->entry);
	p->entry.version = 1;
	p->entry.state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED;
	p->entry.action = "submit";
	p->entry.actor = "clerk-1";
	p->entry.member = "VN/GOV/H40/lgsp-gateway";
	p->entry.roles = "clerk";
	p->entry.agency_code = "H40.31.01";
	p->entry.holder_agency_code = "H40.31.01";
	p->entry.time_us = TIME_US;
	p->entry.post = "Cong chuc";
	p->entries[0] = &p->entry;
	make_event(p, evidence);
	dossier__proof_reply__init(&p->proof);
	p->proof.code = CODE;
	p->proof.state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED;
	p->proof.version = 1;
	p->proof.entries = p->entries;
	p->proof.n_entries = 1;
	p->proof.events = p->events;
	p->proof.n_events = 1;
}

/* What verify says of the entry: "" when it is proved. */
static void check(struct proved *p, const char *says)
{
	const Feed__Event *event = NULL;
	struct verify v;
	int64_t pos = 0;
	int r;

	verify_init(&v, &p->states, &p->proof, &p->arena);
	r = verify_entry(&v, 0, &event, &pos);
	assert_string_equal(v.fault, says);
	assert_int_equal(r, says[0] ? -1 : 0);
	if (r == 0) {
		assert_int_equal(pos, 7);
		assert_int_equal(verify_end(&v), 0);
	}
	arena_done(&p->arena);
}

static const char changed[] = "the entry was changed: dossier.submitted vouches for another";

static void test_evidence_covers_the_post(void **state)
{
	struct proved p;

	(void)state;
	make(&p, second_form);
	check(&p, "");
	make(&p, second_form);
	p.entry.post = "Chu tich";
	check(&p, changed);
	make(&p, second_form);
	p.entry.post = "";
	check(&p, changed);
}

/* Entries of before: what they vouched for they still do. */
static void test_evidence_of_the_first_form_still_proves(void **state)
{
	struct proved p;

	(void)state;
	make(&p, first_form);
	check(&p, "");
	make(&p, first_form);
	p.entry.actor = "clerk-2";
	check(&p, changed);
}

static void test_no_evidence_proves_nothing(void **state)
{
	struct proved p;
	char other[2 * CRYPT_SHA256_BYTES + 1];

	(void)state;
	snprintf(other, sizeof(other), "%064d", 0);
	make(&p, other);
	check(&p, changed);
	make(&p, second_form);
	p.proof.n_events = 0;
	check(&p, "no event vouches for the entry");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evidence_covers_the_post),
		cmocka_unit_test(test_evidence_of_the_first_form_still_proves),
		cmocka_unit_test(test_no_evidence_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
