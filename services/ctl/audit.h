/*
 * One line for every act of an operator that changes something: who, what, how it ended. main.c
 * writes them, so no command can forget; a command says only when it changes something.
 *
 * The line goes to the file LGSP_AUDIT_LOG, made 0600 and only ever appended to; without the
 * setting to standard error, where a journal keeps it. An act whose line could not be written is
 * not begun. Numbers that may be a person's (nine digits and more) and names of people are left
 * out.
 */
#ifndef SERVICES_CTL_AUDIT_H
#define SERVICES_CTL_AUDIT_H

#include <stdbool.h>

struct audit {
	int fd; /* -1: standard error */
	const char *act;
	char words[1024]; /* the command's words and options, as given but for what is left out */
};

/* Before the act, whose options are taken out of argv. 0, or an exit code (said). */
int audit_begin(struct audit *audit, const char *act, int argc, char **argv);
/* After it; rc is its exit code. Returns rc, or another when the line could not be written (said).
 */
int audit_end(struct audit *audit, int rc);

/* For the table of commands: does a command with these words change something? */
bool audit_never(int argc, char **argv);
bool audit_always(int argc, char **argv);
bool audit_migrate(int argc, char **argv); /* not --status */
bool audit_call(int argc, char **argv);    /* a method with an effect */
bool audit_quota(int argc, char **argv);   /* with numbers */
bool audit_import(int argc, char **argv);  /* not --dry-run */

#endif
