/* lgspctl: the table of commands. */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "common/base/log.h"
#include "services/ctl/audit.h"
#include "services/ctl/ctl.h"

static const struct ctl_command commands[] = {
	{"keys init",
	 "DIR [--services LIST] [--members LIST] [--rights FILE] [--add-rights] [--prefix I/C/M]",
	 "make the keys, rights and members of the suite; never overwrites", ctl_keys_init,
	 audit_always},
	{"member enrol",
	 "NAME [--grant \"SERVICE METHOD, ...\"] [--feed \"SERVICE FEED, ...\"] [--acts-for] "
	 "[--public KEY] [--from DATE] [--until DATE]",
	 "make a system a member; with --public it keeps its secret itself", ctl_member_enrol,
	 audit_always},
	{"member add", "NAME ...", "the same", ctl_member_enrol, audit_always},
	{"member rotate", "NAME [--public KEY] | NAME --finish [--force]",
	 "give a member a second key; --finish takes the old one away", ctl_member_rotate,
	 audit_always},
	{"member revoke", "NAME [--key KEY]", "take a member's keys away, within a second",
	 ctl_member_revoke, audit_always},
	{"member check", "[NAME] [--key FILE] [--clock MS]",
	 "what stands between a system and its first call, step by step", ctl_member_check,
	 audit_never},
	{"member list", "", "members and their rights", ctl_member_list, audit_never},
	{"token issue", "--subject S --ttl SECONDS [--member M]", "sign a bearer token (ES256)",
	 ctl_token_issue, audit_always},
	{"migrate", "[--status] [SERVICE...]", "bring the schemas to the newest version",
	 ctl_migrate, audit_migrate},
	{"call", "SERVICE METHOD [--as SUBJECT:ROLES:AGENCY] [--deadline MS] [--id UUID] < JSON",
	 "call one method; prints the reply", ctl_call, audit_call},
	{"feed", "SERVICE [--feed NAME] [--after N] [--limit N] [--verify]",
	 "events as JSON lines; --verify checks the seals", ctl_feed, audit_never},
	{"health", "[--wait SECONDS]", "ask every service whether it is ready", ctl_health,
	 audit_never},
	{"status", "[--json]", "state of each broker, and where they differ", ctl_status,
	 audit_never},
	{"services", "[NAME] [--json]", "services with workers, answers, latencies", ctl_services,
	 audit_never},
	{"members", "[NAME] [--json]", "members with answers, latencies, connections", ctl_members,
	 audit_never},
	{"queues", "[--json]", "what waits, whose it is, since when", ctl_queues, audit_never},
	{"top", "[--seconds N] [--limit N] [--json]", "the busiest members and methods", ctl_top,
	 audit_never},
	{"trace", "ID [--json] [DIR]", "what became of a trace or a message id, at every broker",
	 ctl_trace, audit_never},
	{"drain",
	 "SERVICE [WORKER] | --broker INSTANCE [SERVICE [WORKER]]; [--resume] [--wait SECONDS]",
	 "give no new requests to a worker, a service or a broker; --resume takes it back",
	 ctl_drain, audit_always},
	{"reload", "", "make the brokers read members and rights again", ctl_reload, audit_always},
	{"quota", "[MEMBER [NAME=NUMBER... | none]] [--json]",
	 "limits and their use; NAME: requests_per_s, burst, in_flight, bytes_in_flight", ctl_quota,
	 audit_quota},
	{"records query",
	 "[--member M] [--service S] [--method M] [--trace T] [--message-id ID] [--status S] "
	 "[--code C] [--since TIME] [--until TIME] [--limit N] [--json] [DIR]",
	 "operational records from the files, oldest first", ctl_records_query, audit_never},
	{"records import", "[--follow SECONDS] [--all] [DIR]",
	 "report the usage of closed record files to the directory, each once", ctl_records_import,
	 audit_always},
	{"records verify", "[DIR]", "check every record file and the chain they form",
	 ctl_records_verify, audit_never},
	{"officer appoint",
	 "--subject S --agency A --roles \"R...\" [--name N] [--post P] [--from DATE] [--to DATE]",
	 "give a person a post", ctl_officer_appoint, audit_always},
	{"officer list", "[--agency A] [--on DATE]", "officers in post", ctl_officer_list,
	 audit_never},
	{"profile check", "DIR", "check a province's profile; needs no running suite",
	 ctl_profile_check, audit_never},
	{"profile apply", "DIR", "check, then give each service its part", ctl_profile_apply,
	 audit_always},
	{"profile seal", "DIR", "write the files' SHA-256 into the manifest", ctl_profile_seal,
	 audit_always},
	{"dossier states", "", "the state table of dossiers", ctl_dossier_states, audit_never},
	{"dossier verify", "CODE",
	 "check a dossier's history against the state table, its events and their seals",
	 ctl_dossier_verify, audit_never},
	{"dossier import", "FILE --source NAME [--history FILE] --dry-run | --control HEX",
	 "take over dossiers of an older system; the dry run prints the control value",
	 ctl_dossier_import, audit_import},
	{"demo", "", "play one dossier through all services", ctl_demo, audit_always},
};

static int help(FILE *out, int code)
{
	fputs("usage: lgspctl COMMAND ...\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(out, "  %s %s\n      %s\n", commands[i].name, commands[i].args,
			commands[i].help);
	fputs("\nSettings come from the environment and from LGSP_ENV_FILE "
	      "(var/run/lgspctl.env).\n",
	      out);
	return code;
}

/* Words of a command's name that argv begins with; 0 when it is another command. */
static int words_matched(const char *name, int argc, char **argv)
{
	int words = 0;

	while (*name) {
		size_t len = strcspn(name, " ");

		if (words + 1 >= argc || strlen(argv[words + 1]) != len ||
		    strncmp(name, argv[words + 1], len) != 0)
			return 0;
		words++;
		name += len + (name[len] == ' ');
	}
	return words;
}

static int run(const struct ctl_command *command, int argc, char **argv)
{
	struct audit audit;
	int rc;

	if (!command->changes(argc, argv))
		return command->run(argc, argv);
	rc = audit_begin(&audit, command->name, argc, argv);
	return rc ? rc : audit_end(&audit, command->run(argc, argv));
}

int main(int argc, char **argv)
{
	log_init("lgspctl", "info");
	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		puts(base_version());
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
		return help(argc < 2 ? stderr : stdout, argc < 2 ? EXIT_USAGE : 0);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int words = words_matched(commands[i].name, argc, argv);

		if (words == 0)
			continue;
		int rc = ctl_load_settings();

		argv[words] = (char *)(uintptr_t)commands[i].name;
		return rc ? rc : run(&commands[i], argc - words, argv + words);
	}
	ctl_say(EXIT_USAGE, "no command \"%s\"", argv[1]);
	return help(stderr, EXIT_USAGE);
}
