/*
 * Numbers by which Viet Nam knows people, organisations and agencies, and telephone numbers: what
 * can be said of them by looking at them. Pure: no clock, no database.
 */
#ifndef LGSP_BASE_IDENTITY_H
#define LGSP_BASE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"

/*
 * A citizen number: province or country of registration (3 digits), century and sex (1), year of
 * birth (2), serial (6); Decree 137/2015 Art. 13, Circular 59/2021/TT-BCA Art. 4. Born by the civil
 * day today.
 */
bool identity_citizen_number(const char *s, int32_t today);
/*
 * A tax code: 10 digits, the last a check digit modulo 11, or 13 with the number of a branch
 * (Circular 105/2020/TT-BTC Art. 5).
 */
bool identity_tax_code(const char *s);
/* The number that goes with a kind of owner: "citizen" or "organisation". */
bool identity_owner(const char *kind, const char *number, int32_t today);
/* A telephone number of Viet Nam, 0… or +84…; identity_phone_normal() gives the 0… form. */
bool identity_phone(const char *s);
const char *identity_phone_normal(struct arena *arena, const char *s);
/* "H40.31.01": groups of digits and capitals, at most 35 characters (Decision 20/2020/QD-TTg). */
bool identity_agency_code(const char *s);

#endif
