#include "services/ctl/rights_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/rights/rights.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"

int rights_file_read(const char *path, struct buf *ret_text)
{
	if (file_exists(path) && file_read(path, ret_text) < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	return 0;
}

int rights_file_write(const char *path, const struct buf *text)
{
	char reason[RIGHTS_FAULT_MAX];
	struct rights *rights = NULL;
	/* Where it really lies: a link to it stays one. */
	CLEANUP_FREE char *real = realpath(path, NULL);

	if (rights_parse(buf_str(text), text->len, &rights, reason) < 0)
		return ctl_say(-1, "%s: %s; nothing was changed", path, reason);
	rights_free(rights);
	if (file_replace(real ? real : path, buf_str(text), text->len, 0644) < 0)
		return ctl_say(-1, "%s: %s", path, strerror(errno));
	return 0;
}

int rights_file_append(const char *path, const char *lines)
{
	struct buf text;
	int rc;

	buf_init(&text, RIGHTS_FILE_MAX);
	rc = rights_file_read(path, &text);
	if (rc == 0 && text.len > 0 && buf_str(&text)[text.len - 1] != '\n')
		buf_puts(&text, "\n");
	if (rc == 0)
		rc = buf_puts(&text, lines) < 0 ? ctl_say(-1, "%s: too long", path)
						: rights_file_write(path, &text);
	buf_done(&text);
	return rc;
}

/* --- files of before --- */

static bool has_feed_lines(const char *text)
{
	return strncmp(text, "feed ", 5) == 0 || strstr(text, "\nfeed ");
}

static void upgrade_line(const char *line, struct buf *out)
{
	char member[RIGHTS_MEMBER_MAX], service[64], method[80], more[16] = "";
	int n = sscanf(line, "grant %127s %63s %79s %15s", member, service, method, more);
	const char *tail = strcmp(more, "acts_for") == 0 ? " acts_for" : "";

	if (n >= 3 && (strcmp(method, "Feed.Pull") == 0 || strcmp(method, "Feed.Head") == 0)) {
		buf_printf(out, "feed %s %s %s%s\n", member, service, service, tail);
		return;
	}
	buf_printf(out, "%s\n", line);
	if (n >= 3 && strcmp(method, "*") == 0)
		buf_printf(out, "feed %s %s *%s\n", member, service, tail);
}

int rights_file_upgrade(const char *path)
{
	struct buf text, fresh;
	char *save = NULL;
	int rc;

	buf_init(&text, RIGHTS_FILE_MAX);
	buf_init(&fresh, RIGHTS_FILE_MAX);
	rc = rights_file_read(path, &text);
	if (rc == 0 && !has_feed_lines(buf_str(&text))) {
		CLEANUP_FREE char *copy = base_strdup(buf_str(&text));

		for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
			upgrade_line(l, &fresh);
		rc = rights_file_write(path, &fresh);
	}
	buf_done(&text);
	buf_done(&fresh);
	return rc;
}
