// with: services/gateway/route.c services/gateway/connect.c services/gateway/auth.c services/gateway/rights.c services/gateway/status.c services/gateway/feeds.c services/gateway/callback.c services/gateway/page.c services/gateway/html.c services/gateway/web.c services/gateway/health.c services/gateway/gateway.c
/* The public page and the feeds, from outside; HTML escaping and the folder of texts from inside.
 */
#include <jansson.h>

#include "common/base/crypt.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "services/gateway/html.h"
#include "tests/it/gateway_rig.h"

#define FORM   "Content-Type: application/x-www-form-urlencoded\r\n"
#define BEARER "Authorization: Bearer %s\r\n"

/* --- the page --- */

static void assert_shows(const struct fetch_answer *a, const char *text)
{
	if (!strstr(a->body, text))
		fail_msg("no \"%s\" in %s", text, a->body);
}

static struct fetch_answer *post_form(struct rig *rig, const char *form)
{
	return rig_ask(rig, "POST /tra-cuu HTTP/1.1\r\n" FORM, form);
}

static void test_page(void **state)
{
	static const char *const paths[] = {"/", "/tra-cuu"};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char *head = arena_printf(&rig->arena, "GET %s HTTP/1.1\r\n", paths[i]);
		struct fetch_answer *a = rig_ask(rig, head, "");

		assert_int_equal(a->status, 200);
		assert_non_null(strstr(a->head, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
		assert_non_null(
			strstr(a->head, "\r\nContent-Security-Policy: default-src 'none'; "));
		assert_non_null(strstr(a->head, "\r\nX-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(a->head, "\r\nCache-Control: no-store\r\n"));
		assert_shows(a, "<html lang=\"vi\">");
		assert_shows(a, "<title>Tra cứu hồ sơ</title>");
		assert_shows(a, "<form method=\"post\" action=\"/tra-cuu?lang=vi\">");
		assert_shows(a, "href=\"/tra-cuu?lang=en\"");
		assert_null(strstr(a->body, "<script"));
		assert_null(strstr(a->body, "style=\""));
		assert_null(strstr(a->head, "Set-Cookie"));
	}
	assert_int_equal(rig->bus.calls, 0);
}

/* Vietnamese unless asked: the browser's preference does not decide an official page. */
static void test_language(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a;

	a = rig_ask(rig, "GET / HTTP/1.1\r\nAccept-Language: en\r\n", "");
	assert_shows(a, "<html lang=\"vi\">");
	a = rig_ask(rig, "GET /tra-cuu?lang=en HTTP/1.1\r\n", "");
	assert_shows(a, "<html lang=\"en\">");
	assert_shows(a, "Track a dossier");
	assert_shows(a, "action=\"/tra-cuu?lang=en\"");
	a = rig_ask(rig, "POST /tra-cuu?lang=en HTTP/1.1\r\n" FORM, "code=&secret=");
	assert_shows(a, "Please enter both");
}

static void test_methods(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a = rig_ask(rig, "HEAD / HTTP/1.1\r\n", "");

	assert_int_equal(a->status, 200);
	assert_int_equal(a->body_len, 0);
	assert_int_equal(rig_ask(rig, "POST / HTTP/1.1\r\n" FORM, "")->status, 405);
	assert_int_equal(rig_ask(rig, "DELETE /tra-cuu HTTP/1.1\r\n", "")->status, 405);
}

static void test_typed_text_is_escaped(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a;

	a = rig_ask(rig,
		    "GET /tra-cuu?code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%27%26 HTTP/1.1\r\n",
		    "");
	assert_int_equal(a->status, 200);
	assert_null(strstr(a->body, "<SCRIPT"));
	assert_shows(a, "value=\"&quot;&gt;&lt;SCRIPT&gt;ALERT(1)&lt;/SCRIPT&gt;&#39;&amp;\"");
	a = post_form(rig, "code=%22onfocus%3D%22x&secret=");
	assert_int_equal(a->status, 400);
	assert_shows(a, "value=\"&quot;ONFOCUS=&quot;X\"");
}

/* A dossier whose names would be markup. */
static void play_track(struct rig *rig, Dossier__DossierState dossier_state, bool paid)
{
	Dossier__TrackReply d = DOSSIER__TRACK_REPLY__INIT;
	Dossier__TrackStep first = DOSSIER__TRACK_STEP__INIT, second = DOSSIER__TRACK_STEP__INIT;
	Dossier__TrackStep *steps[] = {&first, &second};

	first.state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED;
	first.time_us = 1716253200000000; /* 2024-05-21 08:00 +07:00 */
	first.agency_name = "Sở <b>Tư pháp</b>";
	second.state = dossier_state;
	second.time_us = 1716260400000000;
	second.agency_name = "UBND";
	d.code = "H40.31.01-240521-0001";
	d.procedure_name = "Cấp bản sao & trích lục \"hộ tịch\"";
	d.state = dossier_state;
	d.agency_name = "Sở <b>Tư pháp</b>";
	d.submitted_us = first.time_us;
	d.due_us = 1716978600000000;
	d.due_provisional = true;
	d.verdict = DOSSIER__VERDICT__VERDICT_ON_TIME;
	d.fee_vnd = 8000;
	d.fee_paid = paid;
	d.steps = steps;
	d.n_steps = 2;
	rig_play(rig, &d.base);
}

static void test_found(void **state)
{
	struct rig *rig = *state;
	Dossier__TrackRequest *in;
	struct fetch_answer *a;

	play_track(rig, DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PAYMENT_REQUESTED, false);
	a = post_form(rig, "code=+h40.31.01-240521-0001+&secret=abcd+efgh+2345");
	assert_int_equal(a->status, 200);
	assert_string_equal(rig->bus.last.service, "dossier");
	assert_string_equal(rig->bus.last.method, "Track");
	assert_string_equal(rig->bus.last.subject, "anonymous");
	assert_string_equal(rig->bus.last.roles, "anonymous");
	in = dossier__track_request__unpack(NULL, rig->bus.last.body_len, rig->bus.last.body);
	assert_string_equal(in->code, "H40.31.01-240521-0001");
	assert_string_equal(in->receipt_secret, "ABCDEFGH2345");
	dossier__track_request__free_unpacked(in, NULL);
	assert_shows(a, "Sở &lt;b&gt;Tư pháp&lt;/b&gt;");
	assert_null(strstr(a->body, "<b>"));
	assert_shows(a, "Cấp bản sao &amp; trích lục &quot;hộ tịch&quot;");
	assert_shows(a, "<time datetime=\"2024-05-21T08:00+07:00\">21/05/2024 08:00</time>");
	assert_shows(a, ">29/05/2024 17:30</time>");
	assert_shows(a, "(tạm tính, lịch làm việc chưa công bố)");
	assert_shows(a, "(đang tạm dừng tính thời hạn)");
	assert_shows(a, "8.000 đ <span class=\"tag open\">Chưa nộp</span>");
	assert_shows(a, "<dd>Đúng hạn</dd>");
	assert_shows(a, "<li><strong>Yêu cầu thực hiện nghĩa vụ tài chính</strong>");
	/* The secret is not shown again, nor anywhere in the page. */
	assert_null(strstr(a->body, "EFGH"));
	play_track(rig, DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RETURNED, true);
	a = post_form(rig, "code=x&secret=y");
	assert_shows(a, "<span class=\"tag good\">Đã nộp</span>");
	assert_null(strstr(a->body, "(đang tạm dừng"));
}

/* Each state has words in both languages; one we do not know is shown as in progress. */
static void test_every_state(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i <= 11; i++) {
		const char *key = arena_printf(&rig->arena, "state.%d", i > 10 ? 0 : i);
		const char *vi = web_text(rig->gw->web, false, key);

		play_track(rig, (Dossier__DossierState)i, false);
		assert_shows(post_form(rig, "code=x&secret=y"),
			     arena_printf(&rig->arena, "<p class=\"state\">%s</p>", vi));
		assert_string_not_equal(vi, web_text(rig->gw->web, true, key));
	}
}

static void test_not_found_says_nothing_more(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a;

	rig_play_error(rig, ERR_NOT_FOUND, "TRACK_NOT_FOUND");
	a = post_form(rig, "code=x&secret=y");
	assert_int_equal(a->status, 404);
	assert_shows(a, "Mã hồ sơ hoặc mã tra cứu không đúng");
	assert_shows(a, "role=\"alert\"");
	assert_shows(a, "<title>Có lỗi: Tra cứu hồ sơ</title>");
	/* A code too odd to be looked up is answered as an unknown one. */
	rig_play_error(rig, ERR_INVALID, "INVALID_FIELD");
	assert_string_equal(post_form(rig, "code=x&secret=y")->body, a->body);
	rig_play_error(rig, ERR_DENIED, "TRACK_LOCKED");
	a = post_form(rig, "code=x&secret=y");
	assert_int_equal(a->status, 429);
	assert_shows(a, "thử lại sau một giờ");
	rig_play_error(rig, ERR_EXPIRED, "EXPIRED");
	a = post_form(rig, "code=x&secret=y");
	assert_int_equal(a->status, 503);
	assert_shows(a, "Hệ thống đang bận");
}

static void test_bad_forms(void **state)
{
	static const char *const forms[] = {
		"",
		"code=x",
		"secret=y",
		"code=x&secret=",
		"code=+++&secret=y",
		"code=x&secret=y&secret=z",
		"code=%zz&secret=y",
		"code=%ff&secret=y",
		"code=x%00&secret=y",
		"code=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx&secret=y",
	};
	struct rig *rig = *state;
	struct fetch_answer *a;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		a = post_form(rig, forms[i]);
		assert_int_equal(a->status, 400);
		assert_shows(a, "Vui lòng nhập cả mã hồ sơ và mã tra cứu");
	}
	a = rig_ask(rig, "POST /tra-cuu HTTP/1.1\r\nContent-Type: text/plain\r\n",
		    "code=x&secret=y");
	assert_int_equal(a->status, 400);
	a = fetch_read(&rig->arena, fetch_send(rig->listen, "POST /tra-cuu HTTP/1.1\r\n" FORM,
					       "code=x&secret=y\0&a=b", 20));
	assert_int_equal(a->status, 400);
	assert_int_equal(rig->bus.calls, 0);
}

static void test_style(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a = rig_ask(rig, "GET /assets/app.css HTTP/1.1\r\n", "");
	const char *etag = strstr(a->head, "\r\nETag: ");

	assert_int_equal(a->status, 200);
	assert_non_null(strstr(a->head, "\r\nContent-Type: text/css; charset=utf-8\r\n"));
	assert_non_null(etag);
	assert_true(a->body_len > 1000);
	a = rig_ask(rig,
		    arena_printf(&rig->arena,
				 "GET /assets/app.css HTTP/1.1\r\nIf-None-Match: %.18s\r\n",
				 etag + 8),
		    "");
	assert_int_equal(a->status, 304);
	assert_int_equal(a->body_len, 0);
	assert_int_equal(rig_ask(rig, "GET /assets/../main.c HTTP/1.1\r\n", "")->status, 400);
	assert_int_equal(rig_ask(rig, "GET /assets/vi.json HTTP/1.1\r\n", "")->status, 404);
}

static void test_html(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	html_put(&out, "<p title=\"%s\">%s %d%%</p>", "\"'<>&", "a<b>&amp;đ", 7);
	assert_string_equal(buf_str(&out),
			    "<p title=\"&quot;&#39;&lt;&gt;&amp;\">a&lt;b&gt;&amp;amp;đ 7%</p>");
	buf_done(&out);
}

/* A folder with a text missing in one language does not start. */
static void test_texts_must_match(void **state)
{
	struct rig *rig = *state;
	char *dir = arena_printf(&rig->arena, "%s/web", rig->dir);
	char *i18n = arena_printf(&rig->arena, "%s/i18n", dir);
	char *vi = arena_printf(&rig->arena, "%s/vi.json", i18n);
	char *en = arena_printf(&rig->arena, "%s/en.json", i18n);
	char *css = arena_printf(&rig->arena, "%s/app.css", dir);
	struct web *web = NULL;
	struct err err = {0};
	char mkdirs[512];

	snprintf(mkdirs, sizeof(mkdirs), "mkdir -p %s", i18n);
	assert_int_equal(system(mkdirs), 0);
	rig_write(css, "p {}");
	rig_write(vi, "{\"a\":\"1\"}");
	rig_write(en, "{\"a\":\"2\"}");
	assert_int_equal(web_read(dir, &web, &err), 0);
	assert_string_equal(web_text(web, true, "a"), "2");
	web_free(web);
	rig_write(en, "{\"a\":\"2\",\"b\":\"3\"}");
	assert_int_equal(web_read(dir, &web, &err), ERR_INVALID);
	rig_write(en, "{}");
	assert_int_equal(web_read(dir, &web, &err), ERR_INVALID);
	rig_write(en, "{\"a\":7}");
	assert_int_equal(web_read(dir, &web, &err), ERR_INVALID);
	unlink(en);
	assert_int_equal(web_read(dir, &web, &err), ERR_INVALID);
	unlink(vi);
	unlink(css);
	rmdir(i18n);
	rmdir(dir);
}

/* --- feeds --- */

static struct fetch_answer *get_feed(struct rig *rig, const char *sub, const char *member,
				     const char *target)
{
	char *head = arena_printf(&rig->arena, "GET /feeds/%s HTTP/1.1\r\n" BEARER, target,
				  rig_token(rig, sub, member));

	return rig_ask(rig, head, "");
}

static void pack_event(Feed__Event *ev, const char *type, const void *payload, size_t n,
		       Feed__Entry *entry, uint8_t out[512])
{
	static uint8_t id[16] = {1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16};

	feed__event__init(ev);
	ev->id = (ProtobufCBinaryData){sizeof(id), id};
	ev->causation_id = ev->id;
	ev->type = type;
	ev->subject = "H40.31.01-240521-0001";
	ev->version = 3;
	ev->time_us = 1716253200123456;
	ev->payload = (ProtobufCBinaryData){n, (uint8_t *)payload};
	entry->event.data = out;
	entry->event.len = feed__event__pack(ev, out);
}

/* Two events: one whose payload we know, one of a service newer than this gateway. */
static void play_feed(struct rig *rig)
{
	Dossier__DossierRated rated = DOSSIER__DOSSIER_RATED__INIT;
	Feed__PullReply page = FEED__PULL_REPLY__INIT;
	Feed__Entry first = FEED__ENTRY__INIT, second = FEED__ENTRY__INIT;
	Feed__Entry *entries[] = {&first, &second};
	Feed__Seal seal = FEED__SEAL__INIT;
	Feed__Seal *seals[] = {&seal};
	Feed__Event ev;
	uint8_t payload[128], stored[2][512], digest[32] = {0xab};
	size_t n;

	rated.code = "H40.31.01-240521-0001";
	rated.speed = 5;
	n = dossier__dossier_rated__pack(&rated, payload);
	pack_event(&ev, "dossier.rated", payload, n, &first, stored[0]);
	pack_event(&ev, "dossier.from_the_future", "\x01\x02", 2, &second, stored[1]);
	first.pos = 9007199254740993;
	second.pos = 9007199254740994;
	seal.pos_to = second.pos;
	seal.count = 2;
	seal.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	page.entries = entries;
	page.n_entries = 2;
	page.seals = seals;
	page.n_seals = 1;
	page.next = second.pos;
	page.high_water = second.pos;
	page.epoch = "e1";
	rig_play(rig, &page.base);
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void assert_first_event(const json_t *e)
{
	const json_t *data = json_object_get(e, "data");

	assert_string_equal(text_of(e, "specversion"), "1.0");
	assert_string_equal(text_of(e, "id"), "01020304-0506-7708-890a-0b0c0d0e0f10");
	assert_string_equal(text_of(e, "source"), "/lgsp/dossier");
	assert_string_equal(text_of(e, "type"), "dossier.rated");
	assert_string_equal(text_of(e, "subject"), "H40.31.01-240521-0001");
	assert_string_equal(text_of(e, "time"), "2024-05-21T01:00:00.123456Z");
	assert_string_equal(text_of(e, "datacontenttype"), "application/json");
	assert_string_equal(text_of(e, "pos"), "9007199254740993");
	assert_string_equal(text_of(e, "causationid"), "01020304-0506-7708-890a-0b0c0d0e0f10");
	assert_int_equal(json_integer_value(json_object_get(e, "subjectversion")), 3);
	assert_string_equal(text_of(data, "code"), "H40.31.01-240521-0001");
	assert_int_equal(json_integer_value(json_object_get(data, "speed")), 5);
	assert_null(json_object_get(e, "storedbytes"));
}

static void test_feed(void **state)
{
	struct rig *rig = *state;
	Feed__PullRequest *in;
	struct fetch_answer *a;
	json_t *json, *events, *seal;

	play_feed(rig);
	a = get_feed(rig, "operator-1", NULL, "dossier?after=41&limit=7&wait_ms=10&epoch=e1");
	assert_int_equal(a->status, 200);
	assert_string_equal(rig->bus.last.service, "dossier");
	assert_string_equal(rig->bus.last.method, "Feed.Pull");
	assert_string_equal(rig->bus.last.subject, "operator-1");
	in = feed__pull_request__unpack(NULL, rig->bus.last.body_len, rig->bus.last.body);
	assert_string_equal(in->feed, "dossier");
	assert_int_equal(in->after, 41);
	assert_int_equal(in->limit, 7);
	assert_int_equal(in->wait_ms, 10);
	assert_string_equal(in->epoch, "e1");
	feed__pull_request__free_unpacked(in, NULL);
	json = json_loadb(a->body, a->body_len, 0, NULL);
	events = json_object_get(json, "events");
	assert_int_equal(json_array_size(events), 2);
	assert_first_event(json_array_get(events, 0));
	assert_string_equal(text_of(json_array_get(events, 1), "datacontenttype"),
			    "application/protobuf");
	assert_string_equal(text_of(json_array_get(events, 1), "data_base64"), "AQI=");
	assert_string_equal(text_of(json, "next"), "9007199254740994");
	assert_string_equal(text_of(json, "highWater"), "9007199254740994");
	assert_string_equal(text_of(json, "epoch"), "e1");
	seal = json_array_get(json_object_get(json, "seals"), 0);
	assert_string_equal(text_of(seal, "posTo"), "9007199254740994");
	assert_int_equal(json_integer_value(json_object_get(seal, "count")), 2);
	assert_int_equal(strlen(text_of(seal, "digest")), 64);
	assert_int_equal(strncmp(text_of(seal, "digest"), "ab00", 4), 0);
	json_decref(json);
}

/* With proof=1 an outsider gets the bytes the seals are over. */
static void test_feed_proof(void **state)
{
	struct rig *rig = *state;
	Feed__PullReply *page;
	struct fetch_answer *a;
	json_t *json;
	const char *text;
	uint8_t *bytes;
	size_t n;

	play_feed(rig);
	a = get_feed(rig, "client-1", "VN/GOV/H40/reader", "dossier?proof=1");
	assert_int_equal(a->status, 200);
	assert_string_equal(rig->bus.last.roles, "system");
	json = json_loadb(a->body, a->body_len, 0, NULL);
	text = text_of(json_array_get(json_object_get(json, "events"), 0), "storedbytes");
	assert_non_null(text);
	assert_int_equal(crypt_unbase64(&rig->arena, text, strlen(text), &bytes, &n), 0);
	page = feed__pull_reply__unpack(NULL, rig->bus.next.body_len, rig->bus.next.body);
	assert_int_equal(n, page->entries[0]->event.len);
	assert_memory_equal(bytes, page->entries[0]->event.data, n);
	feed__pull_reply__free_unpacked(page, NULL);
	json_decref(json);
}

static void test_who_may_read_feeds(void **state)
{
	struct rig *rig = *state;

	play_feed(rig);
	assert_int_equal(get_feed(rig, "citizen-1", NULL, "dossier")->status, 403);
	assert_int_equal(get_feed(rig, "officer-1", NULL, "dossier")->status, 403);
	assert_int_equal(get_feed(rig, "c", "VN/GOV/H40/one-stop", "dossier")->status, 403);
	assert_int_equal(get_feed(rig, "c", "VN/GOV/H40/reader", "payment")->status, 403);
	assert_int_equal(get_feed(rig, "operator-1", NULL, "nothing")->status, 404);
	assert_int_equal(rig->bus.calls, 0);
	assert_int_equal(get_feed(rig, "c", "VN/GOV/H40/reader", "dossier")->status, 200);
	assert_int_equal(get_feed(rig, "operator-1", NULL, "payment")->status, 200);
}

/* Systems read the feeds they are granted by name, over HTTP as on the bus. */
static void test_published_feeds(void **state)
{
	struct rig *rig = *state;
	const char *published = "dossier?feed=dossier.states";
	Feed__PullRequest *in;

	play_feed(rig);
	assert_int_equal(get_feed(rig, "c", "VN/GOV/H40/outsider", "dossier")->status, 403);
	assert_int_equal(get_feed(rig, "c", "VN/GOV/H40/reader", published)->status, 403);
	assert_int_equal(get_feed(rig, "operator-1", NULL, "dossier?feed=")->status, 400);
	assert_int_equal(get_feed(rig, "operator-1", NULL, "dossier?feed=A%20b")->status, 400);
	assert_int_equal(rig->bus.calls, 0);
	assert_int_equal(get_feed(rig, "c", "VN/GOV/H40/outsider", published)->status, 200);
	in = feed__pull_request__unpack(NULL, rig->bus.last.body_len, rig->bus.last.body);
	assert_string_equal(in->feed, "dossier.states");
	feed__pull_request__free_unpacked(in, NULL);
	assert_int_equal(get_feed(rig, "operator-1", NULL, published)->status, 200);
}

static void test_bad_cursors(void **state)
{
	static const char *const targets[] = {
		"dossier?after=-1",        "dossier?after=x",
		"dossier?after=",          "dossier?after=1x",
		"dossier?after=1&after=2", "dossier?after=9223372036854775808",
		"dossier?limit=1001",      "dossier?wait_ms=5001",
		"dossier?after=%31%zz",    "dossier?after",
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_LEN(targets); i++)
		assert_int_equal(get_feed(rig, "operator-1", NULL, targets[i])->status, 400);
	assert_int_equal(rig->bus.calls, 0);
	rig_play_error(rig, ERR_CONFLICT, "CURSOR_AHEAD");
	assert_int_equal(get_feed(rig, "operator-1", NULL, "dossier?after=9")->status, 400);
	assert_int_equal(rig->bus.calls, 1);
}

static void test_unreadable_page(void **state)
{
	struct rig *rig = *state;
	Feed__PullReply page = FEED__PULL_REPLY__INIT;
	Feed__Entry entry = FEED__ENTRY__INIT;
	Feed__Entry *entries[] = {&entry};

	entry.event = (ProtobufCBinaryData){2, (uint8_t *)"\x0a\x05"};
	page.entries = entries;
	page.n_entries = 1;
	rig_play(rig, &page.base);
	assert_int_equal(get_feed(rig, "operator-1", NULL, "dossier")->status, 500);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_page),
		TEST(test_language),
		TEST(test_methods),
		TEST(test_typed_text_is_escaped),
		TEST(test_found),
		TEST(test_every_state),
		TEST(test_not_found_says_nothing_more),
		TEST(test_bad_forms),
		TEST(test_style),
		cmocka_unit_test(test_html),
		TEST(test_texts_must_match),
		TEST(test_feed),
		TEST(test_feed_proof),
		TEST(test_who_may_read_feeds),
		TEST(test_published_feeds),
		TEST(test_bad_cursors),
		TEST(test_unreadable_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
