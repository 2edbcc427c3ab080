/*
 * One act on many dossiers. Each is a request of its own with a message id made of the batch's and
 * the code: a batch that broke off is sent again and goes on where it was.
 */
#include <string.h>

#include "common/base/base.h"
#include "services/dossier/dossier.h"

#define CODES_MAX  100
#define ITEM_BYTES (4 << 20)

static const struct err_kind code_twice = {
	ERR_INVALID, "DUPLICATE_CODE", "Hồ sơ %s được nêu hai lần", "dossier %s is named twice"};

/* The act's method, by the member of the request that holds it. */
static const struct {
	Dossier__BatchRequest__ActCase act;
	const char *method;
} methods[] = {
	{DOSSIER__BATCH_REQUEST__ACT_ACCEPT, "Accept"},
	{DOSSIER__BATCH_REQUEST__ACT_FORWARD, "Forward"},
	{DOSSIER__BATCH_REQUEST__ACT_RETURN_RESULT, "ReturnResult"},
	{DOSSIER__BATCH_REQUEST__ACT_CLAIM, "Claim"},
	{DOSSIER__BATCH_REQUEST__ACT_ASSIGN, "Assign"},
	{DOSSIER__BATCH_REQUEST__ACT_RECEIVE, "Receive"},
	{DOSSIER__BATCH_REQUEST__ACT_NEXT_STEP, "NextStep"},
	{DOSSIER__BATCH_REQUEST__ACT_SIGN_OFF, "SignOff"},
	{DOSSIER__BATCH_REQUEST__ACT_RETURN_FOR_REWORK, "ReturnForRework"},
	{DOSSIER__BATCH_REQUEST__ACT_STOP, "Stop"},
	{DOSSIER__BATCH_REQUEST__ACT_CONTINUE_PROCESSING, "ContinueProcessing"},
};

/* The member of every act that holds it, whichever is set. */
static const ProtobufCMessage *act_of(const Dossier__BatchRequest *in)
{
	return (const ProtobufCMessage *)in->accept;
}

static int check_request(struct call *c, const Dossier__BatchRequest *in, const char **ret_method)
{
	*ret_method = NULL;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (methods[i].act == in->act_case)
			*ret_method = methods[i].method;
	if (!*ret_method)
		return err_set(&c->err, &err_required_field, "act", NULL);
	if (in->n_codes == 0 || in->n_codes > CODES_MAX)
		return err_set(&c->err, &err_invalid_field, "codes", "1..100");
	for (size_t i = 0; i < in->n_codes; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(in->codes[i], in->codes[j]) == 0)
				return err_set(&c->err, &code_twice, "codes", in->codes[i]);
	return 0;
}

static void item_id(const struct call *c, const char *code, uint8_t out[static 16])
{
	struct crypt_hash *h = crypt_hash_new();
	uint8_t digest[CRYPT_SHA256_BYTES];

	crypt_hash_update(h, c->message_id, sizeof(c->message_id));
	crypt_hash_update(h, code, strlen(code));
	crypt_hash_final(h, digest);
	memcpy(out, digest, 16);
}

/* A copy of the act with that code: the first field of each. */
static ProtobufCMessage *act_on(struct arena *arena, const ProtobufCMessage *act, const char *code)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(act->descriptor, "code");
	void *copy = arena_memdup(arena, act, act->descriptor->sizeof_message);

	CHECK(field);
	if (copy)
		*(const char **)(void *)((char *)copy + field->offset) = code;
	return copy;
}

static int32_t version_of(const ProtobufCMessage *reply)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(reply->descriptor, "version");

	CHECK(field);
	return *(const int32_t *)(const void *)((const char *)reply + field->offset);
}

/* 0 when it is settled: done, or refused with the reason. Trouble is the whole batch's. */
static int run_item(struct call *c, const Dossier__BatchRequest *in, const char *method,
		    const char *code, Dossier__BatchItem *item)
{
	ProtobufCMessage *act, *reply = NULL;
	struct err err = {.status = 0};
	struct arena arena;
	uint8_t id[16];

	arena_init(&arena, ITEM_BYTES);
	item_id(c, code, id);
	act = act_on(&arena, act_of(in), code);
	dossier__batch_item__init(item);
	item->code = code;
	if (act && call_method(c, method, id, act, &arena, &reply, &err) == 0)
		item->version = version_of(reply);
	arena_done(&arena);
	if (!act || (err.status != 0 && err_side(err.status) != ERR_SIDE_CALLER)) {
		c->err = err;
		return act ? err.status : err_set(&c->err, &err_too_large, NULL, "arena");
	}
	if (err.status != 0) {
		item->refusal = arena_strdup(c->arena, err.items[0].code);
		item->message_vi = arena_strdup(c->arena, err.items[0].vi);
		item->message_en = arena_strdup(c->arena, err.items[0].en);
	}
	return 0;
}

static int run(struct call *c, const Dossier__BatchRequest *in, const char *method,
	       Dossier__BatchReply *out)
{
	Dossier__BatchItem *items = arena_calloc(c->arena, in->n_codes, sizeof(*items));

	out->items = arena_calloc(c->arena, in->n_codes, sizeof(out->items[0]));
	if (!items || !out->items)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < in->n_codes; i++) {
		if (run_item(c, in, method, in->codes[i], &items[i]) < 0)
			return c->err.status;
		out->done += items[i].version != 0;
		out->items[out->n_items++] = &items[i];
	}
	return 0;
}

DOSSIER_HANDLER(batch, Batch)
{
	struct call *c = call_of(data);
	Dossier__BatchReply out = DOSSIER__BATCH_REPLY__INIT;
	const char *method;

	(void)svc;
	if (check_request(c, in, &method) < 0 || run(c, in, method, &out) < 0)
		return call_fail(c);
	tx_begin(c);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
