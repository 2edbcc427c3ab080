/*
 * The rights file: who may call what, who may serve what. Deny by default. One rule per line:
 *
 *	grant MEMBER SERVICE METHOD [acts_for]     # may call; acts_for: also on behalf of a person
 *	serve MEMBER SERVICE                       # may register as a worker
 *
 * SERVICE and METHOD may be "*", a comment starts with "#". A file with one bad line is refused
 * whole, with the line and the reason. Parsed rights never change.
 */
#ifndef LGSP_SERVICES_BUS_RIGHTS_H
#define LGSP_SERVICES_BUS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#define RIGHTS_FAULT_MAX  256
#define RIGHTS_RULES_MAX  20000
#define RIGHTS_MEMBER_MAX 128 /* with NUL */

struct rights;
struct rights_of; /* one member's */

/* 0, or -1 with "line N: reason" in fault. */
int rights_parse(const char *text, size_t n, struct rights **ret_rights,
		 char fault[static RIGHTS_FAULT_MAX]);
void rights_free(struct rights *rights); /* NULL is fine */

/* NULL when the file does not name the member. */
const struct rights_of *rights_find(const struct rights *rights, const char *member);
/* who may be NULL: nobody may do anything. */
bool rights_may_call(const struct rights_of *who, const char *service, const char *method,
		     bool *ret_acts_for);
bool rights_may_serve(const struct rights_of *who, const char *service);

/* instance/class/member/subsystem, each part of letters, digits, '.', '_', '-'. */
bool rights_member_valid(const char *address);

#endif
