/* The message types that fuzz targets try, picked by a byte of the input. */
#ifndef LGSP_TESTS_FUZZ_TYPES_H
#define LGSP_TESTS_FUZZ_TYPES_H

#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "lgsp/wiretest/v1/wiretest.pb-c.h"

static inline const ProtobufCMessageDescriptor *fuzz_type(uint8_t byte)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&wiretest__scalars__descriptor,
		&wiretest__lists__descriptor,
		&wiretest__choice__descriptor,
		&wiretest__tree__descriptor,
		&dossier__submit_request__descriptor,
		&feed__pull_reply__descriptor,
		&dossier__import_profile_request__descriptor,
	};

	return types[byte % (sizeof(types) / sizeof(types[0]))];
}

#endif
