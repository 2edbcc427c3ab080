/*
 * One Feed.Pull from a consumer's thread. Not bus_client_call(): a pull that waits at the source
 * must not hold up the end of the process, so the thread may leave before the answer, which then
 * finds the operation abandoned.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/svc/consumer.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"

#define PULL_WAIT_MS     5000
#define PULL_DEADLINE_MS 15000
/* A full page has up to 1000 entries and as many seals. */
#define PULL_ELEMENTS_MAX 20000

static const struct err_kind process_ends = {ERR_DRAINING, "DRAINING", "Tiến trình đang dừng",
					     "the process is stopping"};

/* Held by the thread and by the loop; whoever leaves last frees it. */
struct pull {
	struct svc_runtime *rt;
	const char *source;
	uint8_t *request;
	size_t request_len;
	/* under rt->stop.mutex */
	unsigned refs;
	bool done;
	struct err err;
	uint8_t *body;
	size_t body_len;
};

static void pull_release(struct pull *pull)
{
	bool last;

	pthread_mutex_lock(&pull->rt->stop.mutex);
	last = --pull->refs == 0;
	pthread_mutex_unlock(&pull->rt->stop.mutex);
	if (!last)
		return;
	free(pull->request);
	free(pull->body);
	free(pull);
}

static void pull_on_reply(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct pull *pull = arg;
	struct stopper *stop = &pull->rt->stop;

	pthread_mutex_lock(&stop->mutex);
	pull->err = *err;
	if (reply->status == 0) {
		pull->body = base_alloc(reply->body_len + 1);
		if (reply->body_len > 0)
			memcpy(pull->body, reply->body, reply->body_len);
		pull->body_len = reply->body_len;
	}
	pull->done = true;
	pthread_cond_broadcast(&stop->cond);
	pthread_mutex_unlock(&stop->mutex);
	pull_release(pull);
}

static void pull_send(void *arg)
{
	struct pull *pull = arg;
	const struct bus_request_out req = {
		.service = pull->source,
		.method = "Feed.Pull",
		.deadline_ms = PULL_DEADLINE_MS,
		.flags = HEADER_FLAG_REPEATABLE,
		.body = pull->request,
		.body_len = pull->request_len,
	};

	bus_client_send(pull->rt->client, &req, pull_on_reply, pull);
}

static struct pull *pull_new(struct consumer *con, struct arena *arena, struct err *err)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	struct pull *pull;
	uint8_t *bytes;
	size_t n;

	in.feed = con->def->source;
	in.after = con->pos;
	in.limit = CONSUMER_PAGE_EVENTS;
	in.wait_ms = PULL_WAIT_MS;
	in.epoch = con->epoch;
	if (pb_pack(&in.base, arena, &bytes, &n, err) < 0)
		return NULL;
	pull = base_alloc(sizeof(*pull));
	pull->rt = con->rt;
	pull->source = con->def->source;
	pull->request = base_alloc(n + 1);
	memcpy(pull->request, bytes, n);
	pull->request_len = n;
	pull->refs = 2;
	return pull;
}

/* True with the answer, false when the process ends. */
static bool pull_wait(struct pull *pull)
{
	struct stopper *stop = &pull->rt->stop;
	bool done;

	pthread_mutex_lock(&stop->mutex);
	while (!pull->done && !stop->stopping)
		pthread_cond_wait(&stop->cond, &stop->mutex);
	done = pull->done;
	pthread_mutex_unlock(&stop->mutex);
	return done;
}

static int pull_take(const struct pull *pull, struct arena *arena, ProtobufCMessage **ret_msg,
		     struct err *err)
{
	static const struct pb_limits limits = {.elements = PULL_ELEMENTS_MAX, .open_enums = true};
	char *bytes;

	if (pull->err.status != 0) {
		*err = pull->err;
		return err->status;
	}
	bytes = arena_memdup(arena, pull->body, pull->body_len);
	if (bytes == NULL)
		return err_set(err, &err_too_large, NULL, "feed page");
	return pb_unpack(&feed__pull_reply__descriptor, (const uint8_t *)bytes, pull->body_len,
			 &limits, arena, ret_msg, err);
}

int consumer_pull(struct consumer *con, struct arena *arena, const Feed__PullReply **ret_page,
		  struct err *err)
{
	struct pull *pull = pull_new(con, arena, err);
	ProtobufCMessage *msg = NULL;
	int rc;

	if (pull == NULL)
		return err->status;
	loop_post(con->rt->loop, pull_send, pull);
	if (pull_wait(pull))
		rc = pull_take(pull, arena, &msg, err);
	else
		rc = err_set(err, &process_ends, NULL, NULL);
	pull_release(pull);
	if (rc == 0)
		*ret_page = (const Feed__PullReply *)msg;
	return rc;
}
