#include "tests/support/ask.h"

#include <string.h>

#include "common/base/base.h"
#include "common/wire/pb.h"

#define ARENA_BYTES (8 << 20)
#define DEADLINE_MS 10000

void ask_init(struct ask *a, struct bus_client *client, const char *service)
{
	memset(a, 0, sizeof(*a));
	a->client = client;
	a->service = service;
	arena_init(&a->arena, ARENA_BYTES);
}

void ask_done(struct ask *a)
{
	arena_done(&a->arena);
}

int ask(struct ask *a, const struct person *who, const char *method, const ProtobufCMessage *in,
	const ProtobufCMessageDescriptor *out_desc, void *ret)
{
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;
	struct bus_request_out req = {
		.service = a->service, .method = method, .deadline_ms = DEADLINE_MS};
	ProtobufCMessage *msg = NULL;
	uint8_t *bytes;
	int status;

	arena_done(&a->arena);
	memset(&a->err, 0, sizeof(a->err));
	CHECK(pb_pack(in, &a->arena, &bytes, &req.body_len, &a->err) == 0);
	req.body = bytes;
	memcpy(req.message_id, a->message_id, sizeof(req.message_id));
	req.purpose = a->purpose;
	if (who && who->subject) {
		person.subject = who->subject;
		person.n_roles = 1;
		person.roles = (const char **)&who->role;
		person.agency = who->agency;
		req.on_behalf_of = &person;
	}
	status = bus_client_call(a->client, &req, &a->arena, &a->reply, &a->err);
	if (status == 0 && out_desc)
		CHECK(pb_unpack(out_desc, a->reply.body, a->reply.body_len, NULL, &a->arena, &msg,
				&a->err) == 0);
	if (ret)
		*(ProtobufCMessage **)ret = msg;
	return status;
}

bool ask_has(const struct ask *a, const char *code, const char *field)
{
	for (unsigned i = 0; i < a->err.n_items; i++)
		if (strcmp(a->err.items[i].code, code) == 0 &&
		    (!field || strcmp(a->err.items[i].field, field) == 0))
			return true;
	return false;
}
