-- Working hours ordered beside a profile: what was ordered stays when the profile is applied again.
ALTER TABLE hours ADD COLUMN source text NOT NULL DEFAULT 'profile'
	CHECK (source IN ('profile', 'order'));

-- Who gave an agency other hours from which day on, and why. version counts the orders of an agency.
CREATE TABLE hours_order (
	agency_code text NOT NULL,
	version     int NOT NULL,
	valid_from  date NOT NULL,
	weekdays    int[] NOT NULL, -- 1 Monday
	reason      text NOT NULL CHECK (reason <> ''),
	subject     text NOT NULL,
	member      text NOT NULL,
	at          timestamptz NOT NULL,
	PRIMARY KEY (agency_code, version)
);

CREATE FUNCTION hours_order_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'orders on hours are append-only'
		USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER hours_order_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hours_order
	FOR EACH STATEMENT EXECUTE FUNCTION hours_order_is_append_only();
