/*
 * What the benchmarks of the bus share: a broker on TCP with one caller and one worker, 256-byte
 * requests to echo.Say in raw frames, and what processes cost.
 */
#ifndef LGSP_TESTS_BENCH_BUSLOAD_H
#define LGSP_TESTS_BENCH_BUSLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/bus/frame.h"
#include "tests/support/busd.h"

#define CALLER              "VN/GOV/H40/one-stop"
#define WORKER              "VN/GOV/H40/lgsp-echo"
#define BUSLOAD_MEMBERS     2
#define BUSLOAD_BODY        256
#define BUSLOAD_OUTSTANDING 128
#define BUSLOAD_CREDIT      128

extern const struct busd_member busload_members[BUSLOAD_MEMBERS];
extern const char busload_rights[];

struct busload {
	struct busd *busd;
	char front[64], back[64];
	struct bus_keys caller, worker;
};

/* Starts a broker without limits per member; more: further variables, NULL-ended, or NULL. */
struct busd *busload_broker(struct busload *l, const char *const *more);
void busload_wait_workers(const struct busload *l);
/* A free port of the loopback. */
void busload_endpoint(char out[static 64]);

/* Sends request number n; the second gives up when the socket takes no more. */
void busload_send(void *socket, uint32_t n);
bool busload_try_send(void *socket, uint32_t n);
/* Of a reply: the request's number, and whether it is OK with its body. */
uint32_t busload_number(const struct frames *f);
bool busload_is_ok(const struct frames *f);
/* Waits for input; ends the program after 10 s without. */
void busload_wait(void *socket);
/* So many requests, BUSLOAD_OUTSTANDING at a time; ends the program when one is refused. */
void busload_exchange(void *socket, uint32_t total);

/* A worker's READY, its answer to whatever came, the header of that answer. */
void busload_ready(void *socket, uint32_t credit);
void busload_answer(void *socket, struct frames *in);
const uint8_t *busload_reply(size_t *ret_n);
/* The life of a worker process. mdp: it says READY first. */
void busload_work(const struct bus_keys *keys, const char *endpoint, bool mdp,
		  void (*answer)(void *socket, struct frames *in));

/* User and system time of a process with all its threads, seconds; its resident memory. */
double busload_cpu(pid_t pid);
double busload_rss_kib(pid_t pid);
void busload_stop(pid_t pid);

#endif
