#include "services/digitisation/ocr.h"

#include <leptonica/allheaders.h>
#include <stdio.h>
#include <string.h>
#include <tesseract/capi.h>
#include <unistd.h>

#include "common/base/base.h"

#define DPI_ASSUMED 200

static TessBaseAPI *api;
static TessResultRenderer *pdf;

/* Sums over the pages of one file. */
static struct {
	uint32_t pages;
	uint64_t confidence;
} sums;

int ocr_prepare(void)
{
	setMsgSeverity(L_SEVERITY_NONE);
	api = TessBaseAPICreate();
	if (TessBaseAPIInit2(api, NULL, "vie", OEM_LSTM_ONLY) != 0)
		return -1;
	TessBaseAPISetPageSegMode(api, PSM_AUTO);
	return 0;
}

int ocr_begin(void)
{
	pdf = TessPDFRendererCreate("stdout", TessBaseAPIGetDatapath(api), 0);
	return pdf && TessResultRendererBeginDocument(pdf, "") ? 0 : -1;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int recognise(PIX *page, int text_fd)
{
	PIX *straight = pixDeskew(page, 0);
	PIX *grey = straight ? pixConvertTo8(straight, 0) : NULL;
	char *text;
	int rc = -1;

	if (grey) {
		TessBaseAPISetImage2(api, grey);
		if (pixGetXRes(page) < 70)
			TessBaseAPISetSourceResolution(api, DPI_ASSUMED);
		/*
		 * Recognised in grey, shown as it was scanned; the API takes the clone over. Called
		 * a PNG it is put into the PDF without loss; the way of JPEG leads through a
		 * temporary file, which a confined process cannot have.
		 */
		pixSetInputFormat(straight, IFF_PNG);
		TessBaseAPISetInputImage(api, pixClone(straight));
		if (TessBaseAPIRecognize(api, NULL) == 0 && (text = TessBaseAPIGetUTF8Text(api))) {
			rc = write_all(text_fd, text, strlen(text));
			TessDeleteText(text);
		}
		if (rc == 0 && !TessResultRendererAddImage(pdf, api))
			rc = -1;
		sums.confidence += (uint64_t)TessBaseAPIMeanTextConf(api);
		sums.pages++;
	}
	pixDestroy(&grey);
	pixDestroy(&straight);
	return rc;
}

static bool is_too_large(int64_t width, int64_t height)
{
	return width > READER_SIDE_MAX || height > READER_SIDE_MAX ||
	       width * height > READER_PIXELS_MAX || sums.pages >= READER_PAGES_MAX;
}

/* One page: its size is known to be sane; pix is destroyed. */
static enum reader_outcome take_page(PIX *pix, int text_fd)
{
	enum reader_outcome outcome;

	if (!pix)
		return READER_UNREADABLE;
	if (is_too_large(pixGetWidth(pix), pixGetHeight(pix)))
		outcome = READER_TOO_LARGE;
	else
		outcome = recognise(pix, text_fd) == 0 ? READER_OK : READER_UNREADABLE;
	pixDestroy(&pix);
	return outcome;
}

static enum reader_outcome finish(struct reader_result *ret)
{
	if (sums.pages == 0 || !TessResultRendererEndDocument(pdf) || fflush(stdout) != 0)
		return READER_UNREADABLE;
	ret->pages = sums.pages;
	ret->confidence = (uint32_t)(sums.confidence / sums.pages);
	return READER_OK;
}

static enum reader_outcome tiff_pages(const uint8_t *p, size_t n, int text_fd)
{
	enum reader_outcome outcome = READER_OK;
	size_t offset = 0;

	do {
		outcome = take_page(pixReadMemFromMultipageTiff(p, n, &offset), text_fd);
	} while (outcome == READER_OK && offset != 0);
	return outcome;
}

enum reader_outcome ocr_image(const uint8_t *p, size_t n, int text_fd, struct reader_result *ret)
{
	l_int32 format = 0, width = 0, height = 0;
	enum reader_outcome outcome;

	/* The header says the size before anything is decoded. */
	if (pixReadHeaderMem(p, n, &format, &width, &height, NULL, NULL, NULL) != 0)
		return READER_UNREADABLE;
	if (is_too_large(width, height))
		return READER_TOO_LARGE;
	outcome = p[0] == 'I' || p[0] == 'M' ? tiff_pages(p, n, text_fd)
					     : take_page(pixReadMem(p, n), text_fd);
	return outcome == READER_OK ? finish(ret) : outcome;
}

enum reader_outcome ocr_pnm_stream(int text_fd, struct reader_result *ret)
{
	enum reader_outcome outcome = READER_OK;
	int c;

	while (outcome == READER_OK && (c = getc(stdin)) != EOF) {
		ungetc(c, stdin);
		outcome = take_page(pixReadStreamPnm(stdin), text_fd);
	}
	return outcome == READER_OK ? finish(ret) : outcome;
}
