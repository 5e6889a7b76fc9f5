#include "cli/worker/save_plan.h"

#include "cli/worker/save.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void worker_save_target_change(worker_save_target *target, uint64_t now_ms)
{
    if (!target->unsaved) {
        target->unsaved = true;
        target->unsaved_since_ms = now_ms;
    }
    if (target->failing && target->retry_at_ms == WORKER_SAVE_NEVER &&
        !target->refused) {
        target->retry_at_ms = now_ms + target->backoff.ms_min;
    }
}

void worker_save_target_begin(worker_save_target *target)
{
    target->unsaved = false;
}

void worker_save_target_end(worker_save_target *target, crdt_err err, bool all,
                            uint64_t now_ms)
{
    if (err == CRDT_OK) {
        target->failing = false;
        target->refused = false;
        worker_backoff_clear(&target->backoff);
        if (!all) {
            worker_save_target_change(target, now_ms);
        }
        return;
    }
    bool changed = target->unsaved; /* since it began */
    if (!target->unsaved) {
        target->unsaved = true;
        target->unsaved_since_ms = now_ms;
    }
    target->failing = true;
    target->refused = err == CRDT_EREFUSED;
    uint64_t wait = worker_backoff_fail(&target->backoff);
    bool by_content = err == CRDT_ELIMIT || err == CRDT_EINVAL;
    target->retry_at_ms =
        target->refused || (by_content && !changed) ? WORKER_SAVE_NEVER : now_ms + wait;
}

uint64_t worker_save_target_due(const worker_save_target *target, bool mine,
                                uint64_t autosave_ms)
{
    if (!target->enabled || !target->unsaved || !mine) {
        return WORKER_SAVE_NEVER;
    }
    if (target->failing) {
        return target->retry_at_ms;
    }
    return autosave_ms == 0 ? WORKER_SAVE_NEVER
                            : target->unsaved_since_ms + autosave_ms;
}

bool worker_save_choose(const crdt_actor *self, bool self_saves,
                        const worker_save_rival *rivals, size_t rival_count,
                        crdt_actor *chosen)
{
    bool any = self_saves;
    *chosen = self_saves ? *self : (crdt_actor){{0}};
    for (size_t i = 0; i < rival_count; i++) {
        if (rivals[i].saves &&
            (!any || crdt_actor_compare(&rivals[i].actor, chosen) < 0)) {
            *chosen = rivals[i].actor;
            any = true;
        }
    }
    return any;
}

crdt_err worker_save_learn(crdt_version *saved, const crdt_version *told)
{
    if (crdt_version_includes(told, saved)) {
        return crdt_version_copy(saved, told);
    }
    crdt_version both;
    crdt_version_init(&both, saved->alloc);
    crdt_err err = crdt_version_reserve(&both, saved->stamp_count);
    for (size_t i = 0; i < saved->stamp_count && err == CRDT_OK; i++) {
        crdt_stamp stamp = saved->stamps[i];
        uint64_t time = crdt_version_get(told, &stamp.actor);
        stamp.time = time < stamp.time ? time : stamp.time;
        err = stamp.time > 0 ? crdt_version_raise(&both, &stamp) : CRDT_OK;
    }
    if (err == CRDT_OK) {
        crdt_version before = *saved;
        *saved = both;
        both = before;
    }
    crdt_version_deinit(&both);
    return err;
}

/* ---- versions as text ---- */

bool worker_version_format(const crdt_version *version, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < version->stamp_count; i++) {
        char actor[CRDT_ACTOR_TEXT_SIZE];
        crdt_actor_format(&version->stamps[i].actor, actor);
        int more = snprintf(text + at, size - at, "%s%s:%" PRIu64, i > 0 ? "," : "",
                            actor, version->stamps[i].time);
        if (more < 0 || (size_t)more >= size - at) {
            text[0] = '\0';
            return false;
        }
        at += (size_t)more;
    }
    return true;
}

/* One "<actor>:<time>"; steps over it. */
static bool parse_stamp(const char **text, crdt_stamp *stamp)
{
    char actor[CRDT_ACTOR_TEXT_SIZE];
    if (strnlen(*text, sizeof actor) < sizeof actor) {
        return false;
    }
    memcpy(actor, *text, sizeof actor - 1);
    actor[sizeof actor - 1] = '\0';
    const char *at = *text + sizeof actor - 1;
    if (!crdt_actor_parse(actor, &stamp->actor) || *at++ != ':' || *at < '1' ||
        *at > '9') {
        return false;
    }
    stamp->time = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        stamp->time = stamp->time * 10 + (uint64_t)(*at - '0');
        if (stamp->time > CRDT_TIME_MAX) {
            return false;
        }
    }
    *text = at;
    return true;
}

crdt_err worker_version_parse(const char *text, crdt_version *version)
{
    crdt_version_clear(version);
    crdt_err err = CRDT_OK;
    crdt_stamp before = {.time = 0};
    while (*text != '\0' && err == CRDT_OK) {
        crdt_stamp stamp;
        bool first = version->stamp_count == 0;
        if ((!first && *text++ != ',') || !parse_stamp(&text, &stamp) ||
            (!first && crdt_actor_compare(&before.actor, &stamp.actor) >= 0)) {
            err = CRDT_EINVAL;
        } else {
            err = crdt_version_raise(version, &stamp);
            before = stamp;
        }
    }
    if (err != CRDT_OK) {
        crdt_version_clear(version);
    }
    return err;
}
