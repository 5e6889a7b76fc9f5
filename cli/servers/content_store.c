#include "cli/servers/content_store.h"

#include "cli/content/cid.h"
#include "cli/servers/entity_index.h"
#include "cli/servers/json_put.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD_SIZE_MAX (1u << 20)
#define FILE_SIZE_MAX ((size_t)1 << 30)

struct servers_content_store {
    crdt_alloc alloc;
    servers_disk *disk;
    servers_entity_index index;
    bool damaged; /* a record could not be read */
    void (*warn)(void *ctx, const char *text);
    void *warn_ctx;
};

/* A deployment at work. */
typedef struct content_deploy {
    servers_content_store *store;
    const servers_deployment *given;
    scene_text_map uploads; /* CID -> index of given->uploads */
    servers_entity entity;
    bool *added; /* which uploads were not here before */
    crdt_diag *diag;
} content_deploy;

/* ---- opening ---- */

static void warn(servers_content_store *store, const char *name, const char *text)
{
    store->damaged = true;
    if (store->warn != NULL) {
        char line[384];
        snprintf(line, sizeof line, "entities/%s is left alone: %s", name, text);
        store->warn(store->warn_ctx, line);
    }
}

static crdt_err read_entity(servers_content_store *store, const char *id,
                            servers_entity *entity, crdt_diag *diag)
{
    crdt_buf text;
    crdt_buf_init(&text, store->alloc);
    crdt_err err = servers_content_store_read(store, id, &text, diag);
    if (err == CRDT_OK) {
        err = servers_entity_init(entity, store->alloc, crdt_buf_span(&text), diag);
    }
    crdt_buf_deinit(&text);
    return err;
}

/* The time of ID.json. */
static crdt_err read_record(servers_content_store *store, const char *name,
                            uint64_t *deployed_ms, crdt_diag *diag)
{
    crdt_buf text;
    crdt_buf_init(&text, store->alloc);
    scene_json *json = NULL;
    crdt_err err = servers_disk_read(store->disk, SERVERS_ENTITIES, name,
                                     RECORD_SIZE_MAX, &text, diag);
    if (err == CRDT_OK) {
        err = scene_json_open(&json, store->alloc, crdt_buf_span(&text), NULL, diag);
    }
    if (err == CRDT_OK) {
        const scene_json_node *time =
            scene_json_find(scene_json_root(json), "localTimestamp");
        if (time == NULL || time->type != SCENE_JSON_NUMBER || time->as.number < 0 ||
            time->as.number > 9e15) {
            err = crdt_diag_set(diag, CRDT_ECORRUPT, 0, "it has no localTimestamp");
        } else {
            *deployed_ms = (uint64_t)time->as.number;
        }
    }
    scene_json_close(json);
    crdt_buf_deinit(&text);
    return err;
}

static bool id_of_record(const char *name, char id[CONTENT_CID_SIZE])
{
    size_t size = strlen(name);
    if (size < 6 || size - 5 >= CONTENT_CID_SIZE ||
        strcmp(name + size - 5, ".json") != 0) {
        return false;
    }
    memcpy(id, name, size - 5);
    id[size - 5] = '\0';
    return content_cid_valid(id);
}

typedef struct content_load {
    servers_content_store *store;
    scene_text_map used; /* CIDs that records name */
    crdt_arena names;
    crdt_err err;
    crdt_diag *diag;
} content_load;

static crdt_err note_used(content_load *load, crdt_span cid)
{
    if (scene_text_map_find(&load->used, cid) != NULL) {
        return CRDT_OK;
    }
    uint8_t *copy = crdt_arena_alloc(&load->names, cid.size);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    memcpy(copy, cid.data, cid.size);
    crdt_span key = {copy, cid.size};
    return scene_text_map_put(&load->used, key, 0, NULL, NULL);
}

static crdt_err load_entity(content_load *load, const char *id, uint64_t deployed_ms,
                            const servers_entity *entity)
{
    servers_entity_index *index = &load->store->index;
    if (index->entry_count == SERVERS_ENTITY_MAX) {
        return crdt_diag_set(load->diag, CRDT_ELIMIT, 0, "more than %u entities",
                             SERVERS_ENTITY_MAX);
    }
    servers_entity_entry *entry =
        servers_entity_index_prepare(index, crdt_span_of(id), entity, deployed_ms);
    if (entry == NULL) {
        return CRDT_ENOMEM;
    }
    servers_entity_index_add(index, entry);
    crdt_err err = note_used(load, crdt_span_of(id));
    for (size_t i = 0; i < entity->file_count && err == CRDT_OK; i++) {
        err = note_used(load, entity->files[i].hash);
    }
    return err;
}

static bool load_record(void *ctx, const char *name)
{
    content_load *load = ctx;
    char id[CONTENT_CID_SIZE];
    crdt_diag diag = {.text = ""};
    uint64_t deployed_ms = 0;
    if (!id_of_record(name, id)) {
        warn(load->store, name, "its name is not ID.json");
        return true;
    }
    servers_entity entity;
    crdt_err err = read_record(load->store, name, &deployed_ms, &diag);
    if (err == CRDT_OK) {
        err = read_entity(load->store, id, &entity, &diag);
    }
    if (err == CRDT_ENOMEM) {
        load->err = err;
        return false;
    }
    if (err != CRDT_OK) {
        warn(load->store, name, diag.text);
        return true;
    }
    load->err = load_entity(load, id, deployed_ms, &entity);
    servers_entity_deinit(&entity);
    return load->err == CRDT_OK;
}

static bool sweep_file(void *ctx, const char *name)
{
    content_load *load = ctx;
    if (content_cid_valid(name) &&
        scene_text_map_find(&load->used, crdt_span_of(name)) == NULL) {
        load->err =
            servers_disk_remove(load->store->disk, SERVERS_CONTENTS, name, load->diag);
    }
    return load->err == CRDT_OK;
}

static crdt_err load_all(servers_content_store *store, crdt_diag *diag)
{
    content_load load = {.store = store, .diag = diag};
    scene_text_map_init(&load.used, store->alloc);
    crdt_arena_init(&load.names, store->alloc);
    crdt_err err =
        servers_disk_list(store->disk, SERVERS_ENTITIES, load_record, &load, diag);
    err = err == CRDT_OK ? load.err : err;
    if (err == CRDT_OK && !store->damaged) {
        err = servers_disk_list(store->disk, SERVERS_CONTENTS, sweep_file, &load, diag);
        err = err == CRDT_OK ? load.err : err;
    }
    scene_text_map_deinit(&load.used);
    crdt_arena_deinit(&load.names);
    return err;
}

crdt_err servers_content_store_open(servers_content_store **out, crdt_alloc alloc,
                                    servers_disk *disk,
                                    void (*warn_fn)(void *ctx, const char *text),
                                    void *ctx, crdt_diag *diag)
{
    servers_content_store *store = crdt_allocate(alloc, sizeof *store);
    if (store == NULL) {
        return CRDT_ENOMEM;
    }
    *store = (servers_content_store){
        .alloc = alloc, .disk = disk, .warn = warn_fn, .warn_ctx = ctx};
    servers_entity_index_init(&store->index, alloc);
    crdt_err err = load_all(store, diag);
    if (err != CRDT_OK) {
        servers_content_store_close(store);
        return err;
    }
    *out = store;
    return CRDT_OK;
}

void servers_content_store_close(servers_content_store *store)
{
    if (store == NULL) {
        return;
    }
    servers_entity_index_deinit(&store->index);
    crdt_free(store->alloc, store, sizeof *store);
}

/* ---- checks of a deployment ---- */

static const servers_upload *find_upload(const content_deploy *deploy, crdt_span cid)
{
    const uint64_t *found = scene_text_map_find(&deploy->uploads, cid);
    return found == NULL ? NULL : &deploy->given->uploads[*found];
}

static crdt_err read_uploads(content_deploy *deploy)
{
    for (size_t i = 0; i < deploy->given->upload_count; i++) {
        const servers_upload *upload = &deploy->given->uploads[i];
        bool fresh;
        if (scene_text_map_put(&deploy->uploads, crdt_span_of(upload->cid), i, NULL,
                               &fresh) != CRDT_OK) {
            return CRDT_ENOMEM;
        }
        if (!fresh) {
            return crdt_diag_set(deploy->diag, CRDT_EINVAL, 0, "%s was uploaded twice",
                                 upload->cid);
        }
        if (!content_cid_matches(upload->cid, upload->content)) {
            return crdt_diag_set(deploy->diag, CRDT_EINVAL, 0,
                                 "what was uploaded as %s has another hash",
                                 upload->cid);
        }
    }
    return CRDT_OK;
}

static crdt_err check_chain(const content_deploy *deploy)
{
    const servers_deployment *given = deploy->given;
    if (given->chain == NULL) {
        return CRDT_OK;
    }
    char owner[SERVERS_ADDRESS_SIZE];
    crdt_span signed_text;
    /* As of the entity's time: the keys must have been good when it was made. */
    crdt_err err = servers_auth_chain_check(given->chain, deploy->entity.timestamp_ms,
                                            owner, &signed_text, deploy->diag);
    if (err == CRDT_OK && !crdt_span_equal(signed_text, given->id)) {
        return crdt_diag_set(
            deploy->diag, CRDT_EREFUSED, 0,
            "the auth chain signs something else than the entity's id");
    }
    return err;
}

static crdt_err check_time(const content_deploy *deploy)
{
    const servers_entity *entity = &deploy->entity;
    uint64_t time = entity->timestamp_ms;
    uint64_t now = deploy->given->now_ms;
    if (time > now + SERVERS_FUTURE_MS) {
        return crdt_diag_set(
            deploy->diag, CRDT_ESTALE, 0,
            "the timestamp is more than 15 minutes in the future: is a "
            "clock wrong?");
    }
    if (!deploy->given->any_age && time + SERVERS_PAST_MS < now) {
        return crdt_diag_set(
            deploy->diag, CRDT_ESTALE, 0,
            "the timestamp is older than 20 minutes: make and sign the "
            "entity anew");
    }
    for (size_t i = 0; i < entity->pointer_count; i++) {
        crdt_span pointer = entity->pointers[i];
        const servers_entity_entry *newest =
            servers_entity_index_newest(&deploy->store->index, pointer);
        if (newest != NULL &&
            servers_entity_entry_is_newer(newest, time, deploy->given->id)) {
            return crdt_diag_set(
                deploy->diag, CRDT_ESTALE, 0, "there is a newer entity at %.*s: %s",
                (int)pointer.size, (const char *)pointer.data, newest->id);
        }
    }
    return CRDT_OK;
}

/* Bytes of a file of the entity: uploaded, or here. */
static bool size_of_file(const content_deploy *deploy, crdt_span hash, uint64_t *size)
{
    const servers_upload *upload = find_upload(deploy, hash);
    if (upload != NULL) {
        *size = upload->content.size;
        return true;
    }
    char cid[CONTENT_CID_SIZE];
    snprintf(cid, sizeof cid, "%.*s", (int)hash.size, (const char *)hash.data);
    return servers_disk_find(deploy->store->disk, SERVERS_CONTENTS, cid, size);
}

/* Every file is here or comes along, and together they are small enough. `named` gets
 * their hashes. */
static crdt_err check_sizes(const content_deploy *deploy, scene_text_map *named)
{
    const servers_entity *entity = &deploy->entity;
    uint64_t total = 0;
    for (size_t i = 0; i < entity->file_count; i++) {
        crdt_span hash = entity->files[i].hash;
        bool fresh;
        uint64_t size = 0;
        if (scene_text_map_put(named, hash, 0, NULL, &fresh) != CRDT_OK) {
            return CRDT_ENOMEM;
        }
        if (fresh && !size_of_file(deploy, hash, &size)) {
            return crdt_diag_set(deploy->diag, CRDT_ENOTFOUND, 0,
                                 "%.*s is neither here nor uploaded", (int)hash.size,
                                 (const char *)hash.data);
        }
        total += size;
    }
    uint64_t total_max = (uint64_t)entity->pointer_count * SERVERS_PARCEL_SIZE_MAX;
    return total <= total_max
               ? CRDT_OK
               : crdt_diag_set(deploy->diag, CRDT_ELIMIT, 0,
                               "the files have %" PRIu64
                               " bytes; %zu parcels may have %" PRIu64 " (15 MB each)",
                               total, entity->pointer_count, total_max);
}

static crdt_err check_files(const content_deploy *deploy)
{
    scene_text_map named;
    scene_text_map_init(&named, deploy->store->alloc);
    crdt_err err = scene_text_map_put(&named, deploy->given->id, 0, NULL, NULL);
    if (err == CRDT_OK) {
        err = check_sizes(deploy, &named);
    }
    for (size_t i = 0; i < deploy->given->upload_count && err == CRDT_OK; i++) {
        const char *cid = deploy->given->uploads[i].cid;
        if (scene_text_map_find(&named, crdt_span_of(cid)) == NULL) {
            err = crdt_diag_set(deploy->diag, CRDT_EINVAL, 0,
                                "%s was uploaded but the entity does not name it", cid);
        }
    }
    scene_text_map_deinit(&named);
    return err;
}

static crdt_err check_entity(const content_deploy *deploy)
{
    crdt_err err = check_chain(deploy);
    if (err == CRDT_OK) {
        err = check_time(deploy);
    }
    if (err == CRDT_OK) {
        err = check_files(deploy);
    }
    if (err == CRDT_OK && deploy->store->index.entry_count == SERVERS_ENTITY_MAX) {
        err = crdt_diag_set(deploy->diag, CRDT_EBUSY, 0,
                            "there are %u entities already", SERVERS_ENTITY_MAX);
    }
    return err;
}

/* ---- deploying ---- */

/* {"authChain":[...],"entityId":...,"localTimestamp":...} */
static crdt_err write_record(const servers_deployment *deployment, crdt_alloc alloc,
                             crdt_buf *out)
{
    scene_json_writer writer;
    scene_json_writer_init(&writer, alloc, out);
    scene_json_writer_object_begin(&writer);
    servers_json_span(&writer, "entityId", deployment->id);
    scene_json_writer_key(&writer, crdt_span_of("localTimestamp"));
    scene_json_writer_integer(&writer, (int64_t)deployment->now_ms);
    scene_json_writer_key(&writer, crdt_span_of("authChain"));
    scene_json_writer_array_begin(&writer);
    const servers_auth_chain *chain = deployment->chain;
    for (size_t i = 0; chain != NULL && i < chain->count; i++) {
        scene_json_writer_object_begin(&writer);
        servers_json_span(&writer, "type", chain->links[i].type);
        servers_json_span(&writer, "payload", chain->links[i].payload);
        servers_json_span(&writer, "signature", chain->links[i].signature);
        scene_json_writer_object_end(&writer);
    }
    scene_json_writer_array_end(&writer);
    scene_json_writer_object_end(&writer);
    crdt_err err = writer.err;
    scene_json_writer_deinit(&writer);
    return err;
}

/* Is what is stored whole? Something else there is replaced. */
static bool is_stored(servers_content_store *store, const servers_upload *upload)
{
    uint64_t size;
    if (!servers_disk_find(store->disk, SERVERS_CONTENTS, upload->cid, &size) ||
        size != upload->content.size) {
        return false;
    }
    crdt_buf stored;
    crdt_buf_init(&stored, store->alloc);
    bool same = servers_disk_read(store->disk, SERVERS_CONTENTS, upload->cid,
                                  upload->content.size, &stored, NULL) == CRDT_OK &&
                crdt_span_equal(crdt_buf_span(&stored), upload->content);
    crdt_buf_deinit(&stored);
    return same;
}

static crdt_err write_files(content_deploy *deploy)
{
    servers_disk *disk = deploy->store->disk;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < deploy->given->upload_count && err == CRDT_OK; i++) {
        const servers_upload *upload = &deploy->given->uploads[i];
        if (is_stored(deploy->store, upload)) {
            continue;
        }
        bool there = servers_disk_find(disk, SERVERS_CONTENTS, upload->cid, NULL);
        err = servers_disk_put(disk, SERVERS_CONTENTS, upload->cid, upload->content,
                               deploy->diag);
        deploy->added[i] = err == CRDT_OK && !there;
    }
    return err == CRDT_OK ? servers_disk_sync(disk, SERVERS_CONTENTS, deploy->diag)
                          : err;
}

/* With its record the entity is deployed. */
static crdt_err put_record(content_deploy *deploy)
{
    servers_disk *disk = deploy->store->disk;
    char name[CONTENT_CID_SIZE + 8];
    snprintf(name, sizeof name, "%.*s.json", (int)deploy->given->id.size,
             (const char *)deploy->given->id.data);
    crdt_buf record;
    crdt_buf_init(&record, deploy->store->alloc);
    crdt_err err = write_record(deploy->given, deploy->store->alloc, &record);
    if (err == CRDT_OK) {
        err = servers_disk_put(disk, SERVERS_ENTITIES, name, crdt_buf_span(&record),
                               deploy->diag);
    }
    if (err == CRDT_OK) {
        err = servers_disk_sync(disk, SERVERS_ENTITIES, deploy->diag);
        if (err != CRDT_OK) {
            servers_disk_remove(disk, SERVERS_ENTITIES, name, NULL);
        }
    }
    crdt_buf_deinit(&record);
    return err;
}

static void take_back_files(content_deploy *deploy)
{
    for (size_t i = 0; i < deploy->given->upload_count; i++) {
        if (deploy->added[i]) {
            servers_disk_remove(deploy->store->disk, SERVERS_CONTENTS,
                                deploy->given->uploads[i].cid, NULL);
        }
    }
}

/* What can fail in memory comes before what is on disk. */
static crdt_err commit(content_deploy *deploy)
{
    servers_entity_index *index = &deploy->store->index;
    crdt_alloc alloc = deploy->store->alloc;
    size_t count = deploy->given->upload_count;
    servers_entity_entry *entry = servers_entity_index_prepare(
        index, deploy->given->id, &deploy->entity, deploy->given->now_ms);
    deploy->added = crdt_allocate(alloc, count);
    crdt_err err = entry == NULL || deploy->added == NULL ? CRDT_ENOMEM : CRDT_OK;
    if (err == CRDT_OK) {
        memset(deploy->added, 0, count);
        err = write_files(deploy);
        err = err == CRDT_OK ? put_record(deploy) : err;
        if (err == CRDT_OK) {
            servers_entity_index_add(index, entry);
            entry = NULL;
        } else {
            take_back_files(deploy);
            /* A full disk is told apart from a scene that is too large. */
            err = err == CRDT_ELIMIT ? CRDT_EBUSY : err;
        }
    }
    servers_entity_index_drop(index, entry);
    crdt_free(alloc, deploy->added, count);
    return err;
}

static crdt_err deploy_entity(content_deploy *deploy)
{
    crdt_err err = read_uploads(deploy);
    if (err != CRDT_OK) {
        return err;
    }
    const servers_upload *file = find_upload(deploy, deploy->given->id);
    if (file == NULL) {
        return crdt_diag_set(deploy->diag, CRDT_EINVAL, 0,
                             "the entity file is not among the uploads");
    }
    err = servers_entity_init(&deploy->entity, deploy->store->alloc, file->content,
                              deploy->diag);
    if (err != CRDT_OK) {
        return err == CRDT_ELIMIT ? CRDT_ECORRUPT : err;
    }
    err = check_entity(deploy);
    if (err == CRDT_OK) {
        err = commit(deploy);
    }
    servers_entity_deinit(&deploy->entity);
    return err;
}

crdt_err servers_content_store_deploy(servers_content_store *store,
                                      const servers_deployment *deployment,
                                      uint64_t *deployed_ms, crdt_diag *diag)
{
    const servers_entity_entry *known =
        servers_entity_index_find(&store->index, deployment->id);
    if (known != NULL) {
        *deployed_ms = known->deployed_ms;
        return CRDT_OK;
    }
    content_deploy deploy = {.store = store, .given = deployment, .diag = diag};
    scene_text_map_init(&deploy.uploads, store->alloc);
    crdt_err err = deploy_entity(&deploy);
    scene_text_map_deinit(&deploy.uploads);
    *deployed_ms = deployment->now_ms;
    return err;
}

/* ---- reading ---- */

const char *servers_content_store_active(const servers_content_store *store,
                                         crdt_span pointer)
{
    const servers_entity_entry *entry =
        servers_entity_index_active(&store->index, pointer);
    return entry == NULL ? NULL : entry->id;
}

const char *servers_content_store_active_id(const servers_content_store *store,
                                            crdt_span id)
{
    const servers_entity_entry *entry = servers_entity_index_find(&store->index, id);
    return entry != NULL && entry->lost == 0 ? entry->id : NULL;
}

bool servers_content_store_has(const servers_content_store *store, const char *cid)
{
    return content_cid_valid(cid) &&
           servers_disk_find(store->disk, SERVERS_CONTENTS, cid, NULL);
}

crdt_err servers_content_store_read(servers_content_store *store, const char *cid,
                                    crdt_buf *out, crdt_diag *diag)
{
    if (!content_cid_valid(cid)) {
        return crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "that is no CID");
    }
    size_t before = out->size;
    crdt_err err =
        servers_disk_read(store->disk, SERVERS_CONTENTS, cid, FILE_SIZE_MAX, out, diag);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_span content = {out->data == NULL ? NULL : out->data + before,
                         out->size - before};
    if (!content_cid_matches(cid, content)) {
        out->size = before;
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the file %s is damaged on disk",
                             cid);
    }
    return CRDT_OK;
}

size_t servers_content_store_count(const servers_content_store *store)
{
    return store->index.entry_count;
}
