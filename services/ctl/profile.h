/*
 * A province's profile: an immutable folder of CSV files, named with their SHA-256 in manifest.csv.
 * profile_load() parses everything, profile_check() applies the rules between rows; both collect
 * every fault. profile_apply.c gives each service its part.
 */
#ifndef SERVICES_CTL_PROFILE_H
#define SERVICES_CTL_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/calendar.h"
#include "common/base/crypt.h"
#include "services/ctl/csv.h"

enum profile_file {
	PROFILE_UNITS,
	PROFILE_AGENCIES,
	PROFILE_CALENDAR,
	PROFILE_HOURS,
	PROFILE_OFFICERS,
	PROFILE_CATEGORIES,
	PROFILE_SYSTEMS,
	PROFILE_PROCEDURES,
	PROFILE_STEPS,
	PROFILE_COMPONENTS,
	PROFILE_FORM,
	PROFILE_OPINIONS,
	PROFILE_LEGAL,
	PROFILE_ITEMS,
	PROFILE_CHANNELS,
	PROFILE_FEES,
	PROFILE_ACCOUNTS,
	PROFILE_INDICATORS,
	PROFILE_TARGETS,
	PROFILE_FILES,
};

/* Columns of each file, in the order of profile_read.c's tables. */
enum { UNIT_CODE, UNIT_LEVEL, UNIT_PARENT, UNIT_NAME, UNIT_FROM, UNIT_TO, UNIT_SUCCESSOR };
enum {
	AGENCY_CODE,
	AGENCY_PARENT,
	AGENCY_LEVEL,
	AGENCY_UNIT,
	AGENCY_NAME,
	AGENCY_FROM,
	AGENCY_TO,
	AGENCY_SUCCESSOR
};
enum { DAY_DATE, DAY_KIND, DAY_WHY, DAY_CERTAINTY };
enum { HOURS_SCOPE, HOURS_WEEKDAYS, HOURS_AM, HOURS_PM, HOURS_FROM, HOURS_TO, HOURS_SOURCE };
enum {
	OFFICER_SUBJECT,
	OFFICER_NAME,
	OFFICER_AGENCY,
	OFFICER_POST,
	OFFICER_ROLES,
	OFFICER_FROM,
	OFFICER_TO,
	OFFICER_SOURCE
};
enum {
	CATEGORY_NAME,
	CATEGORY_CODE,
	CATEGORY_VI,
	CATEGORY_EN,
	CATEGORY_NOTE,
	CATEGORY_FROM,
	CATEGORY_TO
};
enum { SYSTEM_MEMBER, SYSTEM_NAME, SYSTEM_OWNER, SYSTEM_FROM, SYSTEM_TO, SYSTEM_FACING };
enum {
	PROCEDURE_CODE,
	PROCEDURE_NAME,
	PROCEDURE_FIELD,
	PROCEDURE_LEVELS,
	PROCEDURE_LIMIT_UNIT,
	PROCEDURE_LIMIT_VALUE,
	PROCEDURE_FEE_KIND,
	PROCEDURE_FEE,
	PROCEDURE_ONLINE_LEVEL,
	PROCEDURE_DATA_CLASS,
	PROCEDURE_RESULT,
	PROCEDURE_FROM,
	PROCEDURE_TO,
	PROCEDURE_INTERNAL,
	PROCEDURE_SERVICE,
	PROCEDURE_ELIGIBLE,
	PROCEDURE_DECISION,
	PROCEDURE_DECIDED,
	PROCEDURE_PUBLISHED,
	PROCEDURE_REPLY,
	PROCEDURE_SOURCE,
	PROCEDURE_NOTE
};
enum {
	STEP_PROCEDURE,
	STEP_ORDINAL,
	STEP_ROLE,
	STEP_AGENCY,
	STEP_HOURS,
	STEP_NAME,
	STEP_ACTIONS,
	STEP_SOURCE
};
enum {
	OPINION_PROCEDURE,
	OPINION_STEP,
	OPINION_AGENCY,
	OPINION_HOURS,
	OPINION_QUESTION,
	OPINION_SOURCE
};
enum { LEGAL_PROCEDURE, LEGAL_NUMBER, LEGAL_TITLE, LEGAL_ARTICLE, LEGAL_SOURCE };
enum {
	ITEM_PROCEDURE,
	ITEM_CODE,
	ITEM_NAME,
	ITEM_KIND,
	ITEM_AMOUNT,
	ITEM_PER,
	ITEM_TIMING,
	ITEM_EXEMPT,
	ITEM_SOURCE
};
enum { CHANNEL_NAME, CHANNEL_OPENS, CHANNEL_CLOSES, CHANNEL_BASIS, CHANNEL_INSTEAD };
enum {
	COMPONENT_PROCEDURE,
	COMPONENT_CODE,
	COMPONENT_NAME,
	COMPONENT_REQUIRED,
	COMPONENT_RECORDS,
	COMPONENT_ORIGINALS,
	COMPONENT_COPIES,
	COMPONENT_IF,
	COMPONENT_SOURCE
};
enum {
	FORM_PROCEDURE,
	FORM_NAME,
	FORM_LABEL,
	FORM_TYPE,
	FORM_REQUIRED,
	FORM_MAX_LENGTH,
	FORM_MIN_LENGTH,
	FORM_PATTERN,
	FORM_DATE_RULE,
	FORM_MIN,
	FORM_MAX,
	FORM_OPTIONS,
	FORM_IF,
	FORM_SOURCE
};
enum { FEE_PROCEDURE, FEE_KIND, FEE_AMOUNT, FEE_ONLINE, FEE_FROM, FEE_TO, FEE_SOURCE };
enum {
	ACCOUNT_AGENCY,
	ACCOUNT_BIN,
	ACCOUNT_NUMBER,
	ACCOUNT_HOLDER,
	ACCOUNT_FROM,
	ACCOUNT_TO,
	ACCOUNT_SOURCE
};
enum {
	INDICATOR_ID,
	INDICATOR_VI,
	INDICATOR_EN,
	INDICATOR_NUMERATOR,
	INDICATOR_DENOMINATOR,
	INDICATOR_KIND,
	INDICATOR_SCOPES,
	INDICATOR_SOURCE,
	INDICATOR_OWNER,
	INDICATOR_NOTE
};
enum { TARGET_INDICATOR, TARGET_SCOPE, TARGET_DUE, TARGET_OPERATOR, TARGET_VALUE, TARGET_BASELINE };

struct profile {
	struct arena arena;
	struct csv_report report;
	struct csv_table tables[PROFILE_FILES];
	char manifest_sha256[CRYPT_SHA256_HEX];
	const char *name;
	int64_t demo_us;                /* business time the demo begins */
	int32_t covers_from, covers_to; /* of the calendar */
	uint32_t reply_days; /* an applicant has to complete a filing, unless the procedure says */
};

/* Name of a file in the folder. */
const char *profile_file_name(enum profile_file file);

/* Reads a folder; faults are in the report. Always call profile_done(). */
void profile_load(struct profile *profile, const char *dir);
void profile_done(struct profile *profile);
/* The rules between rows. */
void profile_check(struct profile *profile);
/* Writes the SHA-256 of each file into manifest.csv; its other lines stay. 0 or -1 (said). */
int profile_seal(const char *dir);

/*
 * The sessions of a row of hours.csv ("07:30-11:30", empty for none) in minutes from midnight. 0,
 * or -1 when they are not two times in order or no hours of all the row's weekdays.
 */
int profile_hours(const struct csv_row *row, struct calendar_hours *ret);
/* The rules of hours.csv; profile_check() asks. */
void profile_check_hours(struct profile *profile);

/* A target's value in hundredths: "80", "12.5". Negative: not such a number. */
int64_t profile_hundredths(const char *text);

#endif
