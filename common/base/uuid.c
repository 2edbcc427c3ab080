#include "common/base/uuid.h"

#include <sys/random.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/err.h"

void uuid_v7(uint8_t out[static UUID_BYTES])
{
	uint64_t ms = (uint64_t)(clock_wall_us() / 1000);

	/* Requests of up to 256 bytes are neither cut short nor interrupted (getrandom(2)). */
	CHECK(getrandom(out + 6, UUID_BYTES - 6, 0) == UUID_BYTES - 6);
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)(ms >> (40 - 8 * i));
	out[6] = (uint8_t)(0x70 | (out[6] & 0x0f));
	out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
}

void uuid_format(const uint8_t uuid[static UUID_BYTES], char out[static UUID_TEXT_BYTES])
{
	static const int ends[] = {4, 6, 8, 10, 16};
	char *p = out;
	int from = 0;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		crypt_hex(uuid + from, (size_t)(ends[i] - from), p);
		p += 2 * (ends[i] - from);
		*p++ = '-';
		from = ends[i];
	}
	p[-1] = 0;
}

int uuid_parse(const char *s, uint8_t ret_uuid[static UUID_BYTES])
{
	char hex[2 * UUID_BYTES + 1];
	int n = 0, i;

	for (i = 0; i < UUID_TEXT_BYTES - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (!s[i] || dash != (s[i] == '-'))
			return ERR_INVALID;
		if (!dash)
			hex[n++] = s[i];
	}
	if (s[i])
		return ERR_INVALID;
	hex[n] = 0;
	return crypt_unhex(hex, UUID_BYTES, ret_uuid);
}
