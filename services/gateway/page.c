/*
 * The public page "Tra cứu hồ sơ": a form for a dossier code and the secret of its receipt, and
 * what the holder of a receipt may see. Works without JavaScript; sets no cookie; keeps nothing. A
 * wrong secret and an unknown code come back from the service alike, and are shown alike.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/money.h"
#include "common/base/utf8.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "services/gateway/gateway.h"
#include "services/gateway/html.h"

#define PAGE_MAX_BYTES (512 * 1024)
#define TRACK_MS       10000
#define INPUT_MAX      64
#define STATES         11

/* What the page shows below or above its form. */
struct page {
	const struct visit *v;
	struct buf out;
	int status;
	const char *code;    /* as typed; shown again */
	const char *problem; /* key of a text; NULL: none */
	const Dossier__TrackReply *found;
};

static const struct http_header page_headers[] = {
	{"Content-Security-Policy",
	 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	 "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; "
	 "frame-ancestors 'none'; require-trusted-types-for 'script'"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
	{"Cache-Control", "no-store"},
};

static const char *t(const struct page *p, const char *key)
{
	return web_text(p->v->gw->web, p->v->english, key);
}

/* --- pieces --- */

/* "21/05/2024 08:00", in Vietnam's time. */
static void put_time(struct page *p, int64_t us)
{
	int year, month, day;
	int minute = civil_minute_of_us(us);
	char machine[40], human[40];

	civil_to_ymd(civil_of_us(us), &year, &month, &day);
	snprintf(machine, sizeof(machine), "%04d-%02d-%02dT%02d:%02d+07:00", year, month, day,
		 minute / 60, minute % 60);
	snprintf(human, sizeof(human), "%02d/%02d/%04d %02d:%02d", day, month, year, minute / 60,
		 minute % 60);
	html_put(&p->out, "<time datetime=\"%s\">%s</time>", machine, human);
}

/* A state of a newer service than this gateway has no name of its own. */
static const char *state_text(const struct page *p, Dossier__DossierState state)
{
	char key[16];
	int n = (int)state;

	snprintf(key, sizeof(key), "state.%d", n > 0 && n < STATES ? n : 0);
	return t(p, key);
}

static void put_head(struct page *p)
{
	html_put(&p->out,
		 "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
		 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		 "<title>%s%s</title>\n<link rel=\"icon\" href=\"data:,\">\n"
		 "<link rel=\"stylesheet\" href=\"/assets/app.css\">\n</head>\n<body>\n",
		 t(p, "lang"), p->problem ? t(p, "title.problem") : "", t(p, "title"));
	html_put(&p->out, "<a class=\"skip\" href=\"#main\">%s</a>\n", t(p, "skip"));
	html_put(&p->out,
		 "<header>\n<div class=\"wide\">\n<p class=\"site\">%s</p>\n<nav aria-label=\"%s\">"
		 "<a href=\"/tra-cuu?lang=%s\" lang=\"%s\" hreflang=\"%s\">%s</a></nav>\n"
		 "</div>\n</header>\n<main id=\"main\" class=\"wide\" tabindex=\"-1\">\n",
		 t(p, "site"), t(p, "language"), t(p, "other.lang"), t(p, "other.lang"),
		 t(p, "other.lang"), t(p, "other.name"));
}

static void put_foot(struct page *p)
{
	html_put(&p->out,
		 "</main>\n<footer>\n<div class=\"wide\">\n<p>%s</p>\n</div>\n</footer>\n</body>\n"
		 "</html>\n",
		 t(p, "footer"));
}

static void put_problem(struct page *p)
{
	if (!p->problem)
		return;
	html_put(&p->out,
		 "<div class=\"problem\" role=\"alert\" id=\"problem\">\n<h2>%s</h2>\n<p>%s</p>\n"
		 "</div>\n",
		 t(p, "problem"), t(p, p->problem));
}

static void put_form(struct page *p)
{
	const char *described = p->problem ? " problem" : "";

	html_put(&p->out, "<form method=\"post\" action=\"/tra-cuu?lang=%s\">\n", t(p, "lang"));
	html_put(&p->out,
		 "<div class=\"field\">\n<label for=\"code\">%s</label>\n"
		 "<p class=\"hint\" id=\"code-hint\">%s</p>\n"
		 "<input id=\"code\" name=\"code\" value=\"%s\" required maxlength=\"%d\" "
		 "autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" "
		 "aria-describedby=\"code-hint%s\">\n</div>\n",
		 t(p, "code"), t(p, "code.hint"), p->code, INPUT_MAX, described);
	html_put(&p->out,
		 "<div class=\"field\">\n<label for=\"secret\">%s</label>\n"
		 "<p class=\"hint\" id=\"secret-hint\">%s</p>\n"
		 "<input id=\"secret\" name=\"secret\" required maxlength=\"%d\" "
		 "autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" "
		 "aria-describedby=\"secret-hint%s\">\n</div>\n",
		 t(p, "secret"), t(p, "secret.hint"), INPUT_MAX, described);
	html_put(&p->out, "<button type=\"submit\">%s</button>\n</form>\n", t(p, "submit"));
}

/* --- the dossier --- */

static void put_due(struct page *p)
{
	const Dossier__TrackReply *d = p->found;

	html_put(&p->out, "<dt>%s</dt>\n<dd>", t(p, "due"));
	if (d->due_us > 0)
		put_time(p, d->due_us);
	else
		html_put(&p->out, "%s", t(p, "due.none"));
	if (d->due_us > 0 && d->due_provisional)
		html_put(&p->out, " <span class=\"note\">%s</span>", t(p, "due.provisional"));
	if (d->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PAYMENT_REQUESTED ||
	    d->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_SUPPLEMENT_REQUESTED)
		html_put(&p->out, " <span class=\"note\">%s</span>", t(p, "due.paused"));
	html_put(&p->out, "</dd>\n");
}

static void put_verdict(struct page *p)
{
	static const char *const keys[] = {"", "verdict.early", "verdict.on_time", "verdict.late"};
	int n = (int)p->found->verdict;

	if (n > 0 && n < (int)ARRAY_LEN(keys))
		html_put(&p->out, "<dt>%s</dt>\n<dd>%s</dd>\n", t(p, "verdict"), t(p, keys[n]));
}

static void put_fee(struct page *p)
{
	char amount[32] = "";

	html_put(&p->out, "<dt>%s</dt>\n<dd>", t(p, "fee"));
	if (p->found->fee_vnd <= 0) {
		html_put(&p->out, "%s</dd>\n", t(p, "fee.none"));
		return;
	}
	money_format(p->found->fee_vnd, amount);
	html_put(&p->out, "%s <span class=\"tag %s\">%s</span></dd>\n", amount,
		 p->found->fee_paid ? "good" : "open",
		 t(p, p->found->fee_paid ? "fee.paid" : "fee.open"));
}

static void put_steps(struct page *p)
{
	const Dossier__TrackReply *d = p->found;

	if (d->n_steps == 0)
		return;
	html_put(&p->out, "<h3>%s</h3>\n<ol class=\"steps\">\n", t(p, "steps"));
	for (size_t i = 0; i < d->n_steps; i++) {
		const Dossier__TrackStep *s = d->steps[i];

		html_put(&p->out, "<li><strong>%s</strong> <span>%s</span> ",
			 state_text(p, s->state), s->agency_name);
		put_time(p, s->time_us);
		html_put(&p->out, "</li>\n");
	}
	html_put(&p->out, "</ol>\n");
}

static void put_dossier(struct page *p)
{
	const Dossier__TrackReply *d = p->found;

	if (!d)
		return;
	html_put(&p->out, "<section aria-labelledby=\"found\">\n<h2 id=\"found\">%s %s</h2>\n",
		 t(p, "found"), d->code);
	html_put(&p->out, "<p class=\"state\">%s</p>\n<dl>\n", state_text(p, d->state));
	html_put(&p->out, "<dt>%s</dt>\n<dd>%s</dd>\n", t(p, "procedure"), d->procedure_name);
	html_put(&p->out, "<dt>%s</dt>\n<dd>%s</dd>\n", t(p, "agency"), d->agency_name);
	html_put(&p->out, "<dt>%s</dt>\n<dd>", t(p, "submitted"));
	put_time(p, d->submitted_us);
	html_put(&p->out, "</dd>\n");
	put_due(p);
	put_verdict(p);
	put_fee(p);
	html_put(&p->out, "</dl>\n");
	put_steps(p);
	html_put(&p->out, "</section>\n");
}

/* --- answers --- */

static void page_answer(struct visit *v, struct page *p)
{
	struct http_response res = {
		.status = p->status,
		.content_type = "text/html; charset=utf-8",
		.headers = page_headers,
		.n_headers = ARRAY_LEN(page_headers),
	};

	buf_init(&p->out, PAGE_MAX_BYTES);
	put_head(p);
	html_put(&p->out, "<h1>%s</h1>\n<p>%s</p>\n", t(p, "title"), t(p, "intro"));
	put_problem(p);
	put_dossier(p);
	put_form(p);
	put_foot(p);
	if (p->out.full)
		res.status = 500;
	res.body = buf_str(&p->out);
	res.body_len = p->out.len;
	visit_answer(v, &res);
	buf_done(&p->out);
}

static void page_refuse(struct visit *v, int status, const char *problem)
{
	struct page p = {.v = v, .status = status, .problem = problem, .code = v->user};

	if (!p.code)
		p.code = "";
	page_answer(v, &p);
}

/* An official page: Vietnamese, whatever the browser prefers, unless asked. */
static void take_language(struct visit *v)
{
	const char *lang = http_param(v->arena, v->req->query, "lang");

	v->english = lang && strcmp(lang, "en") == 0;
}

void page_serve_busy(struct visit *v)
{
	take_language(v);
	page_refuse(v, 503, "problem.away");
}

static void page_refuse_error(struct visit *v, const struct err *err)
{
	v->err = *err;
	if (err->status == ERR_NOT_FOUND || err->status == ERR_INVALID)
		page_refuse(v, 404, "problem.not_found");
	else if (strcmp(err_code(err), "TRACK_LOCKED") == 0)
		page_refuse(v, 429, "problem.locked");
	else
		page_refuse(v, 503, "problem.away");
}

static void on_tracked(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	const struct pb_limits limits = {.open_enums = true};
	struct visit *v = visit_of(arg);
	struct page p = {.v = v, .status = 200, .code = v->user};
	ProtobufCMessage *msg;

	if (reply->status < 0) {
		page_refuse_error(v, err);
		return;
	}
	if (pb_unpack(&dossier__track_reply__descriptor, reply->body, reply->body_len, &limits,
		      v->arena, &msg, &v->err) < 0) {
		page_refuse(v, 503, "problem.away");
		return;
	}
	p.found = (const Dossier__TrackReply *)msg;
	page_answer(v, &p);
}

/* --- the form --- */

/* People type spaces and lower case. NULL when the field is absent, empty or too long. */
static char *read_input(struct visit *v, const char *form, const char *name)
{
	const char *text = http_param(v->arena, form, name);
	char *out;
	size_t n = 0;

	if (!text || strlen(text) > INPUT_MAX)
		return NULL;
	out = arena_alloc(v->arena, strlen(text) + 1);
	if (!out)
		return NULL;
	for (; *text; text++) {
		if (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')
			continue;
		out[n++] = *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text;
	}
	return n > 0 ? out : NULL;
}

static void track(struct visit *v, const char *code, const char *secret)
{
	Dossier__TrackRequest in = DOSSIER__TRACK_REQUEST__INIT;
	struct visit_call call = {.service = "dossier",
				  .method = "Track",
				  .who = &identity_anonymous,
				  .deadline_ms = TRACK_MS,
				  .flags = HEADER_FLAG_REPEATABLE};
	uint8_t *body;

	in.code = code;
	in.receipt_secret = secret;
	if (pb_pack(&in.base, v->arena, &body, &call.body_len, &v->err) < 0) {
		page_refuse(v, 503, "problem.away");
		return;
	}
	call.body = body;
	visit_call(v, &call, on_tracked);
}

static void serve_form(struct visit *v)
{
	const char *type = http_header(v->req, "Content-Type");
	const char *form = (const char *)v->req->body;
	const char *code, *secret;

	if (!type || strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0 ||
	    strlen(form) != v->req->body_len) {
		page_refuse(v, 400, "problem.incomplete");
		return;
	}
	code = read_input(v, form, "code");
	secret = read_input(v, form, "secret");
	v->user = (void *)code;
	if (!code || !secret)
		page_refuse(v, 400, "problem.incomplete");
	else
		track(v, code, secret);
}

void page_serve(struct visit *v)
{
	const char *method = v->req->method;
	struct page p = {.v = v, .status = 200};

	take_language(v);
	if (strcmp(method, "POST") == 0 && strcmp(v->req->path, "/") != 0) {
		serve_form(v);
		return;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		visit_fail_method(v,
				  strcmp(v->req->path, "/") == 0 ? "GET, HEAD" : "GET, HEAD, POST");
		return;
	}
	/* A receipt's QR code may carry the dossier code; the secret never stands in an address. */
	p.code = read_input(v, v->req->query, "code");
	if (!p.code)
		p.code = "";
	page_answer(v, &p);
}

void page_serve_style(struct visit *v)
{
	const struct web *web = v->gw->web;
	const struct http_header headers[] = {{"Cache-Control", "public, max-age=300"},
					      {"X-Content-Type-Options", "nosniff"},
					      {"ETag", web_style_etag(web)}};
	const char *have = http_header(v->req, "If-None-Match");
	struct http_response res = {.status = 200,
				    .content_type = "text/css; charset=utf-8",
				    .headers = headers,
				    .n_headers = ARRAY_LEN(headers),
				    .body = buf_str(web_style(web)),
				    .body_len = web_style(web)->len};

	if (have && strcmp(have, web_style_etag(web)) == 0)
		res.status = 304;
	visit_answer(v, &res);
}
