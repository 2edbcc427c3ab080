#include "services/bus/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/bus/frame.h"

#define ZAP_ENDPOINT  "inproc://zeromq.zap.01"
#define STOP_ENDPOINT "inproc://lgsp-zap-stop"
#define KEY_BYTES     32
#define BEAT_MS       500

/* Frames of a ZAP request. */
enum { ZAP_VERSION, ZAP_ID, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_KEY, ZAP_N };

struct zap {
	void *handler, *stop_here, *stop_there;
	pthread_t thread;
	pthread_mutex_t mutex;
	char (*keys)[41]; /* sorted */
	size_t n_keys;
	struct metric *accepted, *denied;
	int64_t warned_us;
	atomic_bool stopping;
	atomic_uint beats; /* counted up by the thread, at least every BEAT_MS */
	unsigned seen, silent;
};

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, 40);
}

static bool key_known(struct zap *z, const char *z85)
{
	bool known;

	pthread_mutex_lock(&z->mutex);
	known = z->n_keys > 0 &&
		bsearch(z85, z->keys, z->n_keys, sizeof(*z->keys), compare_keys) != NULL;
	pthread_mutex_unlock(&z->mutex);
	return known;
}

/* Strangers cannot fill the log: one line a second, the counter has them all. */
static void warn_refused(struct zap *z, const char *z85)
{
	int64_t now_us = clock_mono_us();

	if (z->warned_us && now_us - z->warned_us < CLOCK_US_PER_S)
		return;
	z->warned_us = now_us;
	log_warn("bus.key_refused", LOG_STR("key", z85));
}

/* Accepted with the key as User-Id, or denied; a malformed request is denied too. */
static void answer(struct zap *z, const struct frames *in)
{
	struct frames out = {0};
	char z85[41] = "";
	bool ok = in->n == ZAP_N && !in->overflow && frame_is(&in->part[ZAP_VERSION], "1.0") &&
		  frame_is(&in->part[ZAP_MECHANISM], "CURVE") &&
		  frame_size(&in->part[ZAP_KEY]) == KEY_BYTES;

	if (ok) {
		zmq_z85_encode(z85, frame_data(&in->part[ZAP_KEY]), KEY_BYTES);
		ok = key_known(z, z85);
	}
	metric_add(ok ? z->accepted : z->denied, 1);
	if (!ok)
		warn_refused(z, z85);
	frames_add(&out, "1.0", 3);
	frames_add(&out, in->n > ZAP_ID ? frame_data(&in->part[ZAP_ID]) : (const uint8_t *)"",
		   in->n > ZAP_ID ? frame_size(&in->part[ZAP_ID]) : 0);
	frames_add(&out, ok ? "200" : "400", 3);
	frames_add(&out, ok ? "OK" : "unknown key", ok ? 2 : 11);
	frames_add(&out, z85, ok ? 40 : 0);
	frames_add(&out, "", 0);
	frames_send(&out, z->handler);
	frames_done(&out);
}

static void serve(struct zap *z)
{
	zmq_pollitem_t items[] = {{.socket = z->handler, .events = ZMQ_POLLIN},
				  {.socket = z->stop_here, .events = ZMQ_POLLIN}};

	for (;;) {
		struct frames f;
		int rc = zmq_poll(items, ARRAY_LEN(items), BEAT_MS);

		atomic_fetch_add(&z->beats, 1);
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0 || items[1].revents || FAULT_POINT("zap.end"))
			return;
		while (FAULT_POINT("zap.hang"))
			usleep(BEAT_MS * 1000);
		if (!frames_recv(&f, z->handler))
			continue;
		answer(z, &f);
		frames_done(&f);
	}
}

static void *run(void *arg)
{
	struct zap *z = arg;

	serve(z);
	CHECK(atomic_load(&z->stopping)); /* without a handler everybody would be let in */
	return NULL;
}

void zap_check(struct zap *z)
{
	unsigned beats = atomic_load(&z->beats);

	z->silent = beats == z->seen ? z->silent + 1 : 0;
	z->seen = beats;
	CHECK(z->silent < ZAP_SILENT_CHECKS);
}

static void *open_socket(void *context, int type, const char *bind_to, const char *connect_to)
{
	void *s = zmq_socket(context, type);
	int linger = 0;

	CHECK(s);
	CHECK(zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(linger)) == 0);
	if (bind_to)
		CHECK(zmq_bind(s, bind_to) == 0);
	if (connect_to)
		CHECK(zmq_connect(s, connect_to) == 0);
	return s;
}

struct zap *zap_start(void *context)
{
	struct zap *z = base_alloc(sizeof(*z));

	pthread_mutex_init(&z->mutex, NULL);
	z->accepted = metric_counter("lgsp_bus_handshakes_total", "result=\"accepted\"",
				     "CURVE handshakes by result");
	z->denied = metric_counter("lgsp_bus_handshakes_total", "result=\"denied\"",
				   "CURVE handshakes by result");
	z->handler = open_socket(context, ZMQ_REP, ZAP_ENDPOINT, NULL);
	z->stop_here = open_socket(context, ZMQ_PAIR, STOP_ENDPOINT, NULL);
	z->stop_there = open_socket(context, ZMQ_PAIR, NULL, STOP_ENDPOINT);
	CHECK(pthread_create(&z->thread, NULL, run, z) == 0);
	return z;
}

void zap_set_keys(struct zap *z, const char (*keys)[41], size_t n)
{
	char(*fresh)[41] = base_alloc((n + 1) * sizeof(*fresh)), (*old)[41];

	memcpy(fresh, keys, n * sizeof(*fresh));
	qsort(fresh, n, sizeof(*fresh), compare_keys);
	pthread_mutex_lock(&z->mutex);
	old = z->keys;
	z->keys = fresh;
	z->n_keys = n;
	pthread_mutex_unlock(&z->mutex);
	free(old);
}

void zap_stop(struct zap *z)
{
	if (!z)
		return;
	atomic_store(&z->stopping, true);
	zmq_send(z->stop_there, "", 0, 0);
	pthread_join(z->thread, NULL);
	zmq_close(z->handler);
	zmq_close(z->stop_here);
	zmq_close(z->stop_there);
	pthread_mutex_destroy(&z->mutex);
	free(z->keys);
	free(z);
}
