/*
 * Running the bus: two brokers, members and rights that change meanwhile, what operators read, tcp.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/uuid.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "tests/support/bustest.h"

/* --- two brokers --- */

struct pair {
	struct fixture f;
	struct busd *second;
	struct bus_client *both;
	char member[256], backend[256];
};

static int setup_pair(void **state)
{
	struct pair *p = base_alloc(sizeof(*p));
	struct fixture *f;
	struct bus_keys keys;

	bustest_setup(state);
	f = *state;
	p->f = *f;
	free(f);
	p->second = busd_start_beside(p->f.busd, "bus-2", NULL);
	snprintf(p->member, sizeof(p->member), "%s %s", busd_member_endpoint(p->f.busd),
		 busd_member_endpoint(p->second));
	snprintf(p->backend, sizeof(p->backend), "%s %s", busd_backend_endpoint(p->f.busd),
		 busd_backend_endpoint(p->second));
	keys = busd_keys(p->f.busd, "caller");
	p->both = busrig_client(p->f.rig, p->member, &keys);
	*state = p;
	return 0;
}

static int teardown_pair(void **state)
{
	struct pair *p = *state;
	struct busd *second = p->second;

	bustest_let_go(&p->f.echo);
	busrig_free(p->f.rig);
	busd_free(second);
	busd_free(p->f.busd);
	arena_done(&p->f.arena);
	free(p);
	return 0;
}

static void start_echo_on_both(struct pair *p)
{
	struct bus_keys keys = busd_keys(p->f.busd, "echo");
	struct bus_worker_config config = bustest_echo_config(&p->f.echo, &keys, p->backend, 4);
	struct fixture second = {.busd = p->second};

	p->f.echo.worker = busrig_worker(p->f.rig, &config);
	bustest_wait_metric(&p->f, "lgsp_bus_workers{service=\"echo\"}", 1);
	bustest_wait_metric(&second, "lgsp_bus_workers{service=\"echo\"}", 1);
}

static void call_moves_to_the_other_broker(void **state)
{
	struct pair *p = *state;
	struct bus_request_out req = bustest_request("Hold", "h");
	struct flight *fl;

	start_echo_on_both(p);
	uuid_v7(req.message_id);
	fl = bustest_send(&p->f, p->both, req);
	bustest_wait_held(&p->f.echo, 1);
	busd_kill(p->f.busd);
	bustest_wait_held(&p->f.echo, 2);
	assert_memory_equal(p->f.echo.message_id, req.message_id, 16);
	assert_int_equal(p->f.echo.attempt, 2);
	bustest_let_go(&p->f.echo);
	bustest_land(fl, 0, "", false);
	req = bustest_request("Say", "x");
	assert_int_equal(bustest_call(&p->f, p->both, &req), 0);
	busd_restart(p->f.busd);
	bustest_wait_metric(&p->f, "lgsp_bus_workers{service=\"echo\"}", 1);
}

static void drained_broker_sends_calls_to_the_other(void **state)
{
	struct pair *p = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	struct flight *fl;

	start_echo_on_both(p);
	fl = bustest_send(&p->f, p->both, bustest_request("Hold", "h"));
	bustest_wait_held(&p->f.echo, 1);
	busd_signal(p->f.busd, SIGTERM);
	assert_true(busd_logged(p->f.busd, "bus.draining"));
	assert_int_equal(bustest_call(&p->f, p->both, &req), 0);
	assert_int_equal(p->f.echo.attempt, 2);
	bustest_let_go(&p->f.echo);
	bustest_land(fl, 0, "", false);
	assert_int_equal(busd_wait(p->f.busd), 0);
	assert_int_equal(bustest_call(&p->f, p->both, &req), 0);
}

/* The first broker's worker may have done it: what the second does not do says nothing of that. */
static void refusal_after_an_unanswered_try_is_unknown(void **state)
{
	static const char *const env[] = {"LGSP_GRACE_MS=0", NULL};
	struct fixture *f = *state;
	struct busd *second = busd_start_beside(f->busd, "bus-2", env);
	struct bus_keys keys = busd_keys(f->busd, "caller");
	char endpoints[300];
	struct flight *fl;

	snprintf(endpoints, sizeof(endpoints), "%s %s", busd_member_endpoint(f->busd),
		 busd_member_endpoint(second));
	bustest_echo(f, &f->echo, 4);
	fl = bustest_send(f, busrig_client(f->rig, endpoints, &keys), bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	busd_kill(f->busd);
	bustest_land(fl, ERR_NO_SERVICE, "NO_SERVICE", true);
	busd_free(second);
	busd_restart(f->busd);
}

/* --- members and rights --- */

static void reload(struct fixture *f, const char *logged)
{
	busd_signal(f->busd, SIGHUP);
	assert_true(busd_logged(f->busd, logged));
}

static void faulty_rights_are_refused_and_the_old_kept(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");

	bustest_echo(f, &f->echo, 4);
	busd_write_rights(f->busd, "grant " CALLER " echo Say\nallow everybody everything\n");
	reload(f, "line 2: expected grant, feed, serve, limit or group");
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_reloads_total{result=\"refused\"}"), 1);
}

static void rights_are_taken_away_while_running(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");

	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	busd_write_rights(f->busd, "grant " GATEWAY " echo Say\nserve " SERVICE " echo\n");
	busd_signal(f->busd, SIGHUP);
	bustest_wait_metric(f, "lgsp_bus_reloads_total{result=\"ok\"}", 1);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DENIED);
	assert_int_equal(bustest_call(f, f->gateway, &req), 0);
	/* A worker that may no longer serve is sent away. */
	busd_write_rights(f->busd, GRANTS);
	reload(f, "bus.worker_revoked");
	bustest_wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 0);
}

static void revoked_key_is_refused_on_a_live_connection(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");

	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	busd_remove_member(f->busd, "caller");
	busd_signal(f->busd, SIGHUP);
	bustest_wait_metric(f, "lgsp_bus_reloads_total{result=\"ok\"}", 1);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DENIED);
	assert_code(f, "KEY_REVOKED");
	assert_int_equal(bustest_call(f, f->gateway, &req), 0);
}

/* --- operators --- */

static void operator_reads_the_state(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "operator");
	struct bus_client *c = busrig_client(f->rig, busd_admin_endpoint(f->busd), &keys);
	struct bus_request_out req = {.service = "bus", .method = "Status", .deadline_ms = 5000};
	Bus__StatusRequest in = BUS__STATUS_REQUEST__INIT;
	Bus__StatusReply *out;
	ProtobufCMessage *msg;

	bustest_echo(f, &f->echo, 7);
	assert_int_equal(bus_client_call_pb(c, &req, &in.base, &bus__status_reply__descriptor,
					    &f->arena, &msg, &f->err),
			 0);
	out = (Bus__StatusReply *)msg;
	assert_string_equal(out->instance, "bus-1");
	assert_int_equal(strlen(out->rights_hash), 64);
	assert_int_equal(out->n_services, 1);
	assert_string_equal(out->services[0]->name, "echo");
	assert_int_equal(out->services[0]->workers, 1);
	assert_int_equal(out->services[0]->credit, 7);
	assert_int_equal(out->n_members, BUSTEST_MEMBERS);
	for (size_t i = 0; i < out->n_members; i++)
		if (strcmp(out->members[i]->member, OPERATOR) == 0)
			assert_int_equal(out->members[i]->peers, 1);
	req = (struct bus_request_out){
		.service = "mmi.service", .method = "mmi.service", .deadline_ms = 5000};
	req.body = "echo";
	req.body_len = 4;
	assert_int_equal(bustest_call(f, c, &req), 0);
	assert_memory_equal(f->reply.body, "200", 3);
	req.body_len = 3;
	assert_int_equal(bustest_call(f, c, &req), 0);
	assert_memory_equal(f->reply.body, "404", 3);
	req.service = "mmi.nonsense";
	assert_int_equal(bustest_call(f, c, &req), 0);
	assert_memory_equal(f->reply.body, "501", 3);
	req = (struct bus_request_out){.service = "bus", .method = "Explode", .deadline_ms = 5000};
	assert_int_equal(bustest_call(f, c, &req), ERR_NOT_FOUND);
	req.service = "echo";
	assert_int_equal(bustest_call(f, c, &req), ERR_NO_SERVICE);
}

static int drain(struct fixture *f, struct bus_client *c, const char *service, bool resume)
{
	struct bus_request_out req = {.service = "bus", .method = "Drain", .deadline_ms = 5000};
	Bus__DrainRequest in = BUS__DRAIN_REQUEST__INIT;
	ProtobufCMessage *msg;

	in.service = service;
	in.resume = resume;
	return bus_client_call_pb(c, &req, &in.base, &bus__drain_reply__descriptor, &f->arena, &msg,
				  &f->err);
}

static int reload_by_call(struct fixture *f, struct bus_client *c)
{
	struct bus_request_out req = {.service = "bus", .method = "Reload", .deadline_ms = 5000};
	Bus__ReloadRequest in = BUS__RELOAD_REQUEST__INIT;
	ProtobufCMessage *msg;

	err_clear(&f->err);
	return bus_client_call_pb(c, &req, &in.base, &bus__reload_reply__descriptor, &f->arena,
				  &msg, &f->err);
}

static void operator_reloads_and_hears_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "operator");
	struct bus_client *c = busrig_client(f->rig, busd_admin_endpoint(f->busd), &keys);
	struct bus_request_out req = bustest_request("Say", "x");

	bustest_echo(f, &f->echo, 4);
	busd_write_rights(f->busd, "grant nonsense\n");
	assert_int_equal(reload_by_call(f, c), ERR_CONFLICT);
	assert_code(f, "RIGHTS_REFUSED");
	assert_non_null(strstr(f->err.items[0].en, "line 1"));
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	busd_write_rights(f->busd, "grant " OPERATOR " bus *\nserve " SERVICE " echo\n");
	assert_int_equal(reload_by_call(f, c), 0);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DENIED);
}

/* Drained, taken back, drained again: SIGTERM ends it all the same. */
static void operator_drains_and_takes_it_back(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "operator");
	struct bus_client *c = busrig_client(f->rig, busd_admin_endpoint(f->busd), &keys);
	struct bus_request_out req = bustest_request("Say", "x");

	bustest_echo(f, &f->echo, 4);
	req.deadline_ms = 1000;
	assert_int_equal(drain(f, c, "", false), 0);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DRAINING);
	assert_int_equal(drain(f, c, "", true), 0);
	assert_true(busd_logged(f->busd, "event=bus.audit member=" OPERATOR
					 " what=resume of=broker result=done"));
	req.deadline_ms = 20000;
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	assert_int_equal(drain(f, c, "", false), 0);
	busd_signal(f->busd, SIGTERM);
	assert_int_equal(busd_wait(f->busd), 0);
}

static void others_read_nothing(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	struct bus_client *c = busrig_client(f->rig, busd_admin_endpoint(f->busd), &keys);
	struct bus_request_out req = {.service = "bus", .method = "Status", .deadline_ms = 5000};

	assert_int_equal(bustest_call(f, c, &req), ERR_DENIED);
	req.service = "mmi.service";
	req.method = "mmi.service";
	assert_int_equal(bustest_call(f, c, &req), ERR_DENIED);
}

static int setup_tcp(void **state)
{
	static const char *const env[] = {"LGSP_BIND_MEMBER=tcp://127.0.0.1:*", NULL};

	return bustest_setup_with(state, env);
}

/* The port the system chose stands in the log. */
static void bus_serves_over_tcp(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	struct bus_request_out req = bustest_request("Say", "over tcp");
	char path[128], text[8192], endpoint[64];
	CLEANUP_FILE FILE *log = NULL;
	const char *at;

	assert_true(busd_logged(f->busd, "bus.serving"));
	snprintf(path, sizeof(path), "%s/log", busd_dir(f->busd));
	log = fopen(path, "re");
	assert_non_null(log);
	text[fread(text, 1, sizeof(text) - 1, log)] = 0;
	at = strstr(text, "member=tcp://");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "member=%63s", endpoint), 1);
	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, busrig_client(f->rig, endpoint, &keys), &req), 0);
	assert_memory_equal(f->reply.body, "over tcp", 8);
}

int main(int argc, char **argv)
{
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, bustest_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(call_moves_to_the_other_broker, setup_pair,
						teardown_pair),
		cmocka_unit_test_setup_teardown(drained_broker_sends_calls_to_the_other, setup_pair,
						teardown_pair),
		TEST(refusal_after_an_unanswered_try_is_unknown, bustest_setup),
		TEST(faulty_rights_are_refused_and_the_old_kept, bustest_setup),
		TEST(rights_are_taken_away_while_running, bustest_setup),
		TEST(revoked_key_is_refused_on_a_live_connection, bustest_setup),
		TEST(operator_reads_the_state, bustest_setup),
		TEST(operator_reloads_and_hears_what_is_wrong, bustest_setup),
		TEST(operator_drains_and_takes_it_back, bustest_setup),
		TEST(others_read_nothing, bustest_setup),
		TEST(bus_serves_over_tcp, setup_tcp),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
