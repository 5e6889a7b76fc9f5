#ifndef CLI_FUZZ_CONVERGENCE_H
#define CLI_FUZZ_CONVERGENCE_H

/* How long it takes until all replicas are equal, after the last edit, on a network that goes
 * on losing packets. Virtual time; a seed gives the same figure everywhere. */

#include <stdint.h>

typedef struct fuzz_convergence {
    uint32_t places;
    uint32_t loss;    /* percent */
    uint32_t runs;    /* seeds: 1 .. runs */
    uint64_t mean_ms; /* these three are measured */
    uint64_t median_ms;
    uint64_t longest_ms; /* UINT64_MAX: a run was not equal after a minute */
} fuzz_convergence;

#define FUZZ_CONVERGENCE_RUNS_MAX 1000u

/* Each place is connected to each, makes five edits, one every 50 ms; packets take 1 to 20
 * ms. Fills in what is measured. */
void fuzz_convergence_measure(fuzz_convergence *point);

#endif /* CLI_FUZZ_CONVERGENCE_H */
