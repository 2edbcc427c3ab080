-- Two pauses may begin in the same instant: one that ended at once, and the next.

ALTER TABLE pause
	DROP CONSTRAINT pause_pkey,
	ADD COLUMN ordinal bigint GENERATED ALWAYS AS IDENTITY,
	ADD PRIMARY KEY (dossier, from_at, ordinal);
