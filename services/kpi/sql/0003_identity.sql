-- Who uses online services, proven or not (R2-09, R6-04), and what the catalogue says of procedures:
-- fit for level 3 or 4 (R2-10), internal and when published (R2-15).

ALTER TABLE fact_procedure ADD COLUMN internal boolean NOT NULL DEFAULT false;
ALTER TABLE fact_procedure ADD COLUMN eligible boolean NOT NULL DEFAULT false;
ALTER TABLE fact_procedure ADD COLUMN published_on date NOT NULL DEFAULT 'infinity'; -- infinity: not known

-- One row a person, agency and month: who filed online for themself.
CREATE TABLE fact_online_applicant (
	owner_key   text NOT NULL, -- keyed pseudonym
	agency_code text NOT NULL,
	month       date NOT NULL,
	verified    boolean NOT NULL, -- in any filing of it
	PRIMARY KEY (month, agency_code, owner_key)
);

-- What was counted before lacks these facts: everything is read again from position 0.
TRUNCATE counter, fact_procedure, fact_fee, fact_dossier, fact_rating, fact_payment, fact_record, fact_backlog,
	fact_task, fact_system, fact_usage;
DELETE FROM applied;
