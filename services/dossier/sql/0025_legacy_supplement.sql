-- Dossiers taken over while they waited for a supplement: what the older system asked for, and until
-- when, is not known here. Their answer is a revision of the filing as any other.
ALTER TABLE supplement ALTER COLUMN reply_due_at DROP NOT NULL;
INSERT INTO supplement (dossier, round, agency, asked_by, asked_at, note)
	SELECT d.code, 1, d.holder_agency, h.actor, d.paused_at, l.source
	FROM dossier d JOIN legacy l ON l.dossier = d.code
	JOIN history h ON h.dossier = d.code AND h.version = 1
	WHERE d.state = 5 AND d.supplements = 0;
UPDATE dossier SET supplements = 1 WHERE legacy AND state = 5 AND supplements = 0;
