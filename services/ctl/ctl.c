#include "services/ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "common/base/number.h"

int ctl_say(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("lgspctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

int ctl_fail(const char *what, const struct err *err)
{
	fprintf(stderr, "lgspctl: %s: %s%s\n", what, err_status_name(err->status),
		err->outcome_unknown ? " (outcome unknown: repeat with the same message id)" : "");
	for (unsigned i = 0; i < err->n_items; i++) {
		const struct err_item *it = &err->items[i];

		fprintf(stderr, "  %s%s%s: %s\n", it->code, it->field[0] ? " " : "", it->field,
			it->en);
	}
	if (err->truncated)
		fputs("  and more\n", stderr);
	if (err->retry_after_ms > 0)
		fprintf(stderr, "  try again in %u ms\n", err->retry_after_ms);
	return CTL_FAILED;
}

/* One line NAME=VALUE of the settings file; empty ones and comments are skipped. */
static int load_line(const char *path, int number, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	char *eq = strchr(line, '=');

	if (!eq || strncmp(line, "LGSP_", 5) != 0)
		return ctl_say(EXIT_CONFIG, "%s:%d: not LGSP_NAME=VALUE", path, number);
	*eq = '\0';
	if (setenv(line, eq + 1, 0) < 0)
		return ctl_say(EXIT_CONFIG, "%s:%d: %s", path, number, strerror(errno));
	return 0;
}

static const char *settings_path(void)
{
	const char *given = getenv("LGSP_ENV_FILE");

	return given && given[0] ? given : "var/run/lgspctl.env";
}

int ctl_load_settings(void)
{
	const char *given = getenv("LGSP_ENV_FILE"), *path = settings_path();
	CLEANUP_FILE FILE *f = fopen(path, "re");
	char line[4096];
	int rc = 0;

	if (!f && given && given[0])
		return ctl_say(EXIT_CONFIG, "LGSP_ENV_FILE %s: %s", path, strerror(errno));
	for (int number = 1; f && rc == 0 && fgets(line, sizeof line, f); number++)
		rc = load_line(path, number, line);
	return rc;
}

const char *ctl_setting(const char *name, const char *def)
{
	const char *value = getenv(name);

	if (value && value[0])
		return value;
	if (!def)
		ctl_say(EXIT_CONFIG,
			"%s is not set, and %s (LGSP_ENV_FILE) does not say it: is the suite "
			"running, and this its folder?",
			name, settings_path());
	return def;
}

static const struct ctl_option *find_option(const char *word, const struct ctl_option *options,
					    size_t n)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < n; i++) {
		if (strlen(options[i].name) == len && strncmp(options[i].name, word, len) == 0)
			return &options[i];
	}
	return NULL;
}

int ctl_options(int argc, char **argv, const struct ctl_option *options, size_t n)
{
	int left = 1;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0) {
			argv[left++] = argv[i];
			continue;
		}
		const struct ctl_option *opt = find_option(argv[i], options, n);
		char *eq = strchr(argv[i], '=');

		if (!opt || (eq && !opt->has_value))
			return -ctl_say(EXIT_USAGE, "%s: unknown option %s", argv[0], argv[i]);
		if (!opt->has_value)
			*opt->value = "1";
		else if (eq)
			*opt->value = eq + 1;
		else if (++i < argc)
			*opt->value = argv[i];
		else
			return -ctl_say(EXIT_USAGE, "%s: %s needs a value", argv[0], opt->name);
	}
	return left;
}

int ctl_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret)
{
	if (number_parse(text, min, max, ret) < 0)
		return ctl_say(EXIT_USAGE, "%s: \"%s\" is not a whole number of %lld to %lld", what,
			       text, (long long)min, (long long)max);
	return 0;
}

const char *ctl_member_address(const char *name, char out[static 128])
{
	if (!*name || strchr(name, '/') || strchr(name, ':') || strcmp(name, "*") == 0)
		return name;
	snprintf(out, 128, "%s/%s", ctl_setting("LGSP_MEMBER_PREFIX", "VN/GOV/H40"), name);
	return out;
}
