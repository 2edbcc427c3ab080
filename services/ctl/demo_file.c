/* A one-page PDF, and its upload in chunks. */
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "lgsp/digitisation/v1/digitisation.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/demo.h"

#define PDF_BYTES_MAX 65536
#define PDF_OBJECTS   5

/* The text of the page; lines are ASCII without parentheses and backslashes. */
static void write_page(const char *const *lines, size_t n, const char *mark, struct buf *out)
{
	buf_puts(out, "BT /F1 18 Tf 72 770 Td 26 TL\n");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "(%s) Tj T*\n", lines[i]);
	/* Makes the bytes new: the same file twice is one file. */
	buf_printf(out, "/F1 9 Tf T* (%s) Tj\nET\n", mark);
}

static void write_pdf(const char *const *lines, size_t n, const char *mark, struct buf *out)
{
	size_t offsets[PDF_OBJECTS];
	struct buf page;

	buf_init(&page, PDF_BYTES_MAX / 2);
	write_page(lines, n, mark, &page);
	buf_puts(out, "%PDF-1.4\n");
	offsets[0] = out->len;
	buf_puts(out, "1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n");
	offsets[1] = out->len;
	buf_puts(out, "2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n");
	offsets[2] = out->len;
	buf_puts(out, "3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
		      "/Resources<</Font<</F1 5 0 R>>>>>>\nendobj\n");
	offsets[3] = out->len;
	buf_printf(out, "4 0 obj\n<</Length %zu>>\nstream\n%sendstream\nendobj\n", page.len,
		   buf_str(&page));
	offsets[4] = out->len;
	buf_puts(out, "5 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n");
	size_t xref = out->len;

	buf_printf(out, "xref\n0 %d\n0000000000 65535 f \n", PDF_OBJECTS + 1);
	for (int i = 0; i < PDF_OBJECTS; i++)
		buf_printf(out, "%010zu 00000 n \n", offsets[i]);
	buf_printf(out, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%zu\n%%%%EOF\n",
		   PDF_OBJECTS + 1, xref);
	buf_done(&page);
}

static void sha256_hex(const void *p, size_t n, char out[static CRYPT_SHA256_HEX])
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	crypt_sha256(p, n, digest);
	crypt_hex(digest, sizeof digest, out);
}

static int put_chunks(struct demo *d, const struct demo_person *as, const struct buf *file,
		      const Digitisation__CreateUploadReply *upload)
{
	char hex[CRYPT_SHA256_HEX];

	for (uint32_t i = 0; i < upload->chunks; i++) {
		Digitisation__PutChunkRequest in = DIGITISATION__PUT_CHUNK_REQUEST__INIT;
		size_t at = (size_t)i * upload->chunk_bytes;

		in.upload_id = upload->upload_id;
		in.index = i;
		in.data.data = file->data + at;
		in.data.len =
			file->len - at < upload->chunk_bytes ? file->len - at : upload->chunk_bytes;
		sha256_hex(in.data.data, in.data.len, hex);
		in.sha256 = hex;
		if (!demo_call(d, "digitisation", "PutChunk", as, &in.base,
			       &digitisation__put_chunk_reply__descriptor))
			return -1;
	}
	return 0;
}

static const char *upload_file(struct demo *d, const struct demo_person *as, const char *name,
			       const struct buf *file)
{
	Digitisation__CreateUploadRequest create = DIGITISATION__CREATE_UPLOAD_REQUEST__INIT;
	Digitisation__CompleteRequest complete = DIGITISATION__COMPLETE_REQUEST__INIT;
	char hex[CRYPT_SHA256_HEX];

	sha256_hex(file->data, file->len, hex);
	create.file_name = name;
	create.media_type = "application/pdf";
	create.size_bytes = (int64_t)file->len;
	create.sha256 = hex;
	const Digitisation__CreateUploadReply *upload =
		(const void *)demo_call(d, "digitisation", "CreateUpload", as, &create.base,
					&digitisation__create_upload_reply__descriptor);

	if (!upload || upload->file_id[0])
		return upload ? upload->file_id : NULL;
	if (put_chunks(d, as, file, upload) < 0)
		return NULL;
	complete.upload_id = upload->upload_id;
	const Digitisation__CompleteReply *reply =
		(const void *)demo_call(d, "digitisation", "Complete", as, &complete.base,
					&digitisation__complete_reply__descriptor);

	return reply ? reply->file_id : NULL;
}

const char *demo_upload(struct demo *d, const struct demo_person *as, const char *name,
			const char *const *lines, size_t n_lines)
{
	uint8_t id[UUID_BYTES];
	char mark[UUID_TEXT_BYTES];
	struct buf file;

	uuid_v7(id);
	uuid_format(id, mark);
	buf_init(&file, PDF_BYTES_MAX);
	write_pdf(lines, n_lines, mark, &file);
	const char *file_id = upload_file(d, as, name, &file);

	buf_done(&file);
	return file_id;
}
