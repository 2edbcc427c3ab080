/*
 * Which person an account of the portal is. The desk has seen the identity paper, or the national
 * e-identification has said so; from then on the account may file for that number and no other.
 * Only the number's pseudonym is kept.
 */
#include "services/directory/directory.h"

#include <string.h>

#include "common/base/civil.h"
#include "common/base/crypt.h"
#include "services/directory/rules.h"

static const struct err_kind bad_owner_key = {ERR_INVALID, "BAD_OWNER_KEY",
					      "Tệp khóa %s không đọc được hoặc không đủ 32 byte",
					      "the key file %s cannot be read or has not 32 bytes"};
static const struct err_kind account_bound = {
	ERR_CONFLICT, "ACCOUNT_BOUND", "Tài khoản đã được xác thực với số định danh khác",
	"the account is another number's; it has to be released first"};
static const struct err_kind number_taken = {ERR_CONFLICT, "NUMBER_TAKEN",
					     "Số định danh đã được gắn với tài khoản khác",
					     "the number is another account's"};
static const struct err_kind unknown_account = {ERR_NOT_FOUND, "UNKNOWN_ACCOUNT",
						"Tài khoản chưa được xác thực",
						"the account is nobody's"};

static const struct db_stmt read_account = {
	"SELECT owner_key, evidence, level, version FROM account WHERE subject = $1 FOR UPDATE"};
static const struct db_stmt other_account = {
	"SELECT 1 FROM account WHERE owner_key = $1 AND subject <> $2"};
static const struct db_stmt put_account = {
	"INSERT INTO account (subject, owner_key, evidence, level, reference, actor, member,"
	" changed_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	" ON CONFLICT (subject) DO UPDATE SET owner_key = EXCLUDED.owner_key,"
	" evidence = EXCLUDED.evidence, level = EXCLUDED.level,"
	" reference = EXCLUDED.reference, actor = EXCLUDED.actor, member = EXCLUDED.member,"
	" changed_at = EXCLUDED.changed_at, version = EXCLUDED.version"};

static uint8_t owner_key[32];

int account_start(const char *key_path, struct err *err)
{
	if (crypt_read_key(key_path, owner_key, sizeof(owner_key)) < 0)
		return err_set(err, &bad_owner_key, NULL, key_path);
	return 0;
}

/* The row and its event. account->owner_key "": released. */
static void account_put(struct call *c, const Directory__Account *account, const char *reference,
			int64_t version)
{
	Directory__DirectoryAccountPut ev = DIRECTORY__DIRECTORY_ACCOUNT_PUT__INIT;
	const char *owner = account->owner_key[0] ? account->owner_key : NULL;

	tx_add(c, &put_account, DB_TEXT(account->subject), DB_TEXT(owner),
	       DB_INT4(account->evidence), DB_INT4(account->level), DB_TEXT(reference),
	       DB_TEXT(c->caller.subject), DB_TEXT(c->caller.member), DB_TIME(c->now_us),
	       DB_INT4(version));
	ev.account = (Directory__Account *)(uintptr_t)account;
	tx_event(c, "directory.account_put", arena_printf(c->arena, "account/%s", account->subject),
		 (int32_t)version, &ev.base);
}

/* The same person by as good evidence: nothing changes. */
static bool is_known(const struct call *c, int slot, const Directory__Account *account)
{
	return strcmp(db_get_text(&c->tx, slot, 0, 0), account->owner_key) == 0 &&
	       db_get_int(&c->tx, slot, 0, 1) == account->evidence &&
	       db_get_int(&c->tx, slot, 0, 2) >= account->level;
}

/* Writes it unless it is known. 0 or the refusal. */
static int account_decide(struct call *c, const Directory__Account *account, const char *reference,
			  Directory__VerifyAccountReply *out)
{
	int own, other;

	row_lock_writers(c);
	own = tx_add(c, &read_account, DB_TEXT(account->subject));
	other = tx_add(c, &other_account, DB_TEXT(account->owner_key), DB_TEXT(account->subject));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, other) > 0)
		return err_set(&c->err, &number_taken, "number", NULL);
	out->version = 1;
	if (db_rows(&c->tx, own) > 0) {
		bool bound = !db_is_null(&c->tx, own, 0, 0);

		out->version = (int32_t)db_get_int(&c->tx, own, 0, 3);
		out->already = bound && is_known(c, own, account);
		if (out->already)
			return 0;
		if (bound && strcmp(db_get_text(&c->tx, own, 0, 0), account->owner_key) != 0)
			return err_set(&c->err, &account_bound, "subject", NULL);
		out->version++;
	}
	account_put(c, account, reference, out->version);
	return 0;
}

void directory_verify_account(Directory__DirectoryService_Service *svc,
			      const Directory__VerifyAccountRequest *in,
			      Directory__VerifyAccountReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__VerifyAccountReply out = DIRECTORY__VERIFY_ACCOUNT_REPLY__INIT;
	Directory__Account account = DIRECTORY__ACCOUNT__INIT;
	char owner[CRYPT_SHA256_HEX];

	(void)svc;
	if (rules_check_account(in, c->caller.subject, civil_of_us(c->now_us), &c->err) < 0)
		return call_fail(c);
	crypt_owner_key(owner_key, "citizen", in->number, owner);
	account.subject = in->subject;
	account.owner_key = owner;
	account.evidence = in->evidence;
	account.level = in->level;
	account.changed_us = c->now_us;
	tx_begin(c);
	if (account_decide(c, &account, in->reference, &out) < 0 || tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

static int account_release(struct call *c, const Directory__ReleaseAccountRequest *in,
			   int32_t *ret_version)
{
	Directory__Account account = DIRECTORY__ACCOUNT__INIT;
	int slot;

	row_lock_writers(c);
	slot = tx_add(c, &read_account, DB_TEXT(in->subject));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0 || db_is_null(&c->tx, slot, 0, 0))
		return err_set(&c->err, &unknown_account, "subject", NULL);
	*ret_version = (int32_t)db_get_int(&c->tx, slot, 0, 3) + 1;
	account.subject = in->subject;
	account.changed_us = c->now_us;
	account_put(c, &account, in->reason, *ret_version);
	return 0;
}

void directory_release_account(Directory__DirectoryService_Service *svc,
			       const Directory__ReleaseAccountRequest *in,
			       Directory__ReleaseAccountReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ReleaseAccountReply out = DIRECTORY__RELEASE_ACCOUNT_REPLY__INIT;

	(void)svc;
	if (rules_check_release(in, &c->err) < 0)
		return call_fail(c);
	tx_begin(c);
	if (account_release(c, in, &out.version) < 0 || tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
