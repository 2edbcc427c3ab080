/*
 * The province of test_dossier_model.c: its calendar, officers and procedures, in the service's
 * tables and in the model's world.
 */
#ifndef LGSP_TESTS_IT_DOSSIER_WORLD_H
#define LGSP_TESTS_IT_DOSSIER_WORLD_H

#include "tests/it/dossier_model.h"

/* Behind the rig's set_up(). */
void world_start(void);
void world_stop(void);

/* It is that time now, for the service and the model. */
void world_at(int64_t now_us);
/* Another version of PLAIN: its limit is for what is accepted from now on. */
void world_limit(int unit, int value);
/* A desk's colleague stands in for its officer from today on for some days more; -1: no longer. */
void world_stand_in(struct ask *a, int desk, int days);

#endif
