-- Records that lost their validity: revoked, or replaced by another. The record's own last day moves.
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'table % only grows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TABLE revocation (
	record_id uuid PRIMARY KEY REFERENCES record (id),
	from_day date NOT NULL, -- first day without validity
	reason text NOT NULL,
	replaced_by uuid REFERENCES record (id),
	agency_code text NOT NULL,
	revoked_by text NOT NULL,
	revoked_at timestamptz NOT NULL,
	CHECK (replaced_by <> record_id)
);
CREATE TRIGGER revocation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON revocation FOR EACH STATEMENT EXECUTE FUNCTION append_only();
