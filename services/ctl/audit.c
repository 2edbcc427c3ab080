#include "services/ctl/audit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "common/base/log.h"
#include "common/wire/rpc.h"
#include "services/ctl/ctl.h"

#define PERSON_DIGITS 9 /* old identity numbers have 9 digits, phones 10, citizen numbers 12 */

/* --- what was said --- */

static void put(struct audit *a, const char *text, size_t n)
{
	size_t len = strlen(a->words);

	if (n < sizeof(a->words) - len)
		memcpy(a->words + len, text, n);
}

/* A word of the command line, long numbers as "#". */
static void put_word(struct audit *a, const char *word)
{
	while (*word) {
		size_t digits = strspn(word, "0123456789");
		size_t n = digits > 0 ? digits : strcspn(word, "0123456789");

		if (digits >= PERSON_DIGITS)
			put(a, "#", 1);
		else
			put(a, word, n);
		word += n;
	}
}

static bool is_name_of_person(const char *option)
{
	return strncmp(option, "--name", 6) == 0 && (option[6] == '\0' || option[6] == '=');
}

static void note_words(struct audit *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		put(a, " ", i > 1);
		if (!is_name_of_person(argv[i])) {
			put_word(a, argv[i]);
			continue;
		}
		put(a, "--name=#", 8);
		i += argv[i][6] == '\0';
	}
}

/* --- the line --- */

int audit_begin(struct audit *audit, const char *act, int argc, char **argv)
{
	const char *path = ctl_setting("LGSP_AUDIT_LOG", "");

	*audit = (struct audit){.fd = -1, .act = act};
	note_words(audit, argc, argv);
	if (!*path)
		return 0;
	audit->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (audit->fd < 0)
		return ctl_say(EXIT_CONFIG, "LGSP_AUDIT_LOG %s: %s; nothing was done", path,
			       strerror(errno));
	return 0;
}

/* The account, and who became it by sudo, as far as that can be told. */
int audit_end(struct audit *audit, int rc)
{
	const struct passwd *user = getpwuid(getuid());
	const struct log_field fields[] = {
		LOG_NUM("uid", getuid()),
		LOG_STR("user", user ? user->pw_name : ""),
		LOG_STR("sudo_user", getenv("SUDO_USER")),
		LOG_STR("act", audit->act),
		LOG_STR("words", audit->words),
		LOG_STR("outcome", rc == 0 ? "done" : "failed"),
		LOG_NUM("exit", rc),
	};
	int fd = audit->fd >= 0 ? audit->fd : STDERR_FILENO;

	if (log_write_to(fd, "ctl.audit", fields, ARRAY_LEN(fields)) < 0) {
		ctl_say(0, "the audit line could not be written: %s", strerror(errno));
		rc = rc == 0 ? CTL_FAILED : rc;
	}
	if (audit->fd >= 0)
		close(audit->fd);
	return rc;
}

/* --- what changes something --- */

static bool has_option(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], option) == 0)
			return true;
	return false;
}

bool audit_never(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return false;
}

bool audit_always(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return true;
}

bool audit_migrate(int argc, char **argv)
{
	return !has_option(argc, argv, "--status");
}

bool audit_import(int argc, char **argv)
{
	return !has_option(argc, argv, "--dry-run");
}

/* The member and at least one number; its only option is a flag. */
bool audit_quota(int argc, char **argv)
{
	int words = 0;

	for (int i = 1; i < argc; i++)
		words += strncmp(argv[i], "--", 2) != 0;
	return words > 1;
}

static bool has_effect(const char *service, const char *method)
{
	const struct rpc_table *table = rpc_find_service(service);
	const struct rpc_row *row;

	if (strncmp(method, "DeadLetter.", 11) == 0)
		return strcmp(method + 11, "List") != 0;
	return table && rpc_find_method(table, method, &row, NULL) && row->effect == RPC_EFFECT;
}

/* All its options have a value. */
bool audit_call(int argc, char **argv)
{
	const char *words[2] = {"", ""};
	int n = 0;

	for (int i = 1; i < argc && n < 2; i++) {
		if (strncmp(argv[i], "--", 2) == 0)
			i += !strchr(argv[i], '=');
		else
			words[n++] = argv[i];
	}
	return has_effect(words[0], words[1]);
}
