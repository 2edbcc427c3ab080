-- Receipts given out anew. The newest one counts, before that of the filing.

CREATE TABLE receipt (
	dossier text NOT NULL,
	version int NOT NULL, -- of the dossier: its history says who, when and why
	secret_salt bytea NOT NULL,
	secret_hash bytea NOT NULL, -- SHA-256(salt || receipt secret)
	PRIMARY KEY (dossier, version),
	FOREIGN KEY (dossier, version) REFERENCES history
);
CREATE TRIGGER receipt_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON receipt FOR EACH STATEMENT EXECUTE FUNCTION append_only();
