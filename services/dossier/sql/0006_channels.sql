-- When dossiers may come in through which channel. Each profile that says something new adds a whole
-- list under a version of its own; the highest version is in force.
CREATE TABLE channel_rule (
	version int NOT NULL CHECK (version > 0),
	channel int NOT NULL CHECK (channel BETWEEN 1 AND 4),
	opens date NOT NULL,
	closes date NOT NULL CHECK (closes >= opens), -- last day
	legal_basis text NOT NULL,
	instead text NOT NULL, -- where to file once it is closed
	manifest_sha256 text NOT NULL, -- bundle it came with
	imported_at timestamptz NOT NULL,
	PRIMARY KEY (version, channel, opens)
);
CREATE TRIGGER channel_rule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON channel_rule FOR EACH STATEMENT EXECUTE FUNCTION append_only();
