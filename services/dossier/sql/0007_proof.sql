-- The events about one dossier, for its proof.
CREATE INDEX feed_subject ON feed (subject, version);
