-- Working hours by scope (an agency, a level, or '*') and weekday. Minutes from midnight; a session
-- without length is none. Periods of a scope's weekday do not overlap.
CREATE TABLE hours (
	scope      text NOT NULL,
	weekday    int NOT NULL CHECK (weekday BETWEEN 1 AND 7), -- 1 Monday
	am_start   int NOT NULL,
	am_end     int NOT NULL,
	pm_start   int NOT NULL,
	pm_end     int NOT NULL,
	valid_from date NOT NULL,
	valid_to   date NOT NULL CHECK (valid_to >= valid_from),
	version    int NOT NULL,
	PRIMARY KEY (scope, weekday, valid_from),
	CHECK (0 <= am_start AND am_start <= am_end AND am_end <= pm_start AND pm_start <= pm_end
	       AND pm_end <= 1440)
);
