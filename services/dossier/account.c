/* Whose an account of the portal is: kept of the directory's feed, asked when a citizen files. */
#include <string.h>

#include "common/base/base.h"
#include "common/svc/refdata.h"
#include "lgsp/directory/v1/events.pb-c.h"
#include "services/dossier/intake.h"

static const struct db_stmt put_account = {
	"INSERT INTO account (subject, owner_key, pos) VALUES ($1, $2, $3)"
	" ON CONFLICT (subject) DO UPDATE SET owner_key = EXCLUDED.owner_key, pos = EXCLUDED.pos"};
static const struct db_stmt drop_account = {"DELETE FROM account WHERE subject = $1"};
static const struct db_stmt read_account = {"SELECT owner_key FROM account WHERE subject = $1"};

int dossier_on_directory(struct call *c, const struct svc_event *ev)
{
	const Directory__Account *account;

	if (!ev->payload ||
	    ev->payload->descriptor != &directory__directory_account_put__descriptor)
		return refdata_apply(c, ev);
	account = ((const Directory__DirectoryAccountPut *)ev->payload)->account;
	if (!account)
		return err_set(&c->err, &err_required_field, "account", NULL);
	if (account->owner_key[0] != '\0')
		tx_add(c, &put_account, DB_TEXT(account->subject), DB_TEXT(account->owner_key),
		       DB_INT8(ev->pos));
	else
		tx_add(c, &drop_account, DB_TEXT(account->subject));
	return 0;
}

void account_reads(struct call *c, struct filing *f)
{
	if (f->filer == RULES_BY_CITIZEN)
		f->slot.account = tx_add(c, &read_account, DB_TEXT(c->caller.subject));
}

void account_check(struct call *c, struct filing *f)
{
	int slot = f->slot.account;
	char files[CRYPT_SHA256_HEX];

	if (f->filer != RULES_BY_CITIZEN || !f->in->applicant)
		return;
	crypt_owner_key(receipt_owner_key(), "citizen", rules_who_files(f->in), files);
	rules_check_account(f->in, db_rows(&c->tx, slot) > 0 ? db_get_text(&c->tx, slot, 0, 0) : "",
			    files, &f->found);
}
