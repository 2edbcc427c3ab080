/*
 * Usage: the operational records of closed files, summed up by business hour, in reports as the
 * directory takes them. A file's reports come out the same whenever it is read.
 */
#ifndef SERVICES_CTL_USAGE_H
#define SERVICES_CTL_USAGE_H

#include "lgsp/directory/v1/directory.pb-c.h"

#define USAGE_ROWS_MAX 500 /* of one report */

/* 0, or an exit code (said) that ends the file. */
typedef int usage_report_fn(const Directory__UsageReport *report, void *arg);

/*
 * Calls fn with each report of the closed file, the last one complete; a file without requests has
 * one without rows. 0 or an exit code (said): the file is not whole, or fn's.
 */
int usage_of_file(const char *dir, const char *name, usage_report_fn *fn, void *arg);

#endif
