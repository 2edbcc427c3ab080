-- Tasks and their histories. Legal times come from the business clock, never from now().

-- What was once written stays: corrections are new rows.
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'table % only grows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TABLE task (
	id uuid PRIMARY KEY,
	version int NOT NULL CHECK (version > 0),
	title text NOT NULL,
	state int NOT NULL CHECK (state BETWEEN 1 AND 4),
	shade int NOT NULL CHECK (shade BETWEEN 1 AND 4),
	issuer_agency text NOT NULL,
	lead_agency text NOT NULL,
	accountable text NOT NULL, -- subject, frozen at assignment
	supporting text[] NOT NULL,
	source_number text,
	source_date date,
	source_signer text,
	source_abstract text,
	deadline date NOT NULL, -- 'infinity': none
	assigned_at timestamptz NOT NULL,
	completed_at timestamptz,
	percent int NOT NULL CHECK (percent BETWEEN 0 AND 100),
	CHECK ((completed_at IS NOT NULL) = (state IN (3, 4))),
	CHECK ((shade = 1) = (deadline = 'infinity')),
	CHECK ((source_number IS NULL) = (source_date IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX task_lead ON task (lead_agency, deadline, id);
CREATE INDEX task_issuer ON task (issuer_agency, deadline, id);
CREATE INDEX task_supporting ON task USING gin (supporting);
CREATE INDEX task_open ON task (deadline, id) WHERE state IN (1, 2);

-- One row per version of a task.
CREATE TABLE history (
	task_id uuid NOT NULL REFERENCES task,
	version int NOT NULL,
	state int NOT NULL,
	action text NOT NULL,
	actor text NOT NULL, -- subject, or member when it spoke for itself
	member text NOT NULL,
	agency text NOT NULL, -- of the actor
	text text NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (task_id, version)
);
CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON history FOR EACH STATEMENT EXECUTE FUNCTION append_only();
