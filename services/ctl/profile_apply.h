/* Gives each service its part of a checked profile over the bus. */
#ifndef SERVICES_CTL_PROFILE_APPLY_H
#define SERVICES_CTL_PROFILE_APPLY_H

#include "services/ctl/profile.h"

/*
 * Directory first, then dossier, payment and kpi: one ImportProfile each, whose message id is made
 * of the manifest's hash and the service's name, so that applying again is a replay. Then waits
 * until the services have the directory's data. Returns an exit code.
 */
int profile_apply(const struct profile *profile);

#endif
