// with: tests/it/dossier_rig.c
/*
 * intake.submit: filings through the bus (CURVE), the dossier service and PostgreSQL, against the
 * same rows inserted straight by libpq connections, one prepared CTE each - the best of 4, 16 and
 * 32. Both over 250 agencies, durable (fsync on), measured in turns.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "tests/bench/bench.h"
#include "tests/it/dossier_rig.h"

#define ROUNDS   5
#define ROUND_US (2 * CLOCK_US_PER_S)
#define CALLERS  32
#define AGENCIES 250

static const unsigned connections[] = {4, 16, 32};

/* What a filing writes: inbox, counter, dossier, filing, two components, history, two events. */
static const char straight[] =
	"WITH n AS (INSERT INTO code_counter AS n (agency, day, last) VALUES ($1, '2024-05-21', 1)"
	" ON CONFLICT (agency, day) DO UPDATE SET last = n.last + 1"
	" RETURNING agency || '-240521-' || to_char(last, 'FM000000') AS code),"
	" i AS (INSERT INTO inbox (caller, subject, message_id, method, request_sha256, keep,"
	" reply, at) SELECT 'VN/GOV/H40/lgsp-gateway', 'clerk-1', gen_random_uuid(), 'Submit',"
	" sha256(convert_to(code, 'UTF8')), false, convert_to(code || repeat('x', 12), 'UTF8'),"
	" now() FROM n),"
	" d AS (INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
	" receiving_agency, competent_agency, holder_agency, channel, submitted_at)"
	" SELECT code, 1, 1, '" MARRIAGE "', 1, $1, $1, $1, 1, now() FROM n),"
	" f AS (INSERT INTO filing (code, applicant_kind, applicant_number, applicant_name,"
	" applicant_phone, applicant_address, owner_key, form_names, form_values, filer,"
	" filer_is_citizen, secret_salt, secret_hash, handed_in, handed_in_version)"
	" SELECT code, 'citizen',"
	" '036190' || to_char(random() * 999999, 'FM000000'),"
	" 'Trần Thị Mẫu', '0912345678', 'Phường Hạ Long', repeat('a', 64), '{purpose}',"
	" '{Vay vốn}', 'clerk-1', false, decode(repeat('00', 16), 'hex'),"
	" decode(repeat('00', 32), 'hex'), decode(repeat('00', 18), 'hex'), 1 FROM n),"
	" c AS (INSERT INTO component (dossier, code, ordinal, paper_copies, reused, demanded)"
	" SELECT code, u.c, u.o, 1, false, false"
	" FROM n, unnest('{TP1,TP2}'::text[]) WITH ORDINALITY AS u (c, o)),"
	" h AS (INSERT INTO history (dossier, version, state, action, actor, member, roles, agency,"
	" holder_agency, note, at) SELECT code, 1, 1, 'submit', 'clerk-1',"
	" 'VN/GOV/H40/lgsp-gateway', 'clerk', $1, $1, '', now() FROM n)"
	" INSERT INTO outbox (event, type, subject, version)"
	" SELECT convert_to(code || repeat('x', bytes), 'UTF8'), type, code, 1 FROM n,"
	" (VALUES ('dossier.submitted', 260), ('dossier.notice', 120)) AS e (type, bytes)";

static int64_t until_us;
static atomic_long done;
static const char *dsn;

static void agency(unsigned *seed, const char *prefix, char out[static 16])
{
	snprintf(out, 16, "%s.%03d", prefix, rand_r(seed) % AGENCIES);
}

/* --- through the service --- */

static void *file_on(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	char code[16], number[16];
	struct person clerk_there = {"clerk-1", "clerk", code};
	struct filing f;
	struct ask a;

	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	f.in.agency_code = code;
	f.input.n_file_ids = 0;
	f.input.paper_copies = 1;
	f.applicant.number = number;
	while (clock_mono_us() < until_us) {
		agency(&seed, "H41", code);
		snprintf(number, sizeof(number), "036190%06d", rand_r(&seed) % 1000000);
		if (submit(&a, &clerk_there, &f, NULL) != 0) {
			fprintf(stderr, "bench_intake: %s\n", err_code(&a.err));
			exit(1);
		}
		atomic_fetch_add(&done, 1);
	}
	ask_done(&a);
	return NULL;
}

/* --- straight --- */

static void need(PGconn *conn, PGresult *r, ExecStatusType status)
{
	if (PQresultStatus(r) != status) {
		fprintf(stderr, "bench_intake: %s\n", PQerrorMessage(conn));
		exit(1);
	}
	PQclear(r);
}

static void *insert_on(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	PGconn *conn = PQconnectdb(dsn);
	char code[16];
	const char *values[1] = {code};

	need(conn, PQexec(conn, "SET search_path = dossier"), PGRES_COMMAND_OK);
	need(conn, PQprepare(conn, "s", straight, 1, NULL), PGRES_COMMAND_OK);
	while (clock_mono_us() < until_us) {
		agency(&seed, "H42", code);
		need(conn, PQexecPrepared(conn, "s", 1, values, NULL, NULL, 0), PGRES_COMMAND_OK);
		atomic_fetch_add(&done, 1);
	}
	PQfinish(conn);
	return NULL;
}

/* --- rounds --- */

static double rate(void *(*run)(void *), unsigned n)
{
	pthread_t threads[CALLERS];
	unsigned seeds[CALLERS];
	int64_t start_us;

	CHECK(n <= CALLERS);
	/* Nobody pays for the events of the round before. */
	CHECK(pg_wait_int(rig.pg, "dossier", "SELECT count(*) FROM outbox", 0, 60000));
	start_us = clock_mono_us();
	atomic_store(&done, 0);
	until_us = start_us + ROUND_US;
	for (unsigned i = 0; i < n; i++) {
		seeds[i] = (unsigned)start_us + i;
		CHECK(pthread_create(&threads[i], NULL, run, &seeds[i]) == 0);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return (double)atomic_load(&done) * 1e6 / (double)(clock_mono_us() - start_us);
}

int main(void)
{
	double ours[ROUNDS], theirs[ARRAY_LEN(connections)][ROUNDS], best = 0;
	unsigned best_at = 0;
	char baseline[80];
	const char *const workers[] = {"LGSP_WORKERS=30", NULL};

	pg_use_durable();
	set_up(NULL);
	svcd_free(rig.svc);
	rig.svc = start_service(workers);
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_agency SELECT 'H41.' || to_char(i, 'FM000'), '', 'X', '1', 'x',"
		" '2021-01-01', 'infinity', '' FROM generate_series(0, 249) AS i");
	dsn = pg_dsn(rig.pg, "dossier");
	rate(file_on, CALLERS); /* warms up */
	for (unsigned r = 0; r < ROUNDS; r++) {
		ours[r] = rate(file_on, CALLERS);
		for (size_t i = 0; i < ARRAY_LEN(connections); i++)
			theirs[i][r] = rate(insert_on, connections[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
		double median = bench_median(theirs[i], ROUNDS);

		if (median > best) {
			best = median;
			best_at = connections[i];
		}
	}
	snprintf(baseline, sizeof(baseline), "the same rows as one CTE, %u connections", best_at);
	bench_report(&(struct bench_result){.name = "intake.submit",
					    .value = bench_median(ours, ROUNDS),
					    .unit = "filings/s",
					    .baseline = baseline,
					    .baseline_value = best,
					    .note = "32 callers, 30 workers that share one "
						    "connection, bus with CURVE, 250 agencies, "
						    "fsync on; the relay runs beside"});
	tear_down(NULL);
	return 0;
}
