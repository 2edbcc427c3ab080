/*
 * The digitisation service's rooms: uploads (upload.c), files (file.c), records (record.c,
 * revoke.c, find.c), recognition in the background (recognise.c) by a confined reader (reader.h),
 * pure rules (rules.c).
 */
#ifndef LGSP_DIGITISATION_DIGITISATION_H
#define LGSP_DIGITISATION_DIGITISATION_H

#include "common/svc/svc.h"
#include "lgsp/digitisation/v1/digitisation.pb-c.h"

#define DIGITISATION_CHUNK_BYTES (256 * 1024)
#define DIGITISATION_FILE_MAX    (64LL * 1024 * 1024)

struct digitisation_config {
	const char *blob_dir;
	const char *owner_key_file;
	uint8_t owner_key[32];
};
extern struct digitisation_config digitisation_config;

/* --- rules.c: pure --- */

/* All broken rules of a new upload, added to err; the digest when it is well formed. */
int rules_check_upload(const Digitisation__CreateUploadRequest *in, uint8_t ret_sha256[static 32],
		       struct err *err);
/* Media type that the first bytes of a file say, NULL when none we take. */
const char *rules_media_type(const uint8_t *head, size_t n);
/* Number of chunks of a file; its size is valid. */
uint32_t rules_chunks(int64_t size_bytes);
/* Size of one chunk. */
size_t rules_chunk_size(int64_t size_bytes, uint32_t index);

struct rules_record_dates {
	int32_t issued_on, valid_from, valid_to;
};
int rules_check_record(const Digitisation__RegisterRecordRequest *in, int32_t today,
		       struct rules_record_dates *ret_dates, struct err *err);

/* --- shared by handlers --- */

/* Whose upload it is: the member and the person it speaks for. In the call's arena. */
const char *call_uploader(struct call *c);

/* Notes that a named person's data is read, in the open transaction. */
void read_log_add(struct call *c, const char *owner_key, const char *what);

/* --- consumers and jobs --- */

int digitisation_apply_dossier(struct call *c, const struct svc_event *ev);
/* Reads one stored file: text, searchable PDF, event. */
int digitisation_recognise(struct call *c);

/* --- handlers --- */

void digitisation_create_upload(Digitisation__DigitisationService_Service *svc,
				const Digitisation__CreateUploadRequest *in,
				Digitisation__CreateUploadReply_Closure reply, void *data);
void digitisation_put_chunk(Digitisation__DigitisationService_Service *svc,
			    const Digitisation__PutChunkRequest *in,
			    Digitisation__PutChunkReply_Closure reply, void *data);
void digitisation_missing(Digitisation__DigitisationService_Service *svc,
			  const Digitisation__MissingRequest *in,
			  Digitisation__MissingReply_Closure reply, void *data);
void digitisation_complete(Digitisation__DigitisationService_Service *svc,
			   const Digitisation__CompleteRequest *in,
			   Digitisation__CompleteReply_Closure reply, void *data);
void digitisation_stat(Digitisation__DigitisationService_Service *svc,
		       const Digitisation__StatRequest *in, Digitisation__StatReply_Closure reply,
		       void *data);
void digitisation_get_chunk(Digitisation__DigitisationService_Service *svc,
			    const Digitisation__GetChunkRequest *in,
			    Digitisation__GetChunkReply_Closure reply, void *data);
void digitisation_get_text(Digitisation__DigitisationService_Service *svc,
			   const Digitisation__GetTextRequest *in,
			   Digitisation__GetTextReply_Closure reply, void *data);
void digitisation_register_record(Digitisation__DigitisationService_Service *svc,
				  const Digitisation__RegisterRecordRequest *in,
				  Digitisation__RegisterRecordReply_Closure reply, void *data);
void digitisation_revoke_record(Digitisation__DigitisationService_Service *svc,
				const Digitisation__RevokeRecordRequest *in,
				Digitisation__RevokeRecordReply_Closure reply, void *data);
void digitisation_find_records(Digitisation__DigitisationService_Service *svc,
			       const Digitisation__FindRecordsRequest *in,
			       Digitisation__FindRecordsReply_Closure reply, void *data);
void digitisation_search_text(Digitisation__DigitisationService_Service *svc,
			      const Digitisation__SearchTextRequest *in,
			      Digitisation__SearchTextReply_Closure reply, void *data);
void digitisation_declare_backlog(Digitisation__DigitisationService_Service *svc,
				  const Digitisation__DeclareBacklogRequest *in,
				  Digitisation__DeclareBacklogReply_Closure reply, void *data);

#endif
