/* profile check|apply|seal. */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "services/ctl/ctl.h"
#include "services/ctl/profile.h"
#include "services/ctl/profile_apply.h"

static int load_checked(struct profile *profile, const char *dir)
{
	profile_load(profile, dir);
	profile_check(profile);
	if (profile->report.n == 0)
		return 0;
	fputs(buf_str(&profile->report.text), stderr);
	return ctl_say(CTL_FAILED, "profile %s: %u faults", dir, profile->report.n);
}

static void print_summary(const struct profile *profile)
{
	printf("profile %s: whole, manifest %.16s\n", profile->name, profile->manifest_sha256);
	for (int f = 0; f < PROFILE_FILES; f++)
		printf("  %-16s %5zu rows\n", profile->tables[f].file, profile->tables[f].n_rows);
}

int ctl_profile_check(int argc, char **argv)
{
	struct profile profile;

	if (argc != 2)
		return ctl_say(EXIT_USAGE, "profile check needs the folder");
	int rc = load_checked(&profile, argv[1]);

	if (rc == 0)
		print_summary(&profile);
	profile_done(&profile);
	return rc;
}

int ctl_profile_apply(int argc, char **argv)
{
	struct profile profile;

	if (argc != 2)
		return ctl_say(EXIT_USAGE, "profile apply needs the folder");
	int rc = load_checked(&profile, argv[1]);

	if (rc == 0)
		rc = profile_apply(&profile);
	profile_done(&profile);
	return rc;
}

int ctl_profile_seal(int argc, char **argv)
{
	if (argc != 2)
		return ctl_say(EXIT_USAGE, "profile seal needs the folder");
	return profile_seal(argv[1]) < 0 ? CTL_FAILED : 0;
}
