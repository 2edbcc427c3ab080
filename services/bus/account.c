#include "services/bus/account.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "common/wire/header.h"
#include "services/bus/broker.h"

/* Cut where a character ends. */
static void copy_text(char *out, size_t size, const char *text)
{
	size_t n = strnlen(text, size);

	if (n == size) {
		n--;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(out, text, n);
	out[n] = '\0';
}

static int64_t wall_us(const struct broker *b, int64_t mono_us)
{
	return mono_us + b->wall_offset_us;
}

void account_begin(struct broker *b, const struct member_key *key)
{
	struct record *r = &b->record;

	b->caller = key ? key->member : NULL;
	r->member = key ? key->member->name : "";
	r->arrived_us = wall_us(b, b->now_us);
	r->dispatched_us = r->answered_us = r->forwarded_us = 0;
	r->request_bytes = r->reply_bytes = 0;
	r->attempt = r->dispatches = 0;
	r->unknown = r->by_worker = r->has_id = false;
	r->trace_id[0] = r->service[0] = r->method[0] = r->subject[0] = r->purpose[0] = '\0';
	r->code[0] = r->worker[0] = '\0';
	r->provider = "";
}

/* id, protocol, command, service; what follows is counted. */
void account_frames(struct broker *b, const zmq_msg_t *service, const struct frames *f)
{
	struct record *r = &b->record;

	if (service) {
		memcpy(r->service, frame_data(service), frame_size(service));
		r->service[frame_size(service)] = '\0';
	}
	for (unsigned i = 4; i < f->n; i++)
		r->request_bytes += frame_size(&f->part[i]);
}

void account_header(struct broker *b, const Bus__RequestHeader *h)
{
	struct record *r = &b->record;

	r->has_id = true;
	memcpy(r->message_id, h->message_id.data, sizeof(r->message_id));
	copy_text(r->method, sizeof(r->method), h->method);
	copy_text(r->purpose, sizeof(r->purpose), h->purpose);
	if (h->on_behalf_of)
		copy_text(r->subject, sizeof(r->subject), h->on_behalf_of->subject);
	header_request_trace_id(h, r->trace_id);
	r->attempt = h->attempt;
}

void account_message_id(struct broker *b, const uint8_t id[static 16])
{
	b->record.has_id = true;
	memcpy(b->record.message_id, id, sizeof(b->record.message_id));
}

void account_accepted(struct broker *b, struct pending *p)
{
	memcpy(b->record.trace_id, p->trace_id, sizeof(p->trace_id));
	record_copy(&p->record, &b->record);
}

/* Where every request ends; took_us < 0: it was never accepted. */
static void note(struct broker *b, struct record *r, struct member *m, int64_t took_us)
{
	if (m)
		stats_member(m, r->status, took_us);
	top_note(b->top, r, took_us > 0 ? took_us : 0, b->now_us);
	if (b->config.records)
		records_put(b->config.records, r);
}

static void take_error(const struct err *err, struct record *r)
{
	r->status = err->status;
	r->unknown = err->outcome_unknown;
	copy_text(r->code, sizeof(r->code), err_code(err));
}

void account_refused(struct broker *b)
{
	take_error(&b->err, &b->record);
	b->record.forwarded_us = b->record.arrived_us;
	note(b, &b->record, b->caller, -1);
}

void account_served(struct broker *b, size_t reply_bytes)
{
	b->record.status = 0;
	b->record.reply_bytes = reply_bytes;
	b->record.forwarded_us = b->record.arrived_us;
	note(b, &b->record, b->caller, -1);
}

void account_dispatched(struct broker *b, struct pending *p, const struct worker *w)
{
	p->record.dispatched_us = wall_us(b, b->now_us);
	p->record.dispatches = p->dispatches;
	memcpy(p->record.worker, w->instance, sizeof(w->instance));
	p->record.provider = w->key->member->name;
}

void account_reply(struct broker *b, struct pending *p, size_t bytes)
{
	p->record.answered_us = wall_us(b, b->now_us);
	p->record.reply_bytes += bytes;
}

void account_answered(struct broker *b, struct pending *p, int status,
		      const Bus__ReplyHeader *header, bool sent)
{
	struct record *r = &p->record;
	int64_t sent_us = clock_mono_us();

	r->status = status;
	r->by_worker = true;
	r->unknown = header && header->outcome == COMMON__OUTCOME__OUTCOME_UNKNOWN;
	if (header && header->detail && header->detail->n_violations > 0)
		copy_text(r->code, sizeof(r->code), header->detail->violations[0]->code);
	if (sent)
		r->forwarded_us = wall_us(b, sent_us > b->now_us ? sent_us : b->now_us);
	note(b, r, p->member, b->now_us - p->arrival_us);
}

void account_ended(struct broker *b, struct pending *p, bool sent)
{
	take_error(&b->err, &p->record);
	if (sent)
		p->record.forwarded_us = wall_us(b, b->now_us);
	note(b, &p->record, p->member, b->now_us - p->arrival_us);
}
