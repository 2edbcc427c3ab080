-- How far a service is in the feeds it follows, and the events it could not take.

-- The cursor of a source. A page of events, its effects and the new position are one transaction
-- that holds this row, so that replicas of a service do not apply an event twice.
CREATE TABLE applied (
	source text PRIMARY KEY,
	epoch  text NOT NULL,
	pos    bigint NOT NULL CHECK (pos >= 0)
);

-- Attempts at the page behind pos, noted in a transaction of their own before the page is applied.
-- An attempt that ends alive is taken back, so what is left counts crashes. After some of them
-- events are applied singly until page_to.
CREATE TABLE page_start (
	source  text PRIMARY KEY,
	pos     bigint NOT NULL,
	page_to bigint NOT NULL,
	tries   int NOT NULL
);

-- Events put aside, with a reason an officer can read, and behind each the later ones of its
-- subject: they are replayed in order or discarded.
CREATE TABLE dead_letter (
	source      text NOT NULL,
	pos         bigint NOT NULL,
	subject     text NOT NULL,
	type        text NOT NULL,
	event       bytea NOT NULL, -- packed lgsp.feed.v1.Event, as received
	behind      boolean NOT NULL, -- put aside only because an earlier one of its subject is
	code        text NOT NULL,
	reason_vi   text NOT NULL,
	reason_en   text NOT NULL,
	parked_at   timestamptz NOT NULL,
	settled_at  timestamptz, -- replayed or discarded
	settlement  text CHECK (settlement IN ('replayed', 'discarded')),
	settled_by  text, -- who asked, and for what is discarded why
	PRIMARY KEY (source, pos),
	CHECK ((settled_at IS NULL) = (settlement IS NULL))
);

CREATE INDEX dead_letter_open ON dead_letter (source, subject, pos) WHERE settled_at IS NULL;
