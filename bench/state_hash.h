#ifndef BENCH_STATE_HASH_H
#define BENCH_STATE_HASH_H

/* The end state of a workload as canonical JSON,
 * {"e000000":{"GLTFShape":{"src":"..."},...},...}, and its FNV-1a hash of 32 bits: equal
 * for every engine that did the work. */

#include "bench/result.h"
#include "crdt/document.h"

/* The JSON, appended to `out`. Errors: CRDT_ENOMEM. */
crdt_err bench_state_json(const crdt_document *doc, crdt_buf *out);
uint32_t bench_state_hash(crdt_span json);
/* Adds `fnv1a32` and `json_bytes` to a result. */
void bench_state_hash_tell(bench_result *result, const crdt_document *doc);

#endif /* BENCH_STATE_HASH_H */
