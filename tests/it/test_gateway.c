/*
 * lgsp-gateway as a process beside a real broker: what test_gateway_api and test_gateway_web show
 * of its parts holds for the whole, and it lives through a restart of the bus and ends well.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/jwt.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "tests/support/busd.h"
#include "tests/support/fetch.h"
#include "tests/support/peer.h"
#include "tests/support/svcd.h"

#define JSON "Content-Type: application/json\r\n"

static const struct err_kind nobody = {ERR_NOT_FOUND, "NO_OFFICER", "Không có", "nobody"};
static const struct err_kind wrong_state = {ERR_CONFLICT, "WRONG_STATE", "Sai trạng thái",
					    "wrong state"};

struct fixture {
	struct busd *bus;
	struct busrig *rig;
	struct peer *directory, *dossier;
	struct bus_worker *task;
	struct bus_request *_Atomic held; /* task answers nobody, and says so when asked to hurry */
	atomic_bool hurried;
	struct svcd *gateway;
	struct arena arena;
	char dir[64], listen[96], jwks[96];
	char *pem;
	char roles[64]; /* the last caller's, as the service saw them */
};

static int resolve(struct bus_request *req, ProtobufCMessage **ret_reply, struct err *err,
		   void *arg)
{
	static const char *roles[] = {"clerk", "operator"};
	Directory__ResolveSubjectRequest *in =
		directory__resolve_subject_request__unpack(NULL, req->body_len, req->body);
	bool known = in && strcmp(in->subject, "officer-1") == 0;
	Directory__ResolveSubjectReply *out = arena_alloc(&req->arena, sizeof(*out));
	Directory__Officer *officer = arena_alloc(&req->arena, sizeof(*officer));

	(void)arg;
	directory__resolve_subject_request__free_unpacked(in, NULL);
	if (!known)
		return err_set(err, &nobody, NULL, NULL);
	directory__resolve_subject_reply__init(out);
	directory__officer__init(officer);
	officer->agency_code = "H40.31.01";
	officer->roles = roles;
	officer->n_roles = ARRAY_LEN(roles);
	out->officer = officer;
	*ret_reply = &out->base;
	return 0;
}

/* Accepts "good", finds anything else in the wrong state. */
static int accept_dossier(struct bus_request *req, ProtobufCMessage **ret_reply, struct err *err,
			  void *arg)
{
	struct fixture *f = arg;
	const Bus__OnBehalfOf *who = req->caller->on_behalf_of;
	Dossier__AcceptRequest *in =
		dossier__accept_request__unpack(NULL, req->body_len, req->body);
	bool good = in && strcmp(in->code, "good") == 0;
	Dossier__AcceptReply *out = arena_alloc(&req->arena, sizeof(*out));

	dossier__accept_request__free_unpacked(in, NULL);
	CHECK(who && who->n_roles == 2);
	snprintf(f->roles, sizeof(f->roles), "%s/%s/%s", who->roles[0], who->roles[1], who->agency);
	if (!good)
		return err_set(err, &wrong_state, "code", NULL);
	dossier__accept_reply__init(out);
	out->version = 2;
	*ret_reply = &out->base;
	return 0;
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void start_gateway(struct fixture *f)
{
	char listen[128], jwks[128];
	const char *env[] = {listen,
			     jwks,
			     "LGSP_TOKEN_ISSUER=issuer",
			     "LGSP_TOKEN_AUDIENCE=lgsp",
			     "LGSP_WEB_DIR=services/gateway/web",
			     NULL};
	struct svcd_config config = {
		.service = "gateway", .bus = f->bus, .dsn = "none", .env = env};

	snprintf(listen, sizeof(listen), "LGSP_LISTEN=%s", f->listen);
	snprintf(jwks, sizeof(jwks), "LGSP_JWKS=%s", f->jwks);
	f->gateway = svcd_start(&config);
}

static void on_task(struct bus_request *req, void *arg)
{
	struct fixture *f = arg;

	CHECK(!atomic_load(&f->held));
	atomic_store(&f->held, req);
}

static void on_hurry(struct bus_request *req, void *arg)
{
	struct fixture *f = arg;

	CHECK(atomic_load(&f->held) == req);
	atomic_store(&f->hurried, true);
}

/* Takes one request at a time. */
static void start_task(struct fixture *f)
{
	struct bus_worker_config config = {.service = "task",
					   .endpoints = busd_backend_endpoint(f->bus),
					   .keys = busd_keys(f->bus, "task"),
					   .instance = "task-1",
					   .credit = 1,
					   .on_request = on_task,
					   .on_unpark = on_hurry,
					   .arg = f};

	f->task = busrig_worker(f->rig, &config);
}

static int setup(void **state)
{
	static const struct busd_member members[] = {{"gateway", "VN/GOV/H40/lgsp-gateway"},
						     {"directory", "VN/GOV/H40/lgsp-directory"},
						     {"dossier", "VN/GOV/H40/lgsp-dossier"},
						     {"task", "VN/GOV/H40/lgsp-task"}};
	static struct fixture f;
	const struct peer_method directory[] = {{"ResolveSubject", resolve, NULL}, {NULL}};
	const struct peer_method dossier[] = {{"Accept", accept_dossier, &f}, {NULL}};
	char *jwks;

	arena_init(&f.arena, 16 << 20);
	snprintf(f.dir, sizeof(f.dir), "/tmp/gwp-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.listen, sizeof(f.listen), "unix:%s/s", f.dir);
	snprintf(f.jwks, sizeof(f.jwks), "%s/jwks", f.dir);
	assert_int_equal(jwt_key_new(&f.arena, &f.pem, &jwks), 0);
	write_text(f.jwks, jwks);
	f.bus = busd_start(members, ARRAY_LEN(members),
			   "grant VN/GOV/H40/lgsp-gateway * * acts_for\n"
			   "feed VN/GOV/H40/lgsp-gateway * * acts_for\n"
			   "serve VN/GOV/H40/lgsp-directory directory\n"
			   "serve VN/GOV/H40/lgsp-dossier dossier\n"
			   "serve VN/GOV/H40/lgsp-task task\n",
			   NULL);
	f.rig = busrig_new();
	f.directory = peer_start(f.rig, f.bus, "directory", "directory", directory);
	f.dossier = peer_start(f.rig, f.bus, "dossier", "dossier", dossier);
	start_task(&f);
	start_gateway(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	svcd_free(f->gateway);
	assert_int_equal(access(f->listen + 5, F_OK), -1);
	peer_free(f->directory);
	peer_free(f->dossier);
	busrig_free(f->rig);
	busd_free(f->bus);
	unlink(f->jwks);
	rmdir(f->dir);
	arena_done(&f->arena);
	return 0;
}

static struct fetch_answer *ask_gateway(struct fixture *f, const char *head, const char *body)
{
	return fetch_read(&f->arena, fetch_send(f->listen, head, body, strlen(body)));
}

static char *head_with_token(struct fixture *f, const char *line, const char *more)
{
	struct err err = {0};
	char *token;

	assert_int_equal(jwt_sign(f->pem, "issuer", "lgsp", "officer-1", NULL,
				  clock_wall_us() / CLOCK_US_PER_S, 600, &f->arena, &token, &err),
			 0);
	return arena_printf(&f->arena, "%s HTTP/1.1\r\nAuthorization: Bearer %s\r\n" JSON "%s",
			    line, token, more);
}

/* more: further headers. */
static struct fetch_answer *ask_with_token(struct fixture *f, const char *line, const char *more,
					   const char *body)
{
	return ask_gateway(f, head_with_token(f, line, more), body);
}

static struct fetch_answer *accept_code(struct fixture *f, const char *code)
{
	return ask_with_token(f, "POST /lgsp.dossier.v1.DossierService/Accept", "",
			      arena_printf(&f->arena, "{\"code\":\"%s\"}", code));
}

static void test_call(void **state)
{
	struct fixture *f = *state;
	struct fetch_answer *a = accept_code(f, "good");

	assert_int_equal(a->status, 200);
	assert_string_equal(a->body, "{\"version\":2}");
	assert_string_equal(f->roles, "clerk/operator/H40.31.01");
	a = accept_code(f, "bad");
	assert_int_equal(a->status, 400);
	assert_non_null(strstr(a->body, "\"code\":\"failed_precondition\""));
	assert_non_null(strstr(a->body, "\"code\":\"WRONG_STATE\",\"field\":\"code\""));
}

/* --- callers that leave --- */

static int ask_task(struct fixture *f, const char *listen)
{
	char *head = head_with_token(f, "POST /lgsp.task.v1.TaskService/List", "");

	return fetch_send(listen, head, "{}", 2);
}

struct figure {
	struct fixture *f;
	const char *name;
	long long value;
};

static bool bus_says(void *arg)
{
	const struct figure *w = arg;

	return busd_metric(w->f->bus, w->name) == w->value;
}

static bool gateway_says(void *arg)
{
	const struct figure *w = arg;

	return svcd_metric(w->f->gateway, w->name) == w->value;
}

static bool is_held(void *arg)
{
	return atomic_load(&((struct fixture *)arg)->held) != NULL;
}

static bool is_hurried(void *arg)
{
	return atomic_load(&((struct fixture *)arg)->hurried);
}

/* As a pull that waits. */
static void park_held(void *arg)
{
	struct bus_request *req = atomic_load(&((struct fixture *)arg)->held);
	struct err err = {0};

	CHECK(bus_request_begin(req, &err) == 0);
	bus_request_park(req);
}

static void answer_held(void *arg)
{
	struct bus_request *req = atomic_exchange(&((struct fixture *)arg)->held, NULL);

	bus_reply(req, NULL, "", 0, false);
}

/* One is in the worker's hands, one in the broker's queue: both hear that nobody waits. */
static void check_leaving(struct fixture *f, const char *listen)
{
	struct figure queued = {f, "lgsp_bus_queued{service=\"task\"}", 1};
	struct figure ended = {f, "lgsp_bus_replies_total{service=\"task\",status=\"EXPIRED\"}", 0};
	struct figure open = {f, "lgsp_gateway_in_hand{pool=\"api\"}", 0};
	int first = ask_task(f, listen), second;

	atomic_store(&f->hurried, false);
	ended.value = busd_metric(f->bus, ended.name) + 1;
	assert_true(svcd_until(is_held, f));
	second = ask_task(f, listen);
	assert_true(svcd_until(bus_says, &queued));
	close(second);
	assert_true(svcd_until(bus_says, &ended));
	assert_int_equal(accept_code(f, "good")->status, 200); /* over the same connection */
	busrig_run(f->rig, park_held, f);
	assert_false(atomic_load(&f->hurried));
	close(first);
	assert_true(svcd_until(is_hurried, f));
	busrig_run(f->rig, answer_held, f);
	assert_true(svcd_until(gateway_says, &open));
	assert_int_equal(accept_code(f, "good")->status, 200);
}

static void test_caller_leaves(void **state)
{
	struct fixture *f = *state;
	struct figure left = {f, "lgsp_gateway_left_total", 2};

	check_leaving(f, f->listen);
	assert_true(svcd_until(gateway_says, &left));
}

/* Nobody serves payment here: said at once, and safe to repeat. */
static void test_service_away(void **state)
{
	struct fixture *f = *state;
	struct fetch_answer *a = ask_gateway(f, "POST /callback/vnpay HTTP/1.1\r\n", "a=1");

	assert_int_equal(a->status, 503);
	assert_non_null(strstr(a->head, "\r\nLgsp-Outcome: NOT_DONE\r\n"));
}

static void test_feed(void **state)
{
	struct fixture *f = *state;
	Dossier__DossierRated rated = DOSSIER__DOSSIER_RATED__INIT;
	struct fetch_answer *a;

	rated.code = "H40.31.01-240521-0001";
	rated.speed = 4;
	assert_int_equal(peer_publish(f->dossier, "dossier.rated", rated.code, 7, &rated.base), 1);
	a = ask_with_token(f, "GET /feeds/dossier?after=0&limit=10", "", "");
	assert_int_equal(a->status, 200);
	assert_non_null(strstr(a->body, "\"type\":\"dossier.rated\""));
	assert_non_null(strstr(a->body, "\"speed\":4"));
	assert_non_null(strstr(a->body, "\"pos\":\"1\""));
}

static void test_malformed(void **state)
{
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		"\x16\x03\x01\x02",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		int fd = fetch_send_raw(f->listen, requests[i], strlen(requests[i]));

		assert_int_equal(fetch_read(&f->arena, fd)->status, 400);
	}
	assert_int_equal(ask_gateway(f, "GET / HTTP/1.1\r\n", "")->status, 200);
}

/* The broker is killed and comes back: refused within the deadline, then served again. */
static void test_bus_restart(void **state)
{
	struct fixture *f = *state;
	int64_t end_us;
	struct fetch_answer *a;

	assert_int_equal(accept_code(f, "good")->status, 200);
	busd_kill(f->bus);
	a = ask_with_token(f, "POST /lgsp.dossier.v1.DossierService/Accept",
			   "Connect-Timeout-Ms: 500\r\n", "{}");
	assert_true(a->status == 503 || a->status == 504);
	busd_restart(f->bus);
	end_us = clock_mono_us() + 30 * CLOCK_US_PER_S;
	while (accept_code(f, "good")->status != 200) {
		assert_true(clock_mono_us() < end_us);
		usleep(50000);
	}
}

/* New keys are noticed without a signal. */
static void test_new_keys(void **state)
{
	struct fixture *f = *state;
	char *old = f->pem;
	char *jwks;

	assert_int_equal(jwt_key_new(&f->arena, &f->pem, &jwks), 0);
	assert_int_equal(accept_code(f, "good")->status, 401);
	write_text(f->jwks, jwks);
	assert_true(svcd_logged(f->gateway, "gateway.jwks_read"));
	assert_int_equal(accept_code(f, "good")->status, 200);
	f->pem = old;
	assert_int_equal(accept_code(f, "good")->status, 401);
}

/* Neither tokens, secrets nor names of people reach the log. */
static void test_log_is_clean(void **state)
{
	struct fixture *f = *state;

	ask_gateway(f,
		    "POST /tra-cuu HTTP/1.1\r\n"
		    "Content-Type: application/x-www-form-urlencoded\r\n",
		    "code=H40.31.01-240521-0001&secret=ABCDEFGH2345");
	accept_code(f, "036190000017");
	assert_true(svcd_logged(f->gateway, "route=page"));
	assert_true(svcd_logged(f->gateway, "call=lgsp.dossier.v1.DossierService/Accept"));
	assert_false(svcd_log_has(f->gateway, "ABCDEFGH2345"));
	assert_false(svcd_log_has(f->gateway, "036190000017"));
	assert_false(svcd_log_has(f->gateway, "officer-1"));
	assert_false(svcd_log_has(f->gateway, "eyJ"));
}

/* --- behind nginx, by the template that is shipped --- */

struct front {
	char dir[64], address[32];
	pid_t pid;
};

static int free_port(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &n), 0);
	close(fd);
	return ntohs(addr.sin_port);
}

static bool port_answers(const char *address)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = htons((uint16_t)atoi(address + 10))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool good = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;

	close(fd);
	return good;
}

static void front_exec(const struct front *w)
{
	char conf[128], log[128];
	/* Started by root, nginx would give its workers another user, who may not use the socket.
	 */
	const char *user = geteuid() == 0 ? "user root;" : "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(conf, sizeof(conf), "%s/nginx.conf", w->dir);
	snprintf(log, sizeof(log), "%s/nginx.log", w->dir);
	execlp("nginx", "nginx", "-e", log, "-p", w->dir, "-c", conf, "-g", user, (char *)NULL);
	_exit(127);
}

static void front_start(const struct fixture *f, struct front *w)
{
	int64_t end_us = clock_mono_us() + 10 * CLOCK_US_PER_S;
	char command[1024];

	snprintf(w->dir, sizeof(w->dir), "/tmp/front-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->address, sizeof(w->address), "127.0.0.1:%d", free_port());
	snprintf(command, sizeof(command),
		 "sed 's|@RUN@/gateway|%s|; s|@LISTEN@|%s|; s|@TMP@|%s|; s|@LOG@|%s|' "
		 "deploy/nginx/nginx.conf.in >%s/nginx.conf",
		 f->listen + 5, w->address, w->dir, w->dir, w->dir);
	assert_int_equal(system(command), 0);
	w->pid = fork();
	if (w->pid == 0)
		front_exec(w);
	while (!port_answers(w->address)) {
		assert_true(clock_mono_us() < end_us);
		usleep(10000);
	}
}

static void front_stop(struct front *w)
{
	char command[128];
	int status = 0;

	kill(w->pid, SIGTERM);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	assert_int_equal(system(command), 0);
}

static struct fetch_answer *front_ask(struct fixture *f, const struct front *w, const char *head,
				      const char *body)
{
	return fetch_read(&f->arena, fetch_send(w->address, head, body, strlen(body)));
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		n++;
	return n;
}

static void check_front_page(struct fixture *f, const struct front *w)
{
	struct fetch_answer *a = front_ask(f, w, "GET / HTTP/1.1\r\n", "");

	assert_int_equal(a->status, 200);
	assert_non_null(strstr(a->body, "Tra cứu hồ sơ"));
	assert_non_null(strstr(a->head, "\r\nServer: nginx\r\n")); /* no version */
	assert_int_equal(count(a->head, "X-Content-Type-Options: nosniff"), 1);
	assert_int_equal(count(a->head, "Content-Security-Policy: "), 1);
	assert_int_equal(front_ask(f, w, "GET /metrics HTTP/1.1\r\n", "")->status, 404);
	assert_int_equal(front_ask(f, w, "GET /%2e%2e/x HTTP/1.1\r\n", "")->status, 400);
}

/* What two parsers could take for two things is refused by the first of them. */
static void check_front_framing(struct fixture *f, const struct front *w)
{
	static const char both[] = "POST /tra-cuu HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
	/* nginx collects a chunked body and gives it a length. */
	static const char chunked[] = "POST /callback/vnpay HTTP/1.1\r\nHost: a\r\n"
				      "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
				      "3\r\na=1\r\n0\r\n\r\n";
	static const char large[] = "POST /callback/vnpay HTTP/1.1\r\nHost: a\r\n"
				    "Connection: close\r\nContent-Length: 1048577\r\n\r\n";
	int fd = fetch_send_raw(w->address, both, sizeof(both) - 1);

	assert_int_equal(fetch_read(&f->arena, fd)->status, 400);
	fd = fetch_send_raw(w->address, chunked, sizeof(chunked) - 1);
	/* It got through to the bus, where nobody serves payment. */
	assert_int_equal(fetch_read(&f->arena, fd)->status, 503);
	fd = fetch_send_raw(w->address, large, sizeof(large) - 1);
	assert_int_equal(fetch_read(&f->arena, fd)->status, 413);
}

/* Guessing secrets from one address is slowed down before it reaches the service. */
static void check_front_lookups(struct fixture *f, const struct front *w)
{
	unsigned refused = 0;

	for (int i = 0; i < 60; i++)
		refused += front_ask(f, w,
				     "POST /tra-cuu HTTP/1.1\r\n"
				     "Content-Type: application/x-www-form-urlencoded\r\n",
				     "code=&secret=")
				   ->status == 429;
	assert_true(refused > 0);
	assert_int_equal(front_ask(f, w, "GET / HTTP/1.1\r\n", "")->status, 200);
}

static void test_behind_nginx(void **state)
{
	struct fixture *f = *state;
	struct front w = {0};

	front_start(f, &w);
	check_front_page(f, &w);
	check_front_framing(f, &w);
	check_leaving(f, w.address);
	check_front_lookups(f, &w);
	front_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),          cmocka_unit_test(test_service_away),
		cmocka_unit_test(test_caller_leaves), cmocka_unit_test(test_feed),
		cmocka_unit_test(test_malformed),     cmocka_unit_test(test_log_is_clean),
		cmocka_unit_test(test_behind_nginx),  cmocka_unit_test(test_bus_restart),
		cmocka_unit_test(test_new_keys),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
