#ifndef CLI_WORKER_PRESENCE_H
#define CLI_WORKER_PRESENCE_H

/* Who is here: the people at this worker's renderers, and those that other workers tell
 * of.
 *
 * Among workers (sync_node_presence) it is one JSON object, at most 16 KiB:
 *
 *   {"worker":{"saves":true,"saved":"<version as text>"},
 *    "people":[{"id","name","color","role","selection":[...],"camera":{...},
 *               "editing":{...}}]}
 *
 * Where that is too long, cameras are left out, then selections and what is being edited,
 * then the last people. What others tell is foreign: checked and bounded.
 *
 * To renderers it is told as docs/RENDERER.md says: who came or changed, and who left. A
 * renderer remembers one revision.
 *
 * Pure. Threads: one. */

#include "cli/access.h"
#include "cli/worker/blob.h"
#include "crdt/stamp.h"
#include "scene/json.h"

#define WORKER_PEOPLE_MAX 256u      /* of one worker; more are not shown */
#define WORKER_WORKERS_MAX 64u      /* that tell of people */
#define WORKER_LEFT_MAX 1024u       /* remembered; who missed more is told all anew */
#define WORKER_SELECTION_MAX 2048u  /* bytes of JSON */
#define WORKER_CAMERA_MAX 512u      /* bytes of JSON; of `editing` too */
#define WORKER_PERSON_NAME_MAX 128u /* bytes */

typedef struct worker_presence worker_presence;

/* Errors: CRDT_ENOMEM. */
crdt_err worker_presence_open(worker_presence **out, crdt_alloc alloc);
void worker_presence_close(worker_presence *presence);
/* As whom this node writes; told with every person of ours. */
void worker_presence_set_actor(worker_presence *presence, const crdt_actor *actor);

/* ---- ours ---- */

/* Errors: CRDT_ENOMEM; CRDT_ELIMIT: too many. */
crdt_err worker_presence_join(worker_presence *presence, crdt_span id, crdt_span name,
                              crdt_span color, access_role role);
void worker_presence_leave(worker_presence *presence, crdt_span id);
void worker_presence_set_role(worker_presence *presence, crdt_span id,
                              access_role role);
/* The payload of a Presence event: members that are missing stay, null ends them.
 * Errors: CRDT_EINVAL with a reason: nothing changed; CRDT_ENOMEM. */
crdt_err worker_presence_set(worker_presence *presence, crdt_span id,
                             const scene_json_node *payload, crdt_diag *diag);
/* What is written beside the people has changed. */
void worker_presence_touch(worker_presence *presence);
/* Did anything of ours change since the last write? */
bool worker_presence_dirty(const worker_presence *presence);
/* Append what is told to other workers, at most `size_max` bytes. `saved`: text.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_presence_write(worker_presence *presence, bool saves, crdt_span saved,
                               size_t size_max, crdt_buf *out);

/* ---- others' ---- */

/* What a worker says of itself. */
typedef struct worker_presence_worker {
    bool saves;
    char saved[4096]; /* "": nothing, or too long */
} worker_presence_worker;

/* Take what the worker `actor` tells. Errors: CRDT_ECORRUPT, CRDT_ELIMIT: it is no such
 * object; what was known of it stays. CRDT_ENOMEM. */
crdt_err worker_presence_hear(worker_presence *presence, const crdt_actor *actor,
                              crdt_span text, worker_presence_worker *worker,
                              crdt_diag *diag);
/* That worker is gone, with its people. */
void worker_presence_left(worker_presence *presence, const crdt_actor *actor);

/* ---- telling ---- */

size_t worker_presence_count(const worker_presence *presence);
uint64_t worker_presence_revision(const worker_presence *presence);
/* Append the event of all that changed after `since` (0: everybody, `"all":true`), but
 * the person `self`. Nothing is appended where nothing is to be told.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_presence_tell(const worker_presence *presence, uint64_t since,
                              crdt_span self, crdt_buf *out);
/* Append everybody as a JSON array. Errors: CRDT_ENOMEM. */
crdt_err worker_presence_list(const worker_presence *presence, crdt_buf *out);
/* Nobody needs to be told any more of who left up to this revision. */
void worker_presence_forget(worker_presence *presence, uint64_t revision);

#endif /* CLI_WORKER_PRESENCE_H */
