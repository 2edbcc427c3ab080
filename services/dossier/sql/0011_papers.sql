-- Papers name their applicant: handing one out is a reading of its own kind.

ALTER TABLE read_log
	DROP CONSTRAINT read_log_kind_check,
	ADD CONSTRAINT read_log_kind_check CHECK (kind BETWEEN 1 AND 4);
