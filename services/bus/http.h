/* The broker over HTTP: /healthz (the loop turns), /readyz (it takes requests), /metrics. */
#ifndef LGSP_SERVICES_BUS_HTTP_H
#define LGSP_SERVICES_BUS_HTTP_H

#include "common/http/http.h"
#include "services/bus/broker.h"

struct bus_http;

/* listen: as LGSP_HTTP. 0, or ERR_INVALID or ERR_UNAVAILABLE. */
int bus_http_new(struct loop *loop, const char *listen, struct broker *broker,
		 struct bus_http **ret_http);
void bus_http_free(struct bus_http *http); /* NULL is fine */

#endif
