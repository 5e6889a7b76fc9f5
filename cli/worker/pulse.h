#ifndef CLI_WORKER_PULSE_H
#define CLI_WORKER_PULSE_H

/* How time goes by for what is on its way to one renderer.
 *
 * A session takes what it told within the last WORKER_CROSSING_MS as possibly not heard yet
 * (cli/worker/known.h). A clock alone does not know: who stops reading for ten seconds has
 * not heard it, who is near has after a millisecond. So the session is given a time that
 * stands still while something has not arrived, and jumps ahead once it is known to have:
 *
 *   told ── asked ────────(stands still)──────── arrived ─(jump)─ GRACE ── counts as heard
 *
 * It arrived when the answer to a ping came that was sent behind it: whatever the renderer
 * sends after that, it sends knowing (its socket at least; for a page that is handed the
 * message later there is the grace).
 *
 * Law: between being told and having arrived, less than WORKER_CROSSING_MS of it go by:
 * PATIENCE while it runs, and at most one jump, of what was asked for before. Pure. */

#include <stdbool.h>
#include <stdint.h>

#define WORKER_PULSE_GRACE_MS 100u   /* from the answer until it counts as heard */
#define WORKER_PULSE_PATIENCE_MS 80u /* then time stands still; below GRACE */
#define WORKER_PULSE_PAUSE_MS 100u   /* from one ping to the next */

typedef struct worker_pulse {
    uint64_t clock_ms;       /* the session's time */
    uint64_t looked_ms;      /* real time of the last look */
    uint64_t asked_ms;       /* real time of the last ping */
    uint64_t asked_clock_ms; /* the session's time then */
    uint64_t oldest_ms; /* the first message told before the ping that is under way */
    uint64_t told_ms;   /* the first told after it */
    bool asked;         /* a ping is under way */
    bool told;
} worker_pulse;

worker_pulse worker_pulse_make(uint64_t now_ms);
/* The session's time. `now_ms` never goes back; nor does what is returned. */
uint64_t worker_pulse_now(worker_pulse *pulse, uint64_t now_ms);
/* Something was told at this time, which is later than all before. */
void worker_pulse_tell(worker_pulse *pulse, uint64_t now_ms);
/* Is it time for a ping? If so, it counts as sent. */
bool worker_pulse_ask(worker_pulse *pulse, uint64_t now_ms);
/* The answer to the ping came. */
void worker_pulse_arrive(worker_pulse *pulse, uint64_t now_ms);

#endif /* CLI_WORKER_PULSE_H */
