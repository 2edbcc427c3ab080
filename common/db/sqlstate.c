/* What each SQLSTATE means (PostgreSQL manual, appendix A), as one table. */
#include <string.h>

#include "common/base/base.h"
#include "common/db/conn.h"

const struct err_kind db_err_contention = {ERR_UNAVAILABLE, "DATABASE_CONTENTION",
					   "Dữ liệu đang được cập nhật, xin thử lại",
					   "the data is being changed by others, try again"};
static const struct err_kind database_full = {
	ERR_UNAVAILABLE, "DATABASE_FULL", "Cơ sở dữ liệu tạm thời không ghi được, xin thử lại sau",
	"the database cannot write for now, try again later"};
const struct err_kind db_err_away = {ERR_UNAVAILABLE, "DATABASE_AWAY",
				     "Cơ sở dữ liệu tạm thời không phục vụ",
				     "the database does not serve for now"};
static const struct err_kind duplicate = {ERR_CONFLICT, "DUPLICATE", "Dữ liệu đã tồn tại (%s)",
					  "the data exists already (%s)"};
static const struct err_kind reference_missing = {
	ERR_CONFLICT, "REFERENCE_MISSING",
	"Dữ liệu liên quan không tồn tại hoặc đang được dùng (%s)",
	"related data does not exist or is in use (%s)"};
static const struct err_kind rule_broken = {ERR_CONFLICT, "DATA_RULE_BROKEN",
					    "Dữ liệu vi phạm ràng buộc (%s)",
					    "the data breaks a constraint (%s)"};
static const struct err_kind value_refused = {ERR_INVALID, "VALUE_REFUSED", "Giá trị không hợp lệ",
					      "a value is not valid"};

/* A longer prefix stands before the shorter one it begins with. */
static const struct sqlstate_rule rules[] = {
	/* again at once: somebody else was quicker */
	{"40001", &db_err_contention, DB_RETRY_TX, 20, false},
	{"40P01", &db_err_contention, DB_RETRY_TX, 20, false},
	{"40", &db_err_contention, DB_RETRY_TX, 20, false},
	{"55P03", &db_err_contention, DB_RETRY_TX, 50, false},
	{"57014", &db_err_contention, DB_RETRY_TX, 200, false},
	/* the connection is of no use: another one, and again */
	{"08", &db_err_away, DB_RETRY_TX, 100, true},
	{"25006", &db_err_away, DB_RETRY_TX, 100, true}, /* demoted to a standby */
	{"25P03", &db_err_away, DB_RETRY_TX, 20, true},
	{"57P", &db_err_away, DB_RETRY_TX, 100, true},
	{"53300", &db_err_away, DB_RETRY_TX, 200, true},
	{"26000", &db_err_contention, DB_RETRY_TX, 1, true}, /* prepared statement lost */
	{"0A000", &db_err_contention, DB_RETRY_TX, 1,
	 true}, /* its result type changed by a migration */
	/* trouble that a retry makes worse */
	{"53", &database_full, DB_RETRY_NO, 5000, false},
	{"58", &database_full, DB_RETRY_NO, 5000, false},
	/* refused by the data's own rules */
	{"23505", &duplicate, DB_RETRY_NO, 0, false},
	{"23503", &reference_missing, DB_RETRY_NO, 0, false},
	{"23", &rule_broken, DB_RETRY_NO, 0, false},
	{"44000", &rule_broken, DB_RETRY_NO, 0, false},
	{"P0001", &rule_broken, DB_RETRY_NO, 0, false},
	{"22P03", &err_internal, DB_RETRY_NO, 0, false}, /* our binary format */
	{"22", &value_refused, DB_RETRY_NO, 0, false},
	{"54000", &err_too_large, DB_RETRY_NO, 0, false},
	/* the rest is a bug, of ours or of the server */
	{"", &err_internal, DB_RETRY_NO, 0, false},
};

const struct sqlstate_rule *sqlstate_find(const char *sqlstate)
{
	for (size_t i = 0; i + 1 < ARRAY_LEN(rules); i++)
		if (strncmp(sqlstate, rules[i].prefix, strlen(rules[i].prefix)) == 0)
			return &rules[i];
	return &rules[ARRAY_LEN(rules) - 1];
}
