/* Stores that are copied, restored, and machines that are rolled back: found at the first
 * contact, nothing lost, and what clashes is told. */

#include "tests/sync/node_box.h"

#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS 120000

static char folder[64];

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/scenesync-copies-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    char state[128];
    snprintf(state, sizeof state, "%s/state", folder);
    setenv("SCENESYNC_STATE_DIR", state, 1);
}

static void tear_down(void)
{
    run("rm -r '%s'", folder);
}

TestSuite(copies, .init = set_up, .fini = tear_down, .timeout = 600);

static const char *store(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

/* The content of every file, into the very files that are there. */
static void put_back(const char *image, const char *name)
{
    run("cd '%s/%s' && find . -type f | while read -r f; do"
        " cat \"$f\" > '%s/%s'/\"$f\" || exit 1; done",
        folder, image, folder, name);
}

static void set(node_box *box, const char *field, int64_t value)
{
    sync_edit_result result;
    cr_assert_eq(box_set(box, "lamp", field, value, &result), CRDT_OK, "%s",
                 result.diag.text);
}

static crdt_actor actor_of(node_box *box)
{
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(box->node, &status), CRDT_OK);
    crdt_actor actor = status.actor;
    sync_node_status_deinit(&status);
    return actor;
}

static bool same_actor(const crdt_actor *a, const crdt_actor *b)
{
    return crdt_actor_equal(a, b);
}

static void expect(node_box *box, const char *field, int64_t value)
{
    int64_t got = box_get(box, "lamp", field);
    cr_assert_eq(got, value, "%s is %d, not %d", field, (int)got, (int)value);
}

static void close_both(node_box *a, node_box *b)
{
    cr_assert_eq(box_close(b), CRDT_OK);
    cr_assert_eq(box_close(a), CRDT_OK);
}

Test(copies, copied_while_running_and_both_go_on)
{
    node_box a;
    node_box b;
    box_start(&a, store("a"), "inproc://copied-a", NULL);
    set(&a, "x", 1);
    run("cp -r '%s' '%s'", store("a"), store("b"));
    set(&a, "before", 2);
    box_start(&b, store("b"), NULL, NULL);
    crdt_actor actor_a = actor_of(&a);
    crdt_actor actor_b = actor_of(&b);
    cr_assert_not(same_actor(&actor_a, &actor_b), "two never write under one name");
    set(&b, "own", 3);
    cr_assert_eq(box_close(&b), CRDT_OK);
    box_start(&b, store("b"), "inproc://copied-b", "inproc://copied-a");
    crdt_actor again = actor_of(&b);
    cr_assert(same_actor(&actor_b, &again), "a fresh name is kept");
    set(&a, "x", 4);
    set(&b, "y", 5);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    expect(&b, "x", 4);
    expect(&a, "y", 5);
    expect(&a, "own", 3);
    expect(&b, "before", 2);
    close_both(&a, &b);
}

/* A's store as it was yesterday is put back; B knows what A did since. */
static void restore_from_yesterday(bool in_place)
{
    node_box a;
    node_box b;
    box_start(&a, store("a"), NULL, NULL);
    set(&a, "old", 1);
    cr_assert_eq(box_close(&a), CRDT_OK);
    run("cp -r '%s' '%s'", store("a"), store("yesterday"));
    box_start(&b, store("b"), "inproc://restored-b", NULL);
    box_start(&a, store("a"), "inproc://restored-a", "inproc://restored-b");
    set(&a, "new", 2);
    set(&a, "old", 3);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    crdt_actor former = actor_of(&a);
    cr_assert_eq(box_close(&a), CRDT_OK);
    if (in_place) {
        put_back("yesterday", "a");
    } else {
        run("rm -r '%s' && cp -r '%s' '%s'", store("a"), store("yesterday"),
            store("a"));
    }
    box_start(&a, store("a"), NULL, NULL);
    crdt_actor fresh = actor_of(&a);
    cr_assert_not(same_actor(&former, &fresh), "its stamps are not given twice");
    expect(&a, "old", 1);
    set(&a, "lonely", 4);
    cr_assert_eq(box_close(&a), CRDT_OK);
    box_start(&a, store("a"), "inproc://restored-a", "inproc://restored-b");
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    expect(&a, "new", 2);
    expect(&a, "old", 3);
    expect(&b, "lonely", 4);
    close_both(&a, &b);
}

Test(copies, restored_from_yesterday)
{
    restore_from_yesterday(false);
}

Test(copies, restored_from_yesterday_in_place)
{
    restore_from_yesterday(true);
}

/* Everything that could prove it is rolled back with the store: A writes again what it
 * wrote before, under the same stamps. The first contact shows it: A stops, takes a fresh
 * name, and what only A had is written again. */
static void roll_back_machine(bool b_asks)
{
    node_box a;
    node_box b;
    box_start(&a, store("a"), NULL, NULL);
    set(&a, "old", 1);
    cr_assert_eq(box_close(&a), CRDT_OK);
    run("cp -r '%s' '%s' && cp -r '%s' '%s'", store("a"), store("image"),
        store("state"), store("image-state"));
    box_start(&b, store("b"), "inproc://rolled-b", NULL);
    box_start(&a, store("a"), NULL, "inproc://rolled-b");
    set(&a, "theirs", 2);
    set(&a, "clash", 3);
    set(&a, "gone", 4);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    crdt_actor former = actor_of(&a);
    cr_assert_eq(box_close(&a), CRDT_OK);
    put_back("image", "a");
    put_back("image-state", "state");

    box_start(&a, store("a"), NULL, NULL);
    crdt_actor rolled = actor_of(&a);
    cr_assert(same_actor(&former, &rolled), "nothing here can tell yet");
    set(&a, "mine", 20);
    set(&a, "clash", 30);
    cr_assert_eq(box_close(&a), CRDT_OK);
    if (b_asks) {
        /* The one that was rolled back is found by who comes to it. */
        cr_assert_eq(box_close(&b), CRDT_OK);
        box_start(&a, store("a"), "inproc://rolled-a", NULL);
        box_start(&b, store("b"), "inproc://rolled-b", "inproc://rolled-a");
    } else {
        box_start(&a, store("a"), "inproc://rolled-a", "inproc://rolled-b");
    }
    cr_assert(box_await(&a, SYNC_EVENT_FRESH, 1), "found at first contact");
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    crdt_actor fresh = actor_of(&a);
    cr_assert_not(same_actor(&former, &fresh));
    expect(&a, "theirs", 2);
    expect(&a, "gone", 4);
    expect(&b, "mine", 20);
    expect(&b, "old", 1);
    int64_t clash = box_get(&a, "lamp", "clash");
    cr_assert(clash == 3 || clash == 30);
    cr_assert_eq(box_get(&b, "lamp", "clash"), clash);
    cr_assert_geq(box_count(&a, SYNC_EVENT_REWRITTEN) + box_count(&a, SYNC_EVENT_LOST) +
                      box_count(&a, SYNC_EVENT_FORK),
                  1, "what was written twice is told");
    set(&a, "after", 5);
    set(&b, "after2", 6);
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    expect(&b, "after", 5);
    close_both(&a, &b);
    box_start(&a, store("a"), NULL, NULL);
    crdt_actor kept = actor_of(&a);
    cr_assert(same_actor(&fresh, &kept), "the fresh name is on disk");
    expect(&a, "mine", 20);
    expect(&a, "theirs", 2);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

Test(copies, machine_rolled_back)
{
    roll_back_machine(false);
}

Test(copies, machine_rolled_back_and_visited)
{
    roll_back_machine(true);
}
