// with: tests/bench/busload.c
/*
 * bus.rabbitmq: the same requests through lgsp-bus (CURVE) and through RabbitMQ's direct reply-to
 * (in clear, without acknowledgements: as fast as it can), 256 B, 128 outstanding, in turns. Only
 * where RabbitMQ and librabbitmq are installed (apt-get install rabbitmq-server librabbitmq-dev);
 * the broker measured is a private one, with its own node name, ports, folder and epmd.
 */
#include <stdio.h>
#include <stdlib.h>

#ifndef HAVE_RABBITMQ
int main(void)
{
	printf("bus.rabbitmq             not measured: librabbitmq-dev is not installed\n");
	return 0;
}
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/bus/socket.h"
#include "tests/bench/bench.h"
#include "tests/bench/busload.h"

#define SERVER   "/usr/lib/rabbitmq/bin/rabbitmq-server"
#define START_US (90 * CLOCK_US_PER_S)
#define ROUNDS   5
#define REQUESTS 10000
#define WARM_UP  1000
#define QUEUE    "bench"
#define REPLY_TO "amq.rabbitmq.reply-to"
#define CHANNEL  1

static char dir[] = "/tmp/lgsp-rabbit-XXXXXX";
static int port;

/* --- a private RabbitMQ --- */

static int free_port(void)
{
	char endpoint[64];

	busload_endpoint(endpoint);
	return atoi(strrchr(endpoint, ':') + 1);
}

static void set_number(const char *name, const char *format, int value)
{
	char text[64];

	snprintf(text, sizeof(text), format, value);
	setenv(name, text, 1);
}

/* Nobody's process, with nothing of the machine's own RabbitMQ. */
static void set_up_child(int epmd_port)
{
	const struct passwd *nobody = getpwnam("nobody");
	char plugins[64], expand[64];
	int log;

	if (geteuid() == 0 && (!nobody || chown(dir, nobody->pw_uid, nobody->pw_gid) < 0 ||
			       setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (chdir(dir) < 0)
		_exit(126);
	log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(log, 1);
	dup2(log, 2);
	setenv("HOME", dir, 1);
	snprintf(plugins, sizeof(plugins), "%s/plugins", dir);
	snprintf(expand, sizeof(expand), "%s/expand", dir);
	set_number("ERL_EPMD_PORT", "%d", epmd_port);
	set_number("RABBITMQ_NODENAME", "bench%d@localhost", port);
	set_number("RABBITMQ_NODE_PORT", "%d", port);
	set_number("RABBITMQ_DIST_PORT", "%d", free_port());
	setenv("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1", 1);
	setenv("RABBITMQ_MNESIA_BASE", dir, 1);
	setenv("RABBITMQ_LOG_BASE", dir, 1);
	setenv("RABBITMQ_CONF_ENV_FILE", "/dev/null", 1);
	setenv("RABBITMQ_CONFIG_FILE", "/dev/null", 1);
	setenv("RABBITMQ_PLUGINS_EXPAND_DIR", expand, 1); /* emptied at start */
	setenv("RABBITMQ_ENABLED_PLUGINS_FILE", plugins, 1);
}

static pid_t spawn(int epmd_port, const char *program, const char *option, const char *value)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid != 0)
		return pid;
	set_up_child(epmd_port);
	execlp(program, program, option, value, (char *)NULL);
	_exit(127);
}

/* --- AMQP --- */

static amqp_connection_state_t try_connect(void)
{
	amqp_connection_state_t c = amqp_new_connection();
	amqp_socket_t *socket = amqp_tcp_socket_new(c);

	if (socket && amqp_socket_open(socket, "127.0.0.1", port) == AMQP_STATUS_OK &&
	    amqp_login(c, "/", 0, AMQP_DEFAULT_FRAME_SIZE, 0, AMQP_SASL_METHOD_PLAIN, "guest",
		       "guest")
			    .reply_type == AMQP_RESPONSE_NORMAL &&
	    amqp_channel_open(c, CHANNEL))
		return c;
	amqp_destroy_connection(c);
	return NULL;
}

static amqp_connection_state_t connect_within(int64_t us)
{
	int64_t until_us = clock_mono_us() + us;
	amqp_connection_state_t c;

	while (!(c = try_connect())) {
		if (clock_mono_us() > until_us) {
			fprintf(stderr, "bench_bus_rabbitmq: no broker, see %s/log\n", dir);
			exit(1);
		}
		usleep(200000);
	}
	return c;
}

static void publish(amqp_connection_state_t c, amqp_bytes_t to, amqp_bytes_t reply_to,
		    amqp_bytes_t body)
{
	amqp_basic_properties_t props = {._flags = reply_to.len > 0 ? AMQP_BASIC_REPLY_TO_FLAG : 0,
					 .reply_to = reply_to};

	CHECK(amqp_basic_publish(c, CHANNEL, amqp_empty_bytes, to, 0, 0, &props, body) ==
	      AMQP_STATUS_OK);
}

static void next(amqp_connection_state_t c, amqp_envelope_t *ret_envelope)
{
	amqp_maybe_release_buffers(c);
	CHECK(amqp_consume_message(c, ret_envelope, NULL, 0).reply_type == AMQP_RESPONSE_NORMAL);
}

static _Noreturn void run_worker(void)
{
	amqp_connection_state_t c;
	amqp_envelope_t e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	c = connect_within(START_US);
	amqp_queue_declare(c, CHANNEL, amqp_cstring_bytes(QUEUE), 0, 0, 0, 1, amqp_empty_table);
	amqp_basic_consume(c, CHANNEL, amqp_cstring_bytes(QUEUE), amqp_empty_bytes, 0, 1, 0,
			   amqp_empty_table);
	for (;;) {
		next(c, &e);
		publish(c, e.message.properties.reply_to, amqp_empty_bytes, e.message.body);
		amqp_destroy_envelope(&e);
	}
}

static void exchange(amqp_connection_state_t c, uint32_t total)
{
	static uint8_t body[BUSLOAD_BODY];
	amqp_bytes_t bytes = {.len = sizeof(body), .bytes = body};
	uint32_t sent = 0;
	amqp_envelope_t e;

	for (; sent < BUSLOAD_OUTSTANDING; sent++)
		publish(c, amqp_cstring_bytes(QUEUE), amqp_cstring_bytes(REPLY_TO), bytes);
	for (uint32_t got = 0; got < total; got++) {
		next(c, &e);
		CHECK(e.message.body.len == sizeof(body));
		amqp_destroy_envelope(&e);
		if (sent < total) {
			publish(c, amqp_cstring_bytes(QUEUE), amqp_cstring_bytes(REPLY_TO), bytes);
			sent++;
		}
	}
}

/* --- side by side --- */

static double rate_since(int64_t began_us)
{
	return REQUESTS * 1e6 / (double)(clock_mono_us() - began_us);
}

static void measure(void *bus, amqp_connection_state_t rabbit)
{
	double ours[ROUNDS], theirs[ROUNDS];
	int64_t began_us;

	for (int i = 0; i < ROUNDS; i++) {
		exchange(rabbit, WARM_UP);
		began_us = clock_mono_us();
		exchange(rabbit, REQUESTS);
		theirs[i] = rate_since(began_us);
		busload_exchange(bus, WARM_UP);
		began_us = clock_mono_us();
		busload_exchange(bus, REQUESTS);
		ours[i] = rate_since(began_us);
	}
	bench_report(
		&(struct bench_result){.name = "bus.rabbitmq",
				       .value = bench_median(ours, ROUNDS),
				       .unit = "requests/s",
				       .baseline = "RabbitMQ",
				       .baseline_value = bench_median(theirs, ROUNDS),
				       .note = "256 B, 128 outstanding, tcp; ours with CURVE, "
					       "RabbitMQ's direct reply-to in clear, no acks"});
}

static pid_t spawn_bus_worker(const struct busload *l)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		busload_work(&l->worker, l->back, true, busload_answer);
	return pid;
}

static pid_t spawn_rabbit_worker(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		run_worker();
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	int epmd_port = free_port();
	char number[16], command[64];
	pid_t epmd, server, worker, bus_worker;
	amqp_connection_state_t rabbit;
	struct busload l;
	void *bus;

	if (access(SERVER, X_OK) < 0) {
		printf("bus.rabbitmq             not measured: rabbitmq-server is not installed\n");
		return 0;
	}
	CHECK(mkdtemp(dir));
	port = free_port();
	snprintf(number, sizeof(number), "%d", epmd_port);
	epmd = spawn(epmd_port, "epmd", "-port", number);
	server = spawn(epmd_port, SERVER, NULL, NULL);
	worker = spawn_rabbit_worker();
	busload_broker(&l, NULL);
	bus_worker = spawn_bus_worker(&l);
	rabbit = connect_within(START_US);
	amqp_basic_consume(rabbit, CHANNEL, amqp_cstring_bytes(REPLY_TO), amqp_empty_bytes, 0, 1, 0,
			   amqp_empty_table);
	CHECK(socket_dealer_new(socket_context_acquire(), &l.caller, l.front, 10000, &bus) == 0);
	busload_wait_workers(&l);
	measure(bus, rabbit);
	amqp_destroy_connection(rabbit);
	busload_stop(worker);
	busload_stop(bus_worker);
	socket_close(bus);
	socket_context_release();
	busd_free(l.busd);
	end(server);
	end(epmd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? 0 : 1;
}
#endif
