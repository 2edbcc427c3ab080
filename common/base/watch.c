#include "common/base/watch.h"

#include <string.h>

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* All zero when it is not there. */
static struct stat look(const struct watch *watch)
{
	struct stat now;

	if (stat(watch->path, &now) < 0)
		memset(&now, 0, sizeof(now));
	return now;
}

void watch_init(struct watch *watch, const char *path)
{
	watch->path = path;
	watch->seen = watch->looked = look(watch);
}

bool watch_changed(struct watch *watch)
{
	struct stat now = look(watch);

	if (now.st_ino == 0 || is_same(&now, &watch->seen))
		return false;
	watch->seen = now;
	return true;
}

bool watch_settled(struct watch *watch)
{
	struct stat now = look(watch);
	bool settled = is_same(&now, &watch->looked) && !is_same(&now, &watch->seen);

	watch->looked = now;
	if (settled)
		watch->seen = now;
	return settled;
}
