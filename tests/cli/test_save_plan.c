#include "cli/worker/save_plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/worker/save.h"

static worker_save_target target(void)
{
    return (worker_save_target){.enabled = true,
                                .backoff = worker_backoff_make(1000, 60000, 1)};
}

/* Autosave: at the latest so long after the first change, at most that often. */
Test(save_plan, autosave_has_its_time)
{
    worker_save_target t = target();
    cr_expect_eq(worker_save_target_due(&t, true, 5000), WORKER_SAVE_NEVER);
    worker_save_target_change(&t, 100);
    worker_save_target_change(&t, 4000);
    cr_expect_eq(worker_save_target_due(&t, true, 5000), 5100);
    cr_expect_eq(worker_save_target_due(&t, false, 5000), WORKER_SAVE_NEVER);
    cr_expect_eq(worker_save_target_due(&t, true, 0), WORKER_SAVE_NEVER);
    worker_save_target_begin(&t);
    cr_expect_eq(worker_save_target_due(&t, true, 5000), WORKER_SAVE_NEVER);
    worker_save_target_change(&t, 5200); /* while it is being saved */
    worker_save_target_end(&t, CRDT_OK, false, 5300);
    cr_expect_eq(worker_save_target_due(&t, true, 5000), 10200);
}

/* In any ten minutes of steady changes: one save in five seconds, no more. */
Test(save_plan, steady_changes_are_saved_steadily)
{
    worker_save_target t = target();
    uint64_t saves = 0;
    uint64_t last = 0;
    for (uint64_t now = 0; now < 600000; now += 50) {
        worker_save_target_change(&t, now);
        if (worker_save_target_due(&t, true, 5000) <= now) {
            cr_assert(saves == 0 || now - last >= 5000);
            last = now;
            saves++;
            worker_save_target_begin(&t);
            worker_save_target_end(&t, CRDT_OK, true, now);
        }
    }
    cr_expect_geq(saves, 600000 / 5050 - 1);
}

Test(save_plan, failures_wait_longer_and_longer)
{
    worker_save_target t = target();
    worker_save_target_change(&t, 0);
    uint64_t now = 5000;
    uint64_t before = 0;
    for (int i = 0; i < 10; i++) {
        worker_save_target_begin(&t);
        worker_save_target_end(&t, CRDT_EIO, false, now);
        uint64_t due = worker_save_target_due(&t, true, 5000);
        cr_assert_geq(due, now + 750);
        cr_assert_leq(due, now + 60000);
        if (i > 0 && i < 5) {
            cr_assert_gt(due - now, before, "the wait of try %d", i);
        }
        before = due - now;
        /* A change does not make it earlier. */
        worker_save_target_change(&t, now + 1);
        cr_assert_eq(worker_save_target_due(&t, true, 5000), due);
        now = due;
    }
    worker_save_target_begin(&t);
    worker_save_target_end(&t, CRDT_OK, true, now);
    cr_expect_not(t.failing);
    cr_expect_eq(worker_save_target_due(&t, true, 5000), WORKER_SAVE_NEVER);
}

/* What a person asked for is tried again though there is no autosave. */
Test(save_plan, without_autosave_failures_are_tried_again)
{
    worker_save_target t = target();
    worker_save_target_change(&t, 0);
    worker_save_target_begin(&t);
    worker_save_target_end(&t, CRDT_ETIMEOUT, false, 100);
    cr_expect_neq(worker_save_target_due(&t, true, 0), WORKER_SAVE_NEVER);
}

/* Too large: not again before something has changed. */
Test(save_plan, what_is_too_large_waits_for_a_change)
{
    worker_save_target t = target();
    worker_save_target_change(&t, 0);
    worker_save_target_begin(&t);
    worker_save_target_end(&t, CRDT_ELIMIT, false, 100);
    cr_expect_eq(worker_save_target_due(&t, true, 5000), WORKER_SAVE_NEVER);
    worker_save_target_change(&t, 200);
    cr_expect_eq(worker_save_target_due(&t, true, 5000), 1200);
    worker_save_target_begin(&t);
    worker_save_target_change(&t, 1300);
    worker_save_target_end(&t, CRDT_ELIMIT, false, 1400);
    cr_expect_neq(worker_save_target_due(&t, true, 5000), WORKER_SAVE_NEVER,
                  "it changed while it was tried");
}

/* Refused: a person must act, whatever changes. */
Test(save_plan, a_refusal_waits_for_a_person)
{
    worker_save_target t = target();
    worker_save_target_change(&t, 0);
    worker_save_target_begin(&t);
    worker_save_target_change(&t, 50);
    worker_save_target_end(&t, CRDT_EREFUSED, false, 100);
    worker_save_target_change(&t, 200);
    cr_expect(t.refused);
    cr_expect_eq(worker_save_target_due(&t, true, 5000), WORKER_SAVE_NEVER);
}

/* ---- who saves ---- */

Test(save_plan, the_smallest_of_those_that_can)
{
    const crdt_actor self = {{5}};
    const worker_save_rival rivals[] = {{{{3}}, false}, {{{4}}, true}, {{{7}}, true}};
    crdt_actor chosen;
    cr_expect(worker_save_choose(&self, true, rivals, 3, &chosen));
    cr_expect_eq(chosen.bytes[0], 4);
    cr_expect(worker_save_choose(&self, true, rivals, 1, &chosen));
    cr_expect_eq(chosen.bytes[0], 5);
    cr_expect(worker_save_choose(&self, false, rivals + 2, 1, &chosen));
    cr_expect_eq(chosen.bytes[0], 7);
    cr_expect_not(worker_save_choose(&self, false, rivals, 1, &chosen));
}

/* Whoever looks comes to the same choice. */
Test(save_plan, all_choose_the_same)
{
    worker_save_rival all[8];
    for (unsigned mask = 1; mask < 256; mask++) {
        crdt_actor first = {{0}};
        for (size_t i = 0; i < 8; i++) {
            all[i] = (worker_save_rival){{{(uint8_t)((i * 37 + 11) % 100)}},
                                         (mask >> i & 1u) != 0};
        }
        for (size_t self = 0; self < 8; self++) {
            worker_save_rival others[7];
            size_t count = 0;
            for (size_t i = 0; i < 8; i++) {
                if (i != self) {
                    others[count++] = all[i];
                }
            }
            crdt_actor chosen;
            cr_assert(worker_save_choose(&all[self].actor, all[self].saves, others, 7,
                                         &chosen));
            first = self == 0 ? chosen : first;
            cr_assert(crdt_actor_equal(&first, &chosen));
        }
    }
}

/* ---- what is saved ---- */

static void put(crdt_version *version, uint8_t actor, uint64_t time)
{
    cr_assert_eq(crdt_version_raise(version, &(crdt_stamp){time, {{actor}}}), CRDT_OK);
}

Test(save_plan, of_two_saves_what_both_had_is_sure)
{
    crdt_version saved;
    crdt_version told;
    crdt_version_init(&saved, crdt_alloc_default());
    crdt_version_init(&told, crdt_alloc_default());
    put(&told, 1, 5);
    cr_assert_eq(worker_save_learn(&saved, &told), CRDT_OK);
    cr_expect_eq(crdt_version_compare(&saved, &told), CRDT_EQUAL);
    put(&saved, 1, 9);
    put(&saved, 2, 3);
    put(&told, 1, 7);
    cr_assert_eq(worker_save_learn(&saved, &told), CRDT_OK);
    crdt_actor one = {{1}};
    cr_expect_eq(crdt_version_get(&saved, &one), 7);
    cr_expect_eq(saved.stamp_count, 1);
    cr_expect(crdt_version_check(&saved));
    crdt_version_deinit(&saved);
    crdt_version_deinit(&told);
}

Test(save_plan, versions_as_text)
{
    crdt_version version;
    crdt_version again;
    crdt_version_init(&version, crdt_alloc_default());
    crdt_version_init(&again, crdt_alloc_default());
    char text[WORKER_SAVE_VERSION_SIZE];
    cr_expect(worker_version_format(&version, text, sizeof text));
    cr_expect_str_eq(text, "");
    cr_expect_eq(worker_version_parse(text, &again), CRDT_OK);
    cr_expect_eq(again.stamp_count, 0);
    put(&version, 9, 4);
    put(&version, 1, 281474976710655);
    cr_expect(worker_version_format(&version, text, sizeof text));
    cr_expect_str_eq(text, "01000000000000000000000000000000:281474976710655,"
                           "09000000000000000000000000000000:4");
    cr_expect_eq(worker_version_parse(text, &again), CRDT_OK);
    cr_expect_eq(crdt_version_compare(&version, &again), CRDT_EQUAL);
    for (uint8_t i = 0; i < 200; i++) {
        put(&version, i, 1000000);
    }
    cr_expect_not(worker_version_format(&version, text, sizeof text));
    cr_expect_str_eq(text, "");
    crdt_version_deinit(&version);
    crdt_version_deinit(&again);
}

Test(save_plan, texts_that_are_no_version)
{
#define A "0a000000000000000000000000000000"
#define B "0b000000000000000000000000000000"
    static const char *const BAD[] = {
        "x",
        ",",
        A,
        A ":",
        A ":0",
        A ":01",
        A ":-1",
        A ":1,",
        A ":1," A ":2",
        B ":1," A ":1",
        A ":281474976710656",
        A ":1;" B ":2",
        A ": 1",
        "0A"
        ":1",
        A ":1 ",
        A ":1x",
    };
    crdt_version version;
    crdt_version_init(&version, crdt_alloc_default());
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_expect_eq(worker_version_parse(BAD[i], &version), CRDT_EINVAL, "%s", BAD[i]);
        cr_expect_eq(version.stamp_count, 0);
    }
    crdt_version_deinit(&version);
}
