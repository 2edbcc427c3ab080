/* token issue: bearer tokens for development and for systems without an identity provider. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/base/jwt.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"

#define TTL_MAX_S (366 * 86400LL)

static int issue(const char *key_path, const char *subject, const char *member, int64_t ttl_s)
{
	const char *issuer = ctl_setting("LGSP_TOKEN_ISSUER", "lgsp");
	const char *audience = ctl_setting("LGSP_TOKEN_AUDIENCE", "lgsp");
	int64_t now_s = clock_wall_us() / CLOCK_US_PER_S;
	struct arena arena;
	struct buf pem;
	struct err err = {0};
	char *token = NULL;

	arena_init(&arena, 65536);
	buf_init(&pem, 65536);
	int rc = file_read(key_path, &pem);

	if (rc < 0)
		rc = ctl_say(CTL_FAILED, "%s: %s", key_path, strerror(errno));
	else if (jwt_sign(buf_str(&pem), issuer, audience, subject, member, now_s, ttl_s, &arena,
			  &token, &err) < 0)
		rc = ctl_fail("token issue", &err);
	else
		puts(token);
	buf_done(&pem);
	arena_done(&arena);
	return rc;
}

int ctl_token_issue(int argc, char **argv)
{
	const char *subject = NULL, *ttl = NULL, *member = NULL;
	const struct ctl_option options[] = {
		{"--subject", true, &subject},
		{"--ttl", true, &ttl},
		{"--member", true, &member},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	int64_t ttl_s = 0;

	if (words < 0)
		return -words;
	if (words != 1 || !subject || !subject[0] || !ttl)
		return ctl_say(EXIT_USAGE, "token issue needs --subject and --ttl");
	int rc = ctl_number("--ttl", ttl, 1, TTL_MAX_S, &ttl_s);

	if (rc != 0)
		return rc;
	const char *key = ctl_setting("LGSP_TOKEN_KEY", NULL);
	char address[128];

	if (!key)
		return EXIT_CONFIG;
	return issue(key, subject, member ? ctl_member_address(member, address) : NULL, ttl_s);
}
