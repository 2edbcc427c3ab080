/*
 * Members of the bus as lgspctl changes them, in the key folder of keys.h:
 *
 *	members/<name>.key       the certificate in force
 *	members/<name>.new.key   the second one, while a rotation is under way
 *	<name>.key_secret, <name>.new.key_secret   the secrets, when they were made here
 *
 *	member.c         enrol, list
 *	member_key.c     rotate, revoke
 *	member_check.c   check: what stands between a system and its first call
 *	member_wire.c    the steps of check on the network
 *
 * Every change is written beside and renamed, then the brokers of LGSP_BUS_ADMIN are told and asked
 * whether they have it in force.
 */
#ifndef SERVICES_CTL_MEMBER_H
#define SERVICES_CTL_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bus/bus.h"
#include "common/bus/cert.h"
#include "services/ctl/keys.h"

#define MEMBER_PATH_BYTES 4096

struct member_place {
	struct keys_dir keys;
	const char *name;
	char member[CERT_MEMBER_MAX]; /* its address */
};

/* Settings and the name of argv; 0 or an exit code (said). */
int member_place_of(const char *name, struct member_place *ret_place);
/* Paths: "" or ".new" as which. */
void member_listed_path(const struct member_place *p, const char *which,
			char out[static MEMBER_PATH_BYTES]);
void member_secret_path(const struct member_place *p, const char *which,
			char out[static MEMBER_PATH_BYTES]);

/* A public key in Z85; else says so. */
bool member_key_ok(const char *public_z85);
/* Writes a certificate of the member into the folder. from, until: "" for none. 0 or -1 (said). */
int member_list_key(const struct member_place *p, const char *which, const char *public_z85,
		    const char *from, const char *until);
/* Makes a pair, keeps the secret beside; its public half in out. 0 or -1 (said). */
int member_make_pair(const struct member_place *p, const char *which, char out[static 41]);

/*
 * Tells the brokers and waits until each has the key in force, or not. No broker answers: says that
 * it holds from the next start. 0 or CTL_FAILED (said).
 */
int member_settle(const char *public_z85, bool in_force);
/* The key was heard by some broker. False too when nobody can say. */
bool member_was_heard(const char *public_z85);

/* --- member_wire.c --- */

/* What a step saw; 0 fine, else what to do is in advice. */
struct member_step {
	char seen[256];
	char advice[320];
};
/* tcp://host:port, ipc://path: its name is known; something listens. 0 or -1. */
int member_check_name(const char *endpoint, struct member_step *step);
int member_check_port(const char *endpoint, struct member_step *step);
/* A CURVE handshake with this pair. 0 or -1. */
int member_check_key(const char *endpoint, const struct bus_keys *keys, struct member_step *step);

#endif
