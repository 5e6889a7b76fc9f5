#ifndef CRDT_MUTANT_H
#define CRDT_MUTANT_H

/* Mistakes on purpose, to see whether the tests find them.
 *
 * MUTANT(n) is 0 wherever people use what is built. With SCENESYNC_MUTANTS (preset `mutants`)
 * all mistakes are in one program, and it makes the one whose number the environment names in
 * SCENESYNC_MUTANT. tests/mutants.list says in words what each one does; tests/mutants makes
 * them one after the other and prints what found each. A line with a mutant reads
 * `right || MUTANT(n)` or `if (MUTANT(n)) { wrong }`: without it the code is what it was. */

#ifdef SCENESYNC_MUTANTS

#include <stdbool.h>
#include <stdint.h>

#define CRDT_MUTANTS_MAX 512u

/* Read once, before main. 0: none. */
extern unsigned crdt_mutant_number;
/* By number: whether its line was run. In the file that SCENESYNC_MUTANT_REACHED names, so
 * that all processes of a test share it; else nobody reads it. */
extern volatile uint8_t *crdt_mutant_reached;

static inline bool crdt_mutant_is(unsigned number)
{
    crdt_mutant_reached[number] = 1;
    return number == crdt_mutant_number;
}
#define MUTANT(n) crdt_mutant_is(n)

#else
#define MUTANT(n) 0
#endif

#endif /* CRDT_MUTANT_H */
