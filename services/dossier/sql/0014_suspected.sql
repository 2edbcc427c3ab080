-- Whether a filing looked like others, beside it: most did not, and then there is nothing to look up.

ALTER TABLE filing ADD COLUMN suspected boolean NOT NULL DEFAULT false; -- rows of suspicion

ALTER TABLE filing DISABLE TRIGGER filing_append_only;
UPDATE filing SET suspected = true WHERE code IN (SELECT dossier FROM suspicion);
ALTER TABLE filing ENABLE TRIGGER filing_append_only;
