/* Statuses of the bus <-> codes of the Connect protocol <-> HTTP, and the error document. */
#include <jansson.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "common/wire/pbjson.h"
#include "services/gateway/gateway.h"

/* connectrpc.com/docs/protocol, "Error codes": the HTTP status belongs to the code. */
static const struct connect_code codes[] = {
	{"canceled", 499},
	{"unknown", 500},
	{"invalid_argument", 400},
	{"deadline_exceeded", 504},
	{"not_found", 404},
	{"already_exists", 409},
	{"permission_denied", 403},
	{"resource_exhausted", 429},
	{"failed_precondition", 400},
	{"aborted", 409},
	{"out_of_range", 400},
	{"unimplemented", 501},
	{"internal", 500},
	{"unavailable", 503},
	{"data_loss", 500},
	{"unauthenticated", 401},
};

const struct connect_code *connect_code_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (strcmp(codes[i].name, name) == 0)
			return &codes[i];
	}
	CHECK(!"a code of the Connect protocol");
	return NULL;
}

static const char *name_of(int err_status)
{
	switch ((enum err_status)err_status) {
	case ERR_INVALID:
		return "invalid_argument";
	case ERR_DENIED:
		return "permission_denied";
	case ERR_NOT_FOUND:
		return "not_found";
	case ERR_CONFLICT:
		/* Not "aborted": clients may repeat that by themselves. */
		return "failed_precondition";
	case ERR_BUSY:
		return "resource_exhausted";
	case ERR_EXPIRED:
		return "deadline_exceeded";
	case ERR_TOO_LARGE:
		return "out_of_range";
	case ERR_NO_SERVICE:
	case ERR_WORKER_LOST:
	case ERR_DRAINING:
	case ERR_UNAVAILABLE:
		return "unavailable";
	case ERR_INTERNAL:
		return "internal";
	}
	return "unknown";
}

const struct connect_code *connect_code_of(int err_status)
{
	return connect_code_named(name_of(err_status));
}

/* The detail as Connect wants it: packed, base64 without padding; "debug" for people. */
static json_t *detail_json(const struct err *err, const char *trace_id, struct arena *arena)
{
	Bus__ReplyHeader *header = header_of_error(err, "", trace_id, arena);
	json_t *debug = NULL;
	uint8_t *bytes;
	size_t n;
	char *value;
	struct err ignored = {0};

	if (!header || !header->detail ||
	    pb_pack(&header->detail->base, arena, &bytes, &n, &ignored) < 0 ||
	    pbjson_to_json(&header->detail->base, false, &debug) < 0)
		return NULL;
	value = crypt_base64(arena, bytes, n);
	if (!value) {
		json_decref(debug);
		return NULL;
	}
	value[strcspn(value, "=")] = '\0';
	return json_pack("{s:s, s:s, s:o}", "type", "lgsp.common.v1.ErrorDetail", "value", value,
			 "debug", debug);
}

static int append_json(const char *bytes, size_t n, void *out)
{
	return buf_append(out, bytes, n) < 0 ? -1 : 0;
}

bool error_write(const struct err *err, const struct connect_code *code, bool english,
		 const char *trace_id, struct arena *arena, struct buf *out)
{
	const struct err_item *item = &err->items[0];
	const char *message = err->n_items == 0 ? code->name : english ? item->en : item->vi;
	json_t *detail = detail_json(err, trace_id, arena);
	json_t *json;
	int r;

	json = detail ? json_pack("{s:s, s:s, s:[o]}", "code", code->name, "message", message,
				  "details", detail)
		      : json_pack("{s:s, s:s}", "code", code->name, "message", message);
	CHECK(json);
	r = json_dump_callback(json, append_json, out, JSON_COMPACT);
	json_decref(json);
	return r == 0;
}
