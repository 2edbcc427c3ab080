-- Who files and by which evidence, the national portal's code, filings that say nearly the same, drafts,
-- and records reused after filing.
ALTER TABLE filing
	ADD COLUMN relation int NOT NULL DEFAULT 0 CHECK (relation BETWEEN 0 AND 4), -- 0: the applicant files
	ADD COLUMN filer_name text NOT NULL DEFAULT '', -- who files for the applicant
	ADD COLUMN filer_number text NOT NULL DEFAULT '',
	ADD COLUMN authorisation text NOT NULL DEFAULT '', -- component that is it
	ADD COLUMN authorisation_reference text NOT NULL DEFAULT '',
	ADD COLUMN identity_method int NOT NULL DEFAULT 0 CHECK (identity_method BETWEEN 0 AND 3),
	ADD COLUMN identity_level int NOT NULL DEFAULT 0 CHECK (identity_level BETWEEN 0 AND 2),
	ADD COLUMN identity_reference text NOT NULL DEFAULT '',
	ADD COLUMN identity_number text NOT NULL DEFAULT '', -- that was proven
	ADD COLUMN identity_at timestamptz,
	ADD COLUMN identity_verified boolean NOT NULL DEFAULT false,
	ADD COLUMN national_code text NOT NULL DEFAULT '',
	ADD COLUMN content_sha256 bytea, -- of what came with the national code
	ADD CONSTRAINT filing_content CHECK (national_code = '' OR octet_length(content_sha256) = 32),
	ADD CONSTRAINT filing_filer CHECK ((relation = 0) = (filer_number = ''));
CREATE UNIQUE INDEX filing_national ON filing (national_code) WHERE national_code <> '';

-- Open dossiers a filing looked like when it came in; nothing follows from it but that it is shown.
CREATE TABLE suspicion (
	dossier text NOT NULL REFERENCES dossier,
	other text NOT NULL REFERENCES dossier,
	at timestamptz NOT NULL,
	PRIMARY KEY (dossier, other)
);
CREATE TRIGGER suspicion_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON suspicion FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Filings somebody has not finished yet; nobody else sees them. They end by being filed, by their
-- author, or by time.
CREATE TABLE draft (
	id uuid PRIMARY KEY,
	member text NOT NULL,
	author text NOT NULL,
	version int NOT NULL CHECK (version > 0),
	procedure_code text NOT NULL,
	content bytea NOT NULL, -- packed lgsp.dossier.v1.SubmitRequest
	saved_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX draft_author ON draft (author, member, saved_at DESC);
CREATE INDEX draft_expires ON draft (expires_at);

-- Components met by a held record while the dossier was in work.
CREATE TABLE component_reuse (
	dossier text NOT NULL,
	component text NOT NULL,
	record_id text NOT NULL,
	source text NOT NULL, -- dossier or agency the record came from
	version int NOT NULL, -- of the dossier
	PRIMARY KEY (dossier, component, record_id),
	FOREIGN KEY (dossier, version) REFERENCES history
);
CREATE TRIGGER component_reuse_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON component_reuse FOR EACH STATEMENT EXECUTE FUNCTION append_only();
