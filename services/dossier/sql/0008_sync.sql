-- How each dossier stands with the national portal: beside its life, never part of it. The newest
-- version comes from this service's own feed, so that no act on a dossier pays for it.

CREATE TABLE national_sync (
	dossier text PRIMARY KEY REFERENCES dossier,
	version int NOT NULL, -- newest
	acknowledged int NOT NULL DEFAULT 0 CHECK (acknowledged BETWEEN 0 AND version),
	state int NOT NULL CHECK (state BETWEEN 1 AND 3), -- SyncState
	attempts int NOT NULL DEFAULT 0, -- since the last acknowledgement
	message text NOT NULL DEFAULT '', -- of the portal, to the last attempt
	at timestamptz NOT NULL,
	CHECK ((state = 2) = (acknowledged = version))
) WITH (fillfactor = 70);
CREATE INDEX national_sync_open ON national_sync (dossier) WHERE state <> 2;

-- Position of the feed national_sync is filled up to.
CREATE TABLE national_sync_cursor (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	pos bigint NOT NULL
);
INSERT INTO national_sync_cursor (pos) VALUES (0);
