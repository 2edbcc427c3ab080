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

/* The ways the template goes that the filing gives an address for. */
static size_t channels_of(const struct dossier *d, const struct rules_notice *n,
			  const char *out[static RULES_WAYS])
{
	const bool has[RULES_WAYS] = {d->has_account, d->has_phone, d->has_email, d->has_address};
	unsigned given = 0, ways;
	size_t count = 0;

	for (unsigned i = 0; i < RULES_WAYS; i++)
		given |= has[i] ? 1u << i : 0;
	ways = rules_notice_ways(n, given);
	for (unsigned i = 0; i < RULES_WAYS; i++)
		if (ways & 1u << i)
			out[count++] = rules_way_name(i);
	return count;
}

void dossier_tell(struct call *c, const struct dossier *d, enum rules_action action,
		  const char *type, const ProtobufCMessage *event)
{
	const struct rules_notice *n = rules_notice(action, d->was, d->state);
	Dossier__DossierNotice ev = DOSSIER__DOSSIER_NOTICE__INIT;
	const char *channels[RULES_WAYS];

	tx_event(c, type, d->code, d->version, event);
	if (!n)
		return;
	ev.code = d->code;
	ev.template_ = n->name;
	ev.template_version = n->version;
	ev.channels = channels;
	ev.n_channels = channels_of(d, n, channels);
	ev.language = d->language[0] ? d->language : "vi";
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.due_us = date_of(d, n->date);
	ev.reason = d->why;
	tx_event(c, "dossier.notice", d->code, d->version, &ev.base);
}
