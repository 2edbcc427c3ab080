/*
 * UUIDv7 (RFC 9562 section 5.7): 48 bits of unix milliseconds, then 74 random bits from the
 * operating system. Ids are made by whoever creates the object, never by the database.
 */
#ifndef LGSP_BASE_UUID_H
#define LGSP_BASE_UUID_H

#include <stdint.h>

#define UUID_BYTES      16
#define UUID_TEXT_BYTES 37 /* with NUL */

void uuid_v7(uint8_t out[static UUID_BYTES]);
void uuid_format(const uint8_t uuid[static UUID_BYTES], char out[static UUID_TEXT_BYTES]);
/* Strict 8-4-4-4-12 form, either case; 0 or ERR_INVALID. */
int uuid_parse(const char *s, uint8_t ret_uuid[static UUID_BYTES]);

#endif
