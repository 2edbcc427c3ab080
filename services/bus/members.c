#include "services/bus/members.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/log.h"
#include "common/bus/cert.h"

#define BUCKETS 1024 /* a power of two */

struct members {
	struct member *first;
	unsigned count;
	struct member_key *buckets[BUCKETS];
	struct rights *rights;
	char hash[CRYPT_SHA256_HEX];
};

/* What was read and is not in force yet. */
struct loading {
	struct cert *certs;
	size_t n;
	struct rights *rights;
	char *rights_text;
	size_t rights_len;
	char *fault;
};

struct members *members_new(void)
{
	return base_alloc(sizeof(struct members));
}

void members_free(struct members *m)
{
	if (!m)
		return;
	while (m->first) {
		struct member *next = m->first->next;

		free(m->first);
		m->first = next;
	}
	for (unsigned i = 0; i < BUCKETS; i++)
		while (m->buckets[i]) {
			struct member_key *next = m->buckets[i]->next_in_bucket;

			free(m->buckets[i]);
			m->buckets[i] = next;
		}
	rights_free(m->rights);
	free(m);
}

/* --- reading --- */

static int fault_set(struct loading *l, const char *where, const char *reason)
{
	snprintf(l->fault, MEMBERS_FAULT_MAX, "%.240s%s%.240s", where, *where ? ": " : "", reason);
	return -1;
}

static int read_rights(struct loading *l, const char *path)
{
	CLEANUP_FILE FILE *file = fopen(path, "re");
	char reason[RIGHTS_FAULT_MAX];

	if (!file)
		return fault_set(l, path, strerror(errno));
	l->rights_text = base_alloc(RIGHTS_FILE_MAX);
	l->rights_len = fread(l->rights_text, 1, RIGHTS_FILE_MAX, file);
	if (ferror(file) || l->rights_len == RIGHTS_FILE_MAX)
		return fault_set(l, path, "cannot be read, or longer than 2 MiB");
	if (rights_parse(l->rights_text, l->rights_len, &l->rights, reason) < 0)
		return fault_set(l, path, reason);
	return 0;
}

static int is_certificate(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 4 && strcmp(d->d_name + n - 4, ".key") == 0;
}

static int read_certificate(struct loading *l, const char *path)
{
	struct cert *cert = &l->certs[l->n];
	struct err err;

	if (l->n == MEMBERS_KEYS_MAX)
		return fault_set(l, path, "too many certificates");
	err_clear(&err);
	if (cert_read(path, cert, &err) < 0)
		return fault_set(l, "", err.items[0].en);
	if (cert->secret_z85[0])
		return fault_set(l, path, "a secret key does not belong here");
	if (!rights_member_valid(cert->member))
		return fault_set(l, path,
				 "metadata `member` is not instance/class/member/subsystem");
	l->n++;
	return 0;
}

static int read_folder(struct loading *l, const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_certificate, alphasort), rc = 0;

	if (n < 0)
		return fault_set(l, dir, strerror(errno));
	l->certs = base_alloc(MEMBERS_KEYS_MAX * sizeof(*l->certs));
	for (int i = 0; i < n; i++) {
		char path[1024];

		if (rc == 0 && (size_t)snprintf(path, sizeof(path), "%s/%s", dir,
						names[i]->d_name) >= sizeof(path))
			rc = fault_set(l, dir, "path too long");
		if (rc == 0)
			rc = read_certificate(l, path);
		free(names[i]);
	}
	free(names);
	return rc;
}

static int compare_certs(const void *a, const void *b)
{
	return strcmp(((const struct cert *)a)->public_z85, ((const struct cert *)b)->public_z85);
}

static int compare_owners(const void *a, const void *b)
{
	return strcmp(((const struct cert *)a)->member, ((const struct cert *)b)->member);
}

static int check_counts(struct loading *l, int32_t today)
{
	unsigned n = 0;

	qsort(l->certs, l->n, sizeof(*l->certs), compare_owners);
	for (size_t i = 0; i < l->n; i++) {
		if (i > 0 && strcmp(l->certs[i - 1].member, l->certs[i].member) != 0)
			n = 0;
		n += l->certs[i].valid_until >= today;
		if (n > MEMBERS_KEYS_OF)
			return fault_set(l, l->certs[i].member,
					 "has more than two valid keys; take the oldest away");
	}
	return 0;
}

static int check_unique(struct loading *l)
{
	qsort(l->certs, l->n, sizeof(*l->certs), compare_certs);
	for (size_t i = 1; i < l->n; i++)
		if (strcmp(l->certs[i - 1].public_z85, l->certs[i].public_z85) == 0)
			return fault_set(l, l->certs[i].member, "its key is in two certificates");
	return 0;
}

/* --- putting in force --- */

static struct member *find_member(struct members *m, const char *name)
{
	struct member *it = m->first;

	while (it && strcmp(it->name, name) != 0)
		it = it->next;
	return it;
}

static struct member *find_or_add_member(struct members *m, const char *name)
{
	struct member *it = find_member(m, name);
	char labels[RIGHTS_MEMBER_MAX + 16];

	if (it)
		return it;
	it = base_alloc(sizeof(*it));
	snprintf(it->name, sizeof(it->name), "%s", name);
	snprintf(labels, sizeof(labels), "member=\"%s\"", name);
	it->requests_metric = metric_counter("lgsp_bus_member_requests_total", labels,
					     "Requests received, by calling member");
	it->refused_metric = metric_counter("lgsp_bus_member_refused_total", labels,
					    "Requests refused by the broker, by calling member");
	it->index = m->count++;
	it->next = m->first;
	m->first = it;
	return it;
}

/* Keys are random and enter only from our files: any eight of their bytes are a good hash. */
static unsigned bucket_of(const char *z85)
{
	uint64_t h;

	memcpy(&h, z85 + 8, sizeof(h));
	h *= 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 54) & (BUCKETS - 1);
}

struct member_key *members_find_key(const struct members *m, const char *z85)
{
	struct member_key *key;

	if (strnlen(z85, 41) != 40)
		return NULL;
	key = m->buckets[bucket_of(z85)];
	while (key && memcmp(key->z85, z85, 40) != 0)
		key = key->next_in_bucket;
	return key;
}

static void add_key(struct members *m, const struct cert *cert)
{
	struct member_key *key = members_find_key(m, cert->public_z85);

	if (!key) {
		unsigned b = bucket_of(cert->public_z85);

		key = base_alloc(sizeof(*key));
		memcpy(key->z85, cert->public_z85, sizeof(key->z85));
		key->next_in_bucket = m->buckets[b];
		m->buckets[b] = key;
	}
	key->member = find_or_add_member(m, cert->member);
	key->listed = true;
	key->valid_from = cert->valid_from;
	key->valid_until = cert->valid_until;
}

static void hash_all(struct members *m, const struct loading *l)
{
	struct crypt_hash *h = crypt_hash_new();
	uint8_t digest[CRYPT_SHA256_BYTES];

	for (size_t i = 0; i < l->n; i++) {
		crypt_hash_update(h, l->certs[i].public_z85, 41);
		crypt_hash_update(h, l->certs[i].member, strlen(l->certs[i].member) + 1);
		crypt_hash_update(h, &l->certs[i].valid_from, sizeof(int32_t));
		crypt_hash_update(h, &l->certs[i].valid_until, sizeof(int32_t));
	}
	crypt_hash_update(h, l->rights_text, l->rights_len);
	crypt_hash_final(h, digest);
	crypt_hex(digest, sizeof(digest), m->hash);
}

static void take_rights(struct member *it, const struct rights *rights)
{
	struct rights_limits limits;

	it->rights = rights_find(rights, it->name);
	limits = rights_limits_of(rights, it->rights);
	it->limits = (struct quota_limits){.requests_per_s = limits.requests_per_s,
					   .burst = limits.burst,
					   .in_flight = limits.in_flight,
					   .bytes_in_flight = limits.bytes_in_flight};
}

static void put_in_force(struct members *m, struct loading *l)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct member_key *k = m->buckets[i]; k; k = k->next_in_bucket)
			k->listed = false;
	for (size_t i = 0; i < l->n; i++)
		add_key(m, &l->certs[i]);
	for (struct member *it = m->first; it; it = it->next)
		take_rights(it, l->rights);
	rights_free(m->rights);
	m->rights = l->rights;
	l->rights = NULL;
	hash_all(m, l);
	members_set_today(m, rights_today());
}

int members_load(struct members *m, const char *dir, const char *rights_path,
		 char fault[static MEMBERS_FAULT_MAX])
{
	struct loading l = {.fault = fault};
	int rc = read_folder(&l, dir);

	if (rc == 0)
		rc = check_counts(&l, rights_today());
	if (rc == 0)
		rc = check_unique(&l);
	if (rc == 0)
		rc = read_rights(&l, rights_path);
	if (rc == 0)
		put_in_force(m, &l);
	rights_free(l.rights);
	free(l.rights_text);
	free(l.certs);
	return rc;
}

bool members_set_today(struct members *m, int32_t today)
{
	bool changed = false;

	for (struct member *it = m->first; it; it = it->next)
		it->present = false;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct member_key *k = m->buckets[i]; k; k = k->next_in_bucket) {
			bool valid = k->listed && k->valid_from <= today && today <= k->valid_until;

			changed |= valid != k->valid;
			k->valid = valid;
			k->member->present |= valid;
		}
	return changed;
}

void members_each_key(const struct members *m, void (*fn)(const struct member_key *key, void *arg),
		      void *arg)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct member_key *k = m->buckets[i]; k; k = k->next_in_bucket)
			fn(k, arg);
}

struct member *members_first(const struct members *m)
{
	return m->first;
}

unsigned members_count(const struct members *m)
{
	return m->count;
}

unsigned members_peers(const struct members *m, const struct member *member)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct member_key *k = m->buckets[i]; k; k = k->next_in_bucket)
			n += k->member == member ? k->peers : 0;
	return n;
}

bool members_may_be_served(const struct members *m, const char *service, int32_t today)
{
	for (const struct member *it = m->first; it; it = it->next)
		if (it->present && rights_may_serve(it->rights, service, today))
			return true;
	return false;
}

const char *members_hash(const struct members *m)
{
	return m->hash;
}

size_t members_keys(const struct members *m, char (*out)[41])
{
	size_t n = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct member_key *k = m->buckets[i]; k; k = k->next_in_bucket)
			if (k->valid && n < MEMBERS_KEYS_MAX)
				memcpy(out[n++], k->z85, 41);
	return n;
}
