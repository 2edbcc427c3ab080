-- What was promised with each act: papers issued with it and figures as of a day say that date,
-- whatever moved it later.

ALTER TABLE history
	ADD COLUMN due_at timestamptz; -- of the dossier behind the act; NULL: none yet
