/* The tables of RPCs of all services, and what every contract must hold to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/wire/pb_events.h"
#include "common/wire/pbcheck.h"
#include "common/wire/rpc.h"

#define ALL_EXPOSURES (RPC_INTERNAL | RPC_PUBLIC | RPC_CITIZEN | RPC_STAFF | RPC_SYSTEM)

static void check_row(const struct rpc_table *t, const struct rpc_row *row)
{
	if (!rpc_find_method(t, row->method, NULL, NULL))
		fail_msg("%s: a row for %s, which is no RPC", t->service, row->method);
	if (row->exposure == 0 || (row->exposure & ~(unsigned)ALL_EXPOSURES) != 0)
		fail_msg("%s.%s: exposure %u", t->service, row->method, row->exposure);
	if (row->effect != RPC_READ && row->effect != RPC_EFFECT)
		fail_msg("%s.%s: neither read nor effect", t->service, row->method);
	if (row->roles == NULL || (row->roles[0] != '\0' && !(row->exposure & RPC_STAFF)))
		fail_msg("%s.%s: roles without staff", t->service, row->method);
	if ((row->exposure & RPC_INTERNAL) && (row->exposure & (RPC_PUBLIC | RPC_CITIZEN)))
		fail_msg("%s.%s: internal and open to people", t->service, row->method);
}

static void test_every_rpc_has_one_row(void **state)
{
	(void)state;
	assert_non_null(rpc_registry[0]);
	for (const struct rpc_table *const *p = rpc_registry; *p != NULL; p++) {
		const struct rpc_table *t = *p;

		for (unsigned i = 0; i < t->descriptor->n_methods; i++)
			if (!rpc_find_method(t, t->descriptor->methods[i].name, NULL, NULL))
				fail_msg("%s.%s has no row", t->service,
					 t->descriptor->methods[i].name);
		assert_int_equal(t->n_rows, t->descriptor->n_methods);
		for (size_t i = 0; i < t->n_rows; i++)
			check_row(t, &t->rows[i]);
	}
}

static void test_find(void **state)
{
	const struct rpc_table *t = rpc_registry[0];
	const ProtobufCMethodDescriptor *method = NULL;
	const struct rpc_row *row = NULL;

	(void)state;
	assert_ptr_equal(rpc_find_service(t->service), t);
	assert_ptr_equal(rpc_find_interface(t->descriptor->name), t);
	assert_null(rpc_find_service("nothing"));
	assert_null(rpc_find_service(""));
	assert_null(rpc_find_interface("lgsp.nothing.v1.NothingService"));
	assert_true(rpc_find_method(t, t->rows[0].method, &row, &method));
	assert_ptr_equal(row, &t->rows[0]);
	assert_string_equal(method->name, t->rows[0].method);
	row = NULL;
	assert_false(rpc_find_method(t, "Nothing", &row, &method));
	assert_false(rpc_find_method(t, "", &row, NULL));
	assert_null(row);
}

static void test_rpc_without_a_row_is_not_found(void **state)
{
	struct rpc_table bare = *rpc_registry[0];

	(void)state;
	bare.n_rows = 0;
	assert_false(rpc_find_method(&bare, rpc_registry[0]->rows[0].method, NULL, NULL));
}

static void test_role_in(void **state)
{
	static const struct {
		const char *roles, *role;
		bool in;
	} table[] = {
		{"clerk officer", "clerk", true},
		{"clerk officer", "officer", true},
		{"clerk officer", "office", false},
		{"clerk officer", "erk", false},
		{"clerk  officer ", "officer", true},
		{"", "clerk", false},
		{"clerk", "", false},
		{" ", "", false},
		{"clerk officer", "clerk officer", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (rpc_role_in(table[i].roles, table[i].role) != table[i].in)
			fail_msg("'%s' in '%s'", table[i].role, table[i].roles);
}

/* No floats, no more fields than pbjson keeps track of, and no nesting that pb_check refuses. */
static void check_message(const ProtobufCMessageDescriptor *desc, unsigned depth)
{
	if (depth > PB_CHECK_DEPTH)
		fail_msg("%s: nested too deeply", desc->name);
	if (desc->n_fields > 128)
		fail_msg("%s: too many fields", desc->name);
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];

		if (f->type == PROTOBUF_C_TYPE_FLOAT || f->type == PROTOBUF_C_TYPE_DOUBLE)
			fail_msg("%s.%s is a float", desc->name, f->name);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			check_message(f->descriptor, depth + 1);
	}
}

static void test_contracts(void **state)
{
	unsigned n = 0;

	(void)state;
	for (const struct rpc_table *const *t = rpc_registry; *t != NULL; t++) {
		for (unsigned i = 0; i < (*t)->descriptor->n_methods; i++) {
			check_message((*t)->descriptor->methods[i].input, 1);
			check_message((*t)->descriptor->methods[i].output, 1);
		}
	}
	for (const struct pb_event_row *row = pb_event_rows; row->type != NULL; row++, n++)
		check_message(row->descriptor, 1);
	assert_true(n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_rpc_has_one_row),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_rpc_without_a_row_is_not_found),
		cmocka_unit_test(test_role_in),
		cmocka_unit_test(test_contracts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
