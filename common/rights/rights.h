/*
 * The rights file: who may call what, read which feed, serve what, and how much. Deny by default.
 * Read by the broker and, for systems that come over HTTP, by the gateway. One rule per line:
 *
 *	group NAME MEMBER...                      # group:NAME may stand wherever MEMBER may
 *	grant MEMBER SERVICE METHOD [acts_for] [from=DATE] [until=DATE] [purpose=WORD,...]
 *	feed  MEMBER SERVICE FEED   [acts_for] [from=DATE] [until=DATE]
 *	serve MEMBER SERVICE        [from=DATE] [until=DATE]
 *	limit MEMBER [requests_per_s=N] [burst=N] [in_flight=N] [bytes_in_flight=N]
 *
 * SERVICE may be "*"; METHOD "*" or a beginning such as "Get*"; FEED "*". acts_for: also on behalf
 * of a person. purpose: the request must say one of these words. The limit of a member counts
 * before that of its groups, those before that of "*"; each number is looked for by itself. Feeds
 * (Feed.Pull and Feed.Head) are granted by `feed` alone, never by `grant`. A comment starts with
 * "#". Groups may be used before they are defined, and may be continued on further lines.
 *
 * DATE is YYYY-MM-DD, a day in Asia/Ho_Chi_Minh, both ends included, by the real clock - keys and
 * contracts are about real days, not about the business clock of dossiers - and is looked at with
 * every request, so that rights begin and end by themselves.
 *
 * A file with one bad line is refused whole, with the line and the reason. Parsed rights never
 * change, so threads may share them.
 */
#ifndef LGSP_RIGHTS_RIGHTS_H
#define LGSP_RIGHTS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define RIGHTS_FAULT_MAX  256
#define RIGHTS_RULES_MAX  20000
#define RIGHTS_MEMBER_MAX 128 /* with NUL */
#define RIGHTS_FILE_MAX   (2u << 20)
#define RIGHTS_FEEDS_MAX  16 /* rules about feeds of one service, per member */

struct rights;
struct rights_of; /* one member's */

/* What a member may have under way; 0: the file says nothing of it. */
struct rights_limits {
	uint32_t requests_per_s, burst, in_flight;
	uint64_t bytes_in_flight;
};

/* 0, or -1 with "line N: reason" in fault. */
int rights_parse(const char *text, size_t n, struct rights **ret_rights,
		 char fault[static RIGHTS_FAULT_MAX]);
void rights_free(struct rights *rights); /* NULL is fine */

/* NULL when the file does not name the member. */
const struct rights_of *rights_find(const struct rights *rights, const char *member);

/* Today in Asia/Ho_Chi_Minh by the real clock, as base/civil.h counts days. */
int32_t rights_today(void);

enum rights_answer {
	RIGHTS_GRANTED,
	RIGHTS_NOT_GRANTED,
	RIGHTS_NOT_IN_FORCE, /* granted for other days */
	RIGHTS_PURPOSE_REQUIRED,
	RIGHTS_PURPOSE_NOT_GRANTED,
	RIGHTS_ACTS_FOR_NOT_GRANTED,
};

struct rights_question {
	const char *service, *method;
	const char *purpose; /* "" for none */
	bool on_behalf;
	int32_t today;
};

/*
 * May it call? One rule must allow the whole of the question; else the answer is that of the rule
 * which came nearest. who may be NULL: nobody may do anything. No allocation; time does not grow
 * with the rules, but for those with "*".
 */
enum rights_answer rights_ask(const struct rights_of *who, const struct rights_question *q);
/* 0 when granted, else DENIED with the answer's code; "SERVICE.METHOD" is what was asked. */
int rights_refuse(enum rights_answer answer, const struct rights_question *q, struct err *err);

/* Feed.Pull and Feed.Head, which every service with a feed has. */
bool rights_is_feed_method(const char *method);
/* Names of the service's feeds the question may be about ("*": all of them); their number. */
unsigned rights_feeds(const struct rights_of *who, const struct rights_question *q,
		      const char *ret_feeds[static RIGHTS_FEEDS_MAX]);
bool rights_may_read_feed(const struct rights_of *who, const struct rights_question *q,
			  const char *feed);

bool rights_may_serve(const struct rights_of *who, const char *service, int32_t today);

/* who may be NULL: what the file says of "*". */
struct rights_limits rights_limits_of(const struct rights *rights, const struct rights_of *who);

/* Calls fn with each line that gives the member something, its own and its groups'. */
void rights_each(const struct rights_of *who, int32_t today,
		 void (*fn)(const char *line, bool in_force, void *arg), void *arg);

/* instance/class/member/subsystem, each part of letters, digits, '.', '_', '-'. */
bool rights_member_valid(const char *address);

#endif
