-- Uploads, files, what was recognised in them, records of owners. Times are business times; hashes
-- are raw SHA-256. The bytes themselves are in the blob store, by hash.

CREATE TABLE upload (
	id uuid PRIMARY KEY,
	uploader text NOT NULL,
	file_name text NOT NULL,
	media_type text NOT NULL,
	size_bytes bigint NOT NULL,
	sha256 bytea NOT NULL,
	chunks int NOT NULL,
	file_id uuid,
	created_at timestamptz NOT NULL
);

CREATE TABLE upload_chunk (
	upload_id uuid NOT NULL REFERENCES upload (id),
	index int NOT NULL,
	PRIMARY KEY (upload_id, index)
);

-- state: lgsp.digitisation.v1.FileState. taken_until: a replica reads it until then.
CREATE TABLE file (
	id uuid PRIMARY KEY,
	uploader text NOT NULL,
	file_name text NOT NULL,
	media_type text NOT NULL,
	size_bytes bigint NOT NULL,
	sha256 bytea NOT NULL,
	state int NOT NULL DEFAULT 1,
	reason text NOT NULL DEFAULT '',
	tries int NOT NULL DEFAULT 0,
	taken_until timestamptz,
	pages int NOT NULL DEFAULT 0,
	confidence int NOT NULL DEFAULT 0,
	searchable_sha256 bytea,
	searchable_bytes bigint,
	stored_at timestamptz NOT NULL,
	version int NOT NULL DEFAULT 1,
	-- Equal bytes are one file of one uploader; another uploader has to show that he has them.
	UNIQUE (uploader, sha256),
	CHECK ((state = 2) = (searchable_sha256 IS NOT NULL))
);
CREATE INDEX file_to_read ON file (stored_at) WHERE state = 1;

CREATE TABLE file_text (
	file_id uuid PRIMARY KEY REFERENCES file (id),
	body text NOT NULL,
	-- Lower case without accents, so that accents are optional in a search.
	folded tsvector NOT NULL
);
CREATE INDEX file_text_folded ON file_text USING gin (folded);

-- origin: lgsp.digitisation.v1.RecordOrigin.
CREATE TABLE record (
	id uuid PRIMARY KEY,
	owner_key text NOT NULL,
	type text NOT NULL,
	number text NOT NULL,
	issuing_agency_code text NOT NULL,
	issued_on date NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL,
	dossier_code text NOT NULL,
	origin int NOT NULL,
	file_id uuid NOT NULL REFERENCES file (id),
	confirmed boolean NOT NULL,
	data_class text NOT NULL CHECK (data_class IN ('basic', 'sensitive', 'child')),
	registered_by text NOT NULL,
	registered_at timestamptz NOT NULL,
	UNIQUE (owner_key, type, number, issuing_agency_code)
);
CREATE INDEX record_file ON record (file_id);

CREATE TABLE backlog (
	agency_code text PRIMARY KEY,
	results bigint NOT NULL CHECK (results >= 0),
	as_of date NOT NULL,
	version int NOT NULL DEFAULT 1
);

-- Who read what of whom, and why: shown to the person.
CREATE TABLE read_log (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	owner_key text NOT NULL,
	what text NOT NULL,
	member text NOT NULL,
	subject text NOT NULL,
	purpose text NOT NULL,
	at timestamptz NOT NULL
);
CREATE INDEX read_log_owner ON read_log (owner_key, id);
