/*
 * Recognition with tesseract: Vietnamese, one thread. ocr_prepare() and ocr_begin() touch only
 * files of the system; ocr_page() touches what a stranger sent, so the caller is confined by then.
 */
#ifndef LGSP_DIGITISATION_OCR_H
#define LGSP_DIGITISATION_OCR_H

#include <stddef.h>
#include <stdint.h>

#include "services/digitisation/reader.h"

/* Loads the model. Once, in the reader process. 0 or -1. */
int ocr_prepare(void);

/* Starts the searchable PDF on standard output. 0 or -1. */
int ocr_begin(void);

/*
 * Reads a PNG, JPEG or TIFF (all its pages) from memory, or a stream of PNM pages from standard
 * input; writes text to text_fd. READER_OK, READER_UNREADABLE or READER_TOO_LARGE.
 */
enum reader_outcome ocr_image(const uint8_t *p, size_t n, int text_fd, struct reader_result *ret);
enum reader_outcome ocr_pnm_stream(int text_fd, struct reader_result *ret);

#endif
