/*
 * What a child that touches an untrusted file may do. Both functions end in a state that cannot be
 * undone; they return 0, or -1 when the kernel cannot confine so - the caller must not go on then.
 */
#ifndef LGSP_DIGITISATION_CONFINE_H
#define LGSP_DIGITISATION_CONFINE_H

/*
 * For code of ours and the recognition library: memory, reading and writing of open descriptors,
 * nothing else. Opening files fails with EACCES; sockets, processes and everything unknown kill.
 */
int confine_parser(void);

/*
 * For a tool about to be executed (poppler): no network, no tracing, no mounts; files can only be
 * read, below /usr, /lib, /lib64 and the font and loader configuration (Landlock).
 */
int confine_tool(void);

/* Bounds on memory, CPU seconds, file size and descriptors of the calling process. */
void confine_limits(unsigned cpu_s);

#endif
