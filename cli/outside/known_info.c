#include "cli/outside/known_info.h"

#include "cli/content/cid.h"
#include "cli/servers/json_put.h"

#include <string.h>

struct outside_known_info {
    crdt_alloc alloc;
    scene_json *json;
};

crdt_err outside_known_info_open(outside_known_info **out, crdt_alloc alloc,
                                 crdt_span text, crdt_diag *diag)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.size_max = KNOWN_INFO_SIZE_MAX;
    outside_known_info *info = crdt_allocate(alloc, sizeof *info);
    if (info == NULL) {
        return CRDT_ENOMEM;
    }
    *info = (outside_known_info){.alloc = alloc};
    crdt_err err = scene_json_open(&info->json, alloc, text, &limits, diag);
    if (err != CRDT_OK) {
        info->json = NULL;
    } else if (scene_json_root(info->json)->type != SCENE_JSON_OBJECT) {
        err = scene_json_refuse(info->json, scene_json_root(info->json), diag,
                                CRDT_ECORRUPT, "an object was expected");
    }
    if (err != CRDT_OK) {
        outside_known_info_close(info);
        return err;
    }
    *out = info;
    return CRDT_OK;
}

void outside_known_info_close(outside_known_info *info)
{
    if (info != NULL) {
        scene_json_close(info->json);
        crdt_free(info->alloc, info, sizeof *info);
    }
}

crdt_err outside_known_info_write(const outside_known_info *info, bool can_play,
                                  crdt_buf *out)
{
    static const char *const OWN[] = {"ok", "canPlay", "canSave", "canPublish", NULL};
    scene_json_writer json;
    scene_json_writer_init(&json, info->alloc, out);
    scene_json_writer_object_begin(&json);
    servers_json_bool(&json, "ok", true);
    servers_json_bool(&json, "canPlay", can_play);
    servers_json_bool(&json, "canSave", false);
    servers_json_bool(&json, "canPublish", false);
    servers_json_members(&json, scene_json_root(info->json), OWN);
    scene_json_writer_object_end(&json);
    crdt_err err = json.err;
    scene_json_writer_deinit(&json);
    return err;
}

static crdt_err each_of(const scene_json_node *files,
                        crdt_err (*take)(void *ctx, crdt_span hash), void *ctx)
{
    if (files == NULL || files->type != SCENE_JSON_OBJECT) {
        return CRDT_OK;
    }
    const scene_json_node *key = files + 1;
    crdt_err err = CRDT_OK;
    for (uint32_t i = 0; err == CRDT_OK && i < files->count; i++) {
        const scene_json_node *value = scene_json_next(key);
        char cid[CONTENT_CID_SIZE];
        if (value->type == SCENE_JSON_STRING && value->count < sizeof cid &&
            memchr(value->as.text, '\0', value->count) == NULL) {
            memcpy(cid, value->as.text, value->count);
            cid[value->count] = '\0';
            err = content_cid_valid(cid) ? take(ctx, scene_json_text(value)) : CRDT_OK;
        }
        key = scene_json_next(value);
    }
    return err;
}

crdt_err outside_known_info_each_hash(const outside_known_info *info,
                                      crdt_err (*take)(void *ctx, crdt_span hash),
                                      void *ctx)
{
    const scene_json_node *models =
        scene_json_find(scene_json_root(info->json), "models");
    const scene_json_node *assets = scene_json_find(models, "assets");
    crdt_err err = each_of(scene_json_find(models, "files"), take, ctx);
    if (assets == NULL || assets->type != SCENE_JSON_OBJECT) {
        return err;
    }
    const scene_json_node *key = assets + 1;
    for (uint32_t i = 0; err == CRDT_OK && i < assets->count; i++) {
        const scene_json_node *asset = scene_json_next(key);
        err = each_of(scene_json_find(asset, "files"), take, ctx);
        key = scene_json_next(asset);
    }
    return err;
}
