-- The limit a due date is counted by is the procedure's of when the clock began: a dossier moved to
-- another version of its procedure keeps what was promised.
ALTER TABLE dossier
	ADD COLUMN clock_unit smallint NOT NULL DEFAULT 0,
	ADD COLUMN clock_value int NOT NULL DEFAULT 0;
UPDATE dossier d SET clock_unit = p.limit_unit, clock_value = p.limit_value
	FROM procedure_version p WHERE p.code = d.procedure_code AND p.version = d.procedure_version
	AND d.clock_from_at IS NOT NULL;
