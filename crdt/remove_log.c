#include "crdt/remove_log.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

#define CAPACITY_MIN 64u
#define RECORDS_MAX (1u << 30)

void crdt_remove_log_init(crdt_remove_log *log, crdt_context *context)
{
    *log = (crdt_remove_log){.context = context};
}

static crdt_remove_record *at(const crdt_remove_log *log, uint32_t sequence)
{
    return &log->ring[sequence & (log->capacity - 1)];
}

static size_t record_bytes(const crdt_remove_log *log, const crdt_remove_record *record)
{
    size_t bytes = CRDT_REMOVE_LOG_RECORD_BYTES;
    for (size_t i = 0; i < 3; i++) {
        bytes += crdt_names_get(&log->context->names, record->names[i]).size;
    }
    return bytes;
}

static void release_names(crdt_remove_log *log, const crdt_remove_record *record)
{
    for (size_t i = 0; i < 3; i++) {
        crdt_names_release(&log->context->names, record->names[i]);
    }
}

void crdt_remove_log_deinit(crdt_remove_log *log)
{
    crdt_alloc alloc = log->context->alloc;
    for (uint32_t i = 0; i < log->count; i++) {
        release_names(log, at(log, log->first + i));
    }
    crdt_free(alloc, log->ring, log->capacity * sizeof *log->ring);
    crdt_free(alloc, log->newest, log->actor_capacity * sizeof *log->newest);
    crdt_free(alloc, log->floors, log->actor_capacity * sizeof *log->floors);
    crdt_remove_log_init(log, log->context);
}

static crdt_err grow_actors(crdt_remove_log *log, size_t actor_count)
{
    crdt_alloc alloc = log->context->alloc;
    size_t capacity = log->actor_capacity == 0 ? 8 : log->actor_capacity * 2;
    capacity = capacity < actor_count ? actor_count : capacity;
    uint32_t *newest = crdt_resize_array(alloc, NULL, 0, capacity, sizeof *newest);
    uint64_t *floors = crdt_resize_array(alloc, NULL, 0, capacity, sizeof *floors);
    if (newest == NULL || floors == NULL) {
        crdt_free(alloc, newest, capacity * sizeof *newest);
        crdt_free(alloc, floors, capacity * sizeof *floors);
        return CRDT_ENOMEM;
    }
    memset(newest, 0, capacity * sizeof *newest);
    memset(floors, 0, capacity * sizeof *floors);
    if (log->actor_capacity > 0) {
        memcpy(newest, log->newest, log->actor_capacity * sizeof *newest);
        memcpy(floors, log->floors, log->actor_capacity * sizeof *floors);
    }
    crdt_free(alloc, log->newest, log->actor_capacity * sizeof *newest);
    crdt_free(alloc, log->floors, log->actor_capacity * sizeof *floors);
    log->newest = newest;
    log->floors = floors;
    log->actor_capacity = capacity;
    return CRDT_OK;
}

static crdt_err grow_ring(crdt_remove_log *log, size_t needed)
{
    if (needed > RECORDS_MAX) {
        return CRDT_ELIMIT;
    }
    uint32_t capacity = log->capacity == 0 ? CAPACITY_MIN : log->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    crdt_alloc alloc = log->context->alloc;
    crdt_remove_record *ring =
        crdt_resize_array(alloc, NULL, 0, capacity, sizeof *ring);
    if (ring == NULL) {
        return CRDT_ENOMEM;
    }
    for (uint32_t i = 0; i < log->count; i++) {
        ring[(log->first + i) & (capacity - 1)] = *at(log, log->first + i);
    }
    crdt_free(alloc, log->ring, log->capacity * sizeof *ring);
    log->ring = ring;
    log->capacity = capacity;
    return CRDT_OK;
}

crdt_err crdt_remove_log_reserve(crdt_remove_log *log, size_t records,
                                 size_t actor_count)
{
    if (actor_count > log->actor_capacity) {
        crdt_err err = grow_actors(log, actor_count);
        if (err != CRDT_OK) {
            return err;
        }
    }
    if (records > log->capacity - log->count) {
        return grow_ring(log, log->count + records);
    }
    return CRDT_OK;
}

void crdt_remove_log_append(crdt_remove_log *log, crdt_dot dot, const uint32_t names[3])
{
    assert(log->count < log->capacity);
    uint32_t sequence = log->first + log->count;
    uint32_t *newest = &log->newest[crdt_dot_actor(dot) - 1];
    crdt_remove_record *record = at(log, sequence);
    *record = (crdt_remove_record){.dot = dot, .before = MUTANT(164) ? 0 : *newest};
    for (size_t i = 0; i < 3; i++) {
        record->names[i] = names[i];
        crdt_names_hold(&log->context->names, names[i]);
    }
    *newest = sequence + 1;
    log->count++;
    log->bytes += record_bytes(log, record);
}

void crdt_remove_log_raise_floor(crdt_remove_log *log, uint16_t actor, uint64_t time)
{
    uint64_t *floor = &log->floors[actor - 1];
    *floor = time > *floor ? time - MUTANT(163) : *floor;
}

/* Sequences count from 0 up to 2^32 - 1 at most before the log is empty again; an empty
 * log starts anew, and one that never is would need 4 billion removes. Then it is emptied:
 * the next answers are full. */
static void start_anew(crdt_remove_log *log)
{
    if (log->actor_capacity > 0) {
        memset(log->newest, 0, log->actor_capacity * sizeof *log->newest);
    }
    log->first = 0;
}

void crdt_remove_log_trim(crdt_remove_log *log, size_t bytes)
{
    bool emptied = log->first > UINT32_MAX / 2;
    while (log->count > 0 && (log->bytes > bytes || emptied)) {
        crdt_remove_record *record = at(log, log->first);
        log->bytes -= record_bytes(log, record);
        if (!MUTANT(4)) {
            crdt_remove_log_raise_floor(log, crdt_dot_actor(record->dot),
                                        crdt_dot_time(record->dot));
        }
        release_names(log, record);
        log->first++;
        log->count--;
    }
    if (log->count == 0 && log->first != 0) {
        start_anew(log);
    }
}

uint64_t crdt_remove_log_floor(const crdt_remove_log *log, uint16_t actor)
{
    return actor <= log->actor_capacity ? log->floors[actor - 1] : 0;
}

uint32_t crdt_remove_log_newest(const crdt_remove_log *log, uint16_t actor)
{
    return actor <= log->actor_capacity ? log->newest[actor - 1] : 0;
}

const crdt_remove_record *crdt_remove_log_older(const crdt_remove_log *log,
                                                uint32_t *cursor)
{
    if (*cursor == 0 || *cursor - 1 < log->first) {
        return NULL;
    }
    const crdt_remove_record *record = at(log, *cursor - 1);
    *cursor = record->before;
    return record;
}

crdt_key crdt_remove_log_key(const crdt_remove_log *log,
                             const crdt_remove_record *record)
{
    const crdt_names *names = &log->context->names;
    crdt_key key = {.depth = CRDT_OBJECT};
    key.object = crdt_names_get(names, record->names[0]);
    if (record->names[1] != 0) {
        key.depth = CRDT_PART;
        key.part = crdt_names_get(names, record->names[1]);
    }
    if (record->names[2] != 0 && !MUTANT(168)) {
        key.depth = CRDT_FIELD;
        key.field = crdt_names_get(names, record->names[2]);
    }
    return key;
}

bool crdt_remove_log_check(const crdt_remove_log *log)
{
    size_t bytes = 0;
    size_t reached = 0;
    for (uint32_t i = 0; i < log->count; i++) {
        const crdt_remove_record *record = at(log, log->first + i);
        bytes += record_bytes(log, record);
        if (record->names[0] == 0) {
            return false;
        }
    }
    for (size_t i = 0; i < log->actor_capacity; i++) {
        uint32_t cursor = log->newest[i];
        crdt_dot newer = UINT64_MAX;
        for (const crdt_remove_record *record = crdt_remove_log_older(log, &cursor);
             record != NULL; record = crdt_remove_log_older(log, &cursor)) {
            if (crdt_dot_actor(record->dot) != i + 1 || record->dot >= newer) {
                return false;
            }
            newer = record->dot;
            reached++;
        }
    }
    return bytes == log->bytes && reached == log->count;
}
