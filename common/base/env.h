/*
 * Configuration: environment variables only, declared as one table per program. Parsing, range
 * checks, --help and --check all come from the table. Exit codes of every program: 0 ok, 2 usage,
 * 3 configuration, 4 a dependency is absent.
 */
#ifndef LGSP_BASE_ENV_H
#define LGSP_BASE_ENV_H

#include <stdint.h>
#include <stdio.h>

#define EXIT_USAGE      2
#define EXIT_CONFIG     3
#define EXIT_DEPENDENCY 4

enum env_type {
	ENV_STRING, /* const char * */
	ENV_INT,    /* int64_t, between min and max */
	ENV_BOOL,   /* bool: 0, 1, true, false */
	ENV_PATH,   /* const char *: a file that must be readable when the value is not empty */
	ENV_SECRET, /* const char *: as ENV_PATH, and neither group nor others may read the file */
};

struct env_var {
	const char *name;
	enum env_type type;
	const char *def; /* NULL: the variable must be set */
	int64_t min, max;
	const char *help;
	void *dest; /* of the type above */
};

/*
 * Reads all variables. Returns 0, or the number of faulty ones after printing one line each to
 * errors (name, value unless secret, what is wrong). Strings live as long as the process.
 */
int env_read(const struct env_var *vars, size_t n, FILE *errors);

/* Prints the table: name, type, default, range, help. */
void env_help(const struct env_var *vars, size_t n, FILE *out);

#endif
