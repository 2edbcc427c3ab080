-- What a dossier was measured by before it was moved to another version of its procedure: papers of
-- earlier acts say it as it was. Dossiers moved before this migration have no row: their papers say
-- what the newer version says.

CREATE TABLE rebase (
	dossier text NOT NULL,
	version int NOT NULL, -- of the dossier: its history says who, when and why
	from_procedure_version int NOT NULL,
	components int NOT NULL CHECK (components >= 0), -- rows of component it had before
	PRIMARY KEY (dossier, version),
	FOREIGN KEY (dossier, version) REFERENCES history
);
CREATE TRIGGER rebase_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON rebase FOR EACH STATEMENT EXECUTE FUNCTION append_only();
