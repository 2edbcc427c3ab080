/*
 * Group commit: calls of one hot method that arrive while a transaction of that method is on its
 * way share the next one. A worker thread that finds the group at rest leads: it takes what waits
 * (itself included, at most GROUP_MAX), runs the steps of each on one connection of the group,
 * commits once, and passes the lead on; the others sleep meanwhile. Without a timer: alone, a call
 * is a transaction of its own as any other. What the calls queue by tx_add_row() is sent as one
 * statement for all of them, in the place where the first queued it: a third of the work of the
 * database, and one flush to disk, for a full group.
 *
 * Steps of a call, in the order of a group (a call that runs alone reserves before it decides):
 *
 *	reads    queues what the rules need to know
 *	decide   0, or the refusal in c->err; queues nothing
 *	reserve  queues what takes locks that others wait for (counters); NULL: nothing
 *	write    queues rows and events and gives the reply; reads what reserve returned
 *
 * A refused call leaves the group and nothing behind. When the transaction of a group fails, none
 * of its calls has had an effect, or all have: each is then run again alone and settles it by its
 * inbox row. Results of the transaction are gone when tx_group() has returned.
 */
#ifndef LGSP_SVC_GROUP_H
#define LGSP_SVC_GROUP_H

#include "common/svc/svc.h"

#define GROUP_MAX 32

struct group_steps {
	void (*reads)(struct call *c, void *item);
	int (*decide)(struct call *c, void *item);
	void (*reserve)(struct call *c, void *item);
	int (*write)(struct call *c, void *item, const ProtobufCMessage **ret_reply);
};

struct group;

/* For the whole life of the process, made before it serves (svc.start). */
struct group *group_new(const struct group_steps *steps);
void group_free(struct group *group); /* NULL is fine */

/*
 * Instead of tx_begin() … tx_commit() in a handler of an effect: 0 when it is committed, or the
 * error in c->err: `return call_fail(c)`.
 */
int tx_group(struct call *c, struct group *group, void *item);

#endif
