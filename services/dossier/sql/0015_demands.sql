-- Components a request for supplement asked for although the administration held a valid record.
CREATE TABLE component_demand (
	dossier text NOT NULL,
	round int NOT NULL,
	component text NOT NULL,
	record_id text NOT NULL, -- that was held
	source text NOT NULL, -- dossier or agency it came from
	PRIMARY KEY (dossier, round, component),
	FOREIGN KEY (dossier, round) REFERENCES supplement
);
CREATE TRIGGER component_demand_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON component_demand FOR EACH STATEMENT EXECUTE FUNCTION append_only();
