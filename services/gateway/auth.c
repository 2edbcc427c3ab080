/*
 * Bearer tokens (RFC 6750): verified against the JWKS file, their subject asked of the directory.
 * What was found is kept for 30 s per token: an officer who loses a post loses it here within that
 * time. A token's text is never kept or logged, only its SHA-256.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/log.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "services/gateway/gateway.h"

#define CACHE_ENTRIES  1024
#define CACHE_US       (30 * CLOCK_US_PER_S)
#define JWKS_MAX_BYTES (256 * 1024)
#define RESOLVE_MS     5000

static const struct err_kind token_missing = {ERR_DENIED, "TOKEN_MISSING",
					      "Yêu cầu phải kèm token truy cập",
					      "the request needs an access token"};
static const struct err_kind jwks_unreadable = {ERR_INVALID, "JWKS_UNREADABLE",
						"Không đọc được tệp khoá JWKS %s",
						"cannot read the JWKS file %s"};

const struct identity identity_anonymous = {
	.kind = WHO_ANONYMOUS, .subject = "anonymous", .roles = "anonymous"};

struct cached {
	uint8_t token[CRYPT_SHA256_BYTES];
	int64_t until_us; /* wall; 0: empty */
	struct identity who;
};

struct auth {
	struct auth_config config;
	struct jwt_keys *keys;
	struct watch watch;
	struct cached cache[CACHE_ENTRIES];
};

/* What an identity waits with while the directory is asked. */
struct asked {
	uint8_t token[CRYPT_SHA256_BYTES];
	int64_t until_us;
};

/* --- keys --- */

static int read_file(const char *path, struct buf *out)
{
	CLEANUP_FILE FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t n;

	if (!file)
		return ERR_INVALID;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		if (buf_append(out, chunk, n) < 0)
			return ERR_INVALID;
	}
	return ferror(file) ? ERR_INVALID : 0;
}

static int read_keys(struct auth *auth, struct err *err)
{
	struct jwt_keys *keys = NULL;
	struct buf text;
	int r;

	buf_init(&text, JWKS_MAX_BYTES);
	if (read_file(auth->config.jwks_path, &text) < 0)
		r = err_set(err, &jwks_unreadable, NULL, auth->config.jwks_path);
	else
		r = jwt_keys_parse(buf_str(&text), text.len, &keys, err);
	buf_done(&text);
	if (r < 0)
		return r;
	jwt_keys_free(auth->keys);
	auth->keys = keys;
	/* What old keys vouched for ends with them. */
	memset(auth->cache, 0, sizeof(auth->cache));
	return 0;
}

void auth_reload(struct auth *auth)
{
	struct err err = {0};

	if (!watch_changed(&auth->watch))
		return;
	if (read_keys(auth, &err) < 0)
		log_error("gateway.jwks_refused", LOG_STR("err", err.items[0].en));
	else
		log_info("gateway.jwks_read", LOG_STR("path", auth->config.jwks_path));
}

int auth_new(const struct auth_config *config, struct auth **ret_auth, struct err *err)
{
	struct auth *auth = base_alloc(sizeof(*auth));
	int r;

	auth->config = *config;
	watch_init(&auth->watch, config->jwks_path);
	r = read_keys(auth, err);
	if (r < 0) {
		auth_free(auth);
		return r;
	}
	*ret_auth = auth;
	return 0;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	jwt_keys_free(auth->keys);
	free(auth);
}

/* --- tokens --- */

/* The token of the one Authorization header; NULL when there is none, or more than one. */
static const char *bearer(const struct http_request *req)
{
	const char *found = NULL;

	for (unsigned i = 0; i < req->n_headers; i++) {
		if (strcasecmp(req->headers[i].name, "Authorization") != 0)
			continue;
		if (found)
			return NULL;
		found = req->headers[i].value;
	}
	if (!found || strncasecmp(found, "Bearer ", 7) != 0)
		return NULL;
	return found + 7 + strspn(found + 7, " ");
}

static struct cached *cache_slot(struct auth *auth, const uint8_t *token)
{
	unsigned at = (unsigned)token[0] | (unsigned)token[1] << 8;

	return &auth->cache[at % CACHE_ENTRIES];
}

static void cache_put(struct auth *auth, const struct asked *asked, const struct identity *who)
{
	struct cached *slot = cache_slot(auth, asked->token);

	memcpy(slot->token, asked->token, sizeof(slot->token));
	slot->until_us = asked->until_us;
	slot->who = *who;
}

static bool cache_get(struct auth *auth, const uint8_t *token, struct identity *ret_who)
{
	const struct cached *slot = cache_slot(auth, token);

	if (slot->until_us <= clock_wall_us() ||
	    memcmp(slot->token, token, sizeof(slot->token)) != 0)
		return false;
	*ret_who = slot->who;
	return true;
}

/* --- subjects --- */

static void copy_text(char *out, size_t size, const char *s)
{
	size_t n = strlen(s);

	/* What does not fit would name somebody else. */
	if (n >= size)
		n = 0;
	memcpy(out, s, n);
	out[n] = '\0';
}

static void take_officer(struct identity *who, const Directory__Officer *officer)
{
	struct buf roles;

	who->kind = WHO_OFFICER;
	copy_text(who->agency, sizeof(who->agency), officer->agency_code);
	buf_init(&roles, sizeof(who->roles) - 1);
	for (size_t i = 0; i < officer->n_roles && i < GATEWAY_ROLES_MAX; i++)
		buf_printf(&roles, "%s%s", roles.len > 0 ? " " : "", officer->roles[i]);
	copy_text(who->roles, sizeof(who->roles), buf_str(&roles));
	buf_done(&roles);
}

static void take_citizen(struct identity *who)
{
	who->kind = WHO_CITIZEN;
	copy_text(who->roles, sizeof(who->roles), "citizen");
}

static int read_officer(struct visit *v, const struct bus_reply_in *reply)
{
	const Directory__ResolveSubjectReply *found;
	ProtobufCMessage *msg;
	int r = pb_unpack(&directory__resolve_subject_reply__descriptor, reply->body,
			  reply->body_len, NULL, v->arena, &msg, &v->err);

	if (r < 0)
		return r;
	found = (const Directory__ResolveSubjectReply *)msg;
	if (found->officer)
		take_officer(&v->who, found->officer);
	else
		take_citizen(&v->who);
	return 0;
}

static void on_resolved(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct visit *v = visit_of(arg);
	int r = 0;

	if (reply->status == ERR_NOT_FOUND)
		take_citizen(&v->who);
	else if (reply->status < 0 || read_officer(v, reply) < 0)
		r = err_set_retry(&v->err, &err_unavailable, "directory",
				  err && err->retry_after_ms > 0 ? err->retry_after_ms : 1000);
	if (r == 0)
		cache_put(v->gw->auth, v->asked, &v->who);
	v->then(v, r);
}

static void ask_directory(struct visit *v)
{
	Directory__ResolveSubjectRequest in = DIRECTORY__RESOLVE_SUBJECT_REQUEST__INIT;
	struct visit_call call = {.service = "directory",
				  .method = "ResolveSubject",
				  .deadline_ms = RESOLVE_MS,
				  .flags = HEADER_FLAG_REPEATABLE};
	uint8_t *body;

	in.subject = v->who.subject;
	if (pb_pack(&in.base, v->arena, &body, &call.body_len, &v->err) < 0) {
		v->then(v, v->err.status);
		return;
	}
	call.body = body;
	visit_call(v, &call, on_resolved);
}

static int verify(struct visit *v, const char *token, struct asked *asked)
{
	const struct auth *auth = v->gw->auth;
	struct jwt_claims claims;
	int64_t now_us = clock_wall_us();
	int64_t exp_us;
	int r = jwt_verify(auth->keys, token, strlen(token), auth->config.issuer,
			   auth->config.audience, now_us / CLOCK_US_PER_S, v->arena, &claims,
			   &v->err);

	if (r < 0)
		return r;
	exp_us = claims.exp_s * CLOCK_US_PER_S;
	asked->until_us = exp_us < now_us + CACHE_US ? exp_us : now_us + CACHE_US;
	v->who = (struct identity){.kind = WHO_CITIZEN};
	copy_text(v->who.subject, sizeof(v->who.subject), claims.sub);
	if (claims.member[0] != '\0') {
		v->who.kind = WHO_SYSTEM;
		copy_text(v->who.subject, sizeof(v->who.subject), claims.member);
		copy_text(v->who.roles, sizeof(v->who.roles), "system");
	}
	return 0;
}

void auth_identify(struct visit *v, visit_fn *then)
{
	const char *token = bearer(v->req);
	struct asked *asked = arena_alloc(v->arena, sizeof(*asked));
	int r;

	if (!token || !asked) {
		then(v, err_set(&v->err, &token_missing, NULL, NULL));
		return;
	}
	crypt_sha256(token, strlen(token), asked->token);
	if (cache_get(v->gw->auth, asked->token, &v->who)) {
		then(v, 0);
		return;
	}
	r = verify(v, token, asked);
	if (r < 0 || v->who.kind == WHO_SYSTEM) {
		if (r == 0)
			cache_put(v->gw->auth, asked, &v->who);
		then(v, r);
		return;
	}
	v->then = then;
	v->asked = asked;
	ask_directory(v);
}
