/*
 * What a system may do over HTTP: the rights of its member, from the broker's rights file, not the
 * gateway's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/log.h"
#include "common/rights/rights.h"
#include "services/gateway/gateway.h"

static const struct err_kind rights_invalid = {ERR_INVALID, "RIGHTS_INVALID",
					       "Tệp phân quyền không hợp lệ: %s",
					       "the rights file is not valid: %s"};
static const struct err_kind not_allowed = {ERR_DENIED, "NOT_ALLOWED", "Bạn không được phép gọi %s",
					    "you may not call %s"};

static const struct err_kind not_your_role = {ERR_DENIED, "NOT_ALLOWED",
					      "Chức năng này dành cho vai trò: %s",
					      "this is for people with the role: %s"};

struct system_rights {
	struct watch watch;
	struct rights *rights;
};

static int read_file(const char *path, struct rights **ret_rights, char fault[static 512])
{
	CLEANUP_FREE char *text = base_alloc(RIGHTS_FILE_MAX);
	CLEANUP_FILE FILE *file = fopen(path, "re");
	char reason[RIGHTS_FAULT_MAX] = "cannot be read";
	size_t n;

	if (file) {
		n = fread(text, 1, RIGHTS_FILE_MAX, file);
		if (!ferror(file) && n < RIGHTS_FILE_MAX &&
		    rights_parse(text, n, ret_rights, reason) == 0)
			return 0;
	}
	snprintf(fault, 512, "%.240s: %s", path, reason);
	return -1;
}

int system_rights_read(const char *path, struct system_rights **ret_rights, struct err *err)
{
	struct system_rights *rights = base_alloc(sizeof(*rights));
	char fault[512];

	watch_init(&rights->watch, path);
	if (path[0] != '\0' && read_file(path, &rights->rights, fault) < 0) {
		system_rights_free(rights);
		return err_set(err, &rights_invalid, NULL, fault);
	}
	*ret_rights = rights;
	return 0;
}

void system_rights_reload(struct system_rights **rights)
{
	struct system_rights *fresh;
	struct err err = {0};

	if (!watch_changed(&(*rights)->watch))
		return;
	if (system_rights_read((*rights)->watch.path, &fresh, &err) < 0) {
		log_error("gateway.rights_refused", LOG_STR("err", err.items[0].en));
		return;
	}
	log_info("gateway.rights_read", LOG_STR("path", fresh->watch.path));
	system_rights_free(*rights);
	*rights = fresh;
}

void system_rights_free(struct system_rights *rights)
{
	if (!rights)
		return;
	rights_free(rights->rights);
	free(rights);
}

static const struct rights_of *rights_of_member(const struct system_rights *rights,
						const char *member)
{
	return rights->rights ? rights_find(rights->rights, member) : NULL;
}

int system_rights_check(const struct system_rights *rights, const char *member,
			const struct rights_question *q, struct err *err)
{
	return rights_refuse(rights_ask(rights_of_member(rights, member), q), q, err);
}

bool system_rights_feed(const struct system_rights *rights, const char *member, const char *service,
			const char *feed)
{
	const struct rights_question q = {
		.service = service, .method = "Feed.Pull", .purpose = "", .today = rights_today()};

	return rights_may_read_feed(rights_of_member(rights, member), &q, feed);
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

static bool row_is_for(const struct identity *who, const struct rpc_row *row)
{
	switch (who->kind) {
	case WHO_ANONYMOUS:
		return false;
	case WHO_CITIZEN:
		return row->exposure & RPC_CITIZEN;
	case WHO_OFFICER:
		return (row->exposure & RPC_STAFF) && identity_has_role(who, row->roles);
	case WHO_SYSTEM:
		return row->exposure & RPC_SYSTEM;
	}
	return false;
}

int identity_check_call(const struct identity *who, const struct system_rights *rights,
			const struct rpc_table *table, const struct rpc_row *row,
			const char *purpose, struct err *err)
{
	if (row->exposure & RPC_PUBLIC)
		return 0;
	if (!row_is_for(who, row) && who->kind == WHO_OFFICER && (row->exposure & RPC_STAFF))
		return err_set(err, &not_your_role, NULL, row->roles);
	if (!row_is_for(who, row))
		return err_set(err, &not_allowed, NULL, row->method);
	if (who->kind != WHO_SYSTEM)
		return 0;
	return system_rights_check(rights, who->subject,
				   &(struct rights_question){.service = table->service,
							     .method = row->method,
							     .purpose = purpose ? purpose : "",
							     .today = rights_today()},
				   err);
}
