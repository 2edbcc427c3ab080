#include "tests/unit/corerig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"

int corerig_setup_with(void **state, const struct broker_config *config)
{
	struct fixture *f = base_alloc(sizeof(*f));

	f->c = core_new(config);
	arena_init(&f->arena, 64 << 20);
	memcpy(f->id, "0123456789abcdef", 16);
	*state = f;
	return 0;
}

int corerig_setup(void **state)
{
	return corerig_setup_with(state, NULL);
}

int corerig_teardown(void **state)
{
	struct fixture *f = *state;

	core_free(f->c);
	arena_done(&f->arena);
	free(f);
	return 0;
}

void core_join(struct fixture *f, uint8_t worker, uint32_t credit)
{
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_READY),
		PART("echo"), core_hello(&f->arena, credit, 0, false));
}

void core_hello_again(struct fixture *f, uint8_t worker, struct core_part bytes)
{
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_HEARTBEAT),
		bytes);
}

/* Each request under an id of its own. */
void core_ask_flags(struct fixture *f, uint8_t peer, int member, const char *body, uint32_t flags)
{
	f->id[0]++;
	DELIVER(f->c, SIDE_MEMBER, peer, member, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("echo"), core_header(&f->arena, "Say", 10000, flags, f->id), PART(body));
}

void core_ask(struct fixture *f, uint8_t peer, int member, const char *body)
{
	core_ask_flags(f, peer, member, body, 0);
}

/* Token of the i-th message to the worker that is a REQUEST. */
const struct frames *core_request_to(struct fixture *f, uint8_t worker, unsigned i)
{
	for (unsigned at = 0;; at++) {
		const struct frames *m = core_sent_to(f->c, worker, at);

		if (frame_command(&m->part[2]) == BUS_W_REQUEST && i-- == 0)
			return m;
	}
}

unsigned core_requests_to(struct fixture *f, uint8_t worker)
{
	unsigned n = 0;

	for (unsigned at = 0; at < core_count_to(f->c, worker); at++)
		n += frame_command(&core_sent_to(f->c, worker, at)->part[2]) == BUS_W_REQUEST;
	return n;
}

void core_answer(struct fixture *f, uint8_t worker, const struct frames *request, const char *body)
{
	uint8_t token[16];

	memcpy(token, frame_data(&request->part[3]), 16);
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_FINAL),
		BYTES(token, 16), PART(""), core_ok(&f->arena), PART(body));
}

void core_expect(struct fixture *f, uint8_t peer, unsigned i, int status, const char *code)
{
	assert_int_equal(core_status(core_sent_to(f->c, peer, i), &f->err), status);
	assert_string_equal(err_code(&f->err), code);
}
