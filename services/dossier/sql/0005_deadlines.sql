-- Due dates given anew, and answers to online filings that are late. The due date itself is the
-- dossier's; here is what it was moved by, beside the pauses.

-- The one extension with its apology (form 04). working_days > 0, or to_day.
CREATE TABLE extension (
	dossier text NOT NULL REFERENCES dossier,
	version int NOT NULL, -- of the dossier: its history has actor and agency
	at timestamptz NOT NULL,
	due_before timestamptz NOT NULL,
	due_after timestamptz NOT NULL CHECK (due_after > due_before),
	working_days int NOT NULL CHECK (working_days >= 0),
	to_day date,
	reason text NOT NULL,
	apology text NOT NULL, -- the sentence the applicant reads
	PRIMARY KEY (dossier, version),
	CHECK ((working_days = 0) = (to_day IS NOT NULL))
);
CREATE TRIGGER extension_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON extension FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Online filings that were not answered when their 8 working hours had passed.
CREATE TABLE late_answer (
	dossier text NOT NULL REFERENCES dossier,
	due_at timestamptz NOT NULL, -- a filing completed by the applicant is due anew
	noticed_at timestamptz NOT NULL,
	PRIMARY KEY (dossier, due_at)
);
CREATE INDEX late_answer_due ON late_answer (due_at, dossier);
CREATE TRIGGER late_answer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON late_answer FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE INDEX dossier_unanswered ON dossier (answer_due_at)
	WHERE state = 1 AND answer_due_at IS NOT NULL;
