/*
 * The key folder of a suite:
 *
 *	broker.key, broker.key_secret     the broker's certificate (czmq's zcert format)
 *	<name>.key, <name>.key_secret     one per member: lgsp-<service>, lgsp-operator for lgspctl
 *	members/<name>.key                public certificates the broker knows, the member's
 *	                                  address in their metadata
 *	rights                            who may call and serve what
 *	owner.key                         32 bytes, for pseudonyms of owners
 *	token.pem, jwks.json              signing key of bearer tokens and its public document
 *
 * Whatever exists is left as it is; a new member's lines are appended to rights.
 */
#ifndef SERVICES_CTL_KEYS_H
#define SERVICES_CTL_KEYS_H

#include <stdbool.h>

struct keys_dir {
	const char *dir;
	const char *members; /* folder of public certificates */
	const char *rights;  /* file */
	const char *prefix;  /* instance/class/member, e.g. VN/GOV/H40 */
	bool add_rights;     /* members that exist get the template's new lines */
};

/* [a-z0-9-], 1 to 40. */
bool keys_name_ok(const char *name);
/* Makes the key pair <name>.key; with member, also its public part in the members folder. 0 made,
 * 1 was there, -1 failed (said). */
int keys_make(const struct keys_dir *keys, const char *name, bool member);

#endif
