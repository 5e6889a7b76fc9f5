/* Stories in a simulated world: what replicas do, told as traces, and what real
 * replication engines got wrong. */

#include "crdt/template.h"
#include "crdt/value.h"
#include "sync/message.h"
#include "tests/sim/sim_oracle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static sync_sim *open_sim(uint32_t place_count, bool trace)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = place_count;
    o.trace = trace;
    o.disk_ms_max = 1;
    o.faults = (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 1};
    return sync_sim_open(&o);
}

static void check_converged(sync_sim *sim)
{
    char why[200] = "";
    uint64_t took = sync_sim_run_until_equal(sim, 20000);
    cr_assert(took != UINT64_MAX, "not equal after 20 s");
    cr_assert_str_eq(sync_sim_fault(sim), "");
    cr_assert(sim_oracle_check(sim, 0, why, sizeof why), "%s", why);
}

static sync_replica_counts counts(sync_sim *sim, uint32_t place)
{
    return sync_replica_count(sync_sim_replica(sim, place));
}

/* The integer that the field shows at the place; -1: it is not visible. */
static int64_t shown(sync_sim *sim, uint32_t place, const char *object,
                     const char *field)
{
    crdt_key key =
        crdt_key_field(crdt_span_of(object), crdt_span_of("part"), crdt_span_of(field));
    crdt_span value;
    if (!crdt_document_get(sync_sim_document(sim, place), &key, &value)) {
        return -1;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    return crdt_value_read(&reader).integer;
}

/* Only the lines of the trace that contain one of the words. */
static void expect(sync_sim *sim, const char *const *words, const char *expected)
{
    static char lines[1 << 16];
    const char *at = sync_sim_trace(sim);
    lines[0] = '\0';
    size_t size = 0;
    while (*at != '\0') {
        const char *end = strchr(at, '\n') + 1;
        size_t length = (size_t)(end - at);
        for (size_t i = 0; words[i] != NULL; i++) {
            const char *found = strstr(at, words[i]);
            if (found != NULL && found < end && size + length < sizeof lines) {
                memcpy(lines + size, at, length);
                size += length;
                lines[size] = '\0';
                break;
            }
        }
        at = end;
    }
    cr_assert_str_eq(lines, expected);
}

static const char *const data_words[] = {"publishes", "applies", "asks",  "merges",
                                         "holds",     "pushes",  "fetch", NULL};

/* ---- the protocol at work ---- */

/* A batch goes out once it is on disk, and is applied where it arrives. */
Test(stories, live_path)
{
    sync_sim *sim = open_sim(2, true);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 1500);
    sync_sim_trace(sim);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_run(sim, 5);
    expect(sim, data_words,
           "[ 1501] 0 > publishes 1\n"
           "[ 1502] 1 > applies 1\n");
    check_converged(sim);
    sync_sim_close(sim);
}

/* A peer that was cut off gets what it missed, and only that: one question, one answer. */
Test(stories, cut_off_peer_catches_up)
{
    sync_sim *sim = open_sim(2, true);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 1500);
    sync_sim_cut(sim, 0, 1);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_set(sim, 0, "lamp", "name", 2);
    sync_sim_run(sim, 100);
    sync_sim_heal(sim, 0, 1);
    sync_sim_trace(sim);
    sync_sim_run(sim, 1000);
    cr_assert_eq(counts(sim, 1).asked, 1);
    cr_assert_eq(counts(sim, 1).merged, 1);
    cr_assert_eq(counts(sim, 0).asked, 0);
    cr_assert_eq(shown(sim, 1, "lamp", "name"), 2);
    check_converged(sim);
    sync_sim_close(sim);
}

/* Nothing is published, and no version told, before it is on disk; a crash before that
 * takes the edit from everybody. */
Test(stories, durable_before_spoken_of)
{
    sync_sim_options o = sync_sim_options_default();
    o.disk_ms_max = 400;
    o.seed = 3;
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 3000);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    cr_assert_eq(sync_replica_version(sync_sim_replica(sim, 0))->stamp_count, 0);
    cr_assert_eq(counts(sim, 0).published, 0);
    sync_sim_crash(sim, 0, false);
    sync_sim_start_place(sim, 0, SYNC_SIM_KEEP);
    sync_sim_set(sim, 0, "lamp", "name", 2);
    sync_sim_run(sim, 3000);
    cr_assert_eq(shown(sim, 1, "lamp", "name"), 2);
    check_converged(sim);
    sync_sim_close(sim);
}

/* Batches that overtake each other are held back and applied when their turn comes; no
 * question is asked for them. */
Test(stories, reordering_costs_no_question)
{
    sync_sim *sim = open_sim(3, false);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 3000);
    sync_sim_set_faults(sim, (sync_sim_faults){.duplicate_percent = 20,
                                               .delay_ms_min = 1,
                                               .delay_ms_max = 9});
    for (int i = 0; i < 200; i++) {
        sync_sim_set(sim, (uint32_t)i % 2, "lamp", "name", i);
        sync_sim_run(sim, 2);
    }
    sync_sim_run(sim, 10);
    cr_assert_eq(counts(sim, 2).applied, 200);
    cr_assert_eq(counts(sim, 2).asked, 0);
    cr_assert_geq(counts(sim, 2).duplicates, 20);
    check_converged(sim);
    sync_sim_close(sim);
}

/* A - B - C, nobody finds anybody: B passes on what C does not hear from A itself. */
Test(stories, line_relays)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = 3;
    o.replica.discover = false;
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_line(sim);
    sync_sim_run(sim, 3000);
    for (int i = 0; i < 10; i++) {
        sync_sim_set(sim, 0, "lamp", "name", i);
        sync_sim_run(sim, 100);
    }
    check_converged(sim);
    cr_assert_eq(shown(sim, 2, "lamp", "name"), 9);
    cr_assert_eq(counts(sim, 1).relayed, 10);
    cr_assert_eq(counts(sim, 2).relayed, 0);
    cr_assert_eq(counts(sim, 2).asked, 0, "the live path was enough");
    sync_sim_close(sim);
}

/* In a mesh nobody relays: n replicas send n copies. A new one that knows one finds all. */
Test(stories, mesh_does_not_storm)
{
    sync_sim *sim = open_sim(6, false);
    sync_sim_line(sim);
    sync_sim_run(sim, 15000);
    uint64_t sent = sync_sim_network(sim)->sent;
    uint64_t relayed = 0;
    for (uint32_t i = 0; i < 6; i++) {
        relayed += counts(sim, i).relayed;
    }
    for (int i = 0; i < 20; i++) {
        sync_sim_set(sim, 0, "lamp", "name", i);
        sync_sim_run(sim, 10);
    }
    sync_sim_run(sim, 100);
    for (uint32_t i = 0; i < 6; i++) {
        relayed -= counts(sim, i).relayed;
    }
    cr_assert_eq(relayed, 0, "found each other, so nothing is relayed");
    cr_assert(sync_sim_network(sim)->sent - sent < 20 * 5 + 60);
    check_converged(sim);
    sync_sim_close(sim);
}

/* One that cannot be dialled asks on its own, and hands over what it has by PUSH. */
Test(stories, undialable_peer_pushes)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_set_dialable(sim, 1, false);
    sync_sim_crash(sim, 1, false);
    sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
    sync_sim_peer(sim, 1, 0);
    sync_sim_run(sim, 1000);
    sync_sim_set(sim, 1, "lamp", "name", 1);
    sync_sim_set(sim, 0, "desk", "name", 2);
    check_converged(sim);
    cr_assert_geq(counts(sim, 1).pushed, 1);
    cr_assert_eq(counts(sim, 0).pushed, 0);
    cr_assert_eq(shown(sim, 0, "lamp", "name"), 1);
    sync_sim_close(sim);
}

/* What somebody published is not handed back to them: one that cannot be dialled pushed
 * each batch to its author, as that one's last beacon did not tell of it yet. */
Test(stories, what_was_published_is_not_pushed_back)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_set_dialable(sim, 1, false);
    sync_sim_crash(sim, 1, false);
    sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
    sync_sim_peer(sim, 1, 0);
    sync_sim_set(sim, 0, "desk", "name", -1);
    check_converged(sim);
    for (int64_t i = 0; i < 20; i++) {
        sync_sim_set(sim, 0, "desk", "name", i);
        sync_sim_run(sim, 50);
        cr_assert_eq(shown(sim, 1, "desk", "name"), i, "by publication");
    }
    cr_assert_eq(counts(sim, 1).pushed, 0);
    sync_sim_set(sim, 1, "lamp", "name", 1);
    check_converged(sim);
    cr_assert_geq(counts(sim, 1).pushed, 1);
    cr_assert_eq(shown(sim, 0, "lamp", "name"), 1);
    sync_sim_close(sim);
}

/* Who leaves is gone at once, who crashes after three beacons. */
Test(stories, leaving_and_falling_silent)
{
    sync_sim *sim = open_sim(3, false);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 3000);
    cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_LEFT), 0);
    sync_sim_stop(sim, 2);
    sync_sim_run(sim, 50);
    cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_LEFT), 1);
    sync_sim_crash(sim, 1, false);
    sync_sim_run(sim, 1500);
    cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_LEFT), 1);
    sync_sim_run(sim, 3000);
    cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_LEFT), 2);
    sync_sim_close(sim);
}

/* Presence is told to who is there, to who comes later, and again to who was away; it ends
 * when its owner leaves or falls silent. */
Test(stories, presence_comes_and_goes)
{
    sync_sim *sim = open_sim(3, false);
    sync_sim_mesh(sim);
    sync_sim_crash(sim, 2, false);
    sync_sim_run(sim, 3000);
    sync_sim_presence(sim, 0, "ann");
    sync_sim_run(sim, 120);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 1, 0), "ann", "told within the gap");
    sync_sim_start_place(sim, 2, SYNC_SIM_KEEP);
    sync_sim_run(sim, 1000);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 2, 0), "ann", "and to a newcomer");
    sync_sim_cut(sim, 0, 1);
    sync_sim_run(sim, 4000);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 1, 0), "", "silent: gone");
    sync_sim_heal_all(sim);
    sync_sim_run(sim, 4000);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 1, 0), "ann", "told again");
    uint64_t sent = counts(sim, 0).presences;
    uint64_t beacons = counts(sim, 0).beacons;
    for (int i = 0; i < 500; i++) { /* moves at 100 Hz for 5 s */
        char text[16];
        snprintf(text, sizeof text, "at %d", i);
        sync_sim_presence(sim, 0, text);
        sync_sim_run(sim, 10);
    }
    sync_sim_run(sim, 200);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 1, 0), "at 499");
    cr_assert_str_eq(sync_sim_heard_presence(sim, 2, 0), "at 499");
    cr_assert_leq(counts(sim, 0).presences - sent, 52, "no storm");
    cr_assert_leq(counts(sim, 0).beacons - beacons, 7, "no more beacons than else");
    sync_sim_stop(sim, 0);
    sync_sim_run(sim, 50);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 1, 0), "", "left: gone at once");
    sync_sim_close(sim);
}

/* Whom nobody can dial publishes to nobody: it tells by HELLO, and says goodbye so. */
Test(stories, presence_of_whom_nobody_can_dial)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_set_dialable(sim, 1, false);
    sync_sim_peer(sim, 1, 0);
    sync_sim_run(sim, 3000);
    sync_sim_presence(sim, 1, "bob");
    sync_sim_run(sim, 300);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 0, 1), "bob");
    sync_sim_stop(sim, 1);
    sync_sim_run(sim, 300);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 0, 1), "");
    sync_sim_close(sim);
}

/* One publication in two is lost: presence is right all the same, a beacon later. */
Test(stories, presence_gets_lost)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 2000);
    sync_sim_set_faults(sim, (sync_sim_faults){.drop_percent = 50, .delay_ms_max = 10});
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof text, "at %d", i);
        sync_sim_presence(sim, 0, text);
        sync_sim_run(sim, 500);
    }
    sync_sim_run(sim, 20000);
    cr_assert_str_eq(sync_sim_heard_presence(sim, 1, 0), "at 19");
    sync_sim_close(sim);
}

/* ---- lineage ---- */

static crdt_actor other_lineage(void)
{
    return (crdt_actor){{7}};
}

/* A store without a lineage takes the first it hears; one of another is refused. */
Test(lineage, taken_or_refused)
{
    sync_sim *sim = open_sim(3, false);
    crdt_actor other = other_lineage();
    sync_sim_crash(sim, 1, false);
    sync_sim_set_lineage(sim, 1, NULL);
    sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
    sync_sim_crash(sim, 2, false);
    sync_sim_set_lineage(sim, 2, &other);
    sync_sim_start_place(sim, 2, SYNC_SIM_KEEP);
    sync_sim_peer(sim, 1, 0);
    sync_sim_run(sim, 500);
    sync_sim_peer(sim, 2, 0);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_set(sim, 2, "desk", "name", 2);
    sync_sim_run(sim, 8000);
    cr_assert_eq(sync_sim_notices(sim, 1, SYNC_NOTICE_ADOPTED), 1);
    cr_assert_eq(shown(sim, 1, "lamp", "name"), 1);
    cr_assert_eq(shown(sim, 2, "lamp", "name"), -1);
    cr_assert_eq(shown(sim, 0, "desk", "name"), -1);
    cr_assert_geq(sync_sim_notices(sim, 0, SYNC_NOTICE_REFUSED), 1);
    cr_assert_geq(sync_sim_notices(sim, 2, SYNC_NOTICE_REFUSED), 1);
    cr_assert(sync_sim_notices(sim, 0, SYNC_NOTICE_REFUSED) < 8,
              "said once, not always");
    cr_assert_geq(sync_sim_notices(sim, 0, SYNC_NOTICE_STRANGER), 1);
    cr_assert_geq(sync_sim_notices(sim, 2, SYNC_NOTICE_STRANGER), 1);
    cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_JOINED), 1, "no stranger");
    sync_sim_close(sim);
}

/* ---- what others got wrong: deltas ---- */

/* A change that says nothing does not use up a version; a later one is not overtaken. */
Test(bugs, no_operation_no_version)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 500);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    uint64_t time =
        crdt_version_time_max(crdt_document_version(sync_sim_document(sim, 0)));
    crdt_op op = {.kind = CRDT_OP_REMOVE, .key = crdt_key_object(crdt_span_of("none"))};
    cr_assert_eq(sync_sim_commit(sim, 0, &op, 1), CRDT_ENOTHING);
    cr_assert_eq(
        crdt_version_time_max(crdt_document_version(sync_sim_document(sim, 0))), time);
    sync_sim_set(sim, 0, "lamp", "name", 2);
    check_converged(sim);
    sync_sim_close(sim);
}

/* Two write one field at one time of the clock: both are passed on, the same wins. */
Test(bugs, tie_is_broken_everywhere_alike)
{
    sync_sim *sim = open_sim(3, false);
    sync_sim_mesh(sim);
    sync_sim_set(sim, 0, "lamp", "name", 0);
    sync_sim_run(sim, 2000);
    sync_sim_cut(sim, 0, 1);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_set(sim, 1, "lamp", "name", 2);
    sync_sim_run(sim, 500);
    sync_sim_heal_all(sim);
    check_converged(sim);
    cr_assert_eq(shown(sim, 0, "lamp", "name"), shown(sim, 2, "lamp", "name"));
    cr_assert_eq(crdt_document_count(sync_sim_document(sim, 2)).conflicts, 1);
    sync_sim_close(sim);
}

/* A batch larger than a message is split, never skipped; the same for what is kept back
 * because the disk is slow. */
Test(bugs, oversized_batch_arrives)
{
    sync_sim_options o = sync_sim_options_default();
    o.replica.message_size_max = 4096;
    o.replica.presence_size_max = 256;
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 500);
    static uint8_t text[100000];
    memset(text, 'x', sizeof text);
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_value_write_string(&value, (crdt_span){text, sizeof text});
    crdt_span lamp = crdt_span_of("lamp");
    crdt_span part = crdt_span_of("part");
    crdt_op ops[3] = {{.kind = CRDT_OP_ADD, .key = crdt_key_object(lamp)},
                      {.kind = CRDT_OP_ADD, .key = crdt_key_part(lamp, part)},
                      {.kind = CRDT_OP_SET,
                       .key = crdt_key_field(lamp, part, crdt_span_of("name")),
                       .value = crdt_buf_span(&value)}};
    cr_assert_eq(sync_sim_commit(sim, 0, ops, 3), CRDT_OK);
    cr_assert(sync_sim_run_until_equal(sim, 3000) != UINT64_MAX);
    check_converged(sim);
    crdt_buf_deinit(&value);
    sync_sim_close(sim);
}

/* Writing what is there already says nothing and sends nothing. */
Test(bugs, equal_write_is_not_sent)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 500);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_run(sim, 100);
    for (int i = 0; i < 5; i++) {
        sync_sim_set(sim, i % 2, "lamp", "name", 1);
        sync_sim_run(sim, 100);
    }
    cr_assert_eq(counts(sim, 0).published + counts(sim, 1).published, 1);
    sync_sim_close(sim);
}

/* ---- what others got wrong: catching up ---- */

/* A late joiner gets what lives, not what was deleted. */
Test(bugs, late_joiner_gets_no_dead)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_crash(sim, 1, false);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_set(sim, 0, "desk", "name", 2);
    sync_sim_remove(sim, 0, "lamp");
    sync_sim_run(sim, 100);
    sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
    sync_sim_peer(sim, 1, 0);
    check_converged(sim);
    cr_assert_eq(
        crdt_document_find_object(sync_sim_document(sim, 1), crdt_span_of("lamp")).id,
        0);
    cr_assert_eq(shown(sim, 1, "desk", "name"), 2);
    sync_sim_close(sim);
}

/* An id that was deleted and made again is another incarnation: the delete of the old one,
 * late, does not take the new one. */
Test(bugs, late_delete_spares_the_new_one)
{
    sync_sim *sim = open_sim(3, false);
    sync_sim_mesh(sim);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    cr_assert(sync_sim_run_until_equal(sim, 5000) != UINT64_MAX);
    sync_sim_cut(sim, 0, 2);
    sync_sim_cut(sim, 1, 2);
    sync_sim_remove(sim, 2, "lamp"); /* heard of only later */
    sync_sim_remove(sim, 0, "lamp");
    sync_sim_set(sim, 0, "lamp", "name", 2);
    sync_sim_run(sim, 1000);
    sync_sim_heal_all(sim);
    check_converged(sim);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(shown(sim, i, "lamp", "name"), 2);
    }
    sync_sim_close(sim);
}

/* What a joiner wrote before it had the state does not win over everybody's edits. */
Test(bugs, joiners_defaults_lose)
{
    sync_sim *sim = open_sim(3, false);
    sync_sim_peer(sim, 1, 0);
    for (int i = 0; i < 20; i++) {
        sync_sim_set(sim, i % 2, "lamp", "name", i);
        sync_sim_run(sim, 50);
    }
    sync_sim_set(sim, 2, "lamp", "name", 1000); /* it has met nobody yet */
    sync_sim_run(sim, 50);
    sync_sim_peer(sim, 2, 0);
    check_converged(sim);
    cr_assert_eq(shown(sim, 0, "lamp", "name"), 19);
    cr_assert_eq(shown(sim, 2, "lamp", "name"), 19);
    sync_sim_close(sim);
}

/* Number `i` of many that do not get smaller by packing: so the load of them takes a while. */
static int64_t odd_number(int i)
{
    return (int64_t)((uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 12);
}

/* Edits that are made while the initial load still runs are kept, here and there; the
 * chunks of one answer are of one version though the responder goes on writing. */
Test(bugs, edits_during_the_load)
{
    sync_sim_options o = sync_sim_options_default();
    o.replica.message_size_max = 4096;
    o.replica.presence_size_max = 256;
    o.faults = (sync_sim_faults){.delay_ms_min = 20, .delay_ms_max = 20};
    sync_sim *sim = sync_sim_open(&o);
    char name[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "object %d", i);
        sync_sim_set(sim, 0, name, "name", odd_number(i));
    }
    sync_sim_run(sim, 100);
    sync_sim_peer(sim, 1, 0);
    sync_sim_run(sim, 90);
    cr_assert_eq(counts(sim, 1).asked, 1);
    cr_assert_eq(counts(sim, 1).merged, 0, "the load runs");
    for (int i = 0; i < 30; i++) {
        sync_sim_set(sim, 1, "mine", "name", i);
        sync_sim_set(sim, 0, "object 7", "name", 100 + i);
        sync_sim_run(sim, 10);
    }
    check_converged(sim);
    cr_assert_eq(shown(sim, 0, "mine", "name"), 29);
    cr_assert_eq(shown(sim, 1, "object 7", "name"), 129);
    cr_assert_eq(sync_sim_notices(sim, 1, SYNC_NOTICE_REFUSED), 0);
    cr_assert_leq(counts(sim, 1).asked, 2,
                  "the chunks make one answer: asked %llu times",
                  (unsigned long long)counts(sim, 1).asked);
    sync_sim_close(sim);
}

/* Several are ahead: one is asked at a time, and one answer is enough. */
Test(bugs, syncs_do_not_overlap)
{
    sync_sim *sim = open_sim(5, true);
    for (uint32_t i = 1; i < 4; i++) {
        sync_sim_peer(sim, i, 0);
    }
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_run(sim, 5000);
    for (uint32_t i = 0; i < 4; i++) {
        sync_sim_peer(sim, 4, i);
    }
    sync_sim_run(sim, 2000);
    cr_assert_eq(counts(sim, 4).asked, 1);
    cr_assert_eq(counts(sim, 4).merged, 1);
    check_converged(sim);
    sync_sim_close(sim);
}

/* A responder that vanishes in the middle is replaced by another. */
Test(bugs, responder_vanishes)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = 3;
    o.replica.message_size_max = 4096;
    o.replica.presence_size_max = 256;
    o.replica.discover = false;
    o.faults = (sync_sim_faults){.delay_ms_min = 20, .delay_ms_max = 20};
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_peer(sim, 1, 0);
    char name[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "object %d", i);
        sync_sim_set(sim, 0, name, "name", odd_number(i));
    }
    cr_assert(sync_sim_run_until_equal(sim, 20000) == UINT64_MAX, "2 is alone");
    sync_sim_peer(sim, 2, 0);
    sync_sim_run(sim, 150);
    cr_assert_eq(counts(sim, 2).merged, 0, "the load runs");
    sync_sim_crash(sim, 0, false);
    sync_sim_peer(sim, 2, 1);
    cr_assert(sync_sim_run_until_equal(sim, 15000) != UINT64_MAX);
    cr_assert_eq(shown(sim, 2, "object 2999", "name"), odd_number(2999));
    sync_sim_close(sim);
}

/* After a loss and the catch-up that repairs it the live path goes on by itself, though
 * batches are coded against ones that never came. */
Test(bugs, live_path_resumes)
{
    sync_sim *sim = open_sim(2, false);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 2000);
    sync_sim_set(sim, 0, "lamp", "name", 0);
    sync_sim_run(sim, 100);
    sync_sim_cut(sim, 0, 1);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_run(sim, 20);
    sync_sim_heal(sim, 0, 1);
    sync_sim_run(sim, 1500);
    uint64_t asked = counts(sim, 1).asked;
    uint64_t applied = counts(sim, 1).applied;
    for (int i = 0; i < 20; i++) {
        sync_sim_set(sim, 0, "lamp", "name", 10 + i);
        sync_sim_run(sim, 20);
    }
    cr_assert_eq(counts(sim, 1).asked, asked);
    cr_assert_eq(counts(sim, 1).applied, applied + 20);
    check_converged(sim);
    sync_sim_close(sim);
}

/* `from` was started again and says to `to` that it still edits this scene. */
static void inject_beacon(sync_sim *sim, uint32_t from, uint32_t to)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    crdt_version none = {.stamp_count = 0};
    sync_message message = {.kind = SYNC_MESSAGE_BEACON,
                            .actor = sync_sim_actor(sim, from)};
    message.body.beacon = (sync_beacon){.scene = crdt_span_of("test"),
                                        .lineage_known = true,
                                        .lineage = crdt_template_actor_empty(),
                                        .whole = true,
                                        .version_hash = crdt_digest_version(&none),
                                        .message_size_max = 1u << 20};
    memcpy(message.topic, sync_replica_topic(sync_sim_replica(sim, from)).data,
           SYNC_TOPIC_SIZE);
    cr_assert_eq(sync_message_encode(&message, &bytes), CRDT_OK);
    sync_sim_inject(sim, from, to, crdt_buf_span(&bytes));
    crdt_buf_deinit(&bytes);
}

/* What nobody has any more is waited for, reported and given up; not asked for for ever. */
Test(bugs, unobtainable_dependencies_are_given_up)
{
    sync_sim *sim = open_sim(3, false);
    sync_sim_line(sim);
    sync_sim_set(sim, 0, "lamp", "name", 0);
    check_converged(sim);
    sync_sim_save_disk(sim, 0);
    sync_sim_cut(sim, 0, 2);
    sync_sim_cut(sim, 1, 2);
    sync_sim_set(sim, 0, "lamp", "name", 1); /* 1 gets it, 2 does not */
    sync_sim_run(sim, 50);
    sync_sim_set(sim, 1, "lamp", "name", 2); /* depends on it */
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(sim, &count);
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    sync_message message = {.kind = SYNC_MESSAGE_BATCHES,
                            .actor = sync_sim_actor(sim, 1)};
    crdt_span last = crdt_buf_span(&batches[count - 1].bytes);
    message.body.batches = (sync_batches){.batches = &last, .batch_count = 1};
    memcpy(message.topic, sync_replica_topic(sync_sim_replica(sim, 1)).data,
           SYNC_TOPIC_SIZE);
    cr_assert_eq(sync_message_encode(&message, &bytes), CRDT_OK);
    inject_beacon(sim, 1, 2);
    sync_sim_inject(sim, 1, 2, crdt_buf_span(&bytes));
    cr_assert_eq(counts(sim, 2).held, 1);
    /* Then all who had it are gone. */
    sync_sim_crash(sim, 1, false);
    sync_sim_crash(sim, 0, false);
    sync_sim_restore_disk(sim, 0);
    sync_sim_start_place(sim, 0, SYNC_SIM_FRESH);
    sync_sim_heal_all(sim);
    sync_sim_run(sim, 10000);
    uint64_t asked = counts(sim, 2).asked;
    sync_sim_run(sim, 30000);
    cr_assert_eq(counts(sim, 2).held, 0);
    cr_assert_eq(sync_sim_notices(sim, 2, SYNC_NOTICE_GAVE_UP), 1);
    cr_assert(counts(sim, 2).asked - asked < 5);
    crdt_buf_deinit(&bytes);
    sync_sim_close(sim);
}

/* ---- what others got wrong: identity and clocks ---- */

/* Two copies of a running store, both started: found at first contact, both get fresh
 * actors (not the next one after the old: they would be equal again), all edits live on. */
Test(bugs, copies_get_fresh_actors)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = 3;
    o.check = false;
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    cr_assert(sync_sim_run_until_equal(sim, 5000) != UINT64_MAX);
    sync_sim_crash(sim, 2, false);
    sync_sim_copy_disk(sim, 0, 2);
    sync_sim_cut(sim, 0, 2);
    sync_sim_cut(sim, 1, 2);
    sync_sim_start_place(sim, 2, SYNC_SIM_KEEP);
    crdt_actor a = sync_sim_actor(sim, 0);
    crdt_actor c = sync_sim_actor(sim, 2);
    cr_assert(crdt_actor_equal(&a, &c), "nobody can know yet");
    sync_sim_set(sim, 0, "lamp", "x", 10);
    sync_sim_set(sim, 2, "lamp", "y", 20); /* the same stamp */
    sync_sim_run(sim, 2000);
    sync_sim_heal_all(sim);
    sync_sim_run(sim, 3000);
    cr_assert(sync_sim_run_until_equal(sim, 20000) != UINT64_MAX);
    a = sync_sim_actor(sim, 0);
    c = sync_sim_actor(sim, 2);
    cr_assert(!crdt_actor_equal(&a, &c));
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(shown(sim, i, "lamp", "x"), 10);
        cr_assert_eq(shown(sim, i, "lamp", "y"), 20);
    }
    cr_assert_geq(sync_sim_notices(sim, 0, SYNC_NOTICE_FRESH), 1);
    cr_assert_geq(sync_sim_notices(sim, 2, SYNC_NOTICE_FRESH), 1);
    cr_assert_geq(sync_sim_notices(sim, 0, SYNC_NOTICE_REWRITTEN) +
                      sync_sim_notices(sim, 2, SYNC_NOTICE_REWRITTEN),
                  1);
    sync_sim_close(sim);
}

/* Equal versions and unequal states are never "in sync"; they are healed without dropping
 * what only one side holds. Here two copies wrote under one stamp and then went silent. */
Test(bugs, in_sync_means_equal_digests)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = 2;
    o.check = false;
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_run(sim, 100);
    sync_sim_crash(sim, 1, false);
    sync_sim_copy_disk(sim, 0, 1);
    sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
    sync_sim_set(sim, 0, "lamp", "x", 10);
    sync_sim_set(sim, 1, "lamp", "y", 20);
    sync_sim_run(sim, 100);
    /* Both stores are found out as copies, so neither trips over its own actor. */
    for (uint32_t i = 0; i < 2; i++) {
        sync_sim_crash(sim, i, false);
        sync_sim_start_place(sim, i, SYNC_SIM_FRESH);
    }
    sync_sim_peer(sim, 1, 0);
    sync_sim_run(sim, 30);
    cr_assert_eq(crdt_version_compare(crdt_document_version(sync_sim_document(sim, 0)),
                                      crdt_document_version(sync_sim_document(sim, 1))),
                 CRDT_EQUAL);
    cr_assert(!sync_replica_in_sync(sync_sim_replica(sim, 0)));
    cr_assert(!sync_replica_in_sync(sync_sim_replica(sim, 1)));
    cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_SYNCED), 0);
    cr_assert_geq(sync_sim_notices(sim, 0, SYNC_NOTICE_DIVERGED), 1);
    sync_sim_run(sim, 5000);
    cr_assert(sync_sim_run_until_equal(sim, 20000) != UINT64_MAX);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(shown(sim, i, "lamp", "x"), 10);
        cr_assert_eq(shown(sim, i, "lamp", "y"), 20);
    }
    sync_sim_run(sim, 3000);
    cr_assert(sync_replica_in_sync(sync_sim_replica(sim, 0)));
    sync_sim_close(sim);
}

/* A machine set back to yesterday writes under stamps it had used: it finds out at first
 * contact, keeps what it wrote since, and takes back what it forgot. */
Test(bugs, machine_set_back)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = 2;
    o.check = false;
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_set(sim, 0, "lamp", "name", 1);
    sync_sim_set(sim, 0, "desk", "name", 1);
    cr_assert(sync_sim_run_until_equal(sim, 5000) != UINT64_MAX);
    sync_sim_save_disk(sim, 0);
    sync_sim_set(sim, 0, "lamp", "today", 2);
    sync_sim_set(sim, 0, "lamp", "today too", 3);
    sync_sim_remove(sim, 0, "desk");
    sync_sim_run(sim, 3000);
    sync_sim_crash(sim, 0, false);
    sync_sim_restore_disk(sim, 0);
    sync_sim_cut(sim, 0, 1);
    sync_sim_start_place(sim, 0, SYNC_SIM_KEEP);
    sync_sim_set(sim, 0, "lamp", "since", 4);
    sync_sim_run(sim, 1000);
    sync_sim_heal_all(sim);
    sync_sim_run(sim, 3000);
    cr_assert(sync_sim_run_until_equal(sim, 20000) != UINT64_MAX);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(shown(sim, i, "lamp", "today"), 2);
        cr_assert_eq(shown(sim, i, "lamp", "today too"), 3);
        cr_assert_eq(shown(sim, i, "lamp", "since"), 4);
        cr_assert_eq(shown(sim, i, "desk", "name"), -1, "what was deleted stays so");
    }
    cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_FRESH), 1);
    sync_sim_close(sim);
}

/* A claim about times silences nobody: neither an absurd one nor one within reason that
 * covers more of an actor than the actor itself knows. (Answers: test_replica.) */
Test(bugs, claims_silence_nobody)
{
    static const uint64_t claims[] = {CRDT_TIME_MAX, 500};
    for (size_t i = 0; i < 2; i++) {
        sync_sim_options o = sync_sim_options_default();
        o.place_count = 3;
        o.check = false;
        sync_sim *sim = sync_sim_open(&o);
        sync_sim_mesh(sim);
        sync_sim_set(sim, 0, "lamp", "name", 1);
        cr_assert(sync_sim_run_until_equal(sim, 5000) != UINT64_MAX);
        /* 2 says that it has more of 0 than there is. */
        crdt_stamp claim = {claims[i], sync_sim_actor(sim, 0)};
        crdt_version version = {.stamps = &claim, .stamp_count = 1};
        sync_message message = {
            .kind = SYNC_MESSAGE_BEACON, .actor = sync_sim_actor(sim, 2), .nonce = 99};
        memcpy(message.topic, sync_replica_topic(sync_sim_replica(sim, 0)).data,
               SYNC_TOPIC_SIZE);
        message.body.beacon =
            (sync_beacon){.scene = crdt_span_of("simulated"),
                          .whole = true,
                          .version_hash = crdt_digest_version(&version),
                          .entries = &claim,
                          .entry_count = 1};
        crdt_buf bytes;
        crdt_buf_init(&bytes, crdt_alloc_default());
        cr_assert_eq(sync_message_encode(&message, &bytes), CRDT_OK);
        sync_sim_inject(sim, 2, 0, crdt_buf_span(&bytes));
        sync_sim_inject(sim, 2, 1, crdt_buf_span(&bytes));
        crdt_buf_deinit(&bytes);
        sync_sim_run(sim, 1000);
        sync_sim_set(sim, 0, "lamp", "name", 2);
        sync_sim_run(sim, 5000);
        cr_assert(sync_sim_run_until_equal(sim, 20000) != UINT64_MAX);
        cr_assert_eq(shown(sim, 1, "lamp", "name"), 2);
        cr_assert_eq(shown(sim, 2, "lamp", "name"), 2);
        cr_assert_eq(sync_sim_notices(sim, 0, SYNC_NOTICE_FRESH), 0);
        sync_sim_close(sim);
    }
}

/* ---- much at once ---- */

/* A burst under 30 % loss: equal soon after the last edit. */
Test(stories, burst_under_loss)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = 3;
    o.faults =
        (sync_sim_faults){.drop_percent = 30, .delay_ms_min = 1, .delay_ms_max = 3};
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    for (int i = 0; i < 3000; i++) {
        char name[16];
        snprintf(name, sizeof name, "object %d", i % 50);
        sync_sim_set(sim, (uint32_t)i % 3, name, "name", i);
        if (i % 10 == 0) {
            sync_sim_run(sim, 3);
        }
    }
    cr_assert(sync_sim_run_until_equal(sim, 5000) != UINT64_MAX);
    cr_assert_str_eq(sync_sim_fault(sim), "");
    sync_sim_close(sim);
}

/* ---- copies, made small by the fuzzer ---- */

static bool shows(sync_sim *sim, uint32_t place, const char *field)
{
    crdt_span value;
    crdt_key key =
        crdt_key_field(crdt_span_of("o"), crdt_span_of("part"), crdt_span_of(field));
    return crdt_document_get(sync_sim_document(sim, place), &key, &value);
}

/* A machine starts on a copy of another's disk, with all that could prove it, and writes. A
 * peer that had heard the original has more of others, so it is asked at once; the join of
 * its answer dropped what the copy had written, for that was covered and not there. The peer
 * would have told the copy what it remembers of it, a round trip later. */
Test(bugs, who_may_be_a_copy_is_told_before_it_joins)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        sync_sim_options o = sync_sim_options_default();
        o.place_count = 3;
        o.seed = seed;
        o.check = false; /* two write as one actor for a while */
        o.faults.delay_ms_max = 1 + (uint32_t)(seed % 3) * 10;
        o.disk_ms_max = 1;
        sync_sim *sim = sync_sim_open(&o);
        sync_sim_mesh(sim);
        sync_sim_run(sim, 200);
        sync_sim_cut(sim, 0, 1);
        sync_sim_set(sim, 2, "o", "second", 2);
        sync_sim_set(sim, 2, "o", "again", 2);
        sync_sim_set(sim, 0, "o", "original", 1);
        sync_sim_crash(sim, 1, false);
        sync_sim_copy_disk(sim, 0, 1);
        sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
        sync_sim_run(sim, 1 + seed % 5 * 4);
        sync_sim_stop(sim, 2);
        sync_sim_set(sim, 1, "o", "copy", 1);
        sync_sim_run(sim, seed % 4);
        sync_sim_start_place(sim, 2, SYNC_SIM_KEEP);
        sync_sim_run(sim, 200);
        sync_sim_heal_all(sim);
        sync_sim_run(sim, 2000);
        cr_assert_neq(sync_sim_run_until_equal(sim, 60000), UINT64_MAX, "seed %llu",
                      (unsigned long long)seed);
        cr_assert(shows(sim, 2, "copy"), "seed %llu", (unsigned long long)seed);
        cr_assert(shows(sim, 1, "original"), "seed %llu", (unsigned long long)seed);
        cr_assert(shows(sim, 0, "second"), "seed %llu", (unsigned long long)seed);
        sync_sim_close(sim);
    }
}

/* Who heard a machine before it was set back had forgotten how it started (its own process
 * ended), so it takes the copy of the set-back one for the one it knows. The copy sees that
 * more was written under its name, and what it is told about its starts is what it has said
 * itself a moment ago: that says nothing about where the other history begins. */
Test(bugs, an_echo_tells_nothing_of_another_history)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        sync_sim_options o = sync_sim_options_default();
        o.place_count = 3;
        o.seed = seed;
        o.check = false; /* two write as one actor for a while */
        o.faults.delay_ms_max = 1;
        o.disk_ms_max = 1;
        sync_sim *sim = sync_sim_open(&o);
        sync_sim_mesh(sim);
        sync_sim_run(sim, 11 + seed % 10 * 5);
        sync_sim_cut(sim, 1, 2);
        sync_sim_save_disk(sim, 2);
        sync_sim_set(sim, 2, "o", "first", 1);
        sync_sim_set(sim, 2, "o", "second", 1);
        sync_sim_run(sim, 4);
        sync_sim_crash(sim, 0, false);
        sync_sim_start_place(sim, 0, SYNC_SIM_KEEP);
        sync_sim_crash(sim, 2, false);
        sync_sim_restore_disk(sim, 2);
        sync_sim_start_place(sim, 2, SYNC_SIM_KEEP);
        sync_sim_set(sim, 2, "o", "after", 1);
        sync_sim_cut(sim, 0, 2);
        sync_sim_run(sim, 25);
        sync_sim_crash(sim, 1, false);
        sync_sim_copy_disk(sim, 2, 1);
        sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
        sync_sim_run(sim, 200 + seed);
        sync_sim_heal_all(sim);
        sync_sim_run(sim, 2000);
        cr_assert_neq(sync_sim_run_until_equal(sim, 60000), UINT64_MAX, "seed %llu",
                      (unsigned long long)seed);
        cr_assert(shows(sim, 0, "after"), "seed %llu", (unsigned long long)seed);
        sync_sim_close(sim);
    }
}

/* A process tells who is there, says goodbye, ends, starts again as the same actor and tells
 * who is there now. What the former one said was on its way for long: it comes last, with a
 * number as good as any, since each start counts anew. */
Test(bugs, a_former_start_tells_nothing_of_its_people)
{
    for (int goodbye = 0; goodbye < 2; goodbye++) {
        sync_sim *sim = open_sim(2, false);
        sync_sim_mesh(sim);
        sync_sim_run(sim, 3000);
        sync_sim_set_faults(
            sim, (sync_sim_faults){.delay_ms_min = 700, .delay_ms_max = 700});
        sync_sim_presence(sim, 0, "ann");
        sync_sim_run(sim, 120); /* told within the gap */
        if (goodbye == 1) {
            sync_sim_stop(sim, 0);
        } else {
            sync_sim_crash(sim, 0, true);
        }
        sync_sim_set_faults(sim,
                            (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 1});
        cr_assert_eq(sync_sim_start_place(sim, 0, SYNC_SIM_PROVE), CRDT_OK);
        sync_sim_presence(sim, 0, "bob");
        uint64_t left = 0;
        for (int ms = 0; ms < 2000; ms++) {
            sync_sim_run(sim, 1);
            const char *heard = sync_sim_heard_presence(sim, 1, 0);
            if (ms == 600) {
                left = sync_sim_notices(sim, 1, SYNC_NOTICE_LEFT);
            }
            cr_assert(ms < 600 || strcmp(heard, "bob") == 0, "after %d ms: `%s`", ms,
                      heard);
        }
        cr_assert_eq(sync_sim_notices(sim, 1, SYNC_NOTICE_LEFT), left);
        cr_assert_str_eq(sync_sim_fault(sim), "");
        sync_sim_close(sim);
    }
}
