/*
 * Certificates: CURVE keys of a member in czmq's zcert text format (ZPL, ZeroMQ RFC 4), as written
 * by `lgspctl keys`. Read strictly: whatever is not understood is refused with its line.
 */
#ifndef LGSP_BUS_CERT_H
#define LGSP_BUS_CERT_H

#include "common/base/err.h"

#define CERT_MEMBER_MAX 128 /* with NUL */

struct cert {
	char public_z85[41];
	char secret_z85[41];          /* "" in a public certificate */
	char member[CERT_MEMBER_MAX]; /* "" when the metadata have none */
	/* Metadata valid_from and valid_until: days in Asia/Ho_Chi_Minh, both included. */
	int32_t valid_from, valid_until; /* 0 and CIVIL_FOREVER when the metadata have none */
};

/* 0, or ERR_INVALID with "path:line: reason" as the error's argument. */
int cert_read(const char *path, struct cert *ret_cert, struct err *err);
/* As cert_read() from text; path is for messages only. */
int cert_parse(const char *path, const char *text, struct cert *ret_cert, struct err *err);

#endif
