-- Whose turn it is, by the step of the template: what an inbox of a role shows. Dossiers without a
-- template wait by their state alone.

ALTER TABLE dossier
	ADD COLUMN step_role text NOT NULL DEFAULT '';
