-- Which person an account of the portal is: proven once, looked up by whoever takes something from it.

CREATE TABLE account (
	subject     text PRIMARY KEY,   -- of the person's token
	owner_key   text,               -- pseudonym of the citizen number; NULL: released
	evidence    int NOT NULL,       -- AccountEvidence
	level       int NOT NULL,       -- of an e-identification, else 0
	reference   text NOT NULL,
	actor       text NOT NULL,      -- who proved or released it; '' the member itself
	member      text NOT NULL,
	changed_at  timestamptz NOT NULL, -- business time
	version     int NOT NULL
);

-- One number is one account.
CREATE UNIQUE INDEX account_owner ON account (owner_key) WHERE owner_key IS NOT NULL;
