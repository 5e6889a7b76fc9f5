#ifndef BENCH_STATE_HASH_H
#define BENCH_STATE_HASH_H

/* The end state of a workload as canonical JSON,
 * {"e000000":{"GLTFShape":{"src":"..."},...},...}, and its FNV-1a hash of 32 bits: equal
 * for every engine that did the work. */

#include "crdt/document.h"

/* `*json_size`: bytes of the JSON. Errors: CRDT_ENOMEM. */
crdt_err bench_state_hash(const crdt_document *doc, uint32_t *hash, size_t *json_size);

#endif /* BENCH_STATE_HASH_H */
