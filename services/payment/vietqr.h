/*
 * VietQR payloads: EMVCo merchant-presented mode in the NAPAS profile (QR_Format_T&C v1.0). Pure.
 */
#ifndef LGSP_PAYMENT_VIETQR_H
#define LGSP_PAYMENT_VIETQR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIETQR_MAX         512 /* room for any payload, with NUL */
#define VIETQR_PURPOSE_MAX 25

struct vietqr {
	const char *bin;     /* 6 digits */
	const char *number;  /* account or card: 1..19 letters and digits */
	bool card;           /* QRIBFTTC instead of QRIBFTTA */
	int64_t amount_vnd;  /* 0: none, a static code */
	const char *bill;    /* bill number, "" for none; at most 25 ASCII characters */
	const char *purpose; /* "" for none; at most VIETQR_PURPOSE_MAX ASCII characters */
};

/* Writes the payload with its CRC. 0, or ERR_INVALID when a part breaks its rule. */
int vietqr_write(const struct vietqr *qr, char out[static VIETQR_MAX]);

/* CRC-16/CCITT-FALSE: polynomial 1021, initial FFFF, not reflected. */
uint16_t vietqr_crc(const void *p, size_t n);

#endif
