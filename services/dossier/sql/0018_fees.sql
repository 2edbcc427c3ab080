-- What a dossier owes, item by item, once it was asked for or reduced. item: code of the procedure's
-- fee item, '' for a procedure that names none; state: lgsp.dossier.v1.FeeState. A dossier whose fee
-- was asked for before there were items has no row: its row in dossier says what became of it.
CREATE TABLE fee (
	dossier text NOT NULL REFERENCES dossier (code),
	item text NOT NULL,
	state int NOT NULL CHECK (state BETWEEN 1 AND 5),
	quantity int NOT NULL CHECK (quantity > 0),
	amount_vnd bigint NOT NULL CHECK (amount_vnd > 0),
	exempt_vnd bigint NOT NULL DEFAULT 0 CHECK (exempt_vnd BETWEEN 0 AND amount_vnd),
	request int NOT NULL DEFAULT 0, -- that asked for it last; 0: none did
	PRIMARY KEY (dossier, item),
	CHECK (state = 4 OR exempt_vnd < amount_vnd)
) WITH (fillfactor = 80);

-- Who freed the applicant from what: version is that of the history entry.
CREATE TABLE fee_exemption (
	dossier text NOT NULL REFERENCES dossier (code),
	version int NOT NULL,
	item text NOT NULL,
	exempt_vnd bigint NOT NULL CHECK (exempt_vnd > 0),
	legal_basis text NOT NULL CHECK (legal_basis <> ''),
	evidence text NOT NULL CHECK (evidence <> ''),
	PRIMARY KEY (dossier, version, item)
);
CREATE TRIGGER fee_exemption_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON fee_exemption FOR EACH STATEMENT EXECUTE FUNCTION append_only();
