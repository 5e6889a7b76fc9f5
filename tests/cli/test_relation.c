#include "cli/worker/relation.h"

#include <criterion/criterion.h>

static const crdt_actor L1 = {{1}};
static const crdt_actor L2 = {{2}};
static const crdt_actor L3 = {{3}};
static const crdt_actor ANA = {{0xa}};

/* A side with up to two rows: {lineage, time of ANA}. */
typedef struct world {
    scene_descent descent;
    crdt_version version;
    worker_relation_side side;
} world;

static void version_of(crdt_version *version, uint64_t time)
{
    crdt_version_init(version, crdt_alloc_default());
    if (time > 0) {
        cr_assert_eq(crdt_version_raise(version, &(crdt_stamp){time, ANA}), CRDT_OK);
    }
}

static void open_world(world *w, crdt_actor lineage, uint64_t time)
{
    scene_descent_init(&w->descent, crdt_alloc_default());
    version_of(&w->version, time);
    w->side = (worker_relation_side){.lineage = lineage,
                                     .version = time > 0 ? &w->version : NULL,
                                     .descent = &w->descent};
}

static void descend(world *w, crdt_actor lineage, uint64_t time)
{
    crdt_version version;
    version_of(&version, time);
    cr_assert_eq(scene_descent_push(&w->descent, &lineage, &version), CRDT_OK);
    crdt_version_deinit(&version);
}

static void close_world(world *w)
{
    scene_descent_deinit(&w->descent);
    crdt_version_deinit(&w->version);
}

/* Ours is L1 at `time`; theirs was saved of L1 at `saved`. */
static worker_relation to_file(uint64_t time, uint64_t saved)
{
    world ours;
    world theirs;
    open_world(&ours, L1, time);
    open_world(&theirs, L2, 0);
    descend(&theirs, L1, saved);
    worker_relation result = worker_relation_to_file(&ours.side, &theirs.side);
    close_world(&ours);
    close_world(&theirs);
    return result;
}

Test(relation, what_was_saved_of_ours)
{
    cr_expect_eq(to_file(10, 10), WORKER_RELATION_AHEAD);
    cr_expect_eq(to_file(11, 10), WORKER_RELATION_AHEAD);
    cr_expect_eq(to_file(9, 10), WORKER_RELATION_BEHIND);
}

Test(relation, the_very_file_and_a_stranger)
{
    world ours;
    world theirs;
    open_world(&ours, L1, 5);
    open_world(&theirs, L1, 0);
    cr_expect_eq(worker_relation_to_file(&ours.side, &theirs.side),
                 WORKER_RELATION_SAME);
    theirs.side.lineage = L2;
    cr_expect_eq(worker_relation_to_file(&ours.side, &theirs.side),
                 WORKER_RELATION_UNRELATED);
    descend(&theirs, L3, 4);
    cr_expect_eq(worker_relation_to_file(&ours.side, &theirs.side),
                 WORKER_RELATION_UNRELATED);
    close_world(&ours);
    close_world(&theirs);
}

/* Saved twice: what is deployed is older than what our store was loaded from. */
Test(relation, an_older_file_is_behind_us)
{
    world ours;
    world theirs;
    open_world(&ours, L2, 20);
    descend(&ours, L1, 10);
    open_world(&theirs, L3, 0);
    descend(&theirs, L1, 8);
    cr_expect_eq(worker_relation_to_file(&ours.side, &theirs.side),
                 WORKER_RELATION_AHEAD);
    close_world(&theirs);
    open_world(&theirs, L3, 0);
    descend(&theirs, L1, 12); /* another branch of what ours came from */
    cr_expect_eq(worker_relation_to_file(&ours.side, &theirs.side),
                 WORKER_RELATION_UNRELATED);
    close_world(&theirs);
    open_world(&theirs, L1, 0); /* the template of our own ancestor */
    cr_expect_eq(worker_relation_to_file(&ours.side, &theirs.side),
                 WORKER_RELATION_AHEAD);
    close_world(&ours);
    close_world(&theirs);
}

/* Who lives on a descendant of ours is joined, whatever ours holds; and the other way
 * round, never both. */
Test(relation, one_of_two_that_live_comes_over)
{
    world ours;
    world theirs;
    open_world(&ours, L1, 11);
    open_world(&theirs, L2, 0);
    descend(&theirs, L1, 10);
    cr_expect_eq(worker_relation_to_living(&ours.side, &theirs.side),
                 WORKER_RELATION_BEHIND);
    cr_expect_eq(worker_relation_to_living(&theirs.side, &ours.side),
                 WORKER_RELATION_AHEAD);
    close_world(&theirs);
    open_world(&theirs, L3, 0);
    cr_expect_eq(worker_relation_to_living(&ours.side, &theirs.side),
                 WORKER_RELATION_UNRELATED);
    theirs.side.lineage = L1;
    cr_expect_eq(worker_relation_to_living(&ours.side, &theirs.side),
                 WORKER_RELATION_SAME);
    close_world(&ours);
    close_world(&theirs);
}

Test(relation, newer_is_who_holds_the_other)
{
    world a;
    world b;
    open_world(&a, L2, 0);
    open_world(&b, L3, 0);
    cr_expect_not(worker_relation_newer(&a.side, &b.side));
    descend(&a, L1, 10);
    cr_expect_not(worker_relation_newer(&a.side, &b.side));
    descend(&b, L1, 8);
    cr_expect(worker_relation_newer(&a.side, &b.side));
    cr_expect_not(worker_relation_newer(&b.side, &a.side));
    descend(&b, L1, 10);
    cr_expect_not(worker_relation_newer(&a.side, &b.side));
    close_world(&a);
    close_world(&b);
}
