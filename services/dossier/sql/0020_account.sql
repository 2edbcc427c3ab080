-- Whose an account of the portal is, as the directory's feed says: it files for that number only.

CREATE TABLE account (
	subject   text PRIMARY KEY, -- of the person's token
	owner_key text NOT NULL,    -- pseudonym of the citizen number
	pos       bigint NOT NULL   -- in the directory's feed
);
