-- An entry that says too little by itself: whoever chooses it adds words.
ALTER TABLE category_entry ADD COLUMN needs_note boolean NOT NULL DEFAULT false;
