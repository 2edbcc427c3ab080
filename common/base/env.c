#include "common/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/number.h"

static int complain(FILE *errors, const struct env_var *var, const char *value, const char *what)
{
	if (var->type == ENV_SECRET)
		fprintf(errors, "%s: %s\n", var->name, what);
	else
		fprintf(errors, "%s=%s: %s\n", var->name, value, what);
	return 1;
}

static int read_int(const struct env_var *var, const char *value, FILE *errors)
{
	char what[96];

	if (number_parse(value, var->min, var->max, var->dest) < 0) {
		snprintf(what, sizeof(what), "not a whole number from %" PRId64 " to %" PRId64,
			 var->min, var->max);
		return complain(errors, var, value, what);
	}
	return 0;
}

static int read_bool(const struct env_var *var, const char *value, FILE *errors)
{
	bool yes = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;

	if (!yes && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
		return complain(errors, var, value, "not one of 0, 1, true, false");
	*(bool *)var->dest = yes;
	return 0;
}

static int read_path(const struct env_var *var, const char *value, FILE *errors)
{
	struct stat st;

	if (*value && access(value, R_OK) < 0)
		return complain(errors, var, value, strerror(errno));
	if (*value && var->type == ENV_SECRET) {
		if (stat(value, &st) < 0)
			return complain(errors, var, value, strerror(errno));
		if (st.st_mode & (S_IRWXG | S_IRWXO))
			return complain(errors, var, value,
					"group or others may use the file; chmod 600 it");
	}
	*(const char **)var->dest = value;
	return 0;
}

static int read_one(const struct env_var *var, FILE *errors)
{
	const char *value = getenv(var->name);

	if (!value)
		value = var->def;
	if (!value) {
		fprintf(errors, "%s: must be set (%s)\n", var->name, var->help);
		return 1;
	}
	switch (var->type) {
	case ENV_STRING:
		*(const char **)var->dest = value;
		return 0;
	case ENV_INT:
		return read_int(var, value, errors);
	case ENV_BOOL:
		return read_bool(var, value, errors);
	case ENV_PATH:
	case ENV_SECRET:
		return read_path(var, value, errors);
	}
	CHECK(!"unknown type of variable");
	return 1;
}

int env_read(const struct env_var *vars, size_t n, FILE *errors)
{
	int faulty = 0;

	for (size_t i = 0; i < n; i++)
		faulty += read_one(&vars[i], errors);
	return faulty;
}

void env_help(const struct env_var *vars, size_t n, FILE *out)
{
	static const char *const types[] = {
		[ENV_STRING] = "text", [ENV_INT] = "number",         [ENV_BOOL] = "bool",
		[ENV_PATH] = "file",   [ENV_SECRET] = "secret file",
	};

	for (size_t i = 0; i < n; i++) {
		const struct env_var *var = &vars[i];

		fprintf(out, "  %-26s %s", var->name, types[var->type]);
		if (var->type == ENV_INT)
			fprintf(out, " %" PRId64 "..%" PRId64, var->min, var->max);
		if (var->def)
			fprintf(out, ", default \"%s\"\n", var->def);
		else
			fprintf(out, ", must be set\n");
		fprintf(out, "  %-26s %s\n", "", var->help);
	}
}
