/*
 * Connecting: the hosts of the DSN in turn, the last good one first, each with a time of its own
 * (libpq's connect_timeout does not count in its non-blocking mode), never past the deadline.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/base/number.h"
#include "common/db/conn.h"

#define CONN_MAGIC      0x44424331u
#define CONN_KEYWORDS   64
#define CONN_ATTEMPT_US (2 * CLOCK_US_PER_S)
#define CONN_PASSWORD   256
#define CONN_SESSION_FMT                                                                           \
	"%s%s-csearch_path=%s -clock_timeout=3000 -cstatement_timeout=15000 "                      \
	"-cidle_in_transaction_session_timeout=10000 -cjit=off"

/* --- configuration --- */

static const char *option_value(const struct db_conn *conn, const char *keyword)
{
	for (PQconninfoOption *o = conn->options; o && o->keyword; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val ? o->val : "";
	return "";
}

/* The n-th element of a comma-separated list; the last one when it is shorter (ports). */
static void list_element(const char *list, unsigned n, char *out, size_t size)
{
	const char *end = strchr(list, ',');

	while (n > 0 && end) {
		list = end + 1;
		end = strchr(list, ',');
		n--;
	}
	snprintf(out, size, "%.*s", end ? (int)(end - list) : (int)strlen(list), list);
}

static unsigned list_length(const char *list)
{
	unsigned n = 1;

	while ((list = strchr(list, ','))) {
		list++;
		n++;
	}
	return n;
}

static void read_hosts(struct db_conn *conn)
{
	const char *hosts = option_value(conn, "host");
	const char *ports = option_value(conn, "port");

	conn->n_hosts = list_length(hosts);
	if (conn->n_hosts > CONN_HOSTS_MAX)
		conn->n_hosts = CONN_HOSTS_MAX;
	for (unsigned i = 0; i < conn->n_hosts; i++) {
		struct conn_host *h = &conn->hosts[i];

		list_element(hosts, i, h->host, sizeof(h->host));
		list_element(ports, i, h->port, sizeof(h->port));
	}
}

static char *make_settings(const struct db_conn *conn, const char *schema)
{
	const char *given = option_value(conn, "options");
	const char *space = given[0] ? " " : "";
	int n = snprintf(NULL, 0, CONN_SESSION_FMT, given, space, schema);
	char *settings = base_alloc((size_t)n + 1);

	snprintf(settings, (size_t)n + 1, CONN_SESSION_FMT, given, space, schema);
	return settings;
}

struct db_conn *db_conn_new(const struct db_config *config)
{
	struct db_conn *conn = base_alloc(sizeof(*conn));
	char *why = NULL;
	int64_t attempt_s;

	conn->magic = CONN_MAGIC;
	conn->options = PQconninfoParse(config->dsn, &why);
	if (!conn->options)
		log_error("db.dsn_invalid", LOG_STR("why", why)); /* it shows no values */
	PQfreemem(why);
	conn->password_file = base_strdup(config->password_file ? config->password_file : "");
	conn->name = base_strdup(config->name);
	conn->settings = make_settings(conn, config->schema);
	conn->attempt_us = CONN_ATTEMPT_US;
	if (number_parse(option_value(conn, "connect_timeout"), 1, 3600, &attempt_s) == 0)
		conn->attempt_us = attempt_s * CLOCK_US_PER_S;
	read_hosts(conn);
	return conn;
}

void db_conn_free(struct db_conn *conn)
{
	if (!conn)
		return;
	CHECK(conn->magic == CONN_MAGIC);
	conn_close(conn);
	PQconninfoFree(conn->options);
	free(conn->password_file);
	free(conn->name);
	free(conn->settings);
	conn->magic = 0;
	free(conn);
}

void db_conn_reset(struct db_conn *conn)
{
	conn_close(conn);
}

/* --- notices --- */

static void on_notice(void *arg, const PGresult *res)
{
	struct db_conn *conn = arg;
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (!severity || strcmp(severity, "WARNING") != 0)
		return;
	if (conn->in_commit)
		conn->commit_warned = true;
	log_warn("db.warning", LOG_STR("sqlstate", state), LOG_NUM("commit", conn->in_commit),
		 LOG_STR("message", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)));
}

/* --- connecting --- */

struct keywords {
	const char *keys[CONN_KEYWORDS + 1];
	const char *values[CONN_KEYWORDS + 1];
	unsigned n;
};

static void keyword_set(struct keywords *k, const char *key, const char *value)
{
	if (!value || !value[0])
		return;
	CHECK(k->n < CONN_KEYWORDS);
	k->keys[k->n] = key;
	k->values[k->n++] = value;
}

static bool is_ours(const char *keyword)
{
	static const char *const ours[] = {"host",           "port",
					   "options",        "application_name",
					   "password",       "client_encoding",
					   "connect_timeout"};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcmp(ours[i], keyword) == 0)
			return true;
	return false;
}

/* Read at each connect, so that a changed password needs no restart. */
static void read_password(const struct db_conn *conn, char *out, size_t size)
{
	out[0] = '\0';
	if (!conn->password_file[0]) {
		snprintf(out, size, "%s", option_value(conn, "password"));
		return;
	}
	CLEANUP_FILE FILE *f = fopen(conn->password_file, "re");

	if (!f || !fgets(out, (int)size, f))
		log_warn("db.password_unreadable", LOG_STR("path", conn->password_file));
	out[strcspn(out, "\r\n")] = '\0';
}

static PGconn *start_connect(struct db_conn *conn, const struct conn_host *host)
{
	struct keywords k = {.n = 0};
	char password[CONN_PASSWORD];

	for (PQconninfoOption *o = conn->options; o->keyword; o++)
		if (!is_ours(o->keyword))
			keyword_set(&k, o->keyword, o->val);
	read_password(conn, password, sizeof(password));
	keyword_set(&k, "host", host->host);
	keyword_set(&k, "port", host->port);
	keyword_set(&k, "password", password);
	keyword_set(&k, "options", conn->settings);
	keyword_set(&k, "application_name", conn->name);
	keyword_set(&k, "client_encoding", "UTF8");
	PGconn *pg = PQconnectStartParams(k.keys, k.values, 0);

	explicit_bzero(password, sizeof(password));
	return pg;
}

static int finish_connect(struct db_conn *conn, int64_t deadline_us)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	if (PQstatus(conn->pg) == CONNECTION_BAD)
		return CONN_LOST;
	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED)
			return CONN_LOST;
		int rc = conn_wait(conn, status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
				   deadline_us);

		if (rc < 0)
			return rc;
		status = PQconnectPoll(conn->pg);
	}
	return 0;
}

static void say_down(struct db_conn *conn, const struct conn_host *host, bool timed_out)
{
	if (conn->down)
		return;
	conn->down = true;
	log_warn("db.connect_failed", LOG_STR("host", host->host), LOG_STR("name", conn->name),
		 LOG_STR("why", timed_out ? "no answer in time" : PQerrorMessage(conn->pg)));
}

static int try_host(struct db_conn *conn, const struct conn_host *host, int64_t deadline_us)
{
	int64_t until_us = clock_mono_us() + conn->attempt_us;

	conn->pg = start_connect(conn, host);
	int rc = finish_connect(conn, until_us < deadline_us ? until_us : deadline_us);

	if (rc == 0 && (PQsetnonblocking(conn->pg, 1) < 0 || !PQenterPipelineMode(conn->pg)))
		rc = CONN_LOST;
	if (rc == 0) {
		PQsetNoticeReceiver(conn->pg, on_notice, conn);
		return 0;
	}
	say_down(conn, host, rc == CONN_DEADLINE);
	conn_close(conn);
	return rc;
}

static int connect_any(struct db_conn *conn, int64_t deadline_us)
{
	if (!conn->options)
		return CONN_LOST;
	for (unsigned i = 0; i < conn->n_hosts; i++) {
		unsigned h = (conn->good_host + i) % conn->n_hosts;

		if (clock_mono_us() >= deadline_us)
			return CONN_DEADLINE;
		if (try_host(conn, &conn->hosts[h], deadline_us) < 0)
			continue;
		conn->good_host = h;
		return 0;
	}
	return clock_mono_us() >= deadline_us ? CONN_DEADLINE : CONN_LOST;
}

int conn_open(struct db_conn *conn, int64_t deadline_us)
{
	CHECK(conn->magic == CONN_MAGIC);
	if (conn->pg && PQtransactionStatus(conn->pg) == PQTRANS_IDLE)
		return 0;
	conn_close(conn);
	int rc = connect_any(conn, deadline_us);

	if (rc < 0)
		return rc;
	if (conn->down)
		log_info("db.connected", LOG_STR("host", conn->hosts[conn->good_host].host),
			 LOG_STR("name", conn->name));
	conn->down = false;
	conn->generation++;
	metric_add(metric_counter("lgsp_db_connects_total", "", "Connections made to PostgreSQL"),
		   1);
	return 0;
}
