-- The files of a component beside it, as handed in: what was filed is one range of one index.

ALTER TABLE component ADD COLUMN file_ids text[] NOT NULL DEFAULT '{}'; -- those of component_file

ALTER TABLE component DISABLE TRIGGER component_append_only;
UPDATE component c SET file_ids = f.ids FROM (SELECT dossier, component,
	array_agg(file_id ORDER BY ordinal) AS ids FROM component_file GROUP BY dossier, component) f
	WHERE f.dossier = c.dossier AND f.component = c.code;
ALTER TABLE component ENABLE TRIGGER component_append_only;
