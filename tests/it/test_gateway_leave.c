// with: services/gateway/route.c services/gateway/connect.c services/gateway/auth.c services/gateway/rights.c services/gateway/status.c services/gateway/feeds.c services/gateway/callback.c services/gateway/page.c services/gateway/html.c services/gateway/web.c services/gateway/health.c services/gateway/gateway.c
/* Clients that leave before they are answered. */
#include <sys/socket.h>

#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/payment/v1/payment.pb-c.h"
#include "tests/it/gateway_rig.h"

static const char *accept_head(struct rig *rig)
{
	return arena_printf(&rig->arena,
			    "POST /lgsp.dossier.v1.DossierService/Accept HTTP/1.1\r\n"
			    "Authorization: Bearer %s\r\nContent-Type: application/json\r\n",
			    rig_token(rig, "officer-1", NULL));
}

static void play_accept(struct rig *rig)
{
	Dossier__AcceptReply reply = DOSSIER__ACCEPT_REPLY__INIT;

	rig_play(rig, &reply.base);
}

static unsigned cancels(struct rig *rig)
{
	unsigned n;

	pthread_mutex_lock(&rig->bus.lock);
	n = rig->bus.cancels;
	pthread_mutex_unlock(&rig->bus.lock);
	return n;
}

static void await_cancels(struct rig *rig, unsigned n)
{
	int64_t end_us = 0;

	while (cancels(rig) < n)
		rig_pause(&end_us);
}

/* What a broker says of a call that was cancelled before anybody began it. */
static void play_cancelled(struct rig *rig)
{
	struct played *reply = &rig_await_held(rig, false)->reply;

	played_error(reply, ERR_EXPIRED, "CANCELLED");
}

static void test_client_leaves(void **state)
{
	struct rig *rig = *state;
	const char *head = accept_head(rig);
	int fd;

	play_accept(rig);
	rig->bus.hold = true;
	fd = fetch_send(rig->listen, head, "{}", 2);
	rig_await_held(rig, false);
	assert_int_equal(cancels(rig), 0);
	close(fd);
	await_cancels(rig, 1);
	assert_memory_equal(rig->bus.cancelled, rig_await_held(rig, false)->id, 16);
	assert_int_equal(rig_ask(rig, head, "{}")->status, 200); /* others go on meanwhile */
	play_cancelled(rig);
	rig_release(rig);
	assert_int_equal(rig_ask(rig, head, "{}")->status, 200);
	assert_int_equal(cancels(rig), 1);
}

/* While the directory is asked who it was: then nothing else is asked. */
static void test_client_leaves_early(void **state)
{
	struct rig *rig = *state;
	const char *head = accept_head(rig);
	int fd;

	play_accept(rig);
	rig->bus.hold_resolve = true;
	fd = fetch_send(rig->listen, head, "{}", 2);
	rig_await_held(rig, false);
	close(fd);
	await_cancels(rig, 1);
	rig_release(rig);
	assert_int_equal(rig_ask(rig, "GET / HTTP/1.1\r\n", "")->status, 200);
	assert_int_equal(rig->bus.calls, 0);
	assert_int_equal(rig_ask(rig, head, "{}")->status, 200);
	assert_int_equal(rig->bus.calls, 1);
}

/* One that closed only its half reads what became of it. */
static void test_client_closes_its_half(void **state)
{
	struct rig *rig = *state;
	const char *head = accept_head(rig);
	struct fetch_answer *a;
	int fd;

	rig->bus.hold = true;
	fd = fetch_send(rig->listen, head, "{}", 2);
	rig_await_held(rig, false);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	await_cancels(rig, 1);
	play_cancelled(rig);
	rig_release(rig);
	a = fetch_read(&rig->arena, fd);
	assert_int_equal(a->status, 504);
	assert_non_null(strstr(a->body, "\"code\":\"CANCELLED\""));
	assert_non_null(strstr(a->head, "\r\nLgsp-Outcome: NOT_DONE\r\n"));
}

static struct fetch_answer *inner(struct rig *rig, const char *path)
{
	char *head = arena_printf(&rig->arena, "GET %s HTTP/1.1\r\n", path);

	return fetch_read(&rig->arena, fetch_send(rig->inner, head, "", 0));
}

static bool metrics_have(struct rig *rig, const char *line)
{
	return strstr(inner(rig, "/metrics")->body, line) != NULL;
}

static void await_metric(struct rig *rig, const char *line)
{
	int64_t end_us = 0;

	while (!metrics_have(rig, line))
		rig_pause(&end_us);
}

/* A provider need not wait: its report is not taken back. */
static void test_provider_leaves(void **state)
{
	struct rig *rig = *state;
	Payment__ReceiveCallbackReply reply = PAYMENT__RECEIVE_CALLBACK_REPLY__INIT;
	int fd;

	reply.http_status = 200;
	rig_play(rig, &reply.base);
	rig->bus.hold = true;
	fd = fetch_send(rig->listen, "GET /callback/vnpay?a=1 HTTP/1.1\r\n", "", 0);
	rig_await_held(rig, false);
	assert_false(metrics_have(rig, "\nlgsp_gateway_in_hand{pool=\"public\"} 0\n"));
	close(fd);
	await_metric(rig, "\nlgsp_gateway_left_total 4\n");
	assert_int_equal(cancels(rig), 0);
	rig_release(rig);
	await_metric(rig, "\nlgsp_gateway_in_hand{pool=\"public\"} 0\n");
	assert_true(metrics_have(rig, "{route=\"callback\",class=\"2xx\"}"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_client_leaves),
		TEST(test_client_leaves_early),
		TEST(test_client_closes_its_half),
		TEST(test_provider_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
