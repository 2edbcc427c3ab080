#include "common/wire/header.h"

#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/utf8.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"

#define MAGIC            "LGH1"
#define MAGIC_BYTES      4
#define MESSAGE_ID_BYTES 16
#define METHOD_MAX       64
#define PURPOSE_MAX      200

/* The numbers of err.h are the wire's, negated. */
#define SAME(name)                                                                                 \
	_Static_assert(-(int)ERR_##name == (int)COMMON__STATUS__STATUS_##name, "ERR_" #name)
SAME(INVALID);
SAME(DENIED);
SAME(NOT_FOUND);
SAME(CONFLICT);
SAME(BUSY);
SAME(EXPIRED);
SAME(NO_SERVICE);
SAME(TOO_LARGE);
SAME(WORKER_LOST);
SAME(DRAINING);
SAME(UNAVAILABLE);
SAME(INTERNAL);
#undef SAME
_Static_assert((int)ERR_SIDE_CALLER == (int)COMMON__SIDE__SIDE_CALLER, "side");
_Static_assert((int)ERR_SIDE_SERVICE == (int)COMMON__SIDE__SIDE_SERVICE, "side");
_Static_assert((int)ERR_SIDE_PLATFORM == (int)COMMON__SIDE__SIDE_PLATFORM, "side");
/* A reply header has room for the fullest error: nothing a rule said is lost on the way. */
_Static_assert(ERR_ITEMS_MAX *(sizeof(struct err_item) + 16) + 512 <= HEADER_REPLY_MAX_BYTES,
	       "reply header holds every violation");

static const struct err_kind bad_header = {
	ERR_INVALID, "BAD_HEADER", "Phần đầu LGH1 của thông điệp sai: %s", "bad LGH1 header: %s"};
static const struct err_kind no_detail = {ERR_INTERNAL, "NO_DETAIL",
					  "Bên được gọi trả lời %s mà không nêu lý do",
					  "the peer answered %s without saying why"};

/* --- reading --- */

static int refuse(struct err *err, const char *field)
{
	return err_set(err, &bad_header, field, field);
}

static int read_frame(const ProtobufCMessageDescriptor *desc, const void *frame, size_t n,
		      struct arena *arena, ProtobufCMessage **ret_msg, struct err *err)
{
	/* Headers of a newer peer may carry newer statuses: a reader maps what it does not know. */
	static const struct pb_limits limits = {.open_enums = true};
	const uint8_t *bytes = frame;
	char field[sizeof(err->items[0].field)];
	size_t max =
		desc == &bus__reply_header__descriptor ? HEADER_REPLY_MAX_BYTES : HEADER_MAX_BYTES;
	int rc;

	if (n > max)
		return err_set(err, &bad_header, NULL, "size");
	if (n < MAGIC_BYTES || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0)
		return err_set(err, &bad_header, NULL, "magic");
	rc = pb_unpack(desc, bytes + MAGIC_BYTES, n - MAGIC_BYTES, &limits, arena, ret_msg, err);
	if (rc == 0)
		return 0;
	snprintf(field, sizeof(field), "%s", err->items[0].field);
	return err_set(err, &bad_header, field, field[0] != '\0' ? field : "protobuf");
}

static bool is_method(const char *s)
{
	size_t n = strlen(s);

	return n >= 1 && n <= METHOD_MAX &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.") == n;
}

/* All zero bytes are an id that somebody forgot to make: two such callers would share it. */
static bool is_message_id(const ProtobufCBinaryData *id)
{
	static const uint8_t zero[MESSAGE_ID_BYTES];

	return id->len == MESSAGE_ID_BYTES && memcmp(id->data, zero, MESSAGE_ID_BYTES) != 0;
}

static bool is_traceparent(const char *s)
{
	char trace_id[33];

	header_trace_id(s, trace_id);
	return trace_id[0] != '\0';
}

int header_read_request(const void *frame, size_t n, struct arena *arena,
			Bus__RequestHeader **ret_header, struct err *err)
{
	ProtobufCMessage *msg;
	const Bus__RequestHeader *h;
	int rc;

	rc = read_frame(&bus__request_header__descriptor, frame, n, arena, &msg, err);
	if (rc < 0)
		return rc;
	h = (const Bus__RequestHeader *)msg;
	if (!is_message_id(&h->message_id))
		return refuse(err, "message_id");
	if (!is_method(h->method))
		return refuse(err, "method");
	if (h->deadline_ms < 1 || h->deadline_ms > HEADER_DEADLINE_MAX_MS)
		return refuse(err, "deadline_ms");
	if (h->traceparent[0] != '\0' && !is_traceparent(h->traceparent))
		return refuse(err, "traceparent");
	if (strlen(h->purpose) > PURPOSE_MAX)
		return refuse(err, "purpose");
	*ret_header = (Bus__RequestHeader *)msg;
	return 0;
}

int header_read_reply(const void *frame, size_t n, struct arena *arena,
		      Bus__ReplyHeader **ret_header, struct err *err)
{
	ProtobufCMessage *msg;
	int rc = read_frame(&bus__reply_header__descriptor, frame, n, arena, &msg, err);

	if (rc == 0)
		*ret_header = (Bus__ReplyHeader *)msg;
	return rc;
}

int header_read_caller(const void *frame, size_t n, struct arena *arena, Bus__Caller **ret_caller,
		       struct err *err)
{
	ProtobufCMessage *msg;
	int rc = read_frame(&bus__caller__descriptor, frame, n, arena, &msg, err);

	if (rc == 0)
		*ret_caller = (Bus__Caller *)msg;
	return rc;
}

int header_read_worker_hello(const void *frame, size_t n, struct arena *arena,
			     Bus__WorkerHello **ret_hello, struct err *err)
{
	ProtobufCMessage *msg;
	int rc = read_frame(&bus__worker_hello__descriptor, frame, n, arena, &msg, err);

	if (rc == 0)
		*ret_hello = (Bus__WorkerHello *)msg;
	return rc;
}

int header_read_broker_hello(const void *frame, size_t n, struct arena *arena,
			     Bus__BrokerHello **ret_hello, struct err *err)
{
	ProtobufCMessage *msg;
	int rc = read_frame(&bus__broker_hello__descriptor, frame, n, arena, &msg, err);

	if (rc == 0)
		*ret_hello = (Bus__BrokerHello *)msg;
	return rc;
}

/* --- writing --- */

int header_write(const ProtobufCMessage *msg, struct arena *arena, uint8_t **ret_frame,
		 size_t *ret_n, struct err *err)
{
	size_t max = msg->descriptor == &bus__reply_header__descriptor ? HEADER_REPLY_MAX_BYTES
								       : HEADER_MAX_BYTES;
	size_t n = MAGIC_BYTES + protobuf_c_message_get_packed_size(msg);
	uint8_t *frame = n <= max ? arena_alloc(arena, n) : NULL;

	if (frame == NULL)
		return err_set(err, &err_too_large, NULL, msg->descriptor->short_name);
	memcpy(frame, MAGIC, MAGIC_BYTES);
	protobuf_c_message_pack(msg, frame + MAGIC_BYTES);
	*ret_frame = frame;
	*ret_n = n;
	return 0;
}

/* --- errors --- */

static Common__Violation *violation_of(const struct err_item *item, struct arena *arena)
{
	Common__Violation *v = arena_alloc(arena, sizeof(*v));

	if (v == NULL)
		return NULL;
	common__violation__init(v);
	v->code = item->code;
	v->field = item->field;
	v->message_vi = item->vi;
	v->message_en = item->en;
	return v;
}

static Common__ErrorDetail *detail_of(const struct err *err, const char *trace_id,
				      struct arena *arena)
{
	Common__ErrorDetail *detail = arena_alloc(arena, sizeof(*detail));

	if (detail == NULL)
		return NULL;
	common__error_detail__init(detail);
	detail->side = (Common__Side)err_side(err->status);
	detail->trace_id = trace_id;
	detail->violations = arena_calloc(arena, err->n_items, sizeof(detail->violations[0]));
	if (detail->violations == NULL)
		return NULL;
	for (; detail->n_violations < err->n_items; detail->n_violations++) {
		Common__Violation *v = violation_of(&err->items[detail->n_violations], arena);

		if (v == NULL)
			return NULL;
		detail->violations[detail->n_violations] = v;
	}
	return detail;
}

Bus__ReplyHeader *header_of_error(const struct err *err, const char *served_by,
				  const char *trace_id, struct arena *arena)
{
	Bus__ReplyHeader *h = arena_alloc(arena, sizeof(*h));

	if (h == NULL)
		return NULL;
	bus__reply_header__init(h);
	h->served_by = served_by;
	if (err == NULL || err->status == 0) {
		h->status = COMMON__STATUS__STATUS_OK;
		h->outcome = COMMON__OUTCOME__OUTCOME_DONE;
		return h;
	}
	h->status = (Common__Status)-err->status;
	h->outcome = err->outcome_unknown ? COMMON__OUTCOME__OUTCOME_UNKNOWN
					  : COMMON__OUTCOME__OUTCOME_NOT_DONE;
	h->retry_after_ms = err->retry_after_ms;
	h->detail = detail_of(err, trace_id, arena);
	return h;
}

static void copy_text(char *out, size_t size, const char *s)
{
	size_t n = utf8_cut(s, size - 1);

	memcpy(out, s, n);
	out[n] = '\0';
}

static void item_of(const Common__Violation *v, struct err_item *item)
{
	copy_text(item->code, sizeof(item->code), v->code);
	copy_text(item->field, sizeof(item->field), v->field);
	copy_text(item->vi, sizeof(item->vi), v->message_vi);
	copy_text(item->en, sizeof(item->en), v->message_en);
}

static int status_of(const Bus__ReplyHeader *header)
{
	int status = -(int)header->status;

	return status <= ERR_INVALID && status >= ERR_INTERNAL ? status : ERR_INTERNAL;
}

int header_to_error(const Bus__ReplyHeader *header, struct err *err)
{
	const Common__ErrorDetail *detail = header->detail;
	int status = status_of(header);
	size_t n = detail != NULL ? detail->n_violations : 0;

	err_clear(err);
	if (header->status == COMMON__STATUS__STATUS_OK)
		return 0;
	if (n == 0)
		err_set(err, &no_detail, NULL, err_status_name(status));
	for (size_t i = 0; i < n && i < ERR_ITEMS_MAX; i++) {
		item_of(detail->violations[i], &err->items[i]);
		err->n_items = (unsigned)i + 1;
	}
	err->truncated = n > ERR_ITEMS_MAX;
	err->status = status;
	err->retry_after_ms = header->retry_after_ms;
	/* What says nothing of the outcome leaves it open. */
	err->outcome_unknown = header->outcome != COMMON__OUTCOME__OUTCOME_NOT_DONE &&
			       header->outcome != COMMON__OUTCOME__OUTCOME_DONE;
	return status;
}

/* --- W3C Trace Context, Recommendation of 2021-11-23, section 3.2 --- */

#define TRACE_ID_AT    3
#define TRACE_ID_LEN   32
#define SPAN_ID_AT     36
#define SPAN_ID_LEN    16
#define FLAGS_AT       53
#define TRACEPARENT_00 55

static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n;
}

static bool is_zero(const char *s, size_t n)
{
	return strspn(s, "0") >= n;
}

void header_trace_id(const char *traceparent, char out[static 33])
{
	const char *s = traceparent;
	size_t n = s != NULL ? strlen(s) : 0;

	out[0] = '\0';
	if (n < TRACEPARENT_00 || !is_hex(s, 2) || strncmp(s, "ff", 2) == 0)
		return;
	/* A later version may go on behind another dash; 00 ends here. */
	if (n > TRACEPARENT_00 && (strncmp(s, "00", 2) == 0 || s[TRACEPARENT_00] != '-'))
		return;
	if (s[2] != '-' || s[SPAN_ID_AT - 1] != '-' || s[FLAGS_AT - 1] != '-')
		return;
	if (!is_hex(s + TRACE_ID_AT, TRACE_ID_LEN) || is_zero(s + TRACE_ID_AT, TRACE_ID_LEN) ||
	    !is_hex(s + SPAN_ID_AT, SPAN_ID_LEN) || is_zero(s + SPAN_ID_AT, SPAN_ID_LEN) ||
	    !is_hex(s + FLAGS_AT, 2))
		return;
	memcpy(out, s + TRACE_ID_AT, TRACE_ID_LEN);
	out[TRACE_ID_LEN] = '\0';
}

void header_request_trace_id(const Bus__RequestHeader *header, char out[static 33])
{
	size_t n = header->traceparent[0] ? TRACE_ID_LEN : 0;

	memcpy(out, header->traceparent + (n ? TRACE_ID_AT : 0), n);
	out[n] = '\0';
}

void header_new_traceparent(char out[static 56])
{
	uint8_t random[24];
	char hex[49];

	crypt_random(random, sizeof(random));
	random[0] |= 1; /* neither id is ever all zero */
	random[16] |= 1;
	crypt_hex(random, sizeof(random), hex);
	snprintf(out, 56, "00-%.32s-%.16s-01", hex, hex + 32);
}
