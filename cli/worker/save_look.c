#include "cli/worker/save_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t worker_save_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t worker_save_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void worker_save_free_texts(char **texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        free(texts[i]);
    }
    free(texts);
}

char **worker_save_copy_texts(char *const *texts)
{
    size_t count = 0;
    while (texts != NULL && texts[count] != NULL) {
        count++;
    }
    if (count == 0) {
        return NULL;
    }
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(texts[i]);
        if (copy[i] == NULL) {
            worker_save_free_texts(copy);
            return NULL;
        }
    }
    return copy;
}

/* ---- what is known; under the mutex ---- */

bool worker_save_holds_all(const worker_save *save, int index)
{
    return crdt_version_includes(&save->places[index].saved, &save->doc);
}

bool worker_save_is_due(const worker_save *save, int index)
{
    return !worker_save_holds_all(save, index) &&
           !crdt_version_includes(&save->loaded, &save->doc);
}

bool worker_save_can(const worker_save *save)
{
    const save_place *builder = &save->places[SAVE_BUILDER];
    return builder->target.enabled && !builder->target.refused && !builder->gap &&
           save->allowed && save->node != NULL &&
           (save->project[0] != '\0' || save->project_none);
}

/* Who saves to the builder; false: nobody can. */
bool worker_save_chosen(const worker_save *save, crdt_actor *chosen)
{
    worker_save_rival list[SAVE_RIVALS_MAX];
    for (size_t i = 0; i < save->rival_count; i++) {
        list[i] = save->rivals[i].who;
    }
    return worker_save_choose(&save->self, worker_save_can(save), list,
                              save->rival_count, chosen);
}

/* Is it for this worker to save there? */
bool worker_save_is_mine(const worker_save *save, int index)
{
    crdt_actor chosen;
    if (index == SAVE_FILE) {
        return save->node != NULL && save->lineage_known;
    }
    return worker_save_can(save) && worker_save_chosen(save, &chosen) &&
           crdt_actor_equal(&chosen, &save->self);
}

bool worker_save_all_saved(const worker_save *save)
{
    bool any = false;
    for (int i = 0; i < SAVE_PLACES; i++) {
        if (save->places[i].target.enabled) {
            any = true;
            if (!worker_save_holds_all(save, i)) {
                return false;
            }
        }
    }
    return any && save->doc.stamp_count > 0;
}

bool worker_save_at_rest(const worker_save *save)
{
    for (int i = 0; i < SAVE_PLACES; i++) {
        if (save->places[i].target.enabled && worker_save_is_due(save, i)) {
            return false;
        }
    }
    return true;
}

worker_save_state worker_save_state_of(const worker_save *save)
{
    bool enabled = false;
    bool busy = false;
    bool failing = false;
    for (int i = 0; i < SAVE_PLACES; i++) {
        const save_place *at = &save->places[i];
        enabled = enabled || at->target.enabled;
        busy = busy || at->busy;
        failing = failing || (at->target.enabled && at->target.failing);
    }
    if (!enabled) {
        return WORKER_SAVE_OFF;
    }
    if (busy) {
        return WORKER_SAVE_SAVING;
    }
    if (worker_save_at_rest(save)) {
        return WORKER_SAVE_SAVED;
    }
    return failing ? WORKER_SAVE_FAILING : WORKER_SAVE_UNSAVED;
}

/* The place that is spoken of: the builder where there is one. */
int worker_save_main_place(const worker_save *save)
{
    return save->places[SAVE_BUILDER].target.enabled ||
                   !save->places[SAVE_FILE].target.enabled
               ? SAVE_BUILDER
               : SAVE_FILE;
}

const char *worker_save_where(const worker_save *save, int index)
{
    const char *where = index == SAVE_BUILDER ? save->builder_url : save->file;
    return where != NULL ? where : "";
}

/* Why nothing can be saved at all; NULL: something can. Under the mutex. */
const char *worker_save_why_off(const worker_save *save)
{
    if (save->node == NULL) {
        return "the scene is not there yet";
    }
    bool builder = save->places[SAVE_BUILDER].target.enabled;
    if (!builder && !save->places[SAVE_FILE].target.enabled) {
        return "there is nowhere to save to: neither a builder server nor a file was "
               "given";
    }
    if (builder && save->project[0] == '\0' && !save->project_none) {
        return "it is not known yet which project the scene belongs to: the content "
               "server has not answered";
    }
    return NULL;
}

/* What was told as a digest is our version: now it is known. */
static void match_digest(worker_save *save)
{
    crdt_version *saved = &save->places[SAVE_BUILDER].saved;
    if (save->told_digest &&
        crdt_digest_equal(save->told, crdt_digest_version(&save->doc)) &&
        crdt_version_copy(saved, &save->doc) == CRDT_OK) {
        save->told_digest = false;
    }
}

void worker_save_note_change(worker_save *save)
{
    uint64_t now = worker_save_now_ms();
    match_digest(save);
    for (int i = 0; i < SAVE_PLACES; i++) {
        worker_save_target *target = &save->places[i].target;
        if (worker_save_is_due(save, i)) {
            worker_save_target_change(target, now);
        } else if (!target->failing) {
            target->unsaved = false;
        }
    }
    pthread_cond_broadcast(&save->changed);
}
