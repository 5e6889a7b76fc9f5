#ifndef SCENE_JSON_FAULT_H
#define SCENE_JSON_FAULT_H

/* Where and why a text is no JSON: a strict reader that only looks for the first fault.
 *
 * The fast parser says that a text is wrong; this one, run on refused texts alone, says
 * where and why. It shares no code with it, so tests hold the two against each other.
 */

#include "scene/json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Find the first fault. CRDT_OK: there is none (duplicate keys are not looked for).
 * O(size), no recursion, no allocation.
 * Errors: CRDT_ECORRUPT, CRDT_ELIMIT (depth), with offset, line and column. */
crdt_err scene_json_fault_find(crdt_span text, uint32_t depth_max, crdt_diag *diag);

/* Fill line and column (1-based, bytes) of diag->offset in `text`. Accepts NULL. */
void scene_json_fault_locate(crdt_span text, crdt_diag *diag);

#ifdef __cplusplus
}
#endif

#endif /* SCENE_JSON_FAULT_H */
