// with: services/digitisation/reader.c services/digitisation/reader_main.c services/digitisation/ocr.c services/digitisation/confine.c services/digitisation/rules.c
/*
 * The confined reader on real and hostile files. This program is also the reader process: the
 * service starts itself again with --reader, and so does this test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <leptonica/allheaders.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/utf8.h"
#include "services/digitisation/confine.h"
#include "services/digitisation/digitisation.h"
#include "services/digitisation/reader.h"

#define FIXTURE "tests/fixtures/scan.png"

struct digitisation_config digitisation_config;

static int start(void **state)
{
	struct err err = {0};

	(void)state;
	return reader_start(&err);
}

static int stop(void **state)
{
	(void)state;
	reader_stop();
	return 0;
}

static int memory_file(const void *p, size_t n)
{
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	return fd;
}

/* What came of one file; strings in static room. */
struct outcome {
	struct reader_result result;
	char text[65536];
	char pdf[8];
};

static void read_bytes(enum reader_kind kind, const void *p, size_t n, struct outcome *out)
{
	CLEANUP_FD int in = memory_file(p, n);
	CLEANUP_FD int text = memfd_create("text", 0), pdf = memfd_create("pdf", 0);
	struct err err = {0};

	memset(out, 0, sizeof(*out));
	assert_int_equal(reader_read(kind, in, text, pdf, &out->result, &err), 0);
	assert_true(pread(text, out->text, sizeof(out->text) - 1, 0) >= 0);
	assert_true(pread(pdf, out->pdf, sizeof(out->pdf) - 1, 0) >= 0);
}

static size_t read_fixture(uint8_t **ret)
{
	l_uint8 *bytes;
	size_t n;

	bytes = l_binaryRead(FIXTURE, &n);
	assert_non_null(bytes);
	*ret = bytes;
	return n;
}

static void assert_is_the_scan(const struct outcome *out)
{
	struct arena arena;
	const char *folded;

	arena_init(&arena, 1 << 20);
	assert_int_equal(out->result.outcome, READER_OK);
	assert_int_equal(out->result.pages, 1);
	assert_in_range(out->result.confidence, 70, 100);
	assert_int_equal(strncmp(out->pdf, "%PDF-", 5), 0);
	assert_non_null(strstr(out->text, "Phở bò Hạ Long"));
	folded = utf8_fold(&arena, out->text);
	assert_non_null(folded);
	assert_non_null(strstr(folded, "giay chung nhan dang ky ho kinh doanh"));
	arena_done(&arena);
}

static void test_scan(void **state)
{
	struct outcome out;
	uint8_t *png;
	size_t n = read_fixture(&png);

	(void)state;
	read_bytes(READER_IMAGE, png, n, &out);
	assert_is_the_scan(&out);
	free(png);
}

/* A PDF that is nothing but a picture: pages are drawn by poppler, then recognised. */
static size_t picture_pdf(char *out, size_t max)
{
	PIX *pix = pixRead(FIXTURE);
	l_uint8 *jpeg = NULL;
	size_t jpeg_len = 0, n;

	assert_non_null(pix);
	assert_int_equal(pixWriteMemJpeg(&jpeg, &jpeg_len, pix, 85, 0), 0);
	n = (size_t)snprintf(
		out, max,
		"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
		"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 432 274]/Contents 5 0 R"
		"/Resources<</XObject<</I 4 0 R>>>>>>endobj\n"
		"5 0 obj<</Length 31>>stream\nq 432 0 0 274 0 0 cm /I Do Q   \nendstream endobj\n"
		"4 0 obj<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB"
		"/BitsPerComponent 8/Filter/DCTDecode/Length %zu>>stream\n",
		pixGetWidth(pix), pixGetHeight(pix), jpeg_len);
	assert_true(n + jpeg_len + 100 < max);
	memcpy(out + n, jpeg, jpeg_len);
	n += jpeg_len;
	n += (size_t)snprintf(out + n, max - n,
			      "\nendstream endobj\ntrailer<</Root 1 0 R/Size 6>>\n%%%%EOF\n");
	lept_free(jpeg);
	pixDestroy(&pix);
	return n;
}

static void test_scanned_pdf(void **state)
{
	static char pdf[1 << 20];
	struct outcome out;
	size_t n = picture_pdf(pdf, sizeof(pdf));

	(void)state;
	read_bytes(READER_PDF, pdf, n, &out);
	assert_is_the_scan(&out);
}

static void test_pdf_with_text(void **state)
{
	static const char pdf[] =
		"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
		"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Contents 4 0 R"
		"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n"
		"4 0 obj<</Length 63>>stream\nBT /F 18 Tf 10 40 Td (Giay chung nhan so 36A8000123) "
		"Tj ET   "
		"\nendstream endobj\ntrailer<</Root 1 0 R/Size 5>>\n%%EOF\n";
	struct outcome out;

	(void)state;
	read_bytes(READER_PDF, pdf, sizeof(pdf) - 1, &out);
	assert_int_equal(out.result.outcome, READER_TEXT_LAYER);
	assert_int_equal(out.result.pages, 1);
	assert_non_null(strstr(out.text, "Giay chung nhan so 36A8000123"));
	assert_string_equal(out.pdf, "");
}

/* A PNG whose header announces 50000 x 50000 pixels. */
static const uint8_t bomb[] = {
	0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,   0,   13,   'I',  'H',  'D',
	'R',  0,    0,    0xc3, 0x50, 0,    0,    0xc3, 0x50, 1,   0,   0,    0,    0,    0x25,
	0xdb, 0xcc, 0xfe, 0,    0,    0,    0,    'I',  'E',  'N', 'D', 0xae, 0x42, 0x60, 0x82,
};

static void test_hostile(void **state)
{
	struct outcome out;
	uint8_t *png;
	size_t n = read_fixture(&png);

	(void)state;
	read_bytes(READER_IMAGE, png, n / 2, &out);
	assert_int_equal(out.result.outcome, READER_UNREADABLE);
	read_bytes(READER_IMAGE, "hello", 5, &out);
	assert_int_equal(out.result.outcome, READER_UNREADABLE);
	read_bytes(READER_IMAGE, bomb, sizeof(bomb), &out);
	assert_int_equal(out.result.outcome, READER_TOO_LARGE);
	read_bytes(READER_PDF, "%PDF-1.4\nnothing behind it", 26, &out);
	assert_int_equal(out.result.outcome, READER_UNREADABLE);
	read_bytes(READER_PDF, png, n, &out);
	assert_int_equal(out.result.outcome, READER_UNREADABLE);
	/* And the reader goes on. */
	read_bytes(READER_IMAGE, png, n, &out);
	assert_is_the_scan(&out);
	free(png);
}

/* A lost reader process is an answer at once, and the next call starts another. */
static void test_lost_reader(void **state)
{
	static const char name[] = "--reader";
	struct reader_result result;
	struct err err = {0};
	CLEANUP_FD int in = memory_file("x", 1), out = memfd_create("out", 0);
	struct outcome again;
	char path[64], line[128];
	FILE *f;
	int killed = 0;

	(void)state;
	for (pid_t pid = getpid() + 1; pid < getpid() + 2000 && !killed; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		f = fopen(path, "r");
		if (!f)
			continue;
		size_t n = fread(line, 1, sizeof(line) - 1, f);

		fclose(f);
		if (memmem(line, n, name, sizeof(name)) && getpgid(pid) == getpgid(0))
			killed = kill(pid, SIGKILL) == 0;
	}
	assert_true(killed);
	assert_int_equal(reader_read(READER_IMAGE, in, out, out, &result, &err), ERR_UNAVAILABLE);
	read_bytes(READER_IMAGE, "x", 1, &again);
	assert_int_equal(again.result.outcome, READER_UNREADABLE);
}

/* --- confinement itself --- */

static int end_of(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void parser_opens(void)
{
	if (confine_parser() == 0 && open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES)
		_exit(7);
}

static void parser_connects(void)
{
	if (confine_parser() == 0)
		(void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void parser_executes(void)
{
	char *argv[] = {"true", NULL};

	if (confine_parser() == 0)
		execv("/bin/true", argv);
}

static void tool_reads_secrets(void)
{
	if (confine_tool() == 0 && open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES)
		_exit(7);
}

static void tool_reads_fonts(void)
{
	if (confine_tool() == 0 && open("/usr/share", O_RDONLY | O_DIRECTORY) >= 0)
		_exit(7);
}

static void tool_writes(void)
{
	if (confine_tool() == 0 && open("/tmp/confined", O_WRONLY | O_CREAT, 0600) < 0)
		_exit(7);
}

static void tool_connects(void)
{
	if (confine_tool() == 0)
		(void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void test_confinement(void **state)
{
	static const struct {
		void (*fn)(void);
		bool killed;
	} cases[] = {
		{parser_opens, false}, {parser_connects, true},     {parser_executes, true},
		{tool_writes, false},  {tool_reads_secrets, false}, {tool_reads_fonts, false},
		{tool_connects, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = end_of(cases[i].fn);

		if (cases[i].killed)
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
		else
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),          cmocka_unit_test(test_scanned_pdf),
		cmocka_unit_test(test_pdf_with_text), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_lost_reader),   cmocka_unit_test(test_confinement),
	};

	if (argc == 2 && strcmp(argv[1], READER_OPTION) == 0)
		return reader_main();
	return cmocka_run_group_tests_name("digitisation_reader", tests, start, stop);
}
