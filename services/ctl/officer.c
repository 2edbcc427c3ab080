/* officer appoint|list. */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/session.h"

#define ROLES_MAX 16
#define PAGE      100

static int call_appoint(Directory__AppointOfficerRequest *in, const char *as)
{
	struct session *session = NULL;
	struct session_how how = {0};
	Bus__OnBehalfOf *who = NULL;
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	int rc = as ? session_parse_as(as, &arena, &who) : 0;

	how.on_behalf_of = who;
	if (rc == 0)
		rc = session_open("LGSP_BUS_MEMBER", &session);
	if (rc == 0 && session_call(session, "directory", "AppointOfficer", &in->base,
				    &directory__appoint_officer_reply__descriptor, &how, &arena,
				    &out, &err) < 0)
		rc = ctl_fail("officer appoint", &err);
	if (rc == 0)
		printf("%s: %s in %s, version %d\n", in->officer->subject, in->officer->post,
		       in->officer->agency_code,
		       ((const Directory__AppointOfficerReply *)out)->version);
	session_close(session);
	arena_done(&arena);
	return rc;
}

int ctl_officer_appoint(int argc, char **argv)
{
	const char *roles = NULL, *as = NULL;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	const char *list[ROLES_MAX];
	const struct ctl_option options[] = {
		{"--subject", true, &officer.subject},
		{"--name", true, &officer.name},
		{"--agency", true, &officer.agency_code},
		{"--post", true, &officer.post},
		{"--roles", true, &roles},
		{"--from", true, &officer.valid_from},
		{"--to", true, &officer.valid_to},
		{"--as", true, &as},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));

	if (words < 0)
		return -words;
	if (words != 1 || !officer.subject[0] || !officer.agency_code[0] || !roles)
		return ctl_say(EXIT_USAGE, "officer appoint needs --subject, --agency and --roles");
	CLEANUP_FREE char *copy = base_strdup(roles);
	char *save = NULL;

	officer.roles = list;
	for (char *r = strtok_r(copy, ", ", &save); r; r = strtok_r(NULL, ", ", &save)) {
		if (officer.n_roles == ROLES_MAX)
			return ctl_say(EXIT_USAGE, "more than %d roles", ROLES_MAX);
		list[officer.n_roles++] = r;
	}
	in.officer = &officer;
	return call_appoint(&in, as);
}

static void print_officer(const Directory__Officer *o)
{
	printf("%-20s %-12s ", o->subject, o->agency_code);
	for (size_t i = 0; i < o->n_roles; i++)
		printf("%s%s", i ? "," : "", o->roles[i]);
	printf("  %s, %s  %s - %s\n", o->name, o->post, o->valid_from, o->valid_to);
}

/* One page; the last subject is kept in after. Returns an exit code; *ret_n rows came. */
static int list_page(struct session *session, Directory__ListOfficersRequest *in,
		     char after[static 128], size_t *ret_n)
{
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;
	int rc = 0;

	arena_init(&arena, 4 << 20);
	*ret_n = 0;
	in->after_subject = after;
	if (session_call(session, "directory", "ListOfficers", &in->base,
			 &directory__list_officers_reply__descriptor, NULL, &arena, &out,
			 &err) < 0) {
		rc = ctl_fail("officer list", &err);
	} else {
		const Directory__ListOfficersReply *reply =
			(const Directory__ListOfficersReply *)out;

		*ret_n = reply->n_officers;
		for (size_t i = 0; i < reply->n_officers; i++)
			print_officer(reply->officers[i]);
		if (reply->n_officers > 0)
			snprintf(after, 128, "%.127s",
				 reply->officers[reply->n_officers - 1]->subject);
	}
	arena_done(&arena);
	return rc;
}

int ctl_officer_list(int argc, char **argv)
{
	Directory__ListOfficersRequest in = DIRECTORY__LIST_OFFICERS_REQUEST__INIT;
	const struct ctl_option options[] = {
		{"--agency", true, &in.agency_code},
		{"--on", true, &in.on_date},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	struct session *session = NULL;
	char after[128] = "";
	size_t n = PAGE;

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "officer list takes no words");
	in.limit = PAGE;
	int rc = session_open("LGSP_BUS_MEMBER", &session);

	while (rc == 0 && n == PAGE)
		rc = list_page(session, &in, after, &n);
	session_close(session);
	return rc;
}
