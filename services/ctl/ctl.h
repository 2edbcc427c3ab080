/*
 * lgspctl, the operator's command: one table of commands in main.c, one file per group. A command
 * gets its own name in argv[0] and returns an exit code: 0 done, 1 refused or failed, 2 usage, 3
 * configuration, 4 a dependency is absent. Results go to standard output, everything else to
 * standard error.
 *
 * Settings are environment variables; those that are not set are taken from the file
 * LGSP_ENV_FILE (default var/run/lgspctl.env, written by `make run`).
 */
#ifndef SERVICES_CTL_CTL_H
#define SERVICES_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"

#define CTL_FAILED 1

struct ctl_command {
	const char *name; /* "keys init" */
	const char *args; /* for the help */
	const char *help;
	int (*run)(int argc, char **argv);
	bool (*changes)(int argc, char **argv); /* then it leaves an audit line: audit.h */
};

int ctl_keys_init(int argc, char **argv);
int ctl_member_enrol(int argc, char **argv);
int ctl_member_rotate(int argc, char **argv);
int ctl_member_revoke(int argc, char **argv);
int ctl_member_check(int argc, char **argv);
int ctl_member_list(int argc, char **argv);
int ctl_token_issue(int argc, char **argv);
int ctl_migrate(int argc, char **argv);
int ctl_call(int argc, char **argv);
int ctl_feed(int argc, char **argv);
int ctl_health(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_services(int argc, char **argv);
int ctl_members(int argc, char **argv);
int ctl_queues(int argc, char **argv);
int ctl_top(int argc, char **argv);
int ctl_trace(int argc, char **argv);
int ctl_drain(int argc, char **argv);
int ctl_reload(int argc, char **argv);
int ctl_quota(int argc, char **argv);
int ctl_records_query(int argc, char **argv);
int ctl_records_verify(int argc, char **argv);
int ctl_records_import(int argc, char **argv);
int ctl_officer_appoint(int argc, char **argv);
int ctl_officer_list(int argc, char **argv);
int ctl_profile_check(int argc, char **argv);
int ctl_profile_apply(int argc, char **argv);
int ctl_profile_seal(int argc, char **argv);
int ctl_dossier_states(int argc, char **argv);
int ctl_dossier_verify(int argc, char **argv);
int ctl_dossier_import(int argc, char **argv);
int ctl_demo(int argc, char **argv);

/* --- ctl.c: what the commands share --- */

/* Prints "lgspctl: ..." to standard error and returns code. */
int ctl_say(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints every violation of an error: machine code, field, English sentence. Returns CTL_FAILED. */
int ctl_fail(const char *what, const struct err *err);
/* Sets the variables of the settings file that are not set yet; a missing file is fine. */
int ctl_load_settings(void);
/* A setting, or def when it is unset or empty. def NULL: says what is missing and returns NULL. */
const char *ctl_setting(const char *name, const char *def);

/* Options of a command: --name VALUE or --name=VALUE; without has_value a flag. */
struct ctl_option {
	const char *name;
	bool has_value;
	const char **value; /* flags: set to "1" */
};
/*
 * Takes options out of argv (argv[0] stays) and returns the number of words left, or a negative
 * exit code after saying what is wrong.
 */
int ctl_options(int argc, char **argv, const struct ctl_option *options, size_t n);
/*
 * A member as operators name it: "one-stop" is LGSP_MEMBER_PREFIX/one-stop; an address, "*",
 * "group:NAME" and "" stay. Returns name or out.
 */
const char *ctl_member_address(const char *name, char out[static 128]);
/* A whole number in a range; says what is wrong when it is not. */
int ctl_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret);

#endif
