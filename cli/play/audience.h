#ifndef CLI_PLAY_AUDIENCE_H
#define CLI_PLAY_AUDIENCE_H

/* Renderers of the running worker: what each has been told, and what it is told next
 * (docs/RENDERER.md, state `running`).
 *
 *   Welcome, who is here       AddEntity ...,        State, if there is something to say;
 *   (the code still runs)  ──▶ InitMessagesFinished  ──▶ joins and leaves; answers
 *
 * A scene that runs takes no edits: each is refused with a reason, and the true entity is
 * sent again. Nothing queues up for a slow reader but its own answers, and while these are
 * many it is not read from.
 *
 * Pure: no sockets, no clock. Threads: one thread. */

#include "cli/access.h"
#include "cli/play/stage.h"

#include <stdio.h>

typedef struct play_audience play_audience;
typedef struct play_viewer play_viewer;

/* `scene`: "X,Y". Errors: CRDT_ENOMEM. */
crdt_err play_audience_open(play_audience **out, crdt_alloc alloc, const char *scene);
/* Accepts NULL; all viewers have left. */
void play_audience_close(play_audience *audience);

/* From now on show what stands on the stage (finished; it must outlive the audience) and
 * say `text` ("": nothing). Once. */
void play_audience_show(play_audience *audience, const play_stage *stage,
                        const char *text);
/* The text last shown, and whether there was something to show yet. */
const char *play_audience_text(const play_audience *audience);
bool play_audience_showing(const play_audience *audience);
size_t play_audience_count(const play_audience *audience);
uint64_t play_audience_refused(const play_audience *audience); /* edits */

/* Somebody comes. `user` is the caller's. Errors: CRDT_ENOMEM. */
crdt_err play_audience_join(play_audience *audience, const access_person *person,
                            const char *color, void *user, play_viewer **out);
void play_audience_leave(play_audience *audience, play_viewer *viewer);
void *play_viewer_user(const play_viewer *viewer);
const access_person *play_viewer_person(const play_viewer *viewer);
/* Its role is another now; it is told. */
void play_viewer_set_role(play_viewer *viewer, access_role role);

/* A message of one event or an array of them. False: it is none; close the link, `why`
 * (static text) is the reason. */
bool play_viewer_hear(play_viewer *viewer, crdt_span text, const char **why);
/* Append the next message to `out`, nothing if there is none. Errors: CRDT_ENOMEM: `out`
 * as before. */
crdt_err play_viewer_tell(play_viewer *viewer, crdt_buf *out);
/* Is there something to tell? Are there so many answers that it should not be read from? */
bool play_viewer_waiting(const play_viewer *viewer);
bool play_viewer_full(const play_viewer *viewer);
/* It has not read for so long that it cannot be told who left: close it. */
bool play_viewer_lost(const play_viewer *viewer);

/* Step through the viewers: the one after `last` (NULL: the first). */
play_viewer *play_audience_next(const play_audience *audience, const play_viewer *last);

/* All that stands there, as a scene state with a little more:
 *
 *   {"entities":[{"components":[{"type","value"}, ...],"id","fields","parent"}, ...],
 *    "origin","schemaVersion":1}
 *
 * `origin`: state, builder or composite: whose spellings the types are. `fields`: what the entity has beside these, `parent`: where it hangs, if not at the root.
 * A component may have `binary` in place of `value`, and `number` (the second of its type).
 * Errors: CRDT_ENOMEM. */
crdt_err play_audience_write(const play_stage *stage, crdt_alloc alloc, crdt_buf *out);

#endif /* CLI_PLAY_AUDIENCE_H */
