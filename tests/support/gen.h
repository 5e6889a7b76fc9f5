#ifndef TESTS_SUPPORT_GEN_H
#define TESTS_SUPPORT_GEN_H

/* Random things from a seed: the same seed gives the same things on every machine.
 *
 * What a gen function hands out is borrowed from `arena` and lives until its reset. Out
 * of memory aborts: this is test code. */

#include "crdt/alloc.h"
#include "crdt/op.h"

typedef struct gen {
    uint64_t state;
    crdt_arena *arena;
} gen;

/* The seed of a test: from the environment variable SCENESYNC_SEED if set, else
 * `fallback`. Tests print it when they fail. */
uint64_t gen_seed(uint64_t fallback);
gen gen_open(uint64_t seed, crdt_arena *arena);

uint64_t gen_next(gen *g);                  /* 64 random bits (splitmix64) */
uint64_t gen_below(gen *g, uint64_t bound); /* 0 .. bound - 1; bound >= 1 */
bool gen_chance(gen *g, unsigned percent);
double gen_unit(gen *g); /* [0, 1) */

/* Actor number `index` of a small world: the same bytes for the same index. */
crdt_actor gen_actor(unsigned index);
crdt_stamp gen_stamp(gen *g, unsigned actor_count, uint64_t time_max);

/* Valid UTF-8 of up to `size_max` bytes, of all planes. */
crdt_span gen_text(gen *g, size_t size_max);
/* A name: mostly short ASCII out of a small world ("o3", "p1"), sometimes any UTF-8,
 * sometimes with a leading FF, sometimes empty. `prefix` begins the ASCII ones; unless it is
 * o, some are well-known. */
crdt_span gen_name(gen *g, char prefix, unsigned world);
/* A canonical value nested up to `depth_max`. */
crdt_span gen_value(gen *g, unsigned depth_max);
/* One operation in a world of `world` objects with as many parts and fields. */
crdt_op gen_op(gen *g, unsigned world);
/* A batch of 1 .. op_max operations by one of `actor_count` actors, deps of the others.
 */
crdt_batch gen_batch(gen *g, unsigned actor_count, unsigned world, size_t op_max);

/* Are they equal in all they say? */
bool gen_op_equal(const crdt_op *a, const crdt_op *b);
bool gen_batch_equal(const crdt_batch *a, const crdt_batch *b);

#endif /* TESTS_SUPPORT_GEN_H */
