/*
 * The rights file as lgspctl changes it: read whole, changed, checked as the broker checks it, and
 * put in place by rename, so that a broker that looks meanwhile sees the old or the new one.
 */
#ifndef SERVICES_CTL_RIGHTS_FILE_H
#define SERVICES_CTL_RIGHTS_FILE_H

#include "common/base/buf.h"

/* Reads it; a file that is not there is empty. 0 or -1 (said). */
int rights_file_read(const char *path, struct buf *ret_text);
/* Replaces it, when the broker would take the text. 0 or -1 (said). */
int rights_file_write(const char *path, const struct buf *text);
/* Puts lines behind what stands there. 0 or -1 (said). */
int rights_file_append(const char *path, const char *lines);
/*
 * Files written before feeds had rules of their own: "grant M S Feed.Pull" becomes "feed M S S",
 * and who was granted every method is granted every feed. Others stay. 0 or -1 (said).
 */
int rights_file_upgrade(const char *path);

#endif
