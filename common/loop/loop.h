/*
 * The event loop of a process: libuv, with signals, timers, work posted from other threads, and
 * ZeroMQ sockets.
 *
 * Everything here except loop_post() and loop_stop() belongs to the loop's thread. Handles are
 * freed only in their close callbacks; loop_free() runs what is still posted, closes what is left
 * (foreign handles of loop_uv() too: their memory must last until then) and runs the loop dry.
 * loop_new() ignores SIGPIPE.
 *
 * ZeroMQ: ZMQ_FD is edge-triggered, and any zmq call may swallow the edge. So before the loop
 * blocks a prepare handle asks the sockets for ZMQ_POLLIN, and keeps the loop spinning through an
 * idle handle when one has input; a check handle drains those that had an edge or said so, in the
 * order they were added and up to a budget each, so that replies are read before new requests.
 * While the loop is too busy to block, a socket whose edge was swallowed is read within a few
 * turns.
 */
#ifndef LGSP_LOOP_LOOP_H
#define LGSP_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;
struct loop_timer;
struct loop_socket;

struct loop *loop_new(void);
void loop_free(struct loop *loop);
/* For handles of one's own. */
uv_loop_t *loop_uv(struct loop *loop);
/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* Thread-safe. */
void loop_stop(struct loop *loop);
/* True on the thread that called loop_run() (or loop_new(), before it). */
bool loop_is_mine(const struct loop *loop);

/* Runs fn(arg) on the loop's thread, in the order posted. Thread-safe; never blocks. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Calls fn on the first of SIGTERM and SIGINT; a second signal ends the process at once (exit 1).
 */
void loop_on_terminate(struct loop *loop, void (*fn)(void *arg), void *arg);
/* Calls fn on every SIGHUP. */
void loop_on_hangup(struct loop *loop, void (*fn)(void *arg), void *arg);

/*
 * Calls fn whenever this process has used about so many ms of processor time, all threads together:
 * never while it is idle. One loop of a process (SIGPROF); 0: no more.
 */
void loop_on_cpu(struct loop *loop, unsigned ms, void (*fn)(void *arg), void *arg);

/* Calls fn after first_ms, then every repeat_ms (0: once). Stop it to free it, also after firing.
 */
struct loop_timer *loop_timer_start(struct loop *loop, uint64_t first_ms, uint64_t repeat_ms,
				    void (*fn)(void *arg), void *arg);
/* Calls it in so many ms, and no more after that. */
void loop_timer_again(struct loop_timer *timer, uint64_t ms);
void loop_timer_stop(struct loop_timer *timer); /* NULL is fine */

/*
 * Watches a ZeroMQ socket. on_ready is called once per turn, whether messages wait or not, and
 * reads at most budget messages (256 is usual) with ZMQ_DONTWAIT; true: it read one. fd: its
 * ZMQ_FD; has_input: asks ZMQ_EVENTS (so that this room needs no zmq.h).
 */
struct loop_socket *loop_socket_add(struct loop *loop, int fd, bool (*has_input)(void *socket),
				    void *socket, bool (*on_ready)(void *arg, int budget),
				    void *arg);
void loop_socket_remove(struct loop_socket *s); /* NULL is fine; before zmq_close() */

/* Microseconds the last turn of the loop took, for the lag metric. */
int64_t loop_lag_us(const struct loop *loop);

#endif
