/*
 * Periodic work on a thread and a connection of its own. A run that did something is followed by
 * the next at once; one that failed waits, with growing pauses. Replicas run the same jobs: their
 * SQL takes rows with FOR UPDATE SKIP LOCKED.
 */
#include <stdlib.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/svc/runtime.h"

#define JOB_ARENA_BYTES (32 * 1024 * 1024)
#define JOB_DEADLINE_US (30 * CLOCK_US_PER_S)
#define JOB_PAUSE_MIN   200
#define JOB_PAUSE_MAX   10000

struct job {
	struct svc_runtime *rt;
	const struct svc_job *def;
	struct db_conn *conn;
	pthread_t thread;
	struct metric *done;
	struct metric *failed;
};

static int job_run_once(struct job *job)
{
	struct arena arena;
	struct call_state st = {.kind = CALL_JOB, .method = job->def->name};
	struct call c = {0};
	int n;

	arena_init(&arena, JOB_ARENA_BYTES);
	call_init(&c, &st, job->rt, job->conn, &arena);
	c.deadline_us = clock_mono_us() + JOB_DEADLINE_US;
	n = job->def->run(&c);
	if (n < 0)
		log_warn("svc.job_failed", LOG_STR("job", job->def->name),
			 LOG_STR("err", err_code(&c.err)));
	metric_add(n < 0 ? job->failed : job->done, n < 0 ? 1 : n);
	if (c.tx.magic != 0)
		db_end(&c.tx);
	arena_done(&arena);
	return n;
}

static void *job_run(void *arg)
{
	struct job *job = arg;
	int64_t trouble_ms = 0;

	while (!runtime_stopping(job->rt)) {
		int n = job_run_once(job);

		if (n < 0) {
			trouble_ms = trouble_ms == 0 ? JOB_PAUSE_MIN : trouble_ms * 2;
			trouble_ms = trouble_ms < JOB_PAUSE_MAX ? trouble_ms : JOB_PAUSE_MAX;
			runtime_pause(job->rt, trouble_ms);
			continue;
		}
		trouble_ms = 0;
		if (n == 0)
			runtime_pause(job->rt, job->def->every_ms);
	}
	atomic_fetch_sub(&job->rt->live, 1);
	return NULL;
}

struct job *job_start(struct svc_runtime *rt, const struct svc_job *def)
{
	struct job *job = base_alloc(sizeof(*job));
	struct db_config db = runtime_db_config(rt);
	char labels[96];

	job->rt = rt;
	job->def = def;
	job->conn = db_conn_new(&db);
	snprintf(labels, sizeof(labels), "job=\"%s\"", def->name);
	job->done = metric_counter("lgsp_job_items_total", labels, "Items done by jobs");
	job->failed = metric_counter("lgsp_job_failures_total", labels, "Runs of jobs that failed");
	thread_start(&job->thread, job_run, job);
	return job;
}

bool job_join(struct job *job, int64_t timeout_ms)
{
	if (!thread_join(job->thread, timeout_ms))
		return false;
	db_conn_free(job->conn);
	free(job);
	return true;
}
