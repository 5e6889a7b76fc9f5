#include "sync/sim_impl.h"

#include <string.h>

static bool is_free(const sim_seen *seen)
{
    return (seen->version_hash.low | seen->version_hash.high) == 0;
}

static sim_seen *find_seen(sync_sim *sim, crdt_digest hash)
{
    size_t mask = sim->seen_capacity - 1;
    size_t at = (size_t)hash.low & mask;
    while (!is_free(&sim->seen[at]) &&
           !crdt_digest_equal(sim->seen[at].version_hash, hash)) {
        at = (at + 1) & mask;
    }
    return &sim->seen[at];
}

static void grow_seen(sync_sim *sim)
{
    if (2 * (sim->seen_count + 2) < sim->seen_capacity) {
        return;
    }
    sim_seen *old = sim->seen;
    size_t old_capacity = sim->seen_capacity;
    sim->seen_capacity = old_capacity == 0 ? 256 : old_capacity * 2;
    sim->seen = crdt_allocate(sim->alloc, sim->seen_capacity * sizeof *sim->seen);
    sim_must(sim->seen != NULL);
    memset(sim->seen, 0, sim->seen_capacity * sizeof *sim->seen);
    for (size_t i = 0; i < old_capacity; i++) {
        if (!is_free(&old[i])) {
            *find_seen(sim, old[i].version_hash) = old[i];
        }
    }
    crdt_free(sim->alloc, old, old_capacity * sizeof *old);
}

/* "That place told that version" as a key of its own. */
static crdt_digest told_by(crdt_digest hash, uint32_t place)
{
    hash.low ^= UINT64_C(0x9e3779b97f4a7c15) * (place + 1);
    hash.high += place + 1;
    return hash;
}

/* Did the place tell the very same when it was looked at last? Most steps change nothing. */
static bool tells_the_same(const sim_place *place)
{
    const crdt_version *version = sync_replica_version(place->replica);
    size_t count = version->stamp_count;
    return place->told && count == place->told_version.stamp_count &&
           (count == 0 || memcmp(version->stamps, place->told_version.stamps,
                                 count * sizeof *version->stamps) == 0) &&
           crdt_digest_equal(sync_replica_digest(place->replica), place->told_digest);
}

static void note_told(sim_place *place)
{
    place->told = true;
    place->told_digest = sync_replica_digest(place->replica);
    sim_must(crdt_version_copy(&place->told_version,
                               sync_replica_version(place->replica)) == CRDT_OK);
}

/* Of versions that were told only: what a crash took before it was on disk is written
 * anew. */
void sim_check_place(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    if (!sim->o.check) {
        return;
    }
    if (!sync_replica_check(place->replica)) {
        sim_fail(sim, "place %u: an invariant of its replica is broken", index);
    }
    if (tells_the_same(place)) {
        return;
    }
    note_told(place);
    grow_seen(sim);
    crdt_digest hash = crdt_digest_version(sync_replica_version(place->replica));
    crdt_digest digest = sync_replica_digest(place->replica);
    sim_seen *told = find_seen(sim, told_by(hash, index));
    if (is_free(told)) {
        *told = (sim_seen){told_by(hash, index), digest};
        sim->seen_count++;
    } else if (crdt_digest_equal(told->digest, digest)) {
        return; /* it was looked at already */
    }
    sim_seen *seen = find_seen(sim, hash);
    if (is_free(seen)) {
        *seen = (sim_seen){hash, digest};
        sim->seen_count++;
    } else if (!crdt_digest_equal(seen->digest, digest)) {
        sim_fail(sim, "place %u: a version seen before has another digest", index);
    }
}

void sim_check_claims(sync_sim *sim, uint32_t index, const sync_effects *effects)
{
    for (size_t i = 0; i < effects->notice_count && sim->o.check; i++) {
        const sync_notice *notice = &effects->notices[i];
        uint32_t other = sim_place_of_actor(sim, &notice->actor);
        if (notice->kind != SYNC_NOTICE_SYNCED || other == UINT32_MAX) {
            continue;
        }
        grow_seen(sim);
        crdt_digest hash =
            crdt_digest_version(crdt_document_version(sim->places[index].doc));
        const sim_seen *told = find_seen(sim, told_by(hash, other));
        if (is_free(told) ||
            !crdt_digest_equal(told->digest,
                               crdt_document_digest(sim->places[index].doc))) {
            sim_fail(sim,
                     "place %u says that it is in sync with %u, which never had that",
                     index, other);
        }
    }
}
