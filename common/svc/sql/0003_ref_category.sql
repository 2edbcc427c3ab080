-- Entries of the directory's shared lists, such as the reasons an act may give. Filled from its feed.
CREATE TABLE ref_category (
	category   text NOT NULL,
	code       text NOT NULL,
	name_vi    text NOT NULL,
	name_en    text NOT NULL,
	needs_note boolean NOT NULL, -- whoever chooses it says more in words
	valid_from date NOT NULL,
	valid_to   date NOT NULL,
	PRIMARY KEY (category, code, valid_from)
);
