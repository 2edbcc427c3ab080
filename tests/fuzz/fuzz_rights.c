/*
 * The rights file. Nothing may crash; what is taken must answer every question, must never give a
 * feed by a grant, and must read the same a second time.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/rights/rights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_line(const char *line, bool in_force, void *arg)
{
	CHECK(*line && strlen(line) < 4096);
	*(unsigned *)arg += in_force;
}

static void ask_all(const struct rights *r, const char *member)
{
	static const char *const methods[] = {"Submit", "Get", "GetAll", "Feed.Pull"};
	const struct rights_of *who = rights_find(r, member);
	const char *feeds[RIGHTS_FEEDS_MAX];
	unsigned lines = 0;

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		const struct rights_question q = {.service = "dossier",
						  .method = methods[i],
						  .purpose = "intake",
						  .today = rights_today()};
		unsigned n = rights_feeds(who, &q, feeds);

		CHECK(n <= RIGHTS_FEEDS_MAX);
		if (rights_is_feed_method(methods[i]))
			CHECK((rights_ask(who, &q) == RIGHTS_GRANTED) == (n > 0));
		else
			rights_ask(who, &q);
	}
	rights_may_serve(who, "dossier", rights_today());
	rights_limits_of(r, who);
	rights_each(who, rights_today(), count_line, &lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char fault[RIGHTS_FAULT_MAX] = "", again[RIGHTS_FAULT_MAX] = "";
	struct rights *r = NULL, *second = NULL;
	int rc = rights_parse((const char *)data, size, &r, fault);

	CHECK(rights_parse((const char *)data, size, &second, again) == rc);
	CHECK(strcmp(fault, again) == 0 && (rc == 0) == (fault[0] == 0));
	if (rc == 0) {
		ask_all(r, "a/b/c/d");
		ask_all(r, "VN/GOV/H40/one-stop");
		ask_all(r, "*");
	}
	rights_free(r);
	rights_free(second);
	return 0;
}
