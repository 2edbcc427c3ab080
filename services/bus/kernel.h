/*
 * What the kernel knows of a connection and of this process, beside libzmq. linux/tcp.h has the
 * figures libc's header lacks, and the two cannot be included together: hence a room of its own.
 */
#ifndef LGSP_SERVICES_BUS_KERNEL_H
#define LGSP_SERVICES_BUS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct kernel_figures {
	uint64_t read, acked; /* bytes we took from the peer, and it from us, since the start */
	bool drained;         /* nothing of ours is under way */
};

/* False for what is no TCP connection. */
bool kernel_measure(int fd, struct kernel_figures *ret_figures);
/* Tells a descriptor used again from its former self; 0 when it is no socket. */
uint64_t kernel_cookie(int fd);
/* Resident memory of this process; 0 when /proc does not say. */
uint64_t kernel_resident_bytes(void);

#endif
