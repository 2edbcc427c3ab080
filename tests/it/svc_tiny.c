#include "tests/it/svc_tiny.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/svc/group.h"

/* --- the producer --- */

static const struct err_kind already_done = {ERR_CONFLICT, "ALREADY_DONE", "Đã làm rồi",
					     "it is done already"};

static const struct db_stmt is_done = {"SELECT 1 FROM done WHERE subject = $1"};
static const struct db_stmt insert_done = {
	"INSERT INTO done (subject) VALUES ($1) RETURNING id::int"};
static const struct db_stmt insert_done_row = {
	"WITH u AS (SELECT * FROM unnest($1) WITH ORDINALITY AS u (subject, n)),"
	" d AS (INSERT INTO done (subject) SELECT subject FROM u RETURNING id, subject)"
	" SELECT d.id::int, u.n FROM u JOIN d USING (subject) ORDER BY u.n"};
static const struct db_stmt misbehave = {"SELECT misbehave($1)"};

static void tiny_get_unit(Directory__DirectoryService_Service *svc,
			  const Directory__GetUnitRequest *in,
			  Directory__GetUnitReply_Closure reply, void *data)
{
	Directory__GetUnitReply out = DIRECTORY__GET_UNIT_REPLY__INIT;
	Directory__Unit unit = DIRECTORY__UNIT__INIT;

	(void)svc;
	unit.code = in->code;
	unit.name = call_of(data)->caller.subject;
	out.unit = &unit;
	reply(&out, data);
}

static void tiny_get_agency(Directory__DirectoryService_Service *svc,
			    const Directory__GetAgencyRequest *in,
			    Directory__GetAgencyReply_Closure reply, void *data)
{
	Directory__GetAgencyReply out = DIRECTORY__GET_AGENCY_REPLY__INIT;

	(void)svc;
	(void)in;
	reply(&out, data);
}

static void tiny_list_agencies(Directory__DirectoryService_Service *svc,
			       const Directory__ListAgenciesRequest *in,
			       Directory__ListAgenciesReply_Closure reply, void *data)
{
	Directory__ListAgenciesReply out = DIRECTORY__LIST_AGENCIES_REPLY__INIT;

	(void)svc;
	(void)in;
	reply(&out, data);
}

static void tiny_list_systems(Directory__DirectoryService_Service *svc,
			      const Directory__ListSystemsRequest *in,
			      Directory__ListSystemsReply_Closure reply, void *data)
{
	Directory__ListSystemsReply out = DIRECTORY__LIST_SYSTEMS_REPLY__INIT;

	(void)svc;
	(void)in;
	reply(&out, data);
}

static void tiny_resolve_subject(Directory__DirectoryService_Service *svc,
				 const Directory__ResolveSubjectRequest *in,
				 Directory__ResolveSubjectReply_Closure reply, void *data)
{
	Directory__ResolveSubjectReply out = DIRECTORY__RESOLVE_SUBJECT_REPLY__INIT;

	(void)svc;
	(void)in;
	reply(&out, data);
}

static int tiny_refuse_if_done(struct call *c, const char *subject)
{
	int slot = call_query(c, &is_done, DB_TEXT(subject));

	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) > 0)
		return err_set(&c->err, &already_done, NULL, NULL);
	return 0;
}

/* --- the same through a group (officer.name "group") --- */

struct tiny_item {
	const Directory__Officer *officer;
	int slot;
	Directory__AppointOfficerReply out;
	Directory__DirectoryOfficerPut event;
};

static void tiny_reads(struct call *c, void *item)
{
	tx_add(c, &misbehave, DB_TEXT(((struct tiny_item *)item)->officer->post));
}

static int tiny_decide(struct call *c, void *item)
{
	if (strcmp(((struct tiny_item *)item)->officer->post, "refuse") == 0)
		return err_set(&c->err, &already_done, NULL, NULL);
	return 0;
}

static void tiny_reserve(struct call *c, void *item)
{
	struct tiny_item *i = item;

	i->slot = tx_add_row(c, &insert_done_row, DB_TEXT(i->officer->subject));
}

static int tiny_write(struct call *c, void *item, const ProtobufCMessage **ret_reply)
{
	struct tiny_item *i = item;

	i->out = (Directory__AppointOfficerReply)DIRECTORY__APPOINT_OFFICER_REPLY__INIT;
	i->event = (Directory__DirectoryOfficerPut)DIRECTORY__DIRECTORY_OFFICER_PUT__INIT;
	i->out.version = (int32_t)db_get_int(&c->tx, i->slot, 0, 0);
	i->event.officer = (Directory__Officer *)i->officer;
	tx_event(c, "directory.officer_put", i->officer->subject, i->out.version, &i->event.base);
	*ret_reply = &i->out.base;
	return 0;
}

static struct group *tiny_group;

static int tiny_start_group(struct err *err)
{
	static const struct group_steps steps = {tiny_reads, tiny_decide, tiny_reserve, tiny_write};

	(void)err;
	tiny_group = group_new(&steps);
	return 0;
}

static void tiny_stop_group(void)
{
	group_free(tiny_group);
}

static void tiny_appoint_in_group(struct call *c, const Directory__Officer *officer,
				  Directory__AppointOfficerReply_Closure reply)
{
	struct tiny_item item = {.officer = officer};

	if (tx_group(c, tiny_group, &item) < 0)
		return call_fail(c);
	reply(&item.out, c);
}

static void tiny_appoint_officer(Directory__DirectoryService_Service *svc,
				 const Directory__AppointOfficerRequest *in,
				 Directory__AppointOfficerReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__AppointOfficerReply out = DIRECTORY__APPOINT_OFFICER_REPLY__INIT;
	Directory__DirectoryOfficerPut event = DIRECTORY__DIRECTORY_OFFICER_PUT__INIT;
	const Directory__Officer *o = in->officer;
	int slot;

	(void)svc;
	if (strcmp(o->name, "group") == 0)
		return tiny_appoint_in_group(c, o, reply);
	if (strcmp(o->post, "no_reply") == 0)
		return;
	if (strcmp(o->post, "refuse_if_done") == 0 && tiny_refuse_if_done(c, o->subject) < 0)
		return call_fail(c);
	tx_begin(c);
	tx_add(c, &misbehave, DB_TEXT(o->post));
	slot = tx_add(c, &insert_done, DB_TEXT(o->subject));
	if (tx_flush(c) < 0)
		return call_fail(c);
	out.version = (int32_t)db_get_int(&c->tx, slot, 0, 0);
	event.officer = (Directory__Officer *)o;
	tx_event(c, "directory.officer_put", o->subject, out.version, &event.base);
	if (strcmp(o->post, "no_commit") != 0 && tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

static Directory__DirectoryService_Service tiny_handlers = {
	.base = {.descriptor = &directory__directory_service__descriptor,
		 .invoke = protobuf_c_service_invoke_internal},
	.get_unit = tiny_get_unit,
	.get_agency = tiny_get_agency,
	.list_agencies = tiny_list_agencies,
	.list_systems = tiny_list_systems,
	.resolve_subject = tiny_resolve_subject,
	.appoint_officer = tiny_appoint_officer,
};

static const struct rpc_row tiny_rows[] = {
	{"GetUnit", RPC_PUBLIC, RPC_READ, ""},
	{"GetAgency", RPC_CITIZEN, RPC_READ, ""},
	{"ListAgencies", RPC_STAFF, RPC_READ, "clerk leader"},
	{"ListSystems", RPC_SYSTEM, RPC_READ, ""},
	{"ResolveSubject", RPC_INTERNAL, RPC_READ, ""},
	{"AppointOfficer", RPC_STAFF | RPC_SYSTEM, RPC_EFFECT, "operator"},
};

static const struct rpc_table tiny_rpcs = {
	.service = "directory",
	.descriptor = &directory__directory_service__descriptor,
	.rows = tiny_rows,
	.n_rows = ARRAY_LEN(tiny_rows),
};

/* An officer becomes a category entry, for a feed of their names; "secret" ones are not told. */
static int tiny_publish(const struct svc_event *ev, struct arena *arena, struct svc_published *out)
{
	const Directory__DirectoryOfficerPut *put =
		(const Directory__DirectoryOfficerPut *)ev->payload;
	Directory__PublishedCategory *row = arena_alloc(arena, sizeof(*row));
	Directory__CategoryEntry *entry = arena_alloc(arena, sizeof(*entry));

	if (!row || !entry)
		return -1;
	if (strcmp(put->officer->post, "secret") == 0)
		return 0;
	directory__published_category__init(row);
	directory__category_entry__init(entry);
	entry->code = ev->subject;
	row->entry = entry;
	*out = (struct svc_published){"directory.published_category", ev->subject, &row->base};
	return 1;
}

static const struct svc_publication tiny_publications[] = {
	{.feed = TINY_PUBLISHED, .project = tiny_publish},
};

static const struct svc producer = {
	.name = "directory",
	.publications = tiny_publications,
	.n_publications = ARRAY_LEN(tiny_publications),
	.rpcs = &tiny_rpcs,
	.handlers = &tiny_handlers.base,
	.start = tiny_start_group,
	.stop = tiny_stop_group,
};

/* --- the consumer --- */

static const struct err_kind poison = {ERR_INVALID, "POISON", "Sự kiện %s không dùng được",
				       "event %s cannot be used"};

static const struct db_stmt is_healed = {"SELECT 1 FROM healed"};
static const struct db_stmt insert_seen = {
	"INSERT INTO seen (pos, subject, version) VALUES ($1, $2, $3)"};

static int tiny_apply(struct call *c, const struct svc_event *ev)
{
	const Directory__DirectoryOfficerPut *put =
		(const Directory__DirectoryOfficerPut *)ev->payload;
	bool harmful, healed;
	int slot;

	if (strcmp(ev->type, "directory.officer_put") != 0)
		return 0;
	harmful = strcmp(put->officer->post, "poison") == 0 ||
		  strcmp(put->officer->post, "killer") == 0;
	if (harmful) {
		slot = db_add_args(&c->tx, &is_healed, NULL, 0);
		if (tx_flush(c) < 0)
			return c->err.status;
		healed = db_rows(&c->tx, slot) > 0;
		if (!healed && put->officer->post[0] == 'k')
			kill(getpid(), SIGKILL);
		if (!healed)
			return err_set(&c->err, &poison, NULL, ev->subject);
	}
	tx_add(c, &insert_seen, DB_INT8(ev->pos), DB_TEXT(ev->subject), DB_INT4(ev->version));
	return 0;
}

static const struct svc_consumer consumers[] = {{.source = "directory", .apply = tiny_apply}};

static const struct rpc_table no_rpcs = {
	.service = "task",
	.descriptor = &directory__directory_service__descriptor,
};

static const struct svc consumer = {
	.name = "task",
	.rpcs = &no_rpcs,
	.handlers = &tiny_handlers.base,
	.consumers = consumers,
	.n_consumers = ARRAY_LEN(consumers),
};

int tiny_main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--as=directory") == 0)
		return svc_main(1, argv, &producer);
	if (argc == 2 && strcmp(argv[1], "--as=task") == 0)
		return svc_main(1, argv, &consumer);
	return -1;
}

/* --- the rig --- */

static const struct busd_member members[] = {
	{"directory", "VN/GOV/H40/lgsp-directory"}, {"task", "VN/GOV/H40/lgsp-task"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},     {"operator", "VN/GOV/H40/lgsp-operator"},
	{"one-stop", "VN/GOV/H40/one-stop"},
};
static const char rights[] = "serve VN/GOV/H40/lgsp-directory directory\n"
			     "serve VN/GOV/H40/lgsp-task task\n"
			     "grant VN/GOV/H40/lgsp-task directory *\n"
			     "feed VN/GOV/H40/lgsp-task directory directory\n"
			     "grant VN/GOV/H40/lgsp-gateway directory * acts_for\n"
			     "feed VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "grant VN/GOV/H40/lgsp-operator directory * acts_for\n"
			     "feed VN/GOV/H40/lgsp-operator * * acts_for\n"
			     "grant VN/GOV/H40/lgsp-operator task *\n"
			     "grant VN/GOV/H40/one-stop directory *\n"
			     "feed VN/GOV/H40/one-stop directory directory\n"
			     "feed VN/GOV/H40/one-stop directory " TINY_PUBLISHED "\n";

static struct bus_client *tiny_client(struct tiny *t, const char *name)
{
	struct bus_keys keys = busd_keys(t->bus, name);

	return busrig_client(t->rig, busd_member_endpoint(t->bus), &keys);
}

void tiny_setup(struct tiny *t)
{
	memset(t, 0, sizeof(*t));
	arena_init(&t->arena, 64 << 20);
	t->pg = pg_new("directory task");
	pg_exec_owner(
		t->pg, "directory",
		"CREATE TABLE done (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
		" subject text NOT NULL);"
		"CREATE SEQUENCE attempts;"
		/* A sequence counts attempts even when they are rolled back. */
		"CREATE FUNCTION misbehave(what text) RETURNS void LANGUAGE plpgsql AS $$"
		" BEGIN"
		" IF what LIKE 'fail:%' AND nextval('attempts') <= substr(what, 6)::int THEN"
		"  RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;"
		" IF what LIKE 'drop:%' AND nextval('attempts') <= substr(what, 6)::int THEN"
		"  PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
		" IF what LIKE 'sleep:%' THEN PERFORM pg_sleep(substr(what, 7)::float); END IF;"
		" END $$;"
		/* At COMMIT, which may take its time or be refused. */
		"CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
		" IF NEW.subject = 'slow-commit' THEN PERFORM pg_sleep(2); END IF;"
		" IF NEW.subject = 'refused-commit' THEN RAISE EXCEPTION 'no'"
		"  USING ERRCODE = '23514'; END IF;"
		" RETURN NULL; END $$;"
		"CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON done"
		" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()");
	pg_exec_owner(t->pg, "task",
		      "CREATE TABLE seen (id bigint GENERATED ALWAYS AS IDENTITY, pos bigint,"
		      " subject text, version int);"
		      "CREATE TABLE healed (yes bool)");
	t->bus = busd_start(members, ARRAY_LEN(members), rights, NULL);
	t->rig = busrig_new();
	t->one_stop = tiny_client(t, "one-stop");
	t->gateway = tiny_client(t, "gateway");
	t->operator= tiny_client(t, "operator");
	t->task = tiny_client(t, "task");
}

void tiny_teardown(struct tiny *t)
{
	busrig_free(t->rig);
	busd_free(t->bus);
	pg_free(t->pg);
	arena_done(&t->arena);
}

struct svcd *tiny_start(struct tiny *t, const char *service, const char *const *env, bool wait)
{
	const struct svcd_config config = {
		.service = service,
		.bus = t->bus,
		.dsn = pg_dsn(t->pg, service),
		.env = env,
		.self_option = strcmp(service, "task") == 0 ? "--as=task" : "--as=directory",
		.no_wait = !wait,
	};

	return svcd_start(&config);
}

int tiny_ask(struct tiny *t, const struct tiny_call *call, const ProtobufCMessage *in,
	     const ProtobufCMessageDescriptor *out_desc, ProtobufCMessage **ret_out)
{
	struct bus_request_out req = {
		.service = call->service,
		.method = call->method,
		.deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : 10000,
		.on_behalf_of = call->person,
	};

	err_clear(&t->err);
	if (call->message_id)
		memcpy(req.message_id, call->message_id, sizeof(req.message_id));
	return bus_client_call_pb(call->client, &req, in, out_desc, &t->arena, ret_out, &t->err);
}

static int tiny_appoint_by(struct tiny *t, struct tiny_call *call, const char *subject,
			   const char *post, int32_t *ret_version)
{
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	ProtobufCMessage *out;
	int rc;

	call->client = t->operator;
	call->service = "directory";
	call->method = "AppointOfficer";
	officer.subject = subject;
	officer.post = post;
	in.officer = &officer;
	rc = tiny_ask(t, call, &in.base, &directory__appoint_officer_reply__descriptor, &out);
	if (rc == 0 && ret_version != NULL)
		*ret_version = ((Directory__AppointOfficerReply *)out)->version;
	return rc;
}

int tiny_appoint(struct tiny *t, const char *subject, const char *post, const uint8_t *id,
		 int32_t *ret_version)
{
	struct tiny_call call = {.message_id = id};

	return tiny_appoint_by(t, &call, subject, post, ret_version);
}

int tiny_appoint_within(struct tiny *t, uint32_t deadline_ms, const char *subject,
			const uint8_t *id)
{
	struct tiny_call call = {.message_id = id, .deadline_ms = deadline_ms};

	return tiny_appoint_by(t, &call, subject, "ok", NULL);
}

int tiny_call(struct tiny *t, struct bus_client *client, const char *method,
	      const Bus__OnBehalfOf *person)
{
	const struct tiny_call call = {
		.client = client, .service = "directory", .method = method, .person = person};
	/* Empty: every request of the interface takes it, and no reply is looked into. */
	Directory__GetCalendarRequest in = DIRECTORY__GET_CALENDAR_REQUEST__INIT;
	ProtobufCMessage *out;

	return tiny_ask(t, &call, &in.base, &directory__get_calendar_request__descriptor, &out);
}

int tiny_pull(struct tiny *t, struct bus_client *client, int64_t after, uint32_t wait_ms,
	      Feed__PullReply **ret_page)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;

	in.feed = "directory";
	in.after = after;
	in.wait_ms = wait_ms;
	return tiny_pull_feed(t, client, &in, ret_page);
}

int tiny_pull_feed(struct tiny *t, struct bus_client *client, const Feed__PullRequest *in,
		   Feed__PullReply **ret_page)
{
	const struct tiny_call call = {
		.client = client, .service = "directory", .method = "Feed.Pull"};
	ProtobufCMessage *out;
	int rc = tiny_ask(t, &call, &in->base, &feed__pull_reply__descriptor, &out);

	if (rc == 0)
		*ret_page = (Feed__PullReply *)out;
	return rc;
}
