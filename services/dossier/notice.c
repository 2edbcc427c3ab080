/* The event of an act, and what the applicant is told of it. */
#include "services/dossier/dossier.h"

static int64_t date_of(const struct dossier *d, enum rules_notice_date date)
{
	switch (date) {
	case RULES_TELL_DUE:
		return d->due_us;
	case RULES_TELL_REPLY_BY:
		return d->reply_due_us;
	case RULES_TELL_NOTHING:
		return 0;
	}
	return 0;
}

/* The ways the filing gives an address for. */
static size_t channels_of(const struct dossier *d, const char *out[static 3])
{
	size_t n = 0;

	if (d->has_account)
		out[n++] = "portal";
	if (d->has_phone)
		out[n++] = "sms";
	if (d->has_address)
		out[n++] = "post";
	return n;
}

void dossier_tell(struct call *c, const struct dossier *d, enum rules_action action,
		  const char *type, const ProtobufCMessage *event)
{
	const struct rules_notice *n = rules_notice(action, d->was, d->state);
	Dossier__DossierNotice ev = DOSSIER__DOSSIER_NOTICE__INIT;
	const char *channels[3];

	tx_event(c, type, d->code, d->version, event);
	if (!n)
		return;
	ev.code = d->code;
	ev.template_ = n->name;
	ev.template_version = n->version;
	ev.channels = channels;
	ev.n_channels = channels_of(d, channels);
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.due_us = date_of(d, n->date);
	ev.reason = d->why;
	tx_event(c, "dossier.notice", d->code, d->version, &ev.base);
}
