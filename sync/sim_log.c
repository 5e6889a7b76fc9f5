#include "sync/sim_log.h"

#include "sync/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static const char *const fault_names[] = {
    [SYNC_SIM_FAULT_DROP] = "drop",         [SYNC_SIM_FAULT_REPEAT] = "repeat",
    [SYNC_SIM_FAULT_OVERTAKE] = "overtake", [SYNC_SIM_FAULT_CUT_OFF] = "cut off",
    [SYNC_SIM_FAULT_OVERFLOW] = "overflow", [SYNC_SIM_FAULT_CUT] = "cut",
    [SYNC_SIM_FAULT_KILL] = "kill",         [SYNC_SIM_FAULT_POWER_CUT] = "power cut",
    [SYNC_SIM_FAULT_TEAR] = "torn sector",  [SYNC_SIM_FAULT_LIE] = "lying sync",
    [SYNC_SIM_FAULT_FAIL] = "failed sync",  [SYNC_SIM_FAULT_SET_BACK] = "set back",
    [SYNC_SIM_FAULT_COPY] = "copy",         [SYNC_SIM_FAULT_JUMP] = "clock jump",
    [SYNC_SIM_FAULT_STALL] = "stall",       [SYNC_SIM_FAULT_TRIM] = "trim",
    [SYNC_SIM_FAULT_FOREIGN] = "foreign",   [SYNC_SIM_FAULT_INJECT] = "inject",
};

const char *sync_sim_fault_name(sync_sim_fault_kind kind)
{
    return fault_names[kind];
}

void sync_sim_counts_add(sync_sim_counts *sum, const sync_sim_counts *more)
{
    sum->events += more->events;
    sum->deliveries += more->deliveries;
    sum->timers += more->timers;
    sum->syncs += more->syncs;
    sum->edits += more->edits;
    sum->controls += more->controls;
    sum->faults += more->faults;
    for (size_t i = 0; i < SYNC_SIM_FAULT_COUNT; i++) {
        sum->fault[i] += more->fault[i];
    }
}

void sync_sim_log_init(sync_sim_log *log, crdt_alloc alloc, uint8_t *coverage,
                       bool tracing)
{
    *log = (sync_sim_log){
        .alloc = alloc, .hash = FNV_BASIS, .coverage = coverage, .tracing = tracing};
}

void sync_sim_log_deinit(sync_sim_log *log)
{
    crdt_free(log->alloc, log->text, log->text_capacity);
}

/* FNV-1a over whole numbers in place of bytes: eight times as fast. */
void sync_sim_log_fold(sync_sim_log *log, uint64_t number)
{
    log->hash = (log->hash ^ number) * FNV_PRIME;
    log->hash ^= log->hash >> 29; /* high bits reach low ones too */
}

void sync_sim_log_fold_bytes(sync_sim_log *log, crdt_span bytes)
{
    sync_sim_log_fold(log, bytes.size == 0 ? 0 : crdt_hash64(bytes, bytes.size));
}

void sync_sim_log_fault(sync_sim_log *log, sync_sim_fault_kind kind, uint64_t count)
{
    log->counts.fault[kind] += count;
    log->counts.faults += count;
}

/* ---- coverage ---- */

/* Messages count by what they are, all other events by their kind. */
static uint32_t kind_of_event(const sync_replica_event *event)
{
    enum { MESSAGES = 15 };
    bool message = event->kind == SYNC_ON_RECEIVED || event->kind == SYNC_ON_REQUEST ||
                   event->kind == SYNC_ON_REPLY;
    if (!message) {
        uint32_t kind = MESSAGES + (uint32_t)event->kind;
        return kind < SYNC_SIM_COVERAGE_KINDS ? kind : 0;
    }
    uint32_t kind =
        event->bytes.size > SYNC_TOPIC_SIZE ? event->bytes.data[SYNC_TOPIC_SIZE] : 0;
    if (kind >= SYNC_MESSAGE_WELCOME) {
        kind = kind - SYNC_MESSAGE_WELCOME + 8;
    } else if (kind >= SYNC_MESSAGE_HELLO) {
        kind = kind - SYNC_MESSAGE_HELLO + 4;
    }
    return kind < MESSAGES ? kind : 0;
}

static void set_bit(uint8_t *coverage, uint32_t base, uint32_t notice)
{
    uint32_t bit = base * SYNC_SIM_COVERAGE_NOTICES + notice;
    coverage[bit / 8] |= (uint8_t)(1u << bit % 8);
}

void sync_sim_log_cover(sync_sim_log *log, uint32_t state,
                        const sync_replica_event *event, const sync_effects *effects)
{
    if (log->coverage == NULL) {
        return;
    }
    uint32_t base = state * SYNC_SIM_COVERAGE_KINDS + kind_of_event(event);
    set_bit(log->coverage, base, SYNC_SIM_COVERAGE_NOTICES - 1);
    for (size_t i = 0; i < effects->notice_count; i++) {
        set_bit(log->coverage, base, (uint32_t)effects->notices[i].kind);
    }
}

uint64_t sync_sim_coverage_count(const uint8_t coverage[SYNC_SIM_COVERAGE_SIZE])
{
    uint64_t count = 0;
    for (size_t i = 0; i < SYNC_SIM_COVERAGE_SIZE; i++) {
        for (unsigned bits = coverage[i]; bits != 0; bits &= bits - 1) {
            count++;
        }
    }
    return count;
}

/* ---- lines ---- */

crdt_err sync_sim_log_line(sync_sim_log *log, uint64_t now_ms, uint32_t place,
                           const char *line)
{
    if (!log->tracing) {
        return CRDT_OK;
    }
    size_t room = strlen(line) + 64;
    if (log->text_size + room > log->text_capacity) {
        size_t capacity = (log->text_size + room) * 2;
        char *text =
            crdt_resize_array(log->alloc, log->text, log->text_capacity, capacity, 1);
        if (text == NULL) {
            return CRDT_ENOMEM;
        }
        log->text = text;
        log->text_capacity = capacity;
    }
    log->text_size +=
        (size_t)snprintf(log->text + log->text_size, room,
                         "[%5" PRIu64 "] %" PRIu32 " > %s\n", now_ms, place, line);
    return CRDT_OK;
}

const char *sync_sim_log_read(sync_sim_log *log)
{
    if (log->text == NULL) {
        return "";
    }
    const char *text = log->text + log->text_read;
    log->text_read = log->text_size;
    return text;
}
