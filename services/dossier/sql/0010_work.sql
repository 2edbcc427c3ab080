-- The parts of processing: hand-offs, steps, stand-ins, supplements, opinions, complaints.

-- Who acts for an absent colleague. The newest row of a colleague counts; an empty subject ends it.
CREATE TABLE stand_in (
	agency text NOT NULL,
	for_subject text NOT NULL,
	version int NOT NULL CHECK (version > 0),
	subject text NOT NULL CHECK (subject <> for_subject),
	valid_from date NOT NULL,
	valid_to date NOT NULL CHECK (valid_to >= valid_from),
	set_by text NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (agency, for_subject, version)
);
CREATE INDEX stand_in_subject ON stand_in (agency, subject);
CREATE TRIGGER stand_in_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON stand_in FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Each time a dossier changed hands: rows of the control sheet. A hand-off within an agency (from
-- its desk to its professional unit) has the same agency twice.
CREATE TABLE handoff (
	dossier text NOT NULL REFERENCES dossier,
	hop int NOT NULL CHECK (hop > 0),
	from_agency text NOT NULL,
	to_agency text NOT NULL,
	sent_by text NOT NULL,
	sent_at timestamptz NOT NULL,
	electronic boolean NOT NULL,
	step int NOT NULL, -- of the template it goes to
	step_due_at timestamptz,
	remark text NOT NULL,
	PRIMARY KEY (dossier, hop)
);
CREATE TRIGGER handoff_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON handoff FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Its receipt: of an electronic one at once, of one on paper by an act of the receiver.
CREATE TABLE handoff_receipt (
	dossier text NOT NULL,
	hop int NOT NULL,
	received_by text NOT NULL, -- '' when delivered by the system
	received_at timestamptz NOT NULL,
	remark text NOT NULL,
	PRIMARY KEY (dossier, hop),
	FOREIGN KEY (dossier, hop) REFERENCES handoff
);
CREATE TRIGGER handoff_receipt_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON handoff_receipt FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Steps that ended, with their verdict by the hour.
CREATE TABLE step_log (
	dossier text NOT NULL REFERENCES dossier,
	version int NOT NULL, -- of the dossier, by which it ended
	step int NOT NULL,
	agency text NOT NULL,
	from_at timestamptz NOT NULL,
	due_at timestamptz,
	to_at timestamptz NOT NULL,
	verdict int NOT NULL CHECK (verdict BETWEEN 1 AND 3),
	PRIMARY KEY (dossier, version)
);
CREATE TRIGGER step_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON step_log FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Requests for supplement and what is wrong.
CREATE TABLE supplement (
	dossier text NOT NULL REFERENCES dossier,
	round int NOT NULL CHECK (round > 0),
	agency text NOT NULL,
	asked_by text NOT NULL,
	asked_at timestamptz NOT NULL,
	reply_due_at timestamptz NOT NULL,
	note text NOT NULL,
	PRIMARY KEY (dossier, round)
);
CREATE TRIGGER supplement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON supplement FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE supplement_item (
	dossier text NOT NULL,
	round int NOT NULL,
	ordinal int NOT NULL,
	field text NOT NULL,
	component text NOT NULL,
	reason text NOT NULL,
	text text NOT NULL,
	PRIMARY KEY (dossier, round, ordinal),
	FOREIGN KEY (dossier, round) REFERENCES supplement,
	CHECK ((field = '') <> (component = ''))
);
CREATE TRIGGER supplement_item_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON supplement_item FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- The answer, a new revision of the filing: the whole form as it stands then.
CREATE TABLE filing_revision (
	dossier text NOT NULL,
	round int NOT NULL,
	form_names text[] NOT NULL,
	form_values text[] NOT NULL,
	given_by text NOT NULL,
	by_applicant boolean NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (dossier, round),
	FOREIGN KEY (dossier, round) REFERENCES supplement,
	CHECK (cardinality(form_names) = cardinality(form_values))
);
CREATE TRIGGER filing_revision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON filing_revision FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Components handed in anew; files of a component are those of its newest revision.
CREATE TABLE component_revision (
	dossier text NOT NULL,
	component text NOT NULL,
	round int NOT NULL,
	paper_copies int NOT NULL,
	file_ids text[] NOT NULL,
	sha256 text[] NOT NULL,
	PRIMARY KEY (dossier, component, round),
	FOREIGN KEY (dossier, component) REFERENCES component,
	FOREIGN KEY (dossier, round) REFERENCES filing_revision,
	CHECK (cardinality(file_ids) = cardinality(sha256)),
	CHECK (cardinality(file_ids) > 0 OR paper_copies > 0)
);
CREATE TRIGGER component_revision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON component_revision FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Opinions asked of other agencies; changes only under the dossier's lock.
CREATE TABLE opinion (
	dossier text NOT NULL REFERENCES dossier,
	ordinal int NOT NULL CHECK (ordinal > 0),
	agency text NOT NULL,
	state int NOT NULL CHECK (state BETWEEN 1 AND 3), -- open, given, withdrawn
	question text NOT NULL,
	asked_by text NOT NULL,
	asked_at timestamptz NOT NULL,
	due_at timestamptz NOT NULL,
	pauses_clock boolean NOT NULL,
	late boolean NOT NULL DEFAULT false,
	answer int NOT NULL DEFAULT 0 CHECK (answer BETWEEN 0 AND 3),
	text text NOT NULL DEFAULT '',
	file_id text NOT NULL DEFAULT '',
	ended_by text NOT NULL DEFAULT '',
	ended_at timestamptz,
	PRIMARY KEY (dossier, ordinal),
	CHECK ((ended_at IS NULL) = (state = 1)),
	CHECK ((answer <> 0) = (state = 2))
) WITH (fillfactor = 80);
CREATE INDEX opinion_agency ON opinion (agency, due_at) WHERE state = 1;
CREATE INDEX opinion_due ON opinion (due_at) WHERE state = 1 AND NOT late;

CREATE TABLE complaint (
	dossier text NOT NULL REFERENCES dossier,
	ordinal int NOT NULL CHECK (ordinal > 0),
	text text NOT NULL,
	by_secret boolean NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (dossier, ordinal)
);
CREATE TRIGGER complaint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON complaint FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE complaint_answer (
	dossier text NOT NULL,
	ordinal int NOT NULL,
	upheld boolean NOT NULL,
	text text NOT NULL,
	agency text NOT NULL,
	answered_by text NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (dossier, ordinal),
	FOREIGN KEY (dossier, ordinal) REFERENCES complaint
);
CREATE TRIGGER complaint_answer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON complaint_answer FOR EACH STATEMENT EXECUTE FUNCTION append_only();

ALTER TABLE dossier
	ADD COLUMN complaints int NOT NULL DEFAULT 0, -- rows of complaint
	ADD COLUMN complaints_open int NOT NULL DEFAULT 0
		CHECK (complaints_open BETWEEN 0 AND complaints),
	ADD COLUMN results int NOT NULL DEFAULT 0; -- issued so far; more than one when reopened
UPDATE dossier SET results = 1 WHERE state IN (9, 10);

-- Who is asked for an opinion may find the dossier.
CREATE FUNCTION party_of_opinion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM party_add(NEW.agency, NEW.dossier);
	RETURN NULL;
END $$;
CREATE TRIGGER opinion_party AFTER INSERT ON opinion FOR EACH ROW
	EXECUTE FUNCTION party_of_opinion();
