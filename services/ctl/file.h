/* Files of lgspctl: secrets are written 0600, whole or not at all, and never over existing ones. */
#ifndef SERVICES_CTL_FILE_H
#define SERVICES_CTL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/* Makes a folder and its parents with this mode. 0, or -1 with errno. */
int file_mkdir(const char *path, unsigned mode);
bool file_exists(const char *path);
/* The whole file, at most the buffer's maximum. 0, or -1 with errno. */
int file_read(const char *path, struct buf *out);
/*
 * Writes beside, syncs, and links to the name: a reader sees all or nothing. An existing file is
 * left alone and is no error: *ret_made (may be NULL) says which. 0, or -1 with errno.
 */
int file_create(const char *path, const void *data, size_t n, unsigned mode, bool *ret_made);
/* As file_create(), but replaces. */
int file_replace(const char *path, const void *data, size_t n, unsigned mode);
/* Appends a text with one write. */
int file_append(const char *path, const char *text);

#endif
