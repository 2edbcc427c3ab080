-- Working hours as the directory has them, with the feed position each row came with.
CREATE TABLE ref_hours (
	scope      text NOT NULL, -- agency, level, or '*'
	weekday    int NOT NULL,  -- 1 Monday … 7 Sunday
	am_start   int NOT NULL,  -- minutes from midnight
	am_end     int NOT NULL,
	pm_start   int NOT NULL,
	pm_end     int NOT NULL,
	valid_from date NOT NULL,
	valid_to   date NOT NULL,
	pos        bigint NOT NULL,
	PRIMARY KEY (scope, weekday, valid_from)
);
