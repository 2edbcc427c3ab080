#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/crypt.h"
#include "common/base/identity.h"
#include "common/base/utf8.h"
#include "services/digitisation/digitisation.h"

#define NAME_MAX_CHARS 200

static const struct err_kind bad_size = {ERR_INVALID, "BAD_SIZE",
					 "Kích thước tệp phải từ 1 byte đến 64 MiB",
					 "a file has 1 byte to 64 MiB"};
static const struct err_kind bad_digest = {ERR_INVALID, "BAD_SHA256", "Mã băm SHA-256 không hợp lệ",
					   "not a SHA-256 in 64 hex digits"};
static const struct err_kind bad_media_type = {
	ERR_INVALID, "BAD_MEDIA_TYPE", "Không nhận tệp loại %s (chỉ PDF, PNG, JPEG, TIFF)",
	"files of type %s are not taken (PDF, PNG, JPEG, TIFF are)"};
static const struct err_kind bad_name = {ERR_INVALID, "BAD_FILE_NAME", "Tên tệp trống hoặc quá dài",
					 "the file name is empty or too long"};
static const struct err_kind bad_owner = {
	ERR_INVALID, "BAD_OWNER",
	"Chủ sở hữu phải là công dân (số định danh) hoặc tổ chức (mã số thuế)",
	"an owner is a citizen (citizen number) or an organisation (tax code)"};
static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE", "Ngày %s không hợp lệ",
					 "%s is not a valid date here"};
static const struct err_kind bad_origin = {
	ERR_INVALID, "BAD_ORIGIN", "Nguồn gốc bản điện tử không hợp lệ", "the origin is not valid"};
static const struct err_kind bad_class = {
	ERR_INVALID, "BAD_DATA_CLASS", "Mức dữ liệu %s không hợp lệ", "data class %s is not valid"};

static const struct {
	const char *media_type;
	const char *magic;
	size_t n;
} types[] = {
	{"application/pdf", "%PDF-", 5},   {"image/png", "\x89PNG\r\n\x1a\n", 8},
	{"image/jpeg", "\xff\xd8\xff", 3}, {"image/tiff", "II*\0", 4},
	{"image/tiff", "MM\0*", 4},
};

const char *rules_media_type(const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (n >= types[i].n && memcmp(head, types[i].magic, types[i].n) == 0)
			return types[i].media_type;
	}
	return NULL;
}

static bool is_taken(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].media_type, media_type) == 0)
			return true;
	}
	return false;
}

int rules_check_upload(const Digitisation__CreateUploadRequest *in, uint8_t ret_sha256[static 32],
		       struct err *err)
{
	if (in->size_bytes < 1 || in->size_bytes > DIGITISATION_FILE_MAX)
		err_add(err, &bad_size, "size_bytes", NULL);
	if (strlen(in->sha256) != 64 || crypt_unhex(in->sha256, 32, ret_sha256) < 0)
		err_add(err, &bad_digest, "sha256", NULL);
	if (!is_taken(in->media_type))
		err_add(err, &bad_media_type, "media_type", in->media_type);
	if (!*in->file_name || utf8_length(in->file_name) > NAME_MAX_CHARS)
		err_add(err, &bad_name, "file_name", NULL);
	return err->status;
}

uint32_t rules_chunks(int64_t size_bytes)
{
	return (uint32_t)((size_bytes + DIGITISATION_CHUNK_BYTES - 1) / DIGITISATION_CHUNK_BYTES);
}

size_t rules_chunk_size(int64_t size_bytes, uint32_t index)
{
	int64_t left = size_bytes - (int64_t)index * DIGITISATION_CHUNK_BYTES;

	return left < DIGITISATION_CHUNK_BYTES ? (size_t)left : DIGITISATION_CHUNK_BYTES;
}

static void check_dates(const Digitisation__RegisterRecordRequest *in, int32_t today,
			struct rules_record_dates *ret, struct err *err)
{
	if (civil_parse(in->issued_on, &ret->issued_on) < 0 || ret->issued_on > today)
		err_add(err, &bad_date, "issued_on", in->issued_on);
	if (civil_parse(in->valid_from, &ret->valid_from) < 0)
		err_add(err, &bad_date, "valid_from", in->valid_from);
	else if (civil_parse_or_forever(in->valid_to, &ret->valid_to) < 0 ||
		 ret->valid_to < ret->valid_from)
		err_add(err, &bad_date, "valid_to", in->valid_to);
}

int rules_check_record(const Digitisation__RegisterRecordRequest *in, int32_t today,
		       struct rules_record_dates *ret_dates, struct err *err)
{
	const char *const required[][2] = {{"type", in->type},
					   {"number", in->number},
					   {"issuing_agency_code", in->issuing_agency_code},
					   {"file_id", in->file_id}};

	for (size_t i = 0; i < ARRAY_LEN(required); i++) {
		if (!*required[i][1])
			err_add(err, &err_required_field, required[i][0], NULL);
	}
	if (!in->owner || !identity_owner(in->owner->kind, in->owner->number, today))
		err_add(err, &bad_owner, "owner", NULL);
	if (in->origin == DIGITISATION__RECORD_ORIGIN__RECORD_ORIGIN_UNSPECIFIED)
		err_add(err, &bad_origin, "origin", NULL);
	if (strcmp(in->data_class, "basic") != 0 && strcmp(in->data_class, "sensitive") != 0 &&
	    strcmp(in->data_class, "child") != 0)
		err_add(err, &bad_class, "data_class", in->data_class);
	check_dates(in, today, ret_dates, err);
	return err->status;
}
