/* Calls from threads other than the loop's, which wait for their answers. */
#include <pthread.h>

#include "common/base/base.h"
#include "common/bus/client.h"
#include "common/wire/pb.h"

/* Lives on the waiting thread's stack; the callback always runs, at the deadline at the latest. */
struct sync_call {
	struct bus_client *client;
	const struct bus_request_out *req;
	struct arena *arena;
	struct bus_reply_in *reply;
	struct err *err;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
};

/* The arena is the waiting thread's, which sleeps until done is set. */
static void sync_copy(struct sync_call *s, const struct bus_reply_in *reply)
{
	s->reply->status = reply->status;
	s->reply->replayed = reply->replayed;
	s->reply->body_len = reply->body_len;
	s->reply->body = (const uint8_t *)arena_memdup(
		s->arena, reply->body ? reply->body : (const uint8_t *)"", reply->body_len);
	s->reply->served_by = arena_strdup(s->arena, reply->served_by);
	if (s->reply->body && s->reply->served_by)
		return;
	s->reply->status = err_set(s->err, &err_too_large, NULL, "reply");
	s->err->outcome_unknown = true;
}

static void sync_done(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct sync_call *s = arg;

	pthread_mutex_lock(&s->mutex);
	*s->err = *err;
	sync_copy(s, reply);
	s->done = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->mutex);
}

static void sync_start(void *arg)
{
	struct sync_call *s = arg;

	bus_client_send(s->client, s->req, sync_done, s);
}

int bus_client_call(struct bus_client *client, const struct bus_request_out *req,
		    struct arena *arena, struct bus_reply_in *ret_reply, struct err *err)
{
	struct sync_call s = {.client = client,
			      .req = req,
			      .arena = arena,
			      .reply = ret_reply,
			      .err = err,
			      .mutex = PTHREAD_MUTEX_INITIALIZER,
			      .cond = PTHREAD_COND_INITIALIZER};

	CHECK(!loop_is_mine(bus_client_loop(client))); /* it would wait for itself */
	loop_post(bus_client_loop(client), sync_start, &s);
	pthread_mutex_lock(&s.mutex);
	while (!s.done)
		pthread_cond_wait(&s.cond, &s.mutex);
	pthread_mutex_unlock(&s.mutex);
	pthread_mutex_destroy(&s.mutex);
	pthread_cond_destroy(&s.cond);
	return ret_reply->status;
}

int bus_client_call_pb(struct bus_client *client, const struct bus_request_out *req,
		       const ProtobufCMessage *in, const ProtobufCMessageDescriptor *out_desc,
		       struct arena *arena, ProtobufCMessage **ret_out, struct err *err)
{
	struct bus_request_out packed = *req;
	struct bus_reply_in reply;
	uint8_t *body;
	int rc = pb_pack(in, arena, &body, &packed.body_len, err);

	if (rc < 0)
		return rc;
	packed.body = body;
	rc = bus_client_call(client, &packed, arena, &reply, err);
	if (rc < 0)
		return rc;
	return pb_unpack(out_desc, reply.body, reply.body_len, NULL, arena, ret_out, err);
}
