/* Files that digitisation keeps: asked about before a transaction, never inside it. */
#include <string.h>

#include "services/dossier/dossier.h"

static const struct err_kind file_unknown = {
	ERR_INVALID, "FILE_UNKNOWN", "Tệp chưa được tải lên: %s", "the file was not uploaded: %s"};
static const struct err_kind file_quarantined = {ERR_INVALID, "FILE_QUARANTINED",
						 "Tệp không đọc được: %s",
						 "the file could not be read: %s"};

static const Digitisation__FileStat *find(const Digitisation__StatReply *reply, const char *id)
{
	for (size_t i = 0; i < reply->n_files; i++)
		if (strcmp(reply->files[i]->file_id, id) == 0)
			return reply->files[i]->found ? reply->files[i] : NULL;
	return NULL;
}

int files_stat(struct call *c, const char *const *ids, size_t n,
	       const Digitisation__FileStat ***ret_stats)
{
	Digitisation__StatRequest in = DIGITISATION__STAT_REQUEST__INIT;
	const Digitisation__FileStat **stats;
	ProtobufCMessage *out;
	int r;

	stats = arena_calloc(c->arena, n, sizeof(*stats));
	if (!stats)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	if (n > 0) {
		in.n_file_ids = n;
		in.file_ids = (const char **)ids;
		r = call_service(c, "digitisation", "Stat", &in.base,
				 &digitisation__stat_reply__descriptor, false, &out);
		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++)
			stats[i] = find((const Digitisation__StatReply *)out, ids[i]);
	}
	*ret_stats = stats;
	return 0;
}

void files_check(const Digitisation__FileStat *stat, const char *id, const char *field,
		 struct err *err)
{
	if (!stat)
		err_add(err, &file_unknown, field, id);
	else if (stat->state == DIGITISATION__FILE_STATE__FILE_STATE_QUARANTINED)
		err_add(err, &file_quarantined, field, stat->reason);
}
