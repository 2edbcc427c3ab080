/*
 * The server over real sockets: the loop runs on a thread of its own, the tests are its clients,
 * with blocking sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/http/http.h"

#define BIG_BYTES (24 * 1024 * 1024)

struct rig {
	char dir[64];
	char listen[96];
	struct loop *loop;
	struct http_server *server;
	pthread_t thread;
	atomic_int in_hand, most_in_hand, handled, left;
	struct http_exchange *_Atomic held;
	struct loop_timer *timer;
	struct http_exchange *waiting;
	char *big;
	atomic_bool idle, asked;
};

static void answer(struct http_exchange *x, struct rig *rig, struct http_response *res)
{
	atomic_fetch_sub(&rig->in_hand, 1);
	if (!res->content_type)
		res->content_type = "text/plain";
	http_respond(x, res);
}

static void answer_text(struct http_exchange *x, struct rig *rig, const char *text)
{
	struct http_response res = {.status = 200, .body = text, .body_len = strlen(text)};

	answer(x, rig, &res);
}

static void on_later(void *arg)
{
	struct rig *rig = arg;
	struct http_exchange *x = rig->waiting;

	loop_timer_stop(rig->timer);
	rig->waiting = NULL;
	answer_text(x, rig, "later");
}

static void answer_echo(struct http_exchange *x, const struct http_request *req, struct rig *rig)
{
	char text[512];

	snprintf(text, sizeof(text), "%s %s %s %.*s", req->method, req->path, req->query,
		 (int)req->body_len, (const char *)req->body);
	answer_text(x, rig, text);
}

static void answer_injected(struct http_exchange *x, struct rig *rig)
{
	struct http_header h = {"X-Name", "a\r\nSet-Cookie: b"};
	struct http_response res = {.status = 200, .headers = &h, .n_headers = 1};

	answer(x, rig, &res);
}

static void on_left(void *arg)
{
	atomic_fetch_add(&((struct rig *)arg)->left, 1);
}

static void on_request(struct http_exchange *x, const struct http_request *req, void *arg)
{
	struct rig *rig = arg;
	int now = atomic_fetch_add(&rig->in_hand, 1) + 1;

	http_on_left(x, on_left, rig);
	if (now > atomic_load(&rig->most_in_hand))
		atomic_store(&rig->most_in_hand, now);
	atomic_fetch_add(&rig->handled, 1);
	if (strcmp(req->path, "/later") == 0) {
		rig->waiting = x;
		rig->timer = loop_timer_start(rig->loop, 20, 0, on_later, rig);
	} else if (strcmp(req->path, "/hold") == 0) {
		atomic_store(&rig->held, x);
	} else if (strcmp(req->path, "/big") == 0) {
		struct http_response res = {.status = 200, .body = rig->big, .body_len = BIG_BYTES};
		answer(x, rig, &res);
	} else if (strcmp(req->path, "/injected") == 0) {
		answer_injected(x, rig);
	} else {
		answer_echo(x, req, rig);
	}
}

static void *run_loop(void *arg)
{
	loop_run(((struct rig *)arg)->loop);
	return NULL;
}

static struct rig *rig_new(unsigned max_connections, struct http_limits limits)
{
	struct rig *rig = base_alloc(sizeof(*rig));
	struct http_config config = {.listen = rig->listen,
				     .unix_mode = 0660,
				     .body_max = 1 << 20,
				     .max_connections = max_connections,
				     .on_request = on_request,
				     .arg = rig,
				     .limits = limits};

	rig->big = base_alloc(BIG_BYTES);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/http-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->listen, sizeof(rig->listen), "unix:%s/s", rig->dir);
	rig->loop = loop_new();
	assert_int_equal(http_server_new(rig->loop, &config, &rig->server), 0);
	assert_int_equal(pthread_create(&rig->thread, NULL, run_loop, rig), 0);
	return rig;
}

static void stop_rig(void *arg)
{
	struct rig *rig = arg;

	http_server_free(rig->server);
	loop_stop(rig->loop);
}

static void rig_free(struct rig *rig)
{
	struct http_exchange *held;

	loop_post(rig->loop, stop_rig, rig);
	pthread_join(rig->thread, NULL);
	held = atomic_exchange(&rig->held, NULL);
	if (held)
		answer_text(held, rig, "nobody is there");
	loop_free(rig->loop);
	assert_int_equal(access(rig->listen + 5, F_OK), -1);
	assert_int_equal(rmdir(rig->dir), 0);
	free(rig->big);
	free(rig);
}

static void drain_rig(void *arg)
{
	http_server_drain(((struct rig *)arg)->server);
}

static void release_held(void *arg)
{
	struct rig *rig = arg;

	answer_text(atomic_exchange(&rig->held, NULL), rig, "held");
}

static void look_idle(void *arg)
{
	struct rig *rig = arg;

	atomic_store(&rig->idle, http_server_idle(rig->server));
	atomic_store(&rig->asked, true);
}

static int client_fd(const struct rig *rig)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = 10};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", rig->listen + 5);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int client_new(const struct rig *rig)
{
	int fd = client_fd(rig);

	assert_true(fd >= 0);
	return fd;
}

static void client_send(int fd, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
}

/* Reads until what came ends with the word, or the end. Returns the text, in a static buffer. */
static const char *client_read(int fd, const char *until)
{
	static char text[4096];
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

		if (n < 0)
			fail_msg("nothing came (%s) behind: %.*s", strerror(errno), (int)len, text);
		len += (size_t)n;
		text[len] = '\0';
		if (n == 0 || (until && len >= strlen(until) &&
			       strcmp(text + len - strlen(until), until) == 0))
			return text;
	}
}

static void await(atomic_int *value, int want)
{
	int64_t end = clock_mono_us() + 10 * CLOCK_US_PER_S;

	while (atomic_load(value) < want) {
		assert_true(clock_mono_us() < end);
		usleep(1000);
	}
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_two_on_one_connection(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);
	const char *got;

	(void)state;
	client_send(fd, GET("/a?b=1"));
	got = client_read(fd, "GET /a b=1 ");
	assert_ptr_equal(strstr(got, "HTTP/1.1 200 OK\r\nDate: "), got);
	assert_non_null(strstr(got, "\r\nContent-Length: 11\r\n"));
	assert_null(strstr(got, "Connection:"));
	client_send(fd, "POST /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
			"Content-Length: 3\r\n\r\nxyz");
	got = client_read(fd, NULL);
	assert_non_null(strstr(got, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(got, "\r\n\r\nPOST /b  xyz"));
	close(fd);
	rig_free(rig);
}

/* Every request sent ahead is answered, in order, one at a time, also when answered later. */
static void test_pipelined(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);
	const char *got, *first, *second;

	(void)state;
	client_send(fd, GET("/later") GET("/b") GET("/later") "GET /d HT");
	client_send(fd, "TP/1.1\r\nHost: a\r\n\r\n");
	got = client_read(fd, "GET /d  ");
	first = strstr(got, "later");
	second = strstr(got, "GET /b");
	assert_non_null(first);
	assert_true(second > first);
	assert_true(strstr(second, "later") > second);
	assert_int_equal(atomic_load(&rig->most_in_hand), 1);
	close(fd);
	rig_free(rig);
}

static void test_many_sent_ahead(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);
	char *got = base_alloc(1 << 20);
	struct buf ahead;
	size_t len = 0;

	(void)state;
	buf_init(&ahead, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_puts(&ahead, GET("/a"));
	buf_puts(&ahead, "GET /z HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	client_send(fd, buf_str(&ahead));
	for (ssize_t n = 1; n > 0; len += (size_t)n) {
		n = recv(fd, got + len, (1 << 20) - 1 - len, 0);
		assert_true(n >= 0);
	}
	assert_int_equal(atomic_load(&rig->handled), 1001);
	assert_non_null(strstr(got, "GET /z"));
	buf_done(&ahead);
	free(got);
	close(fd);
	rig_free(rig);
}

/* The client still sends when it is refused: it must be able to read why. */
static void test_refusal_is_readable(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);
	char *junk = base_alloc(100001);
	const char *got;

	(void)state;
	memset(junk, 'x', 100000);
	client_send(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	client_send(fd, junk);
	got = client_read(fd, NULL);
	assert_ptr_equal(strstr(got, "HTTP/1.1 411 Length Required\r\n"), got);
	assert_non_null(strstr(got, "Connection: close"));
	assert_non_null(strstr(got, "411 Length Required\n"));
	assert_int_equal(atomic_load(&rig->handled), 0);
	free(junk);
	close(fd);
	rig_free(rig);
}

static void test_head_request(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);
	const char *got;

	(void)state;
	client_send(fd, "HEAD /abc HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	got = client_read(fd, NULL);
	assert_non_null(strstr(got, "\r\nContent-Length: 11\r\n"));
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
	close(fd);
	rig_free(rig);
}

static void test_continue(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);

	(void)state;
	client_send(fd, "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
			"Content-Length: 2\r\n\r\n");
	assert_string_equal(client_read(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(fd, "xy");
	client_read(fd, "POST /a  xy");
	close(fd);
	rig_free(rig);
}

static void test_injected_header(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);
	const char *got;

	(void)state;
	client_send(fd, GET("/injected"));
	got = client_read(fd, "\r\n\r\n");
	assert_ptr_equal(strstr(got, "HTTP/1.1 500 "), got);
	assert_null(strstr(got, "Set-Cookie"));
	close(fd);
	rig_free(rig);
}

static void test_time_outs(void **state)
{
	struct http_limits limits = {.head_ms = 50, .body_ms = 50, .idle_ms = 50};
	struct rig *rig = rig_new(8, limits);
	int fd = client_new(rig);
	const char *got;

	(void)state;
	assert_string_equal(client_read(fd, NULL), "");
	close(fd);
	fd = client_new(rig);
	client_send(fd, "GET / HT");
	got = client_read(fd, NULL);
	assert_ptr_equal(strstr(got, "HTTP/1.1 408 "), got);
	close(fd);
	fd = client_new(rig);
	client_send(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
	got = client_read(fd, NULL);
	assert_ptr_equal(strstr(got, "HTTP/1.1 408 "), got);
	close(fd);
	rig_free(rig);
}

static size_t read_to_end(int fd)
{
	char *chunk = base_alloc(1 << 20);
	size_t got = 0;
	ssize_t n;

	while ((n = recv(fd, chunk, 1 << 20, 0)) > 0)
		got += (size_t)n;
	free(chunk);
	return got;
}

static void test_big_response(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);

	(void)state;
	client_send(fd, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_true(read_to_end(fd) > BIG_BYTES);
	close(fd);
	rig_free(rig);
}

/* A reader that does not read is left, and what the kernel did not hold is lost to it. */
static void test_stalled_write(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){.write_ms = 50});
	int fd = client_new(rig);

	(void)state;
	client_send(fd, GET("/big"));
	await(&rig->handled, 1);
	atomic_store(&rig->idle, false);
	for (int64_t end = clock_mono_us() + 10 * CLOCK_US_PER_S; !atomic_load(&rig->idle);) {
		assert_true(clock_mono_us() < end);
		loop_post(rig->loop, look_idle, rig);
		usleep(10000);
	}
	assert_true(read_to_end(fd) < BIG_BYTES);
	close(fd);
	rig_free(rig);
}

static void test_client_gone(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);

	(void)state;
	client_send(fd, GET("/hold"));
	await(&rig->handled, 1);
	close(fd);
	loop_post(rig->loop, release_held, rig);
	fd = client_new(rig); /* the server goes on */
	client_send(fd, GET("/b"));
	client_read(fd, "GET /b  ");
	close(fd);
	rig_free(rig);
}

static void test_client_leaves(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig), other = client_new(rig);

	(void)state;
	client_send(fd, GET("/hold"));
	await(&rig->handled, 1);
	client_send(other, GET("/b"));
	client_read(other, "GET /b  ");
	assert_int_equal(atomic_load(&rig->left), 0);
	close(fd);
	await(&rig->left, 1);
	loop_post(rig->loop, release_held, rig);
	client_send(other, GET("/c"));
	client_read(other, "GET /c  ");
	close(other); /* answered: nobody is left waiting */
	rig_free(rig);
}

/* It may have said all it had to say, and still wait. */
static void test_client_closes_its_half(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);

	(void)state;
	client_send(fd, GET("/hold"));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	await(&rig->left, 1);
	loop_post(rig->loop, release_held, rig);
	assert_non_null(strstr(client_read(fd, NULL), "\r\n\r\nheld"));
	assert_int_equal(atomic_load(&rig->left), 1);
	close(fd);
	rig_free(rig);
}

/* What it sent ahead is kept while it waits, and no more than that. */
static void test_client_leaves_behind_requests(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);
	char *ahead = base_alloc(100001);

	(void)state;
	client_send(fd, GET("/hold"));
	await(&rig->handled, 1);
	client_send(fd, GET("/a"));
	client_send(fd, GET("/b"));
	loop_post(rig->loop, release_held, rig);
	assert_non_null(strstr(client_read(fd, "GET /b  "), "GET /a  "));
	client_send(fd, GET("/hold"));
	await(&rig->handled, 4);
	memset(ahead, 'x', 100000);
	client_send(fd, ahead);
	loop_post(rig->loop, release_held, rig);
	assert_non_null(strstr(client_read(fd, NULL), "HTTP/1.1 431 "));
	close(fd);
	free(ahead);
	fd = client_new(rig);
	client_send(fd, GET("/hold") GET("/a"));
	await(&rig->handled, 5);
	close(fd);
	await(&rig->left, 1);
	rig_free(rig);
}

/* rig_free() answers the held exchange after the server has gone. */
static void test_server_gone(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int fd = client_new(rig);

	(void)state;
	client_send(fd, GET("/hold"));
	await(&rig->handled, 1);
	rig_free(rig);
	assert_string_equal(client_read(fd, NULL), "");
	close(fd);
}

/* Full: the idle one makes place for the new one; the busy one stays. */
static void test_max_connections(void **state)
{
	struct rig *rig = rig_new(2, (struct http_limits){0});
	int busy = client_new(rig), idle = client_new(rig), fresh;

	(void)state;
	client_send(busy, GET("/hold"));
	client_send(idle, GET("/a"));
	client_read(idle, "GET /a  ");
	await(&rig->handled, 2);
	fresh = client_new(rig);
	client_send(fresh, GET("/b"));
	assert_string_equal(client_read(idle, NULL), "");
	client_read(fresh, "GET /b  ");
	loop_post(rig->loop, release_held, rig);
	client_read(busy, "held");
	close(busy);
	close(idle);
	close(fresh);
	rig_free(rig);
}

static void test_drain(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	int busy = client_new(rig), idle = client_new(rig);
	const char *got;

	(void)state;
	client_send(busy, GET("/hold"));
	await(&rig->handled, 1);
	loop_post(rig->loop, drain_rig, rig);
	assert_string_equal(client_read(idle, NULL), "");
	assert_int_equal(client_fd(rig), -1);
	loop_post(rig->loop, release_held, rig);
	got = client_read(busy, NULL);
	assert_non_null(strstr(got, "Connection: close"));
	assert_non_null(strstr(got, "\r\n\r\nheld"));
	close(busy);
	close(idle);
	rig_free(rig);
}

static void test_socket_file(void **state)
{
	struct rig *rig = rig_new(8, (struct http_limits){0});
	struct http_config config = {
		.listen = rig->listen, .max_connections = 1, .on_request = on_request};
	struct loop *loop = loop_new();
	struct http_server *second = NULL;
	struct stat st;
	char stale[128];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(stat(rig->listen + 5, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(http_server_new(loop, &config, &second), ERR_UNAVAILABLE);
	assert_null(second);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/stale", rig->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	snprintf(stale, sizeof(stale), "unix:%s/stale", rig->dir);
	config.listen = stale;
	assert_int_equal(http_server_new(loop, &config, &second), 0);
	http_server_free(second);
	loop_free(loop);
	rig_free(rig);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"",
					  "unix:",
					  "unix:relative",
					  "127.0.0.1",
					  "127.0.0.1:",
					  "127.0.0.1:x",
					  "127.0.0.1:70000",
					  ":80",
					  "localhost:1",
					  "127.0.0.1:+1"};
	struct http_config config = {.max_connections = 1, .on_request = on_request};
	struct loop *loop = loop_new();
	struct http_server *server = NULL, *second = NULL;
	char taken[32], longer[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		config.listen = bad[i];
		assert_int_equal(http_server_new(loop, &config, &server), ERR_INVALID);
	}
	snprintf(longer, sizeof(longer), "unix:/%0150d", 1);
	config.listen = longer;
	assert_int_equal(http_server_new(loop, &config, &server), ERR_INVALID);

	config.listen = "127.0.0.1:0";
	assert_int_equal(http_server_new(loop, &config, &server), 0);
	assert_true(http_server_port(server) > 0);
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", http_server_port(server));
	config.listen = taken;
	assert_int_equal(http_server_new(loop, &config, &second), ERR_UNAVAILABLE);
	http_server_free(server);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_on_one_connection),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_many_sent_ahead),
		cmocka_unit_test(test_refusal_is_readable),
		cmocka_unit_test(test_head_request),
		cmocka_unit_test(test_continue),
		cmocka_unit_test(test_injected_header),
		cmocka_unit_test(test_time_outs),
		cmocka_unit_test(test_big_response),
		cmocka_unit_test(test_stalled_write),
		cmocka_unit_test(test_client_gone),
		cmocka_unit_test(test_client_leaves),
		cmocka_unit_test(test_client_closes_its_half),
		cmocka_unit_test(test_client_leaves_behind_requests),
		cmocka_unit_test(test_server_gone),
		cmocka_unit_test(test_max_connections),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_socket_file),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
