/*
 * The table of refusals in docs/wire.md, as tests read it: what a test provokes must stand there
 * with this status, outcome and wait, and what stands there must have been provoked.
 */
#ifndef LGSP_TESTS_SUPPORT_REFUSALS_H
#define LGSP_TESTS_SUPPORT_REFUSALS_H

#include <stdbool.h>

#include "common/base/err.h"

struct refusals;

/* The rows whose column "said by" names who: "broker" or "worker". Aborts when there are none. */
struct refusals *refusals_read(const char *who);
void refusals_free(struct refusals *r);

/* This was answered. Fails the test unless a row has its code, outcome, status and wait. */
void refusals_note(struct refusals *r, const struct err *err);
/* Some row has this code and status (0 or ERR_…). */
bool refusals_have(const struct refusals *r, const char *code, int status);
/* Fails the test, naming them, when rows were never noted. */
void refusals_all_noted(const struct refusals *r);

#endif
