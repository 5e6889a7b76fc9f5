#ifndef CLI_FUZZ_PROFILE_H
#define CLI_FUZZ_PROFILE_H

/* Profiles: what kind of plans are drawn, from a seed alone.
 *
 *   calm        edits that meet, on a network that loses nothing
 *   lossy       packets are lost (0-75 %), repeated, late, out of order
 *   partition   and ways are cut, both or one, and healed
 *   crash       and places crash, stop, start; disks are checkpointed, restored, copied
 *   hostile     stores go on where they may not: two copies of one, machines set back
 *   everything  any of these */

#include "cli/fuzz/plan.h"

typedef enum fuzz_profile {
    FUZZ_CALM,
    FUZZ_LOSSY,
    FUZZ_PARTITION,
    FUZZ_CRASHES,
    FUZZ_HOSTILE,
    FUZZ_EVERYTHING,
    FUZZ_PROFILE_COUNT
} fuzz_profile;

const char *fuzz_profile_name(fuzz_profile profile);
/* FUZZ_PROFILE_COUNT: there is none of that name. */
fuzz_profile fuzz_profile_find(const char *name);

#define FUZZ_LOSS_ANY UINT32_MAX

typedef struct fuzz_wish {
    fuzz_profile profile;
    uint32_t places;   /* 0: 2 to 5 */
    uint32_t steps;    /* about so many; 0: 20 to 200 */
    uint32_t loss;     /* percent; FUZZ_LOSS_ANY: as the profile has it */
    const char *scene; /* a scene file to begin with; NULL: empty */
} fuzz_wish;

/* Draw a plan. `plan` is initialized and overwritten. The same seed and wish give the same
 * plan, on every machine. */
void fuzz_profile_draw(fuzz_plan *plan, const fuzz_wish *wish, uint64_t seed);

#endif /* CLI_FUZZ_PROFILE_H */
