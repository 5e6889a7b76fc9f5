#include "cli/worker/backoff.h"

worker_backoff worker_backoff_make(uint32_t ms_min, uint32_t ms_max, uint64_t seed)
{
    return (worker_backoff){.ms_min = ms_min > 0 ? ms_min : 1,
                            .ms_max = ms_max > ms_min ? ms_max : ms_min,
                            .random = seed};
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t worker_backoff_fail(worker_backoff *backoff)
{
    uint32_t shift = backoff->failures < 24 ? backoff->failures : 24;
    uint64_t wait = (uint64_t)backoff->ms_min << shift;
    wait = wait < backoff->ms_max ? wait : backoff->ms_max;
    backoff->failures++;
    uint64_t spread = wait / 2;
    wait -= wait / 4;
    wait += spread > 0 ? next_random(&backoff->random) % (spread + 1) : 0;
    return wait < backoff->ms_max ? wait : backoff->ms_max;
}

void worker_backoff_clear(worker_backoff *backoff)
{
    backoff->failures = 0;
}
