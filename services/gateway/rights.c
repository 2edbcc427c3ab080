/* The grants of the rights file (deploy/rights explains it): "grant MEMBER SERVICE METHOD". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/log.h"
#include "services/gateway/gateway.h"

#define GRANTS_MAX     10000
#define LINE_MAX_BYTES 512

static const struct err_kind rights_invalid = {ERR_INVALID, "RIGHTS_INVALID",
					       "Tệp phân quyền không hợp lệ: %s",
					       "the rights file is not valid: %s"};

struct grant {
	char *member, *service, *method;
	struct grant *next;
};

struct rights {
	struct watch watch;
	struct grant *grants;
	size_t n;
};

static void add_grant(struct rights *rights, char **words)
{
	struct grant *g = base_alloc(sizeof(*g));

	g->member = base_strdup(words[1]);
	g->service = base_strdup(words[2]);
	g->method = base_strdup(words[3]);
	g->next = rights->grants;
	rights->grants = g;
	rights->n++;
}

/* Only grants matter here; lines the broker alone reads are its to check. */
static bool read_line(struct rights *rights, char *line)
{
	char *words[6] = {NULL};
	size_t n = 0;
	char *save = NULL;

	line[strcspn(line, "#\r\n")] = '\0';
	for (char *w = strtok_r(line, " \t", &save); w && n < ARRAY_LEN(words);
	     w = strtok_r(NULL, " \t", &save))
		words[n++] = w;
	if (n == 0 || strcmp(words[0], "grant") != 0)
		return true;
	if ((n != 4 && n != 5) || rights->n == GRANTS_MAX)
		return false;
	add_grant(rights, words);
	return true;
}

int rights_read(const char *path, struct rights **ret_rights, struct err *err)
{
	struct rights *rights = base_alloc(sizeof(*rights));
	CLEANUP_FILE FILE *file = NULL;
	char line[LINE_MAX_BYTES];
	bool good = true;

	watch_init(&rights->watch, path);
	if (path[0] != '\0') {
		file = fopen(path, "re");
		good = file != NULL;
	}
	while (good && file && fgets(line, sizeof(line), file))
		good = (strchr(line, '\n') || feof(file)) && read_line(rights, line);
	if (!good || (file && ferror(file))) {
		rights_free(rights);
		return err_set(err, &rights_invalid, NULL, path);
	}
	*ret_rights = rights;
	return 0;
}

void rights_reload(struct rights **rights)
{
	struct rights *fresh;
	struct err err = {0};

	if (!watch_changed(&(*rights)->watch))
		return;
	if (rights_read((*rights)->watch.path, &fresh, &err) < 0) {
		log_error("gateway.rights_refused", LOG_STR("err", err.items[0].en));
		return;
	}
	log_info("gateway.rights_read", LOG_STR("path", fresh->watch.path));
	rights_free(*rights);
	*rights = fresh;
}

void rights_free(struct rights *rights)
{
	if (!rights)
		return;
	for (struct grant *g = rights->grants, *next; g; g = next) {
		next = g->next;
		free(g->member);
		free(g->service);
		free(g->method);
		free(g);
	}
	free(rights);
}

static bool matches(const char *pattern, const char *word)
{
	return strcmp(pattern, "*") == 0 || strcmp(pattern, word) == 0;
}

bool rights_grant(const struct rights *rights, const char *member, const char *service,
		  const char *method)
{
	for (const struct grant *g = rights->grants; g; g = g->next) {
		if (strcmp(g->member, member) == 0 && matches(g->service, service) &&
		    matches(g->method, method))
			return true;
	}
	return false;
}

bool identity_has_role(const struct identity *who, const char *list)
{
	char roles[sizeof(who->roles)];
	char *save = NULL;

	if (list[0] == '\0')
		return true;
	memcpy(roles, who->roles, sizeof(roles));
	for (char *r = strtok_r(roles, " ", &save); r; r = strtok_r(NULL, " ", &save)) {
		if (rpc_role_in(list, r))
			return true;
	}
	return false;
}

bool identity_may_call(const struct identity *who, const struct rights *rights,
		       const struct rpc_table *table, const struct rpc_row *row)
{
	if (row->exposure & RPC_PUBLIC)
		return true;
	switch (who->kind) {
	case WHO_ANONYMOUS:
		return false;
	case WHO_CITIZEN:
		return row->exposure & RPC_CITIZEN;
	case WHO_OFFICER:
		return (row->exposure & RPC_STAFF) && identity_has_role(who, row->roles);
	case WHO_SYSTEM:
		return (row->exposure & RPC_SYSTEM) &&
		       rights_grant(rights, who->subject, table->service, row->method);
	}
	return false;
}
