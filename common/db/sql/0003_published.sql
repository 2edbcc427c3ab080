-- Feeds for outsiders: projections of the service's own feed, each with positions and seals of its own.

-- One row per published feed: how far it has read the service's feed, and its own end. The row's lock
-- is what lets replicas publish: rows, seal and this are one transaction. epoch: a new one when the
-- service's feed got a new one (source_epoch), so that readers learn that history was rewound.
CREATE TABLE publication (
	feed         text PRIMARY KEY,
	cursor       bigint NOT NULL CHECK (cursor >= 0),
	pos          bigint NOT NULL CHECK (pos >= 0),
	digest       bytea NOT NULL CHECK (octet_length(digest) = 32),
	epoch        text NOT NULL,
	source_epoch text NOT NULL
) WITH (fillfactor = 50);

-- pos is dense from 1 in each feed.
CREATE TABLE published (
	feed  text NOT NULL,
	pos   bigint NOT NULL,
	event bytea NOT NULL, -- packed lgsp.feed.v1.Event: these bytes are hashed and handed on
	PRIMARY KEY (feed, pos)
);

-- As `seal`, per feed.
CREATE TABLE published_seal (
	feed   text NOT NULL,
	pos_to bigint NOT NULL,
	count  int NOT NULL CHECK (count > 0),
	digest bytea NOT NULL CHECK (octet_length(digest) = 32),
	PRIMARY KEY (feed, pos_to)
);

CREATE TRIGGER published_append_only BEFORE UPDATE OR DELETE ON published
	FOR EACH STATEMENT EXECUTE FUNCTION feed_append_only();
CREATE TRIGGER published_seal_append_only BEFORE UPDATE OR DELETE ON published_seal
	FOR EACH STATEMENT EXECUTE FUNCTION feed_append_only();
