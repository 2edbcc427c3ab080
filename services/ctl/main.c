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
	 "NAME [--grant \"SERVICE METHOD, ...\"] [--feed \"SERVICE FEED, ...\"] "
	 "[--serve \"SERVICE, ...\"] [--acts-for] [--public KEY] [--from DATE] [--until DATE]",
	 "make a system a member; with --public it keeps its secret itself", ctl_member_enrol,
	 audit_always},
	{"member add", "NAME ...", "the same as member enrol", ctl_member_enrol, audit_always},
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

/* --- help --- */

static void describe(FILE *out, const struct ctl_command *c)
{
	fprintf(out, "  %s%s%s\n      %s\n", c->name, *c->args ? " " : "", c->args, c->help);
}

static int help(FILE *out, int code)
{
	fputs("usage: lgspctl COMMAND ...\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		describe(out, &commands[i]);
	fputs("\n\"lgspctl help WORD...\" tells of some of them, and so does --help behind a "
	      "command. "
	      "Settings\ncome from the environment and from LGSP_ENV_FILE "
	      "(var/run/lgspctl.env).\n",
	      out);
	return code;
}

/* Does the name begin with these words, or these words with the name? */
static bool is_about(const char *name, int n, char **words)
{
	for (int i = 0; i < n && *name; i++) {
		size_t len = strcspn(name, " ");

		if (strlen(words[i]) != len || strncmp(name, words[i], len) != 0)
			return false;
		name += len + (name[len] == ' ');
	}
	return true;
}

/* Describes the commands these words are about; their number. */
static int help_about(FILE *out, int n, char **words)
{
	int found = 0;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (is_about(commands[i].name, n, words)) {
			describe(out, &commands[i]);
			found++;
		}
	return found;
}

/* Said with what the first word could have begun. */
static int no_command(int n, char **words)
{
	bool group = words[0][0] != '-' && n > 1 && strncmp(words[1], "--", 2) != 0;

	ctl_say(EXIT_USAGE, "no command \"%s%s%s\"", words[0], group ? " " : "",
		group ? words[1] : "");
	if (help_about(stderr, 1, words) == 0)
		fputs("  lgspctl help lists the commands\n", stderr);
	return EXIT_USAGE;
}

static int help_with(int n, char **words)
{
	if (n == 0)
		return help(stdout, 0);
	return help_about(stdout, n, words) > 0 ? 0 : no_command(n, words);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* --- commands --- */

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

static int run_audited(const struct ctl_command *c, int argc, char **argv)
{
	struct audit audit;
	int rc;

	if (!c->changes(argc, argv))
		return c->run(argc, argv);
	rc = audit_begin(&audit, c->name, argc, argv);
	return rc ? rc : audit_end(&audit, c->run(argc, argv));
}

/* Whoever calls it wrongly is shown how. */
static int run(const struct ctl_command *c, int argc, char **argv)
{
	int rc = ctl_load_settings();

	if (rc != 0)
		return rc;
	argv[0] = (char *)(uintptr_t)c->name;
	rc = run_audited(c, argc, argv);
	if (rc == EXIT_USAGE)
		describe(stderr, c);
	return rc;
}

int main(int argc, char **argv)
{
	log_init("lgspctl", "info");
	if (argc < 2)
		return help(stderr, EXIT_USAGE);
	if (strcmp(argv[1], "--version") == 0) {
		puts(base_version());
		return 0;
	}
	if (strcmp(argv[1], "help") == 0)
		return help_with(argc - 2, argv + 2);
	for (int i = 1; i < argc; i++)
		if (is_help(argv[i]))
			return help_with(i - 1, argv + 1);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int words = words_matched(commands[i].name, argc, argv);

		if (words > 0)
			return run(&commands[i], argc - words, argv + words);
	}
	return no_command(argc - 1, argv + 1);
}
