#include "cli/worker/pulse.h"

#include "cli/worker/known.h"

worker_pulse worker_pulse_make(uint64_t now_ms)
{
    return (worker_pulse){.clock_ms = now_ms, .looked_ms = now_ms};
}

uint64_t worker_pulse_now(worker_pulse *pulse, uint64_t now_ms)
{
    uint64_t until = now_ms;
    if (pulse->asked || pulse->told) {
        uint64_t since = pulse->asked ? pulse->oldest_ms : pulse->told_ms;
        uint64_t stop = since + WORKER_PULSE_PATIENCE_MS;
        until = stop < now_ms ? stop : now_ms;
    }
    if (until > pulse->looked_ms) {
        pulse->clock_ms += until - pulse->looked_ms;
    }
    pulse->looked_ms = now_ms > pulse->looked_ms ? now_ms : pulse->looked_ms;
    return pulse->clock_ms;
}

void worker_pulse_tell(worker_pulse *pulse, uint64_t now_ms)
{
    worker_pulse_now(pulse, now_ms);
    if (!pulse->told) {
        pulse->told = true;
        pulse->told_ms = now_ms;
    }
}

bool worker_pulse_ask(worker_pulse *pulse, uint64_t now_ms)
{
    bool early =
        pulse->asked_ms != 0 && now_ms < pulse->asked_ms + WORKER_PULSE_PAUSE_MS;
    if (!pulse->told || pulse->asked || early) {
        return false;
    }
    pulse->asked_clock_ms = worker_pulse_now(pulse, now_ms);
    pulse->asked_ms = now_ms;
    pulse->oldest_ms = pulse->told_ms;
    pulse->asked = true;
    pulse->told = false;
    return true;
}

void worker_pulse_arrive(worker_pulse *pulse, uint64_t now_ms)
{
    worker_pulse_now(pulse, now_ms);
    if (!pulse->asked) {
        return;
    }
    pulse->asked = false;
    uint64_t heard = pulse->asked_clock_ms + WORKER_CROSSING_MS - WORKER_PULSE_GRACE_MS;
    if (pulse->clock_ms < heard) {
        pulse->clock_ms = heard;
    }
}
