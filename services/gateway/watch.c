#include <string.h>

#include "services/gateway/gateway.h"

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void watch_init(struct watch *watch, const char *path)
{
	watch->path = path;
	if (stat(path, &watch->seen) < 0)
		memset(&watch->seen, 0, sizeof(watch->seen));
}

bool watch_changed(struct watch *watch)
{
	struct stat now;

	if (stat(watch->path, &now) < 0 || is_same(&now, &watch->seen))
		return false;
	watch->seen = now;
	return true;
}
