-- Fees, orders, the ledger and what providers told us. Money is bigint dong; times are business times.

CREATE TABLE fee (
	procedure_code text NOT NULL,
	kind text NOT NULL CHECK (kind IN ('phi', 'le_phi')),
	amount_vnd bigint NOT NULL CHECK (amount_vnd > 0),
	online boolean NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL,
	version int NOT NULL DEFAULT 1,
	PRIMARY KEY (procedure_code, kind, valid_from)
);

CREATE TABLE account (
	agency_code text NOT NULL,
	bin text NOT NULL,
	number text NOT NULL,
	holder text NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL,
	PRIMARY KEY (agency_code, valid_from)
);

-- state: lgsp.payment.v1.OrderState; method: PayMethod.
CREATE TABLE pay_order (
	id uuid PRIMARY KEY,
	reference text NOT NULL UNIQUE,
	dossier_code text NOT NULL,
	ordinal int NOT NULL,
	procedure_code text NOT NULL,
	agency_code text NOT NULL,
	fee_kind text NOT NULL,
	amount_vnd bigint NOT NULL CHECK (amount_vnd > 0),
	state int NOT NULL DEFAULT 1,
	method int NOT NULL DEFAULT 0,
	qr_payload text NOT NULL,
	opened_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	paid_at timestamptz,
	receipt_number text,
	version int NOT NULL DEFAULT 1,
	UNIQUE (dossier_code, ordinal),
	CHECK ((state = 2) = (paid_at IS NOT NULL)),
	CHECK ((state = 2) = (receipt_number IS NOT NULL))
);
CREATE INDEX pay_order_open ON pay_order (expires_at) WHERE state = 1;

-- Receipt numbers: gap-free per agency, fee kind and year.
CREATE TABLE receipt_counter (
	agency_code text NOT NULL,
	fee_kind text NOT NULL,
	year int NOT NULL,
	last int NOT NULL,
	PRIMARY KEY (agency_code, fee_kind, year)
) WITH (fillfactor = 50);

-- Every payment a provider reported, once: its own number is the key.
CREATE TABLE provider_payment (
	adapter text NOT NULL,
	provider_ref text NOT NULL,
	reference text NOT NULL,
	amount_vnd bigint NOT NULL,
	order_id uuid REFERENCES pay_order (id),
	outcome text NOT NULL,
	received_at timestamptz NOT NULL,
	PRIMARY KEY (adapter, provider_ref)
);

-- The ledger: double entry, append-only, every transaction balanced at commit.
CREATE TABLE ledger_tx (
	id uuid PRIMARY KEY,
	order_id uuid REFERENCES pay_order (id),
	kind text NOT NULL,
	at timestamptz NOT NULL
);

CREATE TABLE ledger_entry (
	tx_id uuid NOT NULL REFERENCES ledger_tx (id),
	line int NOT NULL,
	account text NOT NULL,
	agency_code text NOT NULL,
	debit_vnd bigint NOT NULL DEFAULT 0 CHECK (debit_vnd >= 0),
	credit_vnd bigint NOT NULL DEFAULT 0 CHECK (credit_vnd >= 0),
	PRIMARY KEY (tx_id, line),
	CHECK ((debit_vnd = 0) <> (credit_vnd = 0))
);
CREATE INDEX ledger_entry_account ON ledger_entry (agency_code, account);

CREATE FUNCTION ledger_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT sum(debit_vnd) <> sum(credit_vnd) FROM ledger_entry WHERE tx_id = NEW.tx_id) THEN
		RAISE EXCEPTION 'ledger transaction % does not balance', NEW.tx_id
			USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balanced';
	END IF;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_balanced AFTER INSERT ON ledger_entry
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_is_balanced();

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the ledger is append-only: correct by a counter-entry'
		USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER ledger_tx_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_tx
	FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
	FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
