#include "tests/it/dossier_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "lgsp/payment/v1/events.pb-c.h"

static const struct busd_member members[] = {
	{"dossier", "VN/GOV/H40/lgsp-dossier"},           {"payment", "VN/GOV/H40/lgsp-payment"},
	{"digitisation", "VN/GOV/H40/lgsp-digitisation"}, {"gateway", "VN/GOV/H40/lgsp-gateway"},
	{"operator", "VN/GOV/H40/lgsp-operator"},         {"one-stop", "VN/GOV/H40/one-stop"},
};

static const char rights[] = "serve VN/GOV/H40/lgsp-dossier dossier\n"
			     "serve VN/GOV/H40/lgsp-payment payment\n"
			     "serve VN/GOV/H40/lgsp-digitisation digitisation\n"
			     "grant VN/GOV/H40/lgsp-dossier * *\n"
			     "feed VN/GOV/H40/lgsp-dossier * *\n"
			     "grant VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "feed VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "grant VN/GOV/H40/lgsp-operator * *\n"
			     "feed VN/GOV/H40/lgsp-operator * *\n"
			     "grant VN/GOV/H40/one-stop dossier *\n";

const struct person citizen = {"citizen-1", "citizen", ""};
const struct person other_citizen = {"citizen-2", "citizen", ""};
const struct person public = {"anonymous", "anonymous", ""};
const struct person clerk = {"clerk-31-01", "clerk", COMMUNE};
const struct person officer = {"officer-31-01", "officer", COMMUNE};
const struct person other_clerk = {"clerk-31-02", "clerk", OTHER};
const struct person district = {"officer-31", "officer", DISTRICT};
const struct person cashier = {"cashier-31-01", "cashier", COMMUNE};

struct dossier_rig rig;

/* --- the others --- */

static const struct err_kind away = {ERR_UNAVAILABLE, "AWAY", "vắng", "away"};

static int on_stat(struct bus_request *req, ProtobufCMessage **ret_reply, struct err *err,
		   void *arg)
{
	Digitisation__StatReply *out = arena_alloc(&req->arena, sizeof(*out));
	Digitisation__StatRequest *in;

	(void)arg;
	if (rig.files_away)
		return err_set(err, &away, NULL, NULL);
	in = digitisation__stat_request__unpack(NULL, req->body_len, req->body);
	digitisation__stat_reply__init(out);
	out->files = arena_calloc(&req->arena, in->n_file_ids, sizeof(out->files[0]));
	for (size_t i = 0; i < in->n_file_ids; i++) {
		Digitisation__FileStat *f = arena_alloc(&req->arena, sizeof(*f));

		digitisation__file_stat__init(f);
		f->file_id = arena_strdup(&req->arena, in->file_ids[i]);
		f->found = strcmp(in->file_ids[i], NO_FILE) != 0;
		f->sha256 = arena_printf(&req->arena, "%064d", in->file_ids[i][35] - '0');
		f->state = strcmp(in->file_ids[i], BAD_FILE) == 0
				   ? DIGITISATION__FILE_STATE__FILE_STATE_QUARANTINED
				   : DIGITISATION__FILE_STATE__FILE_STATE_STORED;
		f->reason = "bomb";
		out->files[out->n_files++] = f;
	}
	digitisation__stat_request__free_unpacked(in, NULL);
	*ret_reply = &out->base;
	return 0;
}

static const struct peer_method digitisation_methods[] = {{"Stat", on_stat, NULL}, {NULL}};

/* --- the operator's command --- */

/* build/<variant>/tests/it/test_x -> build/<variant>/bin/lgspctl */
static void find_ctl(char out[static 512])
{
	ssize_t n = readlink("/proc/self/exe", out, 400);

	CHECK(n > 0);
	out[n] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(out, '/') = '\0';
	strcat(out, "/bin/lgspctl");
}

int run_ctl(const char *words, char out[static CTL_OUT_BYTES])
{
	char bin[512], key[256], command[2048];
	size_t n = 0, got;
	FILE *pipe;

	find_ctl(bin);
	busd_secret_path(rig.bus, "operator", key);
	snprintf(
		command, sizeof(command),
		"LGSP_ENV_FILE=/dev/null LGSP_BUS_MEMBER=%s LGSP_KEY=%s LGSP_BUS_KEY=%s %s %s 2>&1",
		busd_member_endpoint(rig.bus), key, busd_key_path(rig.bus), bin, words);
	pipe = popen(command, "re");
	CHECK(pipe);
	while ((got = fread(out + n, 1, CTL_OUT_BYTES - 1 - n, pipe)) > 0)
		n += got;
	out[n] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

/* --- what the directory would have said --- */

static void put_agency(const char *code, const char *level, const char *from, const char *to)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO ref_agency VALUES ('%s', '', '%s', '13633', 'Cơ quan %s', '%s', "
		 "'%s', '')",
		 code, level, code, from, to);
	pg_exec(rig.pg, "dossier", sql);
}

void put_calendar(int version, const char *covers_to)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO ref_calendar (version, covers_from, covers_to, pos)"
		 " VALUES (%d, '2021-01-01', '%s', %d) ON CONFLICT (one) DO UPDATE SET"
		 " version = excluded.version, covers_to = excluded.covers_to, pos = excluded.pos",
		 version, covers_to, version * 10);
	pg_exec(rig.pg, "dossier", sql);
}

/* The cells of a line of CSV, in place; a cell in quotes may hold commas. */
static int split(char *line, char *cells[], int max)
{
	int n = 0;

	line[strcspn(line, "\n")] = '\0';
	for (char *p = line; p && n < max;) {
		bool quoted = *p == '"';
		char *end = quoted ? strchr(p + 1, '"') : p + strcspn(p, ",");

		cells[n++] = quoted ? p + 1 : p;
		p = quoted ? end + 1 : end;
		p = *p ? p + 1 : NULL;
		*end = '\0';
	}
	return n;
}

/* The reasons of the profile. */
static void put_reasons(void)
{
	FILE *file = fopen("deploy/profiles/nam-dinh-2021/categories.csv", "re");
	char line[1024], sql[1024], *cell[7];

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "reason-", 7) != 0)
			continue;
		CHECK(split(line, cell, 7) >= 6);
		snprintf(sql, sizeof(sql),
			 "INSERT INTO ref_category VALUES ('%s', '%s', '%s', '%s', %s, '%s',"
			 " 'infinity')",
			 cell[0], cell[1], cell[2], cell[3], cell[4], cell[5]);
		pg_exec(rig.pg, "dossier", sql);
	}
	fclose(file);
}

/* --- procedures --- */

static const char *birth_types[] = {"GKS"};

static void make_procedure(Dossier__Procedure *p, const char *code, const char *name)
{
	dossier__procedure__init(p);
	p->code = code;
	p->name = name;
	p->field = "Hộ tịch";
	p->levels = "X";
	p->limit_unit = DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY;
	p->limit_value = 3;
	p->online_level = 4;
	p->data_class = "basic";
	p->valid_from = "2021-01-01";
	p->result_type = "KQ";
	p->reply_days = 30;
}

static void make_channels(struct bundle *b)
{
	for (int i = 0; i < 4; i++) {
		dossier__channel_rule__init(&b->channel[i]);
		b->channel[i].channel = (Dossier__Channel)(i + 1);
		b->channel[i].opens = "2021-01-01";
		b->channel[i].legal_basis = "Nghị định 61/2018/NĐ-CP";
		b->channels[i] = &b->channel[i];
	}
	b->channels[4] = &b->channel[4];
	dossier__channel_rule__init(&b->channel[4]);
	b->in.channels = b->channels;
	b->in.n_channels = 4;
}

void make_bundle(struct bundle *b)
{
	memset(b, 0, sizeof(*b));
	dossier__import_profile_request__init(&b->in);
	make_procedure(&b->p[0], MARRIAGE, "Cấp Giấy xác nhận tình trạng hôn nhân");
	make_procedure(&b->p[1], BIRTH, "Đăng ký khai sinh");
	make_procedure(&b->p[2], FUTURE, "Thủ tục của năm sau");
	b->p[2].valid_from = "2025-01-01";
	b->p[0].fee_kind = "le_phi";
	b->p[0].fee_vnd = 15000;
	dossier__component__init(&b->component[0]);
	b->component[0].code = "TP1";
	b->component[0].name = "Giấy khai sinh";
	b->component[0].required = true;
	b->component[0].record_types = birth_types;
	b->component[0].n_record_types = 1;
	dossier__component__init(&b->component[1]);
	b->component[1].code = "TP2";
	b->component[1].name = "Tờ khai";
	dossier__form_field_rule__init(&b->rule);
	b->rule.name = "purpose";
	b->rule.label = "Mục đích";
	b->rule.type = "text";
	b->rule.required = true;
	for (int i = 0; i < 2; i++)
		b->components[i] = &b->component[i];
	b->rules[0] = &b->rule;
	b->p[0].components = b->components;
	b->p[0].n_components = 2;
	b->p[0].form = b->rules;
	b->p[0].n_form = 1;
	for (int i = 0; i < 3; i++)
		b->list[i] = &b->p[i];
	b->in.manifest_sha256 = "00";
	b->in.profile = "test";
	b->in.procedures = b->list;
	b->in.n_procedures = 3;
	make_channels(b);
}

int import(struct ask *a, const struct bundle *b)
{
	Dossier__ImportProfileReply *out;
	int r = ask(a, NULL, "ImportProfile", &b->in.base,
		    &dossier__import_profile_reply__descriptor, &out);

	return r < 0 ? r : out->changed;
}

/* --- requests --- */

/* A good filing of a citizen on the portal, with two files. */
void make_filing(struct filing *f)
{
	memset(f, 0, sizeof(*f));
	dossier__submit_request__init(&f->in);
	dossier__applicant__init(&f->applicant);
	dossier__component_input__init(&f->input);
	dossier__form_field__init(&f->field);
	f->in.procedure_code = MARRIAGE;
	f->in.agency_code = COMMUNE;
	f->in.channel = DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL;
	f->in.applicant = &f->applicant;
	f->applicant.kind = "citizen";
	f->applicant.number = NUMBER;
	f->applicant.name = "Trần Thị Mẫu";
	f->applicant.phone = "+84912345678";
	f->applicant.address = "Phường Hạ Long";
	f->files[0] = FILE_1;
	f->files[1] = FILE_2;
	f->input.code = "TP1";
	f->input.file_ids = f->files;
	f->input.n_file_ids = 2;
	f->inputs[0] = &f->input;
	f->in.components = f->inputs;
	f->in.n_components = 1;
	f->field.name = "purpose";
	f->field.value = "Vay vốn";
	f->fields[0] = &f->field;
	f->in.form = f->fields;
	f->in.n_form = 1;
}

/* A filing that needs nothing: for everything that is not about filing. */
void make_plain(struct filing *f)
{
	make_filing(f);
	f->in.procedure_code = BIRTH;
	f->in.n_components = 0;
	f->in.n_form = 0;
}

void bind_account(const char *subject, const char *number)
{
	char owner[CRYPT_SHA256_HEX], sql[400];
	uint8_t key[32];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i; /* as write_owner_key() */
	crypt_owner_key(key, "citizen", number, owner);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO account VALUES ('%s', '%s', 1) ON CONFLICT (subject)"
		 " DO UPDATE SET owner_key = EXCLUDED.owner_key",
		 subject, owner);
	pg_exec_owner(rig.pg, "dossier", sql);
}

/* Whose the accounts of citizen and other_citizen are now. */
static char bound[2][32];
static pthread_mutex_t bound_lock = PTHREAD_MUTEX_INITIALIZER;

/* The account of whoever files here is of who files. */
static void bind_filer(const struct person *who, const Dossier__SubmitRequest *in)
{
	const char *number = in->filer       ? in->filer->number
			     : in->applicant ? in->applicant->number
					     : "";
	char *last = bound[who == &other_citizen];

	if (who != &citizen && who != &other_citizen)
		return;
	pthread_mutex_lock(&bound_lock);
	if (strcmp(last, number) != 0)
		bind_account(who->subject, number);
	snprintf(last, sizeof(bound[0]), "%s", number);
	pthread_mutex_unlock(&bound_lock);
}

int submit(struct ask *a, const struct person *who, const struct filing *f,
	   Dossier__SubmitReply **out)
{
	bind_filer(who, &f->in);
	return ask(a, who, "Submit", &f->in.base, &dossier__submit_reply__descriptor, out);
}

/* Files a dossier and copies its code and secret. */
void file_one(struct ask *a, const struct filing *f, char code[static 64], char secret[static 64])
{
	Dossier__SubmitReply *out;

	if (submit(a, &citizen, f, &out) < 0)
		fail_msg("Submit: %s %s", err_code(&a->err), a->err.items[0].en);
	snprintf(code, 64, "%s", out->code);
	snprintf(secret, 64, "%s", out->receipt_secret);
}

int refuse(struct ask *a, const struct person *who, const struct filing *f, const char *code,
	   const char *field)
{
	int r = submit(a, who, f, NULL);

	if (r == 0 || !ask_has(a, code, field))
		fail_msg("wanted %s at %s, got %d %s at %s", code, field ? field : "", r,
			 err_code(&a->err), a->err.items[0].field);
	return r;
}

int accept_it(struct ask *a, const struct person *who, const char *code, Dossier__AcceptReply **out)
{
	return CALL(a, who, Accept, accept, out, in_.code = code);
}

int forward_it(struct ask *a, const struct person *who, const char *code, const char *to)
{
	return CALL(a, who, Forward, forward, NULL, in_.code = code; in_.to_agency_code = to;
		    in_.electronic = true; in_.note = "Chuyển xử lý");
}

int ask_payment(struct ask *a, const struct person *who, const char *code, uint32_t quantity,
		Dossier__RequestPaymentReply **out)
{
	return CALL(a, who, RequestPayment, request_payment, out, in_.code = code;
		    in_.quantity = quantity);
}

int issue_it(struct ask *a, const struct person *who, const char *code, const char *file,
	     Dossier__IssueResultReply **out)
{
	return CALL(a, who, IssueResult, issue_result, out, in_.code = code;
		    in_.result_number = "12/GXN"; in_.file_id = file);
}

int return_it(struct ask *a, const struct person *who, const char *code, const char *how)
{
	return CALL(a, who, ReturnResult, return_result, NULL, in_.code = code; in_.how = how);
}

int rate_it(struct ask *a, const struct person *who, const char *code, const char *secret)
{
	return CALL(a, who, Rate, rate, NULL, in_.code = code; in_.receipt_secret = secret;
		    in_.speed = 5; in_.attitude = 4; in_.result = 3);
}

int track_it(struct ask *a, const char *code, const char *secret, Dossier__TrackReply **out)
{
	return CALL(a, &public, Track, track, out, in_.code = code; in_.receipt_secret = secret);
}

int get_it(struct ask *a, const struct person *who, const char *code, Dossier__GetReply **out)
{
	return CALL(a, who, Get, get, out, in_.code = code);
}

void say_paid(const char *code, int64_t amount_vnd)
{
	Payment__PaymentPaid ev = PAYMENT__PAYMENT_PAID__INIT;

	ev.order_id = "order-1";
	ev.dossier_code = code;
	ev.amount_vnd = amount_vnd;
	peer_publish(rig.payment, "payment.paid", ev.order_id, 2, &ev.base);
}

void say_held(const char *record_id, const char *number, const char *type, const char *dossier,
	      const char *valid_to)
{
	Digitisation__DigitisationRecordRegistered ev =
		DIGITISATION__DIGITISATION_RECORD_REGISTERED__INIT;
	Digitisation__Record r = DIGITISATION__RECORD__INIT;
	char owner[CRYPT_SHA256_HEX], sql[120];
	uint8_t key[32];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i; /* as write_owner_key() */
	crypt_owner_key(key, "citizen", number, owner);
	r.record_id = record_id;
	r.owner_key = owner;
	r.type = type;
	r.issuing_agency_code = OTHER;
	r.dossier_code = dossier;
	r.valid_from = "2020-01-01";
	r.valid_to = valid_to;
	ev.record = &r;
	peer_publish(rig.digitisation, "digitisation.record_registered", record_id, 1, &ev.base);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM held_record WHERE record_id = '%s'",
		 record_id);
	assert_true(pg_wait_int(rig.pg, "dossier", sql, 1, 10000));
}

void wait_state(const char *code, int state)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "SELECT state FROM dossier WHERE code = '%s'", code);
	assert_true(pg_wait_int(rig.pg, "dossier", sql, state, 10000));
}

int64_t count(const char *sql)
{
	return pg_int(rig.pg, "dossier", sql);
}

/* How many events of a type about a code the feed has, and where the first is. */
int64_t ask_feed(const char *what, const char *type, const char *code)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT %s FROM feed WHERE type = '%s' AND subject = '%s'", what,
		 type, code);
	return count(sql);
}

int64_t count_events(const char *type, const char *code)
{
	return ask_feed("count(*)", type, code);
}

void relay_all(void)
{
	assert_true(pg_wait_int(rig.pg, "dossier", "SELECT count(*) FROM outbox", 0, 10000));
}

/* --- rig --- */

static void start_clients(void)
{
	struct bus_keys gateway = busd_keys(rig.bus, "gateway");
	struct bus_keys ops = busd_keys(rig.bus, "operator");
	struct bus_keys one_stop = busd_keys(rig.bus, "one-stop");
	const char *endpoint = busd_member_endpoint(rig.bus);

	rig.gateway = busrig_client(rig.rig, endpoint, &gateway);
	rig.ops = busrig_client(rig.rig, endpoint, &ops);
	rig.one_stop = busrig_client(rig.rig, endpoint, &one_stop);
}

static void write_owner_key(void)
{
	FILE *file;

	snprintf(rig.key_path, sizeof(rig.key_path), "%s/owner.key", busd_dir(rig.bus));
	file = fopen(rig.key_path, "we");
	CHECK(file);
	for (int i = 0; i < 32; i++)
		fputc(i, file);
	fclose(file);
	CHECK(chmod(rig.key_path, 0600) == 0);
}

static char offset_env[64], key_env[96], clock_env[96];

/* The file LGSP_CLOCK_FILE of the service, shared with it. */
static void make_clock(void)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/clock", busd_dir(rig.bus));
	snprintf(clock_env, sizeof(clock_env), "LGSP_CLOCK_FILE=%s", path);
	file = fopen(path, "w+e");
	CHECK(file && ftruncate(fileno(file), sizeof(*rig.clock)) == 0);
	rig.clock =
		mmap(NULL, sizeof(*rig.clock), PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
	CHECK(rig.clock != MAP_FAILED);
	fclose(file);
}

int64_t moment(const char *local)
{
	char rfc[40];
	int64_t us = 0;

	snprintf(rfc, sizeof(rfc), "%s:00+07:00", local);
	if (clock_parse_rfc3339(rfc, &us) < 0)
		fail_msg("not a moment: %s", local);
	return us;
}

void set_clock(const char *local)
{
	*rig.clock = local ? moment(local) : 0;
}

struct svcd *start_service(const char *const *env)
{
	const char *all[8] = {offset_env, key_env, clock_env};

	for (size_t n = 3; env && *env; env++)
		all[n++] = *env;
	return svcd_start(&(struct svcd_config){.service = "dossier",
						.bus = rig.bus,
						.dsn = pg_dsn(rig.pg, "dossier"),
						.env = all});
}

int set_up(void **state)
{
	const char *const bus_env[] = {offset_env, NULL};
	struct bundle b;
	struct ask a;
	int64_t start_us;

	(void)state;
	CHECK(clock_parse_rfc3339("2024-05-21T08:00:00+07:00", &start_us) == 0);
	snprintf(offset_env, sizeof(offset_env), "LGSP_CLOCK_OFFSET_US=%lld",
		 (long long)(start_us - clock_wall_us()));
	rig.pg = pg_new("dossier");
	rig.bus = busd_start(members, ARRAY_LEN(members), rights, bus_env);
	write_owner_key();
	make_clock();
	snprintf(key_env, sizeof(key_env), "LGSP_OWNER_KEY=%s", rig.key_path);
	put_agency(COMMUNE, "X", "2021-01-01", "2025-06-30");
	put_agency(OTHER, "X", "2021-01-01", "infinity");
	put_agency(DISTRICT, "H", "2021-01-01", "2025-06-30");
	put_agency(GONE, "X", "2021-01-01", "2024-05-20");
	put_calendar(1, "2024-12-31");
	put_reasons();
	rig.rig = busrig_new();
	rig.payment = peer_start(rig.rig, rig.bus, "payment", "payment", NULL);
	rig.digitisation =
		peer_start(rig.rig, rig.bus, "digitisation", "digitisation", digitisation_methods);
	start_clients();
	memset(bound, 0, sizeof(bound));
	bind_account(citizen.subject, NUMBER);
	bind_account(other_citizen.subject, NUMBER);
	rig.svc = start_service(NULL);
	ask_init(&a, rig.ops, "dossier");
	make_bundle(&b);
	CHECK(import(&a, &b) == 7); /* with four channels */
	ask_done(&a);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	svcd_free(rig.svc);
	peer_free(rig.payment);
	peer_free(rig.digitisation);
	busrig_free(rig.rig);
	busd_free(rig.bus);
	pg_free(rig.pg);
	return 0;
}
