-- Names are found by their words in any order, each by its beginning. An entry is a word with the whole
-- name behind it, so that each word of a name has a place of its own in the order of one index; a search
-- goes along the entries of its rarest word and looks for the others in the name.

-- What counts as the words of a folded name: signs between them do not.
CREATE FUNCTION name_words(key text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN btrim(regexp_replace(key, '[][(){}<>"''.,;:/&+_ -]+', ' ', 'g'));

CREATE TABLE name_word (
	agency text NOT NULL,
	entry text NOT NULL COLLATE "C", -- word and name: 'an tran thi an'
	dossier text NOT NULL,
	submitted_at timestamptz NOT NULL,
	PRIMARY KEY (agency, entry, dossier) INCLUDE (submitted_at)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02); -- the index alone answers where it was vacuumed
CREATE TRIGGER name_word_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
	ON name_word FOR EACH STATEMENT EXECUTE FUNCTION append_only();

INSERT INTO name_word (agency, entry, dossier, submitted_at)
SELECT DISTINCT p.agency, w.word || ' ' || n.name, p.dossier, p.submitted_at
FROM party p, LATERAL (SELECT name_words(p.name_key) AS name OFFSET 0) n,
	LATERAL unnest(string_to_array(n.name, ' ')) AS w (word);

CREATE FUNCTION words_of_parties() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO name_word (agency, entry, dossier, submitted_at)
	SELECT DISTINCT p.agency, w.word || ' ' || n.name, p.dossier, p.submitted_at
	FROM added p, LATERAL (SELECT name_words(p.name_key) AS name OFFSET 0) n,
		LATERAL unnest(string_to_array(n.name, ' ')) AS w (word);
	RETURN NULL;
END $$;
CREATE TRIGGER party_words AFTER INSERT ON party REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION words_of_parties();

DROP INDEX party_name;
