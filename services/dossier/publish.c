/* dossier.states: what outsiders learn of a dossier. An event that changes its state belongs here.
 */
#include <string.h>

#include "common/base/base.h"
#include "lgsp/dossier/v1/published.pb-c.h"
#include "services/dossier/dossier.h"

#define PAYLOAD(type) const Dossier__##type *in = (const Dossier__##type *)payload

static void submitted(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierSubmitted);

	out->procedure_code = in->procedure_code;
	out->agency_code = in->receiving_agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED;
}

static void accepted(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierAccepted);

	out->procedure_code = in->procedure_code;
	out->agency_code = in->receiving_agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_ACCEPTED;
	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void due_changed(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierDueChanged);

	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void extended(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierExtended);

	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void forwarded(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierForwarded);

	out->agency_code = in->to_agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PROCESSING;
}

static void payment_requested(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierPaymentRequested);

	if (in->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RESULT_READY)
		return; /* due with the result: the state stays */
	out->procedure_code = in->procedure_code;
	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PAYMENT_REQUESTED;
}

static void fee_exempted(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierFeeExempted);

	if (!in->resumed)
		return;
	out->procedure_code = in->procedure_code;
	out->agency_code = in->agency_code;
	out->state = in->state;
	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void resumed(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierResumed);

	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PROCESSING;
	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void result_issued(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierResultIssued);

	out->procedure_code = in->procedure_code;
	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RESULT_READY;
}

static void returned(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierReturned);

	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RETURNED;
}

static void refused(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierRefused);

	out->procedure_code = in->procedure_code;
	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_REFUSED;
}

static void supplement_requested(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierSupplementRequested);

	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_SUPPLEMENT_REQUESTED;
}

static void supplemented(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierSupplemented);

	out->state = in->state;
	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void stopped(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierStopped);

	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_STOPPED;
}

static void continued(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierContinued);

	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PROCESSING;
	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void withdrawn(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierWithdrawn);

	out->procedure_code = in->procedure_code;
	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_WITHDRAWN;
}

static void reopened(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierReopened);

	out->procedure_code = in->procedure_code;
	out->agency_code = in->agency_code;
	out->state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PROCESSING;
	out->due_us = in->due_us;
	out->due_provisional = in->due_provisional;
}

static void imported(const ProtobufCMessage *payload, Dossier__PublishedState *out)
{
	PAYLOAD(DossierImported);

	out->procedure_code = in->procedure_code;
	out->agency_code = in->holder_agency_code;
	out->state = in->state;
	out->due_us = in->due_us;
}

static const struct {
	const char *type;
	void (*fill)(const ProtobufCMessage *payload, Dossier__PublishedState *out);
} told[] = {
	{"dossier.submitted", submitted},
	{"dossier.accepted", accepted},
	{"dossier.due_changed", due_changed},
	{"dossier.forwarded", forwarded},
	{"dossier.payment_requested", payment_requested},
	{"dossier.fee_exempted", fee_exempted},
	{"dossier.resumed", resumed},
	{"dossier.result_issued", result_issued},
	{"dossier.returned", returned},
	{"dossier.refused", refused},
	{"dossier.supplement_requested", supplement_requested},
	{"dossier.supplemented", supplemented},
	{"dossier.extended", extended},
	{"dossier.stopped", stopped},
	{"dossier.continued", continued},
	{"dossier.withdrawn", withdrawn},
	{"dossier.reopened", reopened},
	{"dossier.imported", imported},
};

int dossier_publish_state(const struct svc_event *ev, struct arena *arena,
			  struct svc_published *out)
{
	Dossier__PublishedState *state;
	size_t i = 0;

	while (i < ARRAY_LEN(told) && strcmp(told[i].type, ev->type) != 0)
		i++;
	if (i == ARRAY_LEN(told))
		return 0;
	state = arena_alloc(arena, sizeof(*state));
	if (!state)
		return -1;
	dossier__published_state__init(state);
	state->code = ev->subject;
	state->at_us = ev->time_us;
	told[i].fill(ev->payload, state);
	if (state->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_UNSPECIFIED && state->due_us == 0)
		return 0;
	*out = (struct svc_published){
		.type = "dossier.published_state", .subject = ev->subject, .payload = &state->base};
	return 1;
}
