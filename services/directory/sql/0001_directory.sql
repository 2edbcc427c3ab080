-- Reference data. Dated rows: valid_to is the last day in force, 'infinity' until further notice;
-- a code's periods do not overlap; nothing is deleted. version counts the changes of the event's
-- subject (the code, whatever its period).

CREATE TABLE unit (
	code           text NOT NULL,
	level          text NOT NULL CHECK (level IN ('province', 'district', 'commune')),
	parent_code    text NOT NULL,
	name           text NOT NULL,
	valid_from     date NOT NULL,
	valid_to       date NOT NULL CHECK (valid_to >= valid_from),
	successor_code text NOT NULL,
	version        int NOT NULL,
	PRIMARY KEY (code, valid_from)
);

CREATE TABLE agency (
	code           text NOT NULL,
	parent_code    text NOT NULL,
	level          text NOT NULL CHECK (level IN ('T', 'H', 'X', 'V')),
	unit_code      text NOT NULL,
	name           text NOT NULL,
	valid_from     date NOT NULL,
	valid_to       date NOT NULL CHECK (valid_to >= valid_from),
	successor_code text NOT NULL,
	version        int NOT NULL,
	PRIMARY KEY (code, valid_from)
);

CREATE INDEX agency_parent ON agency (parent_code, code);

-- A person's post in an agency. source: what an appointment has decided, a profile applied again
-- does not take back.
CREATE TABLE officer (
	subject     text NOT NULL,
	agency_code text NOT NULL,
	name        text NOT NULL,
	post        text NOT NULL,
	roles       text[] NOT NULL,
	valid_from  date NOT NULL,
	valid_to    date NOT NULL CHECK (valid_to >= valid_from),
	source      text NOT NULL CHECK (source IN ('profile', 'appointment')),
	version     int NOT NULL,
	PRIMARY KEY (subject, agency_code, valid_from)
);

CREATE INDEX officer_agency ON officer (agency_code, subject);

CREATE TABLE category_entry (
	category   text NOT NULL,
	code       text NOT NULL,
	name_vi    text NOT NULL,
	name_en    text NOT NULL,
	valid_from date NOT NULL,
	valid_to   date NOT NULL CHECK (valid_to >= valid_from),
	version    int NOT NULL,
	PRIMARY KEY (category, code, valid_from)
);

CREATE TABLE system (
	member            text NOT NULL,
	name              text NOT NULL,
	owner_agency_code text NOT NULL,
	valid_from        date NOT NULL,
	valid_to          date NOT NULL CHECK (valid_to >= valid_from),
	version           int NOT NULL,
	PRIMARY KEY (member, valid_from)
);

-- The working calendar: one row, and the days that are not what their weekday says.
CREATE TABLE calendar (
	one         boolean PRIMARY KEY DEFAULT true CHECK (one),
	covers_from date NOT NULL,
	covers_to   date NOT NULL CHECK (covers_to >= covers_from),
	version     int NOT NULL
);

-- decision: number of the decision a day was set by; '' when it came with a profile. What was
-- decided, a profile applied again does not take back.
CREATE TABLE calendar_day (
	day      date PRIMARY KEY,
	kind     text NOT NULL CHECK (kind IN ('OFF', 'WORK')),
	why      text NOT NULL,
	decision text NOT NULL
);

-- Bundles taken in.
CREATE TABLE profile_import (
	manifest_sha256 text PRIMARY KEY,
	profile         text NOT NULL,
	imported_at     timestamptz NOT NULL -- business time
);
