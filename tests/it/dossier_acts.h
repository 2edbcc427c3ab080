/* Asking the dossier service for what the model's moves say. */
#ifndef LGSP_TESTS_IT_DOSSIER_ACTS_H
#define LGSP_TESTS_IT_DOSSIER_ACTS_H

#include "tests/it/dossier_model.h"

struct draft {
	char id[64];
	int version;
	int64_t saved_us;
	bool gone; /* filed */
};

/* Somebody who acts: calls on behalf of people, as the national portal, and as the operator. */
struct actor {
	struct ask people, portal, operator;
	int number; /* one digit */
	char name[24];
	struct person citizen; /* with an account, whose drafts nobody else sees */
	int imports, national;
};

void actor_init(struct actor *a, int number);
void actor_done(struct actor *a);

/*
 * Makes the move on the dossier, which it fills in when it begins one; a child begun by it is in
 * *ret_child. "" when done, else the code it was refused with. What expires on a loaded machine is
 * asked again with the same message id.
 */
const char *actor_perform(struct actor *a, struct model *m, const struct move *v,
			  struct model *ret_child);
/* The same move on several at once, at most MODEL_BATCH: what became of each; false on trouble. */
bool actor_can_batch(enum act act);
bool actor_perform_all(struct actor *a, struct model *const *m, size_t n, const struct move *v,
		       char ret_codes[static MODEL_BATCH][64]);

/* The national portal sends what it sent before, or other content under the same code. */
const char *actor_send_again(struct actor *a, const struct model *m, bool other);

/* Drafts: "" or the refusal. A new one when it has no id. */
const char *actor_save_draft(struct actor *a, struct draft *d, int version);
const char *actor_read_draft(struct actor *a, const struct draft *d, const struct person *who);
const char *actor_file_draft(struct actor *a, const struct draft *d, int version, struct model *m);

/* "" when the service has the dossier as the model, else how the two differ. */
const char *actor_compare(struct actor *a, const struct model *m);

#endif
