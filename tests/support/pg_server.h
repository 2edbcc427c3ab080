/* The cluster behind pg.h. */
#ifndef TESTS_SUPPORT_PG_SERVER_H
#define TESTS_SUPPORT_PG_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

void pg_server_use_durable(void);
/* Starts the cluster when it does not run. */
void pg_server_need(void);
/* "host=… user=…", without dbname. */
const char *pg_server_conninfo(void);

_Noreturn void pg_die(const char *what, const char *why);

#endif
