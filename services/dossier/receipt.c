/* Receipt secrets: made, hashed, given anew, and checked with a lock against guessing. */
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "services/dossier/dossier.h"

#define FAILURES_MAX 5 /* the attempt behind it finds the code locked for an hour */

static const struct err_kind bad_owner_key = {ERR_INVALID, "BAD_OWNER_KEY",
					      "LGSP_OWNER_KEY phải là tệp 32 byte: %s",
					      "LGSP_OWNER_KEY must be a file of 32 bytes: %s"};
static const struct err_kind not_found = {ERR_NOT_FOUND, "TRACK_NOT_FOUND",
					  "Mã hồ sơ hoặc mã tra cứu không đúng",
					  "the dossier code or the receipt secret is wrong"};
static const struct err_kind locked = {ERR_DENIED, "TRACK_LOCKED",
				       "Tra cứu sai nhiều lần, vui lòng thử lại sau một giờ",
				       "too many wrong tries, come back in an hour"};

/* Counts the attempt; 6 means locked. In step with the CHECK of track_lock. */
static const struct db_stmt attempt = {
	"WITH attempt AS ("
	"  INSERT INTO track_lock AS t (code, failures, last_at) VALUES ($1, 1, $2)"
	"  ON CONFLICT (code) DO UPDATE SET"
	"    failures = CASE WHEN t.last_at <= $2 - interval '1 hour' THEN 1"
	"      ELSE least(t.failures + 1, 6) END,"
	"    last_at = CASE WHEN t.last_at <= $2 - interval '1 hour' OR t.failures < 5"
	"      THEN $2 ELSE t.last_at END"
	"  RETURNING failures)"
	"SELECT a.failures, coalesce(r.secret_salt, f.secret_salt),"
	" coalesce(r.secret_hash, f.secret_hash)"
	" FROM attempt a LEFT JOIN filing f ON f.code = $1"
	" LEFT JOIN (SELECT secret_salt, secret_hash FROM receipt WHERE dossier = $1"
	"   ORDER BY version DESC LIMIT 1) r ON true"};

static const struct db_stmt insert_receipt = {
	"INSERT INTO receipt (dossier, version, secret_salt, secret_hash) VALUES ($1, $2, $3, $4)"};

static const struct db_stmt forgive = {"DELETE FROM track_lock WHERE code = $1"};

static const struct db_stmt prune = {"DELETE FROM track_lock WHERE last_at < $1"};

static uint8_t owner_key[32];

int receipt_start(const char *key_path, struct err *err)
{
	if (crypt_read_key(key_path, owner_key, sizeof(owner_key)) < 0)
		return err_set(err, &bad_owner_key, NULL, key_path);
	return 0;
}

const uint8_t *receipt_owner_key(void)
{
	return owner_key;
}

static void secret_of(const char *text, char out[static RECEIPT_SECRET_CHARS + 1])
{
	/* No letter or digit that people take for another. */
	static const char alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
	uint8_t mac[CRYPT_SHA256_BYTES];

	CHECK(text);
	crypt_hmac_sha256(owner_key, sizeof(owner_key), text, strlen(text), mac);
	for (size_t i = 0; i < RECEIPT_SECRET_CHARS; i++)
		out[i] = alphabet[mac[i] & 31];
	out[RECEIPT_SECRET_CHARS] = '\0';
}

void receipt_secret(const struct call *c, char out[static RECEIPT_SECRET_CHARS + 1])
{
	char id[2 * sizeof(c->message_id) + 1];

	crypt_hex(c->message_id, sizeof(c->message_id), id);
	secret_of(arena_printf(c->arena, "receipt\n%s\n%s\n%s", c->caller.member, c->caller.subject,
			       id),
		  out);
}

void receipt_secret_of(struct call *c, const char *kind, const char *name,
		       char out[static RECEIPT_SECRET_CHARS + 1])
{
	secret_of(arena_printf(c->arena, "receipt of %s\n%s", kind, name), out);
}

void receipt_hash(const uint8_t salt[static RECEIPT_SALT_BYTES], const char *secret,
		  uint8_t out[static CRYPT_SHA256_BYTES])
{
	struct crypt_hash *h = crypt_hash_new();

	crypt_hash_update(h, salt, RECEIPT_SALT_BYTES);
	crypt_hash_update(h, secret, strlen(secret));
	crypt_hash_final(h, out);
}

/* As people type it: small letters, spaces and dashes allowed. Too long becomes "". */
static void normal_secret(const char *secret, char out[static RECEIPT_SECRET_CHARS + 1])
{
	size_t n = 0;

	for (; *secret; secret++) {
		if (*secret == ' ' || *secret == '-')
			continue;
		if (n == RECEIPT_SECRET_CHARS) {
			n = 0;
			break;
		}
		out[n++] = (char)(*secret >= 'a' && *secret <= 'z' ? *secret - 'a' + 'A' : *secret);
	}
	out[n] = '\0';
}

/* The same work for an unknown code, whose salt and hash are zeros. */
static bool matches(const struct call *c, int slot, const char *secret)
{
	static const uint8_t zeros[CRYPT_SHA256_BYTES];
	char normal[RECEIPT_SECRET_CHARS + 1];
	uint8_t hash[CRYPT_SHA256_BYTES];
	size_t n_salt = 0, n_hash = 0;
	const uint8_t *salt = db_get_bytes(&c->tx, slot, 0, 1, &n_salt);
	const uint8_t *stored = db_get_bytes(&c->tx, slot, 0, 2, &n_hash);
	bool known = n_salt == RECEIPT_SALT_BYTES && n_hash == CRYPT_SHA256_BYTES;

	normal_secret(secret, normal);
	receipt_hash(known ? salt : zeros, normal, hash);
	return crypt_equal(hash, known ? stored : zeros, sizeof(hash)) && known;
}

int receipt_check(struct call *c, const char *code, const char *secret)
{
	int slot;

	if (!rules_dossier_code(code))
		return err_set(&c->err, &not_found, NULL, NULL);
	slot = call_query(c, &attempt, DB_TEXT(code), DB_TIME(clock_wall_us()));
	if (slot < 0)
		return slot;
	if (db_get_int(&c->tx, slot, 0, 0) > FAILURES_MAX)
		return err_set(&c->err, &locked, NULL, NULL);
	if (!matches(c, slot, secret))
		return err_set(&c->err, &not_found, NULL, NULL);
	slot = call_query(c, &forgive, DB_TEXT(code));
	return slot < 0 ? slot : 0;
}

/* --- a new one --- */

static void save_secret(struct call *c, const struct dossier *d, const char *secret)
{
	uint8_t salt[RECEIPT_SALT_BYTES], hash[CRYPT_SHA256_BYTES];

	crypt_random(salt, sizeof(salt));
	receipt_hash(salt, secret, hash);
	tx_add(c, &insert_receipt, DB_TEXT(d->code), DB_INT4(d->version),
	       DB_BYTEA(salt, sizeof(salt)), DB_BYTEA(hash, sizeof(hash)));
}

/* As the secret of a filing: shown with this answer and its repetitions, stored nowhere. */
static int show_secret(struct call *c, char secret[static RECEIPT_SECRET_CHARS + 1])
{
	Dossier__ReissueReceiptReply fields = DOSSIER__REISSUE_RECEIPT_REPLY__INIT;

	receipt_secret(c, secret);
	fields.receipt_secret = secret;
	return call_unstored(c, &fields.base);
}

DOSSIER_HANDLER(reissue_receipt, ReissueReceipt)
{
	struct call *c = call_of(data);
	Dossier__ReissueReceiptReply out = DOSSIER__REISSUE_RECEIPT_REPLY__INIT;
	Dossier__DossierReceiptReissued ev = DOSSIER__DOSSIER_RECEIPT_REISSUED__INIT;
	char secret[RECEIPT_SECRET_CHARS + 1];
	struct dossier d;

	(void)svc;
	if (show_secret(c, secret) < 0 || dossier_check_note(c, in->note, 1) < 0 ||
	    dossier_take(c, in->code, RULES_REISSUE, &d) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_REISSUE), dossier_nfc(c, in->note));
	save_secret(c, &d, secret);
	ev.code = d.code;
	ev.agency_code = c->caller.agency;
	dossier_tell(c, &d, RULES_REISSUE, "dossier.receipt_reissued", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

int dossier_job_track_locks(struct call *c)
{
	int slot = call_query(c, &prune, DB_TIME(clock_wall_us() - 3600 * CLOCK_US_PER_S));

	return slot < 0 ? slot : 0;
}
