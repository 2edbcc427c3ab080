-- The directory's reference data as a service keeps it, filled from the directory's feed.
-- valid_to is the last day in force, 'infinity' until further notice.

CREATE TABLE ref_unit (
	code           text NOT NULL,
	level          text NOT NULL,
	parent_code    text NOT NULL,
	name           text NOT NULL,
	valid_from     date NOT NULL,
	valid_to       date NOT NULL,
	successor_code text NOT NULL,
	PRIMARY KEY (code, valid_from)
);

CREATE TABLE ref_agency (
	code           text NOT NULL,
	parent_code    text NOT NULL,
	level          text NOT NULL,
	unit_code      text NOT NULL,
	name           text NOT NULL,
	valid_from     date NOT NULL,
	valid_to       date NOT NULL,
	successor_code text NOT NULL,
	PRIMARY KEY (code, valid_from)
);

CREATE TABLE ref_officer (
	subject     text NOT NULL,
	agency_code text NOT NULL,
	name        text NOT NULL,
	post        text NOT NULL,
	roles       text[] NOT NULL,
	valid_from  date NOT NULL,
	valid_to    date NOT NULL,
	PRIMARY KEY (subject, agency_code, valid_from)
);

-- One row: the calendar in use and the feed position it came with.
CREATE TABLE ref_calendar (
	one         boolean PRIMARY KEY DEFAULT true CHECK (one),
	version     int NOT NULL,
	covers_from date NOT NULL,
	covers_to   date NOT NULL,
	pos         bigint NOT NULL
);

CREATE TABLE ref_calendar_day (
	day  date PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('OFF', 'WORK'))
);
