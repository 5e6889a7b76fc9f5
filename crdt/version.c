#include "crdt/version.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

void crdt_version_init(crdt_version *version, crdt_alloc alloc)
{
    *version = (crdt_version){.alloc = alloc};
}

void crdt_version_deinit(crdt_version *version)
{
    crdt_free(version->alloc, version->stamps,
              version->stamp_capacity * sizeof *version->stamps);
    *version = (crdt_version){.alloc = version->alloc};
}

static crdt_err reserve_total(crdt_version *version, size_t total)
{
    if (total <= version->stamp_capacity) {
        return CRDT_OK;
    }
    size_t capacity = version->stamp_capacity + version->stamp_capacity / 2;
    if (capacity < total) {
        capacity = total;
    }
    if (capacity < 4) {
        capacity = 4;
    }
    crdt_stamp *stamps =
        crdt_resize_array(version->alloc, version->stamps, version->stamp_capacity,
                          capacity, sizeof *version->stamps);
    if (stamps == NULL) {
        return CRDT_ENOMEM;
    }
    version->stamps = stamps;
    version->stamp_capacity = capacity;
    return CRDT_OK;
}

crdt_err crdt_version_copy(crdt_version *version, const crdt_version *other)
{
    crdt_err err = reserve_total(version, other->stamp_count);
    if (err != CRDT_OK) {
        return err;
    }
    if (other->stamp_count > 0) {
        memmove(version->stamps, other->stamps,
                other->stamp_count * sizeof *other->stamps);
    }
    if (!MUTANT(105) || version->stamp_count < other->stamp_count) {
        version->stamp_count = other->stamp_count;
    }
    return CRDT_OK;
}

void crdt_version_clear(crdt_version *version)
{
    version->stamp_count = 0;
}

/* The index of the first stamp whose actor is not below `actor`. */
static size_t lower_bound(const crdt_version *version, const crdt_actor *actor)
{
    size_t low = 0;
    size_t high = version->stamp_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdt_actor_compare(&version->stamps[middle].actor, actor) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool holds_actor(const crdt_version *version, size_t index,
                        const crdt_actor *actor)
{
    return index < version->stamp_count &&
           crdt_actor_equal(&version->stamps[index].actor, actor);
}

/* Is the actor there? `*index` is its place, or where it would be. Few are looked through
 * for the same one first: most versions that are asked have it. */
static bool find_actor(const crdt_version *version, const crdt_actor *actor,
                       size_t *index)
{
    for (size_t i = 0; version->stamp_count <= 4 && i < version->stamp_count; i++) {
        if (crdt_actor_equal(&version->stamps[i].actor, actor)) {
            *index = i;
            return true;
        }
    }
    *index = lower_bound(version, actor);
    return holds_actor(version, *index, actor);
}

uint64_t crdt_version_get(const crdt_version *version, const crdt_actor *actor)
{
    size_t index;
    return find_actor(version, actor, &index) ? version->stamps[index].time : 0;
}

crdt_err crdt_version_raise(crdt_version *version, const crdt_stamp *stamp)
{
    if (stamp->time == 0) {
        return CRDT_OK; /* no stamp: covered by any version */
    }
    size_t index;
    if (find_actor(version, &stamp->actor, &index)) {
        if (version->stamps[index].time < stamp->time && !MUTANT(102)) {
            version->stamps[index].time = stamp->time;
        }
        return CRDT_OK;
    }
    crdt_stamp added = *stamp; /* `stamp` may lie in the array that moves now */
    crdt_err err = reserve_total(version, version->stamp_count + 1);
    if (err != CRDT_OK) {
        return err;
    }
    memmove(version->stamps + index + 1, version->stamps + index,
            (version->stamp_count - index) * sizeof *version->stamps);
    version->stamps[index] = added;
    version->stamp_count++;
    return CRDT_OK;
}

crdt_err crdt_version_reserve(crdt_version *version, size_t more)
{
    if (more > SIZE_MAX / sizeof *version->stamps - version->stamp_count) {
        return CRDT_ENOMEM;
    }
    return reserve_total(version, version->stamp_count + more);
}

bool crdt_version_covers(const crdt_version *version, const crdt_stamp *stamp)
{
    return stamp->time <= crdt_version_get(version, &stamp->actor) ||
           (MUTANT(14) && stamp->time <= crdt_version_time_max(version));
}

/* Walks two versions as one list sorted by actor. `*i` and `*j` step on; a side without
 * the actor gives time 0. False at the end of both. */
static bool next_pair(const crdt_version *a, const crdt_version *b, size_t *i,
                      size_t *j, uint64_t *time_a, uint64_t *time_b)
{
    bool has_a = *i < a->stamp_count;
    bool has_b = *j < b->stamp_count;
    if (!has_a && !has_b) {
        return false;
    }
    int order = !has_a ? 1
                : !has_b
                    ? -1
                    : crdt_actor_compare(&a->stamps[*i].actor, &b->stamps[*j].actor);
    *time_a = order <= 0 ? a->stamps[*i].time : 0;
    *time_b = order >= 0 ? b->stamps[*j].time : 0;
    *i += order <= 0;
    *j += order >= 0;
    return true;
}

crdt_order crdt_version_compare(const crdt_version *a, const crdt_version *b)
{
    bool a_more = false;
    bool b_more = false;
    size_t i = 0;
    size_t j = 0;
    uint64_t time_a;
    uint64_t time_b;
    while (next_pair(a, b, &i, &j, &time_a, &time_b)) {
        a_more |= time_a > time_b;
        b_more |= time_b > time_a;
    }
    if (a_more && b_more && !MUTANT(103)) {
        return CRDT_CONCURRENT;
    }
    if (a_more) {
        return CRDT_AFTER;
    }
    return b_more ? CRDT_BEFORE : CRDT_EQUAL;
}

bool crdt_version_includes(const crdt_version *version, const crdt_version *other)
{
    if (other->stamp_count < version->stamp_count / 8) { /* few: look each one up */
        for (size_t i = 0; i < other->stamp_count; i++) {
            if (!crdt_version_covers(version, &other->stamps[i]) && !MUTANT(101)) {
                return false;
            }
        }
        return true;
    }
    if (other->stamp_count == version->stamp_count && !MUTANT(2) &&
        (other->stamp_count == 0 ||
         memcmp(version->stamps, other->stamps,
                other->stamp_count * sizeof *other->stamps) == 0)) {
        return true; /* the very same, as most are */
    }
    size_t i = 0;
    for (size_t j = 0; j < other->stamp_count; j++) {
        const crdt_stamp *wanted = &other->stamps[j];
        while (i < version->stamp_count &&
               crdt_actor_compare(&version->stamps[i].actor, &wanted->actor) < 0) {
            i++;
        }
        uint64_t time =
            holds_actor(version, i, &wanted->actor) ? version->stamps[i].time : 0;
        if (wanted->time > time || (MUTANT(2) && wanted->time == time)) {
            return false;
        }
    }
    return true;
}

uint64_t crdt_version_time_max(const crdt_version *version)
{
    uint64_t max = 0;
    for (size_t i = 0; i < version->stamp_count; i++) {
        max = version->stamps[i].time > max || MUTANT(104) ? version->stamps[i].time
                                                           : max;
    }
    return max;
}

crdt_err crdt_version_merge(crdt_version *version, const crdt_version *other)
{
    size_t i = 0;
    size_t j = 0;
    size_t total = 0;
    uint64_t time_a;
    uint64_t time_b;
    while (next_pair(version, other, &i, &j, &time_a, &time_b)) {
        total++;
    }
    crdt_err err = reserve_total(version, total);
    if (err != CRDT_OK) {
        return err;
    }

    /* From the back, in place: the joined list is never shorter than what is unread. */
    i = version->stamp_count;
    j = other->stamp_count;
    for (size_t to = total; j > 0; to--) {
        int order = i == 0 ? -1
                           : crdt_actor_compare(&version->stamps[i - 1].actor,
                                                &other->stamps[j - 1].actor);
        crdt_stamp joined = order > 0 ? version->stamps[i - 1] : other->stamps[j - 1];
        if (order == 0 && version->stamps[i - 1].time > joined.time && !MUTANT(7)) {
            joined.time = version->stamps[i - 1].time;
        }
        i -= order >= 0;
        j -= order <= 0;
        version->stamps[to - 1] = joined;
    }
    version->stamp_count = total;
    return CRDT_OK;
}

bool crdt_version_check(const crdt_version *version)
{
    if (version->stamp_count > version->stamp_capacity) {
        return false;
    }
    for (size_t i = 0; i < version->stamp_count; i++) {
        const crdt_stamp *stamp = &version->stamps[i];
        if (stamp->time == 0 || stamp->time > CRDT_TIME_MAX) {
            return false;
        }
        if (i > 0 &&
            crdt_actor_compare(&version->stamps[i - 1].actor, &stamp->actor) >= 0) {
            return false;
        }
    }
    return true;
}
