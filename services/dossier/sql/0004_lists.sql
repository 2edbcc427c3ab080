-- Work lists and search at any size: each list is one range of one index. What a list shows of a
-- dossier stands in its row; which agencies may find it stands in party.

-- A name as it is searched: without case, accents and double spaces, d for đ. The same function
-- on both sides, so that what is stored and what is asked cannot differ.
CREATE FUNCTION name_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN lower(translate(normalize(btrim(regexp_replace(name, '\s+', ' ', 'g')), NFD), U&'\0110\0111'
	|| U&'\0300\0301\0302\0303\0304\0306\0307\0308\0309\030A\030B\030C\031B\0323\0324\0325\0326\0327\0328\032D\032E\0330\0331',
	'dd'));

ALTER TABLE dossier
	ADD COLUMN applicant_name text NOT NULL DEFAULT '', -- repeated from filing, for lists
	ADD COLUMN guarded boolean NOT NULL DEFAULT false, -- the procedure is sensitive or a child's
	ADD COLUMN legacy boolean NOT NULL DEFAULT false, -- taken over from an older system
	-- The earliest deadline that runs: of the answer, of the step, of the whole.
	ADD COLUMN next_due_at timestamptz NOT NULL GENERATED ALWAYS AS (CASE
		WHEN paused_at IS NOT NULL THEN 'infinity'
		WHEN state = 1 THEN coalesce(answer_due_at, 'infinity')
		WHEN state IN (2, 4) THEN coalesce(least(step_due_at, due_at), 'infinity')
		ELSE 'infinity' END) STORED;

UPDATE dossier d SET applicant_name = f.applicant_name, guarded = p.data_class <> 'basic'
	FROM filing f, procedure_version p
	WHERE f.code = d.code AND p.code = d.procedure_code AND p.version = d.procedure_version;

-- Inboxes: what is in hand, next deadline first.
CREATE INDEX dossier_inbox ON dossier (holder_agency, next_due_at, code)
	WHERE state IN (1, 2, 4, 5, 6, 8, 9);
CREATE INDEX dossier_assigned ON dossier (assignee, next_due_at, code)
	WHERE assignee <> '' AND state IN (1, 2, 4, 5, 6, 8, 9);

CREATE INDEX filing_number ON filing (applicant_number, code);
CREATE INDEX filing_filer ON filing (filer, code) WHERE filer_is_citizen;

-- Agencies that are or were a party to a dossier, whatever made them one.
CREATE TABLE party (
	agency text NOT NULL,
	dossier text NOT NULL,
	submitted_at timestamptz NOT NULL,
	name_key text NOT NULL COLLATE "C", -- name_fold() of the applicant's name
	PRIMARY KEY (agency, dossier)
);
CREATE INDEX party_submitted ON party (agency, submitted_at, dossier);
CREATE INDEX party_name ON party (agency, name_key, dossier);
CREATE TRIGGER party_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON party FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE FUNCTION party_of_filings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO party (agency, dossier, submitted_at, name_key)
	SELECT DISTINCT a.agency, f.code, d.submitted_at, name_fold(f.applicant_name)
	FROM filed f JOIN dossier d ON d.code = f.code
	CROSS JOIN LATERAL (VALUES (d.receiving_agency), (d.competent_agency), (d.holder_agency),
		(d.supporting_agency)) AS a (agency)
	WHERE a.agency <> '';
	RETURN NULL;
END $$;
CREATE TRIGGER filing_party AFTER INSERT ON filing REFERENCING NEW TABLE AS filed
	FOR EACH STATEMENT EXECUTE FUNCTION party_of_filings();

CREATE FUNCTION party_add(in_agency text, in_dossier text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO party (agency, dossier, submitted_at, name_key)
	SELECT in_agency, d.code, d.submitted_at, name_fold(f.applicant_name)
	FROM dossier d JOIN filing f ON f.code = d.code WHERE d.code = in_dossier
	ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION party_of_holder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM party_add(NEW.holder_agency, NEW.code);
	RETURN NULL;
END $$;
CREATE TRIGGER dossier_party AFTER UPDATE OF holder_agency ON dossier FOR EACH ROW
	WHEN (OLD.holder_agency IS DISTINCT FROM NEW.holder_agency)
	EXECUTE FUNCTION party_of_holder();

INSERT INTO party (agency, dossier, submitted_at, name_key)
SELECT DISTINCT h.agency, d.code, d.submitted_at, name_fold(f.applicant_name)
FROM dossier d JOIN filing f ON f.code = d.code
CROSS JOIN LATERAL (SELECT holder_agency FROM history WHERE dossier = d.code
	UNION VALUES (d.receiving_agency), (d.competent_agency), (d.holder_agency),
	(d.supporting_agency)) AS h (agency)
WHERE h.agency <> '';

-- A page of a list is many readings at once: no look at each dossier's row for the sake of a
-- reference that never fails.
ALTER TABLE read_log
	DROP CONSTRAINT read_log_dossier_fkey,
	ADD COLUMN post text NOT NULL DEFAULT '', -- of the reader, by the directory
	ADD COLUMN kind int NOT NULL DEFAULT 1 CHECK (kind BETWEEN 1 AND 3); -- ReadKind
DROP INDEX read_log_dossier;
CREATE INDEX read_log_dossier ON read_log (dossier, at, id);
