-- What was handed in, beside the filing: a dossier is read without looking for its components. The table
-- of components stays what rules and papers go by; files are read from there once they may differ from
-- what was filed.

ALTER TABLE filing
	ADD COLUMN handed_in bytea, -- packed lgsp.dossier.v1.HandedIn
	ADD COLUMN handed_in_version int NOT NULL DEFAULT 0, -- of the procedure it answers; 0: none kept
	ADD CONSTRAINT filing_handed_in CHECK ((handed_in_version = 0) = (handed_in IS NULL));

ALTER TABLE component DROP COLUMN file_ids;
