-- The catalogue, the read model (one row per thing the feeds told us of) and the counters.
-- Times are business times; months are the first civil day in Asia/Ho_Chi_Minh.

CREATE TABLE indicator (
	id text PRIMARY KEY,
	ordinal int NOT NULL,
	name_vi text NOT NULL,
	name_en text NOT NULL,
	numerator text NOT NULL,
	denominator text NOT NULL,
	kind text NOT NULL CHECK (kind IN ('stock', 'flow', 'distinct', 'survey', 'milestone')),
	scopes text NOT NULL,
	source text NOT NULL,
	owner_agency_code text NOT NULL,
	note text NOT NULL,
	version int NOT NULL DEFAULT 1
);

CREATE TABLE target (
	indicator_id text NOT NULL REFERENCES indicator (id),
	scope text NOT NULL CHECK (scope IN ('T', 'H', 'X', 'ALL')),
	due date NOT NULL,
	op text NOT NULL CHECK (op IN ('>=', '>', 'milestone')),
	value_hundredths bigint NOT NULL,
	baseline text NOT NULL,
	version int NOT NULL DEFAULT 1,
	PRIMARY KEY (indicator_id, scope, due)
);

-- Flow indicators: numerator and denominator per agency and month, moved in the event's transaction.
CREATE TABLE counter (
	indicator_id text NOT NULL,
	agency_code text NOT NULL,
	month date NOT NULL,
	numerator bigint NOT NULL DEFAULT 0,
	denominator bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (indicator_id, month, agency_code)
) WITH (fillfactor = 50);

CREATE TABLE fact_procedure (
	code text NOT NULL,
	version int NOT NULL,
	levels text NOT NULL,
	fee_vnd bigint NOT NULL,
	online_level int NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL,
	PRIMARY KEY (code, version)
);

CREATE TABLE fact_fee (
	procedure_code text NOT NULL,
	kind text NOT NULL,
	online boolean NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL,
	PRIMARY KEY (procedure_code, kind, valid_from)
);

CREATE TABLE fact_dossier (
	code text PRIMARY KEY,
	procedure_code text NOT NULL,
	receiving_agency_code text NOT NULL,
	competent_agency_code text NOT NULL,
	channel int NOT NULL,
	online_level int NOT NULL,
	held boolean NOT NULL,
	demanded boolean NOT NULL,
	submitted_at timestamptz NOT NULL,
	finished_at timestamptz,
	verdict int,
	handoffs int,
	handoffs_electronic int
);
CREATE INDEX fact_dossier_finished ON fact_dossier (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE fact_rating (
	dossier_code text PRIMARY KEY,
	agency_code text NOT NULL,
	satisfied boolean NOT NULL,
	rated_at timestamptz NOT NULL
);

CREATE TABLE fact_payment (
	order_id text PRIMARY KEY,
	procedure_code text NOT NULL,
	agency_code text NOT NULL,
	online boolean NOT NULL,
	payable_online boolean NOT NULL,
	amount_vnd bigint NOT NULL,
	paid_at timestamptz NOT NULL
);

CREATE TABLE fact_record (
	record_id text PRIMARY KEY,
	agency_code text NOT NULL,
	dossier_code text NOT NULL,
	confirmed boolean NOT NULL,
	registered_at timestamptz NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL
);
CREATE INDEX fact_record_agency ON fact_record (agency_code);

CREATE TABLE fact_backlog (
	agency_code text NOT NULL,
	as_of date NOT NULL,
	results bigint NOT NULL CHECK (results >= 0),
	PRIMARY KEY (agency_code, as_of)
);

-- state: lgsp.task.v1.TaskState; shade: Shade.
CREATE TABLE fact_task (
	id text PRIMARY KEY,
	lead_agency_code text NOT NULL,
	state int NOT NULL,
	shade int NOT NULL,
	completed_at timestamptz
);
CREATE INDEX fact_task_lead ON fact_task (lead_agency_code);

-- Two indicators of the suite's own, beside the programme's.
INSERT INTO indicator (id, ordinal, name_vi, name_en, numerator, denominator, kind, scopes, source,
	owner_agency_code, note) VALUES
('DOSSIER-ON-TIME', 9001, 'Tỷ lệ hồ sơ giải quyết đúng hạn', 'dossiers resolved on time',
 'dossiers resolved in the period early or on time', 'dossiers resolved in the period',
 'flow', 'THX', 'computed:dossier', '', ''),
('TASK-ON-TIME', 9002, 'Tỷ lệ nhiệm vụ hoàn thành đúng hạn', 'tasks completed on time',
 'tasks with a deadline confirmed complete that were completed within it',
 'tasks with a deadline confirmed complete', 'flow', 'THX', 'computed:task', '', '');
