/*
 * What a file is to programs of others: bytes are written into a folder of their own, and tools
 * that are not ours (pdftotext, zbarimg, python3) say what they see.
 */
#ifndef LGSP_TESTS_SUPPORT_OUTSIDE_H
#define LGSP_TESTS_SUPPORT_OUTSIDE_H

#include <stddef.h>

struct outside {
	char dir[40];
};

void outside_init(struct outside *o);
void outside_done(struct outside *o); /* removes the folder */
void outside_write(const struct outside *o, const char *name, const void *bytes, size_t n);
/* Standard output of a command run in the folder, in a static buffer; it must succeed. */
const char *outside_run(const struct outside *o, const char *command);
/* The text holds what, or does not; else the test fails with both. */
void outside_expect(const char *text, const char *what);
void outside_expect_not(const char *text, const char *what);

#endif
