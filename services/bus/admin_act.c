#include <string.h>

#include "common/base/log.h"
#include "common/wire/header.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/bus/admin.h"

static const struct err_kind stopping = {ERR_CONFLICT, "BUS_STOPPING",
					 "Bus đang dừng hẳn, không thể tiếp tục nhận yêu cầu",
					 "the broker is stopping for good and cannot go on"};
static const struct err_kind no_worker = {ERR_NOT_FOUND, "NO_SUCH_WORKER",
					  "Không có tiến trình %s của dịch vụ này",
					  "no worker %s of this service"};

static const struct err_kind rights_refused = {ERR_CONFLICT, "RIGHTS_REFUSED",
					       "Bus không nhận tệp quyền hoặc chứng thư: %s",
					       "the broker keeps the old members and rights: %s"};

/* Who changed what, and what came of it. */
static void audit(const struct broker *b, const char *what, const char *of, const char *result)
{
	log_info("bus.audit", LOG_STR("member", b->caller ? b->caller->name : ""),
		 LOG_STR("what", what), LOG_STR("of", of), LOG_STR("result", result));
}

static bool is_meant(const struct worker *w, const char *service, const char *instance)
{
	return (!*service || strcmp(w->service->name, service) == 0) &&
	       (!*instance || strcmp(w->instance, instance) == 0);
}

/* Requests in the hands of those workers that can still end: a parked one ends when it likes. */
static void count_workers(const struct broker *b, const Bus__DrainRequest *in, Bus__DrainReply *out)
{
	const struct worker *w = NULL;

	TAILQ_FOREACH(w, &b->workers, all_link)
	{
		if (!is_meant(w, in->service, in->worker))
			continue;
		out->workers++;
		out->in_flight += w->in_hand - (w->parked < w->in_hand ? w->parked : w->in_hand);
	}
}

static int drain_all(struct broker *b, bool resume)
{
	if (b->stopping)
		return err_set(&b->err, &stopping, NULL, NULL);
	if (resume)
		broker_resume(b);
	else
		broker_drain(b);
	return 0;
}

static int drain_service(struct broker *b, const Bus__DrainRequest *in)
{
	int n = broker_hold(b, in->service, in->worker, !in->resume);

	if (n < 0)
		return err_set(&b->err, &err_not_found, "service", in->service);
	if (n == 0 && *in->worker)
		return err_set(&b->err, &no_worker, "worker", in->worker);
	return 0;
}

int admin_drain(struct broker *b, const ProtobufCMessage *request, struct arena *arena,
		ProtobufCMessage **ret_out)
{
	const Bus__DrainRequest *in = (const Bus__DrainRequest *)request;
	Bus__DrainReply *out = arena_alloc(arena, sizeof(*out));
	int rc;

	if (!out)
		return admin_full(b);
	if (*in->worker && !*in->service)
		return err_set(&b->err, &err_required_field, "service", NULL);
	rc = *in->service ? drain_service(b, in) : drain_all(b, in->resume);
	audit(b, in->resume ? "resume" : "drain", *in->service ? in->service : "broker",
	      rc == 0 ? "done" : err_code(&b->err));
	if (rc < 0)
		return rc;
	bus__drain_reply__init(out);
	out->instance = b->config.instance;
	count_workers(b, in, out);
	*ret_out = &out->base;
	return 0;
}

int admin_reload(struct broker *b, const ProtobufCMessage *request, struct arena *arena,
		 ProtobufCMessage **ret_out)
{
	Bus__ReloadReply *out = arena_alloc(arena, sizeof(*out));
	char fault[MEMBERS_FAULT_MAX] = "";
	int rc;

	(void)request;
	if (!out)
		return admin_full(b);
	rc = b->config.reload(b->config.send_arg, fault);
	audit(b, "reload", "rights", rc == 0 ? "done" : "refused");
	if (rc < 0)
		return err_set(&b->err, &rights_refused, NULL, fault);
	bus__reload_reply__init(out);
	out->instance = b->config.instance;
	out->rights_hash = members_hash(b->members);
	*ret_out = &out->base;
	return 0;
}
