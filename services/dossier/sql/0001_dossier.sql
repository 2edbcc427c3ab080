-- Procedures, dossiers and their histories. Legal times come from the business clock, never from
-- now(). Applied into the service's own schema (search_path).

-- What was once written stays: corrections are new rows.
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'table % only grows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- Versions of procedures. The one in force on a day is the highest version valid on it; an open
-- dossier keeps the version it was filed under.
CREATE TABLE procedure_version (
	code text NOT NULL,
	version int NOT NULL CHECK (version > 0),
	name text NOT NULL,
	field text NOT NULL,
	limit_unit int NOT NULL CHECK (limit_unit BETWEEN 0 AND 4),
	limit_value int NOT NULL CHECK (limit_value >= 0),
	fee_kind text NOT NULL CHECK (fee_kind IN ('', 'phi', 'le_phi')),
	fee_vnd bigint NOT NULL CHECK (fee_vnd >= 0),
	online_level int NOT NULL CHECK (online_level BETWEEN 1 AND 4),
	result_type text NOT NULL,
	data_class text NOT NULL CHECK (data_class IN ('basic', 'sensitive', 'child')),
	valid_from date NOT NULL,
	valid_to date NOT NULL CHECK (valid_to >= valid_from),
	definition bytea NOT NULL, -- packed lgsp.dossier.v1.Procedure: components, form, steps
	sha256 bytea NOT NULL, -- of the definition without its version
	manifest_sha256 text NOT NULL, -- bundle it came with
	imported_at timestamptz NOT NULL,
	PRIMARY KEY (code, version)
);
CREATE TRIGGER procedure_version_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON procedure_version FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Ordinals of dossier codes. Taken in the filing's transaction: without gaps.
CREATE TABLE code_counter (
	agency text NOT NULL,
	day date NOT NULL,
	last bigint NOT NULL CHECK (last > 0),
	PRIMARY KEY (agency, day)
) WITH (fillfactor = 50);

-- The part of a dossier that changes, and nothing else.
CREATE TABLE dossier (
	code text PRIMARY KEY,
	version int NOT NULL CHECK (version > 0),
	state int NOT NULL CHECK (state BETWEEN 1 AND 10),
	procedure_code text NOT NULL,
	procedure_version int NOT NULL,
	receiving_agency text NOT NULL,
	competent_agency text NOT NULL,
	holder_agency text NOT NULL,
	channel int NOT NULL CHECK (channel BETWEEN 1 AND 4),
	submitted_at timestamptz NOT NULL,
	accepted_at timestamptz,
	due_at timestamptz,
	due_provisional boolean NOT NULL DEFAULT false,
	calendar_version int NOT NULL DEFAULT 0, -- of the calendar due_at was counted with
	directory_pos bigint NOT NULL DEFAULT 0, -- position of the directory's feed that calendar came with
	paused_at timestamptz,
	finished_at timestamptz,
	verdict int NOT NULL DEFAULT 0 CHECK (verdict BETWEEN 0 AND 3),
	fee_vnd bigint NOT NULL DEFAULT 0 CHECK (fee_vnd >= 0),
	fee_paid boolean NOT NULL DEFAULT false,
	order_id text,
	result_number text,
	result_file_id text,
	handoffs int NOT NULL DEFAULT 0,
	handoffs_electronic int NOT NULL DEFAULT 0 CHECK (handoffs_electronic <= handoffs),
	rated boolean NOT NULL DEFAULT false,
	FOREIGN KEY (procedure_code, procedure_version) REFERENCES procedure_version,
	CHECK (accepted_at IS NOT NULL OR state IN (1, 3, 7)),
	CHECK ((paused_at IS NOT NULL) = (state IN (5, 6, 8))),
	CHECK ((finished_at IS NOT NULL) = (state IN (9, 10))),
	CHECK ((verdict <> 0) = (state IN (9, 10)))
) WITH (fillfactor = 70);
CREATE INDEX dossier_provisional ON dossier (code)
	WHERE due_provisional AND state IN (2, 4, 5, 6, 8);

-- What was handed in, as it was handed in. Personal data lies here only.
CREATE TABLE filing (
	code text PRIMARY KEY REFERENCES dossier,
	applicant_kind text NOT NULL CHECK (applicant_kind IN ('citizen', 'organisation')),
	applicant_number text NOT NULL,
	applicant_name text NOT NULL,
	applicant_phone text NOT NULL,
	applicant_address text NOT NULL,
	owner_key text NOT NULL, -- keyed pseudonym of the number, as in events
	form_names text[] NOT NULL,
	form_values text[] NOT NULL,
	filer text NOT NULL, -- subject of the token, or the member that filed for itself
	filer_is_citizen boolean NOT NULL,
	secret_salt bytea NOT NULL,
	secret_hash bytea NOT NULL, -- SHA-256(salt || receipt secret)
	CHECK (cardinality(form_names) = cardinality(form_values))
);
CREATE TRIGGER filing_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON filing FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- How each component of the procedure was met at filing.
CREATE TABLE component (
	dossier text NOT NULL REFERENCES dossier,
	code text NOT NULL,
	ordinal int NOT NULL,
	paper_copies int NOT NULL,
	held_record text, -- valid record of the applicant the administration held
	held_source text, -- dossier or agency that record came from
	reused boolean NOT NULL,
	demanded boolean NOT NULL,
	PRIMARY KEY (dossier, code),
	CHECK (held_record IS NOT NULL OR NOT (reused OR demanded))
);
CREATE TRIGGER component_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON component FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE component_file (
	dossier text NOT NULL,
	component text NOT NULL,
	file_id text NOT NULL,
	ordinal int NOT NULL,
	sha256 text NOT NULL, -- as digitisation had it at filing; printed on the receipt
	PRIMARY KEY (dossier, component, file_id),
	FOREIGN KEY (dossier, component) REFERENCES component
);
CREATE TRIGGER component_file_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON component_file FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- One row per version of a dossier.
CREATE TABLE history (
	dossier text NOT NULL REFERENCES dossier,
	version int NOT NULL,
	state int NOT NULL,
	action text NOT NULL,
	actor text NOT NULL, -- subject, or member when it spoke for itself
	member text NOT NULL,
	roles text NOT NULL,
	agency text NOT NULL, -- of the actor
	holder_agency text NOT NULL, -- that has the dossier in hand from here on
	note text NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (dossier, version)
);
CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON history FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Times the clock stood still, written when it runs again.
CREATE TABLE pause (
	dossier text NOT NULL REFERENCES dossier,
	from_at timestamptz NOT NULL,
	to_at timestamptz NOT NULL CHECK (to_at >= from_at),
	reason text NOT NULL,
	PRIMARY KEY (dossier, from_at)
);
CREATE TRIGGER pause_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON pause FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE rating (
	dossier text PRIMARY KEY REFERENCES dossier,
	speed int NOT NULL CHECK (speed BETWEEN 1 AND 5),
	attitude int NOT NULL CHECK (attitude BETWEEN 1 AND 5),
	result int NOT NULL CHECK (result BETWEEN 1 AND 5),
	by_secret boolean NOT NULL,
	at timestamptz NOT NULL
);
CREATE TRIGGER rating_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON rating FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Who read a named person's dossier, when and why.
CREATE TABLE read_log (
	id uuid PRIMARY KEY,
	dossier text NOT NULL REFERENCES dossier,
	subject text NOT NULL,
	member text NOT NULL,
	agency text NOT NULL,
	purpose text NOT NULL,
	at timestamptz NOT NULL
);
CREATE INDEX read_log_dossier ON read_log (dossier, at);
CREATE TRIGGER read_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON read_log FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Wrong guesses of receipt secrets per code, whether the code exists or not. Technical time.
CREATE TABLE track_lock (
	code text PRIMARY KEY,
	failures int NOT NULL CHECK (failures BETWEEN 1 AND 6),
	last_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Records the administration holds, from digitisation's feed.
CREATE TABLE held_record (
	record_id text PRIMARY KEY,
	owner_key text NOT NULL,
	type text NOT NULL,
	number text NOT NULL,
	agency text NOT NULL,
	dossier text NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL,
	pos bigint NOT NULL -- of digitisation's feed
);
CREATE INDEX held_record_owner ON held_record (owner_key, type);
