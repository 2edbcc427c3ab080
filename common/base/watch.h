/* Files and folders that are read again when they have changed; asked now and then, by stat(). */
#ifndef LGSP_BASE_WATCH_H
#define LGSP_BASE_WATCH_H

#include <stdbool.h>
#include <sys/stat.h>

struct watch {
	const char *path;         /* the caller's */
	struct stat seen, looked; /* as it was taken, and at the last look */
};

/* Notes how it is now. */
void watch_init(struct watch *watch, const char *path);
/* True once after each change; what is not there has not changed. */
bool watch_changed(struct watch *watch);
/*
 * True once after each change, as soon as two looks found it the same: nobody is writing it just
 * then. To vanish is a change.
 */
bool watch_settled(struct watch *watch);

#endif
