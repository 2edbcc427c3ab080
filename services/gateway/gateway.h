/*
 * The HTTP edge: requests from nginx become calls on the bus. One loop thread, no database, no
 * business rule, no code per method. This header is what the gateway's files share.
 *
 * A visit is one HTTP request on its way. It lives in the request's arena, so it ends with
 * visit_answer(): nothing of it may be touched afterwards. Every visit is answered exactly once.
 */
#ifndef LGSP_GATEWAY_GATEWAY_H
#define LGSP_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/jwt.h"
#include "common/base/watch.h"
#include "common/bus/client.h"
#include "common/http/http.h"
#include "common/loop/loop.h"
#include "common/rights/rights.h"
#include "common/wire/rpc.h"

#define GATEWAY_ROLES_MAX      16
#define GATEWAY_DEADLINE_MS    30000  /* of a call whose client names none */
#define GATEWAY_TIMEOUT_MAX_MS 300000 /* as on the bus; nginx waits a little longer */

/* --- who asks --- */

enum who {
	WHO_ANONYMOUS, /* no token */
	WHO_CITIZEN,   /* a token's subject that the directory does not know */
	WHO_OFFICER,   /* … that it knows: agency and roles are of today */
	WHO_SYSTEM,    /* a token with the claim "member" */
};

struct identity {
	enum who kind;
	char subject[257]; /* of a system: its member address */
	char agency[64];
	char roles[256]; /* space-separated */
};

extern const struct identity identity_anonymous;

/* --- a visit --- */

struct gateway;
struct visit;
struct auth;
struct system_rights;
struct web;

/* status: 0, or an error that v->err describes. */
typedef void visit_fn(struct visit *v, int status);

/* Bounded apart, so that a flood of API calls leaves room for the page and the callbacks. */
enum pool { POOL_API, POOL_PUBLIC, POOL_NONE };

struct visit {
	unsigned magic;
	struct gateway *gw;
	struct http_exchange *x;
	const struct http_request *req;
	struct arena *arena;
	const struct route *route;
	const char *label; /* for the log: what is called */
	int64_t start_us;
	char traceparent[56];
	char trace_id[33];
	bool english; /* of error sentences and pages */
	struct identity who;
	struct err err;
	uint8_t call_id[16]; /* of the call it waits for; zero: none yet */
	bool keeps;          /* its call goes on though the client leaves */
	bool left;           /* the client has left: nothing further is asked for it */
	visit_fn *then;      /* what waits for the identity */
	struct asked *asked;
	void *user; /* of the route */
};

/* Answers and ends the visit. Adds the trace id; logs and counts. */
void visit_answer(struct visit *v, const struct http_response *res);
/* The visit behind a callback's argument; magic-checked. */
struct visit *visit_of(void *arg);
/*
 * Answers with the error in v->err as JSON {code, message, details} (docs/http.md). why: a Connect
 * code's name to use instead of the one the status maps to; NULL otherwise.
 */
void visit_fail(struct visit *v, const char *why);
/* As visit_fail() with an HTTP status of its own and a header more (NULL: none). */
void visit_fail_http(struct visit *v, const char *why, int http, const struct http_header *more);
/* 405; allow: "GET, HEAD". */
void visit_fail_method(struct visit *v, const char *allow);
/*
 * Calls a service for who; NULL: for the gateway itself. fn gets the visit as its argument. When
 * the client leaves the call is cancelled, unless v->keeps.
 */
struct visit_call {
	const char *service, *method;
	const struct identity *who;
	uint8_t message_id[16]; /* all zero: a new one */
	uint32_t deadline_ms;
	uint32_t flags;
	const char *purpose;
	const void *body;
	size_t body_len;
};
void visit_call(struct visit *v, const struct visit_call *call, bus_reply_fn *fn);

/* --- status mapping (status.c) --- */

struct connect_code {
	const char *name; /* of the Connect protocol, e.g. "invalid_argument" */
	int http;
};
const struct connect_code *connect_code_of(int err_status);
const struct connect_code *connect_code_named(const char *name);
/* The error as a JSON document; false at the buffer's maximum. */
bool error_write(const struct err *err, const struct connect_code *code, bool english,
		 const char *trace_id, struct arena *arena, struct buf *out);

/* --- identity (auth.c, rights.c) --- */

struct auth_config {
	const char *jwks_path, *issuer, *audience;
};
int auth_new(const struct auth_config *config, struct auth **ret_auth, struct err *err);
void auth_free(struct auth *auth);
/* Reads the keys again when the file has changed; a bad file leaves the old ones in force. */
void auth_reload(struct auth *auth);
/*
 * Finds who the bearer of the request's token is, at once or after asking the directory, then calls
 * then: v->who is set, or status is ERR_DENIED (no valid token: answer "unauthenticated") or
 * ERR_UNAVAILABLE (nobody could say).
 */
void auth_identify(struct visit *v, visit_fn *then);

/*
 * What systems may call, from the broker's rights file: over HTTP a system has the rights of its
 * member, not the gateway's. Without a file (path "") systems have none.
 */
int system_rights_read(const char *path, struct system_rights **ret_rights, struct err *err);
void system_rights_free(struct system_rights *rights);
/* As auth_reload(). */
void system_rights_reload(struct system_rights **rights);
/* 0, or DENIED with the reason (rights_refuse()). */
int system_rights_check(const struct system_rights *rights, const char *member,
			const struct rights_question *q, struct err *err);
bool system_rights_feed(const struct system_rights *rights, const char *member, const char *service,
			const char *feed);

/* By the RPC's row, and for systems by their rights; services check again. 0 or DENIED. */
int identity_check_call(const struct identity *who, const struct system_rights *rights,
			const struct rpc_table *table, const struct rpc_row *row,
			const char *purpose, struct err *err);
/* One of the roles in list, or any when list is "". */
bool identity_has_role(const struct identity *who, const char *list);

/* --- routes --- */

void connect_serve(struct visit *v);
void feeds_serve(struct visit *v);
void callback_serve(struct visit *v);
void page_serve(struct visit *v);
void page_serve_style(struct visit *v);
/* The page's answer to an overload. */
void page_serve_busy(struct visit *v);

/* Message id of an Idempotency-Key: a UUID as it is, other text hashed with its subject. */
int connect_message_id(const char *key, const char *subject, uint8_t ret_id[static 16]);

/* --- the public page's texts and style (web.c) --- */

int web_read(const char *dir, struct web **ret_web, struct err *err);
void web_free(struct web *web);
/* CHECKs that the key exists: keys are names in our code. */
const char *web_text(const struct web *web, bool english, const char *key);
const struct buf *web_style(const struct web *web);
const char *web_style_etag(const struct web *web);

/* --- the whole --- */

struct gateway_config {
	const char *listen; /* for nginx; NULL: only check the configuration */
	const char *inner;  /* health and metrics */
	struct auth_config auth;
	const char *rights_path;
	const char *web_dir;
	unsigned max_api, max_public; /* requests in hand */
};

struct gateway {
	struct loop *loop;
	struct bus_client *bus;
	struct auth *auth;
	struct system_rights *rights;
	struct web *web;
	struct http_server *outer, *inner;
	struct loop_timer *probe, *reload_timer;
	struct loop_timer *drain_timer;
	int64_t drain_end_us;
	int64_t bus_seen_us; /* monotonic; 0: not yet, or lost */
	bool draining;
	unsigned in_hand[2], max_in_hand[2]; /* by enum pool */
	void (*on_drained)(void *arg);
	void *on_drained_arg;
};

/* Takes neither loop nor bus over. Serving begins when the loop runs. */
int gateway_new(struct loop *loop, struct bus_client *bus, const struct gateway_config *config,
		struct gateway **ret_gateway, struct err *err);
/* Calls still out must have ended: free the bus client first. NULL is fine. */
void gateway_free(struct gateway *gw);
/* Reads the JWKS and the rights again if they have changed; also done every 5 s. */
void gateway_reload(struct gateway *gw);
/* No new requests; calls fn when the ones in hand are answered, or after timeout_ms. */
void gateway_drain(struct gateway *gw, uint32_t timeout_ms, void (*fn)(void *arg), void *arg);

/* Takes a request from nginx (route.c). */
void route_request(struct http_exchange *x, const struct http_request *req, void *gateway);
/* Registers the routes' metrics. */
void route_start(void);
/* /healthz, /readyz, /metrics (health.c). */
void health_request(struct http_exchange *x, const struct http_request *req, void *gateway);
/* Asks the bus now and then, so that /readyz knows. */
void health_start_probe(struct gateway *gw);

#endif
