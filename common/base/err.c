#include "common/base/err.h"

#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/utf8.h"

const struct err_kind err_internal = {ERR_INTERNAL, "INTERNAL", "Lỗi nội bộ của hệ thống",
				      "internal error of the system"};
const struct err_kind err_unavailable = {ERR_UNAVAILABLE, "UNAVAILABLE",
					 "Tạm thời không dùng được: %s", "%s is not available now"};
const struct err_kind err_deadline_passed = {ERR_EXPIRED, "EXPIRED", "Đã quá thời hạn của yêu cầu",
					     "the deadline of the request has passed"};
const struct err_kind err_cancelled = {ERR_EXPIRED, "CANCELLED", "Bên gọi đã hủy yêu cầu",
				       "the caller cancelled the request"};
const struct err_kind err_too_large = {ERR_TOO_LARGE, "TOO_LARGE", "Quá lớn: %s",
				       "%s is too large"};
const struct err_kind err_invalid_field = {ERR_INVALID, "INVALID_FIELD", "Giá trị không hợp lệ: %s",
					   "invalid value: %s"};
const struct err_kind err_required_field = {ERR_INVALID, "REQUIRED_FIELD", "Thiếu giá trị bắt buộc",
					    "a required value is missing"};
const struct err_kind err_denied = {ERR_DENIED, "DENIED", "Không được phép: %s", "not allowed: %s"};
const struct err_kind err_not_found = {ERR_NOT_FOUND, "NOT_FOUND", "Không tìm thấy %s",
				       "%s not found"};
const struct err_kind err_conflict = {ERR_CONFLICT, "CONFLICT",
				      "Trạng thái hiện tại không cho phép: %s",
				      "the present state does not allow this: %s"};

static const struct {
	int status;
	const char *name;
	enum err_side side;
} statuses[] = {
	{ERR_INVALID, "INVALID", ERR_SIDE_CALLER},
	{ERR_DENIED, "DENIED", ERR_SIDE_CALLER},
	{ERR_NOT_FOUND, "NOT_FOUND", ERR_SIDE_CALLER},
	{ERR_CONFLICT, "CONFLICT", ERR_SIDE_CALLER},
	{ERR_BUSY, "BUSY", ERR_SIDE_PLATFORM},
	{ERR_EXPIRED, "EXPIRED", ERR_SIDE_PLATFORM},
	{ERR_NO_SERVICE, "NO_SERVICE", ERR_SIDE_PLATFORM},
	{ERR_TOO_LARGE, "TOO_LARGE", ERR_SIDE_CALLER},
	{ERR_WORKER_LOST, "WORKER_LOST", ERR_SIDE_PLATFORM},
	{ERR_DRAINING, "DRAINING", ERR_SIDE_PLATFORM},
	{ERR_UNAVAILABLE, "UNAVAILABLE", ERR_SIDE_SERVICE},
	{ERR_INTERNAL, "INTERNAL", ERR_SIDE_SERVICE},
};

void err_clear(struct err *err)
{
	/* Items beyond n_items are never read: the struct is 10 KiB and cleared on every call. */
	err->status = 0;
	err->retry_after_ms = 0;
	err->outcome_unknown = false;
	err->truncated = false;
	err->n_items = 0;
	err->items[0].code[0] = 0;
}

/* Copies at most n bytes of s behind *len, ending between characters. */
static void put(char *out, size_t size, size_t *len, const char *s, size_t n)
{
	size_t room = size - 1 - *len;

	if (n > room)
		n = utf8_cut(s, room);
	memcpy(out + *len, s, n);
	*len += n;
	out[*len] = 0;
}

/* An argument may be anything a peer sent; what is not UTF-8 shows as its ASCII part. */
static size_t put_arg(char *out, size_t size, const char *arg)
{
	size_t len = 0;

	out[0] = 0;
	if (utf8_valid(arg, strlen(arg))) {
		put(out, size, &len, arg, strlen(arg));
		return len;
	}
	for (; *arg && len + 1 < size; arg++)
		out[len++] = (unsigned char)*arg < 0x80 ? *arg : '?';
	out[len] = 0;
	return len;
}

/* A long argument is cut, the sentence around it stays whole. */
static void fill_sentence(char *out, size_t size, const char *sentence, const char *arg)
{
	const char *hole = strstr(sentence, "%s");
	size_t fixed = strlen(sentence), len = 0;
	char text[240];
	size_t n;

	out[0] = 0;
	if (!hole) {
		put(out, size, &len, sentence, fixed);
		return;
	}
	CHECK(fixed - 2 < size);
	put(out, size, &len, sentence, (size_t)(hole - sentence));
	n = put_arg(text, sizeof(text) < size - fixed + 2 ? sizeof(text) : size - fixed + 2,
		    arg ? arg : "");
	put(out, size, &len, text, n);
	put(out, size, &len, hole + 2, strlen(hole + 2));
}

static void fill_item(struct err_item *item, const struct err_kind *kind, const char *field,
		      const char *arg)
{
	CHECK(strlen(kind->code) < sizeof(item->code));
	strcpy(item->code, kind->code);
	put_arg(item->field, sizeof(item->field), field ? field : "");
	fill_sentence(item->vi, sizeof(item->vi), kind->vi, arg);
	fill_sentence(item->en, sizeof(item->en), kind->en, arg);
}

int err_set(struct err *err, const struct err_kind *kind, const char *field, const char *arg)
{
	struct err_item item;

	/* field or arg may point into the error that is being replaced. */
	fill_item(&item, kind, field, arg);
	err_clear(err);
	err->status = kind->status;
	err->items[0] = item;
	err->n_items = 1;
	return err->status;
}

int err_add(struct err *err, const struct err_kind *kind, const char *field, const char *arg)
{
	if (err->status == 0)
		return err_set(err, kind, field, arg);
	if (err->n_items == ERR_ITEMS_MAX) {
		err->truncated = true;
		return err->status;
	}
	fill_item(&err->items[err->n_items++], kind, field, arg);
	return err->status;
}

int err_set_retry(struct err *err, const struct err_kind *kind, const char *arg, uint32_t ms)
{
	err_set(err, kind, NULL, arg);
	err->retry_after_ms = ms;
	return err->status;
}

enum err_side err_side(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].side;
	return ERR_SIDE_SERVICE;
}

const char *err_status_name(int status)
{
	if (status == 0)
		return "OK";
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	return "UNKNOWN";
}

const char *err_code(const struct err *err)
{
	return err->n_items ? err->items[0].code : "";
}
