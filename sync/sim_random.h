#ifndef SYNC_SIM_RANDOM_H
#define SYNC_SIM_RANDOM_H

/* Chances that a seed decides (splitmix64): the same on every machine. Not for secrets. */

#include <stdint.h>

typedef struct sync_sim_random {
    uint64_t state; /* begin with the seed */
} sync_sim_random;

static inline uint64_t sync_sim_random_next(sync_sim_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* One of 0 .. bound - 1; 0 if bound is 0. */
static inline uint64_t sync_sim_random_below(sync_sim_random *random, uint64_t bound)
{
    return bound == 0 ? 0 : sync_sim_random_next(random) % bound;
}

#endif /* SYNC_SIM_RANDOM_H */
