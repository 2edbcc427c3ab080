-- Dossiers of an older system, taken over when the suite opened.

-- Pieces of files that were checked, and when they were taken.
CREATE TABLE legacy_chunk (
	control text NOT NULL, -- names the file and its totals
	chunk int NOT NULL CHECK (chunk >= 0),
	sha256 bytea NOT NULL, -- of the piece
	dossiers int NOT NULL CHECK (dossiers > 0),
	faults int NOT NULL CHECK (faults >= 0),
	checked_at timestamptz NOT NULL,
	imported_at timestamptz,
	PRIMARY KEY (control, chunk),
	CHECK (imported_at IS NULL OR faults = 0)
);

CREATE TABLE legacy (
	dossier text PRIMARY KEY REFERENCES dossier,
	source text NOT NULL, -- name of the older system
	control text NOT NULL,
	line int NOT NULL, -- in its file
	elapsed_minutes int NOT NULL CHECK (elapsed_minutes >= 0),
	at timestamptz NOT NULL
);
CREATE TRIGGER legacy_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON legacy FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- What the older system says happened: no part of the history, which begins with the import.
CREATE TABLE legacy_history (
	dossier text NOT NULL REFERENCES legacy,
	ordinal int NOT NULL CHECK (ordinal > 0),
	state int NOT NULL CHECK (state BETWEEN 1 AND 10),
	actor text NOT NULL,
	note text NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (dossier, ordinal)
);
CREATE TRIGGER legacy_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON legacy_history FOR EACH STATEMENT EXECUTE FUNCTION append_only();
