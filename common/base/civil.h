/*
 * Civil dates of Asia/Ho_Chi_Minh, as days since 1970-01-01 in the proleptic Gregorian calendar.
 * Range 1900-01-01 … 2199-12-31.
 */
#ifndef LGSP_BASE_CIVIL_H
#define LGSP_BASE_CIVIL_H

#include <stdint.h>

#define CIVIL_FOREVER INT32_MAX /* "until further notice" */

int32_t civil_from_ymd(int year, int month, int day);
void civil_to_ymd(int32_t day, int *ret_year, int *ret_month, int *ret_day);
/* 0 = Sunday … 6 = Saturday. */
int civil_weekday(int32_t day);
/* Strict "YYYY-MM-DD"; 0 or ERR_INVALID. */
int civil_parse(const char *s, int32_t *ret_day);
/* Empty means CIVIL_FOREVER (for valid_to). */
int civil_parse_or_forever(const char *s, int32_t *ret_day);
/* Into out[11]; CIVIL_FOREVER gives "". */
void civil_format(int32_t day, char out[static 11]);
/* Date in Asia/Ho_Chi_Minh of a moment, and the moment a local date and minute begins. */
int32_t civil_of_us(int64_t us);
int64_t civil_to_us(int32_t day, int minute_of_day);
/* Minute of the local day of a moment, 0..1439. */
int civil_minute_of_us(int64_t us);
/* The "HH:MM" that s starts with, whatever follows it: minute of the day; 0 or ERR_INVALID. */
int civil_minute_prefix(const char *s, int *ret_minute);

#endif
