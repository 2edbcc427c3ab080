#include "common/base/base.h"

#ifndef LGSP_VERSION
#error "the Makefile gives LGSP_VERSION to this file"
#endif

const char *base_version(void)
{
	return LGSP_VERSION;
}
