/* What the rules between a profile's rows share; used by profile_rules*.c only. */
#ifndef SERVICES_CTL_PROFILE_RULES_H
#define SERVICES_CTL_PROFILE_RULES_H

#include "services/ctl/profile.h"

struct profile_period {
	int32_t from, to;
};

/* Columns of a file whose rows are dated; -1 where there is none. */
struct profile_dated {
	enum profile_file file;
	int key, second_key, from, to, successor;
	const char *what;
};

extern const struct profile_dated profile_agencies, profile_procedures, profile_fees;

#define PROFILE_FAULT(p, file, row, ...)                                                           \
	csv_fault(&(p)->report, profile_file_name(file), (row)->line, __VA_ARGS__)

const struct csv_table *profile_table(const struct profile *p, enum profile_file file);
bool profile_period(const struct profile_dated *d, const struct csv_row *row,
		    struct profile_period *ret);
/* The row of a code in force on a day; NULL when there is none. */
const struct csv_row *profile_row_on(const struct profile *p, const struct profile_dated *d,
				     const char *code, int32_t day);
bool profile_is_known(const struct profile *p, const struct profile_dated *d, const char *code);
/* A code that another row names must be in force, itself or by successors, as long as that row. */
void profile_check_named(struct profile *p, const struct profile_dated *from,
			 const struct csv_row *row, int column, const struct profile_dated *d);
/* Dates in order; the same key never twice on one day. */
void profile_check_dates(struct profile *p, const struct profile_dated *d);
bool profile_in_category(const struct profile *p, const char *category, const char *code);

/* The catalogue: procedures, their parts, channels (profile_rules_catalogue.c). */
void profile_check_procedures(struct profile *p);

#endif
