/*
 * The reader: a process of its own that turns an untrusted file into text and a searchable PDF. It
 * is this program started again as `lgsp-digitisation --reader` with an empty environment, without
 * database, network or keys. It holds the recognition model and forks one confined child per file
 * (confine.h); files go in and come out as descriptors, so nobody names a path.
 */
#ifndef LGSP_DIGITISATION_READER_H
#define LGSP_DIGITISATION_READER_H

#include <stdint.h>

#include "common/base/err.h"

#define READER_OPTION     "--reader"
#define READER_PAGES_MAX  500
#define READER_SIDE_MAX   20000       /* pixels */
#define READER_PIXELS_MAX 100000000LL /* of a page: more is a bomb */

enum reader_kind { READER_IMAGE = 1, READER_PDF = 2 };

enum reader_outcome {
	READER_OK = 1,     /* text and searchable PDF written */
	READER_TEXT_LAYER, /* a PDF with text of its own: text written, the original is searchable
			    */
	READER_UNREADABLE, /* damaged, encrypted or not what it says */
	READER_TOO_LARGE,  /* pages or pixels beyond the bounds */
	READER_TIMED_OUT,
	READER_VIOLATION, /* the child did what it may not */
	READER_CRASHED,
};

struct reader_result {
	enum reader_outcome outcome;
	uint32_t pages;
	uint32_t confidence; /* percent */
};

/* Starts the process. At start of the service, before its threads. */
int reader_start(struct err *err);
void reader_stop(void);

/*
 * Reads in_fd, writes text (UTF-8) and PDF to the other two. One caller at a time. 0, or
 * ERR_UNAVAILABLE when the process is away (it is started again) or silent.
 */
int reader_read(enum reader_kind kind, int in_fd, int text_fd, int pdf_fd,
		struct reader_result *ret_result, struct err *err);

/* Main of the reader process; its socket is descriptor READER_SOCKET. */
#define READER_SOCKET 3
int reader_main(void);

/* What travels between the two. */
struct reader_message {
	uint32_t magic;
	uint32_t kind;
	struct reader_result result;
};
#define READER_MAGIC 0x52454144u

#endif
