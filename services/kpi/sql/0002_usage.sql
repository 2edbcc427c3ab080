-- The register of systems, and what they did on the bus, by month: R6-05.

CREATE TABLE fact_system (
	member            text NOT NULL,
	owner_agency_code text NOT NULL,
	citizen_facing    boolean NOT NULL,
	valid_from        date NOT NULL,
	valid_to          date NOT NULL,
	PRIMARY KEY (member, valid_from)
);

-- A month with a row of any member is one whose usage was reported.
CREATE TABLE fact_usage (
	month    date NOT NULL,
	member   text NOT NULL,
	requests bigint NOT NULL, -- that it asked or answered, and that came to a worker
	PRIMARY KEY (month, member)
);
