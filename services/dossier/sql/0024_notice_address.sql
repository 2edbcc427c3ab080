-- Where and in which language the applicant is told: '' for no e-mail address.
ALTER TABLE filing
	ADD COLUMN applicant_email text NOT NULL DEFAULT '',
	ADD COLUMN applicant_language text NOT NULL DEFAULT 'vi'
		CHECK (applicant_language IN ('vi', 'en'));
