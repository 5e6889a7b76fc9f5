#ifndef TESTS_SIM_SIM_ORACLE_H
#define TESTS_SIM_SIM_ORACLE_H

/* The state after a set of batches, from their definition alone: every add and set, less
 * what any operation had seen. No merging, no order of arrival, no cleverness. */

#include "sync/sim_world.h"

/* Does the document at `place` hold exactly the state after all batches that its version
 * covers and no crash took? Else false, and why. Slow: for small runs. */
bool sim_oracle_check(sync_sim *sim, uint32_t place, char *why, size_t why_size);

/* Is every acknowledged batch of the run covered by the version at `place`? Batches of
 * `except` (a bit a place) are left out: whose disk was set back. */
bool sim_oracle_acknowledged(sync_sim *sim, uint32_t place, uint32_t except, char *why,
                             size_t why_size);

#endif /* TESTS_SIM_SIM_ORACLE_H */
