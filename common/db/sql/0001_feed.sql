-- Requests done, and events on their way into the feed.

-- Effects by message id. The reply's bytes are stored in the transaction of the effect; a retry gets
-- them again. subject: the person the caller spoke for, since all citizens share one caller.
CREATE TABLE inbox (
	caller         text NOT NULL,
	subject        text NOT NULL,
	message_id     uuid NOT NULL,
	method         text NOT NULL,
	request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
	keep           boolean NOT NULL, -- money: never pruned
	reply          bytea, -- NULL only inside the transaction
	at             timestamptz NOT NULL DEFAULT clock_timestamp(), -- technical time, for pruning
	PRIMARY KEY (caller, subject, message_id)
);

CREATE INDEX inbox_at ON inbox USING brin (at);

-- Events of committed transactions that have no position yet. Small and hot: vacuumed often. The
-- sequence must keep CACHE 1: events of a subject are inserted under its lock, so their ids ascend.
CREATE TABLE outbox (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event   bytea NOT NULL, -- packed lgsp.feed.v1.Event
	type    text NOT NULL,
	subject text NOT NULL,
	version int NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Everything that happened, in order, for ever. pos is dense from 1.
CREATE TABLE feed (
	pos     bigint PRIMARY KEY,
	event   bytea NOT NULL, -- as in the outbox: these bytes are hashed and handed on
	type    text NOT NULL,
	subject text NOT NULL,
	version int NOT NULL
);

-- One row per batch the relay moved: SHA-256(previous digest || SHA-256(event) of each, in order).
CREATE TABLE seal (
	pos_to bigint PRIMARY KEY,
	count  int NOT NULL CHECK (count > 0),
	digest bytea NOT NULL CHECK (octet_length(digest) = 32)
);

-- The end of the feed; its row lock is what lets several relays run. epoch: changed by a restore,
-- so that consumers learn that history was rewound.
CREATE TABLE feed_head (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	pos    bigint NOT NULL,
	digest bytea NOT NULL,
	epoch  text NOT NULL
) WITH (fillfactor = 50);

INSERT INTO feed_head(pos, digest, epoch)
VALUES (0, decode(repeat('00', 32), 'hex'), gen_random_uuid()::text);

-- What happened is not changed, not even by the service itself.
CREATE FUNCTION feed_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER feed_append_only BEFORE UPDATE OR DELETE ON feed
	FOR EACH STATEMENT EXECUTE FUNCTION feed_append_only();
CREATE TRIGGER seal_append_only BEFORE UPDATE OR DELETE ON seal
	FOR EACH STATEMENT EXECUTE FUNCTION feed_append_only();
