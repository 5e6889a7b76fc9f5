#include "cli/servers/project_store.h"

#include "cli/servers/json_put.h"
#include "cli/servers/project_record.h"

#include <stdio.h>

#define RECORD_SIZE_MAX (32u << 20)
#define COORDS_SIZE 32
#define NAME_SIZE (SERVERS_UUID_SIZE + 8)

typedef struct project_entry {
    char id[SERVERS_UUID_SIZE];
    char owner[SERVERS_ADDRESS_SIZE];
    char coords[COORDS_SIZE]; /* "": none */
    bool has_manifest;
} project_entry;

struct servers_project_store {
    crdt_alloc alloc;
    servers_disk *disk;
    project_entry *entries; /* at most SERVERS_PROJECT_MAX: searched one by one */
    size_t entry_count;
    size_t entry_capacity;
    bool damaged;
    void (*warn)(void *ctx, const char *text);
    void *warn_ctx;
    crdt_err load_err;
    crdt_diag *load_diag;
};

/* A record that was read: nodes of `json`. */
typedef struct project_record {
    scene_json *json;
    crdt_span owner;
    crdt_span created_at;
    const scene_json_node *project;
    const scene_json_node *manifest; /* NULL: none */
} project_record;

/* ---- entries ---- */

static project_entry *find_entry(const servers_project_store *store, const char *id)
{
    for (size_t i = 0; i < store->entry_count; i++) {
        if (strcmp(store->entries[i].id, id) == 0) {
            return &store->entries[i];
        }
    }
    return NULL;
}

static bool reserve_entry(servers_project_store *store)
{
    if (store->entry_count < store->entry_capacity) {
        return true;
    }
    size_t capacity = store->entry_capacity * 2 + 16;
    project_entry *entries = crdt_resize_array(
        store->alloc, store->entries, store->entry_capacity, capacity, sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    store->entries = entries;
    store->entry_capacity = capacity;
    return true;
}

static void copy_text(char *out, size_t size, crdt_span text)
{
    size_t count =
        text.size < size ? text.size : 0; /* too long: as if it were not there */
    if (count > 0) {
        memcpy(out, text.data, count);
    }
    out[count] = '\0';
}

static void remember(project_entry *entry, crdt_span owner,
                     const scene_json_node *record)
{
    const scene_json_node *project = scene_json_find(record, "project");
    crdt_span coords = {NULL, 0};
    servers_json_find_text(project, "creation_coords", &coords);
    copy_text(entry->owner, sizeof entry->owner, owner);
    copy_text(entry->coords, sizeof entry->coords, coords);
    entry->has_manifest = scene_json_find(record, "manifest") != NULL;
}

/* ---- records ---- */

static void name_of(const char *id, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%s.json", id);
}

static crdt_err read_record(const servers_project_store *store, const char *id,
                            project_record *record, crdt_diag *diag)
{
    *record = (project_record){.json = NULL};
    char name[NAME_SIZE];
    name_of(id, name);
    crdt_buf text;
    crdt_buf_init(&text, store->alloc);
    crdt_err err = servers_disk_read(store->disk, SERVERS_PROJECTS, name,
                                     RECORD_SIZE_MAX, &text, diag);
    if (err == CRDT_OK) {
        err = scene_json_open(&record->json, store->alloc, crdt_buf_span(&text), NULL,
                              diag);
    }
    crdt_buf_deinit(&text);
    if (err != CRDT_OK) {
        return err;
    }
    const scene_json_node *root = scene_json_root(record->json);
    record->project = scene_json_find(root, "project");
    record->manifest = scene_json_find(root, "manifest");
    if (record->project == NULL || record->project->type != SCENE_JSON_OBJECT ||
        !servers_json_find_text(root, "owner", &record->owner) ||
        !servers_json_find_text(root, "created_at", &record->created_at)) {
        scene_json_close(record->json);
        record->json = NULL;
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "%s is no project", name);
    }
    return CRDT_OK;
}

/* ---- opening ---- */

static void warn(servers_project_store *store, const char *name, const char *text)
{
    store->damaged = true;
    if (store->warn != NULL) {
        char line[384];
        snprintf(line, sizeof line, "projects/%s is left alone: %s", name, text);
        store->warn(store->warn_ctx, line);
    }
}

static bool load_record(void *ctx, const char *name)
{
    servers_project_store *store = ctx;
    crdt_diag diag = {.text = ""};
    crdt_span id = {(const uint8_t *)name, SERVERS_UUID_SIZE - 1};
    if (strlen(name) != SERVERS_UUID_SIZE - 1 + 5 || !servers_uuid_valid(id) ||
        strcmp(name + id.size, ".json") != 0) {
        warn(store, name, "its name is not UUID.json");
        return true;
    }
    if (store->entry_count == SERVERS_PROJECT_MAX) {
        store->load_err = crdt_diag_set(store->load_diag, CRDT_ELIMIT, 0,
                                        "more than %u projects", SERVERS_PROJECT_MAX);
        return false;
    }
    project_entry entry = {.id = ""};
    copy_text(entry.id, sizeof entry.id, id);
    project_record record;
    crdt_err err = read_record(store, entry.id, &record, &diag);
    if (err == CRDT_ENOMEM || !reserve_entry(store)) {
        store->load_err = CRDT_ENOMEM;
    } else if (err != CRDT_OK) {
        warn(store, name, diag.text);
    } else {
        remember(&entry, record.owner, scene_json_root(record.json));
        store->entries[store->entry_count++] = entry;
    }
    scene_json_close(record.json);
    return store->load_err == CRDT_OK;
}

typedef struct project_sweep {
    servers_project_store *store;
    servers_folder folder;
} project_sweep;

/* A picture or main.crdt without a project: its removal was cut off. */
static bool sweep_file(void *ctx, const char *name)
{
    project_sweep *sweep = ctx;
    servers_project_store *store = sweep->store;
    crdt_span id = {(const uint8_t *)name, SERVERS_UUID_SIZE - 1};
    if (strlen(name) < id.size || !servers_uuid_valid(id)) {
        return true;
    }
    char text[SERVERS_UUID_SIZE];
    copy_text(text, sizeof text, id);
    if (find_entry(store, text) == NULL) {
        store->load_err =
            servers_disk_remove(store->disk, sweep->folder, name, store->load_diag);
    }
    return store->load_err == CRDT_OK;
}

static crdt_err load_all(servers_project_store *store, crdt_diag *diag)
{
    store->load_diag = diag;
    crdt_err err =
        servers_disk_list(store->disk, SERVERS_PROJECTS, load_record, store, diag);
    err = err == CRDT_OK ? store->load_err : err;
    const servers_folder folders[] = {SERVERS_MEDIA, SERVERS_CRDT};
    for (size_t i = 0; i < 2 && err == CRDT_OK && !store->damaged; i++) {
        project_sweep sweep = {store, folders[i]};
        err = servers_disk_list(store->disk, folders[i], sweep_file, &sweep, diag);
        err = err == CRDT_OK ? store->load_err : err;
    }
    store->load_diag = NULL;
    return err;
}

crdt_err servers_project_store_open(servers_project_store **out, crdt_alloc alloc,
                                    servers_disk *disk,
                                    void (*warn_fn)(void *ctx, const char *text),
                                    void *ctx, crdt_diag *diag)
{
    servers_project_store *store = crdt_allocate(alloc, sizeof *store);
    if (store == NULL) {
        return CRDT_ENOMEM;
    }
    *store = (servers_project_store){
        .alloc = alloc, .disk = disk, .warn = warn_fn, .warn_ctx = ctx};
    crdt_err err = load_all(store, diag);
    if (err != CRDT_OK) {
        servers_project_store_close(store);
        return err;
    }
    *out = store;
    return CRDT_OK;
}

void servers_project_store_close(servers_project_store *store)
{
    if (store == NULL) {
        return;
    }
    crdt_free(store->alloc, store->entries,
              store->entry_capacity * sizeof *store->entries);
    crdt_free(store->alloc, store, sizeof *store);
}

/* ---- who may ---- */

static bool is_local(const char *owner)
{
    return strcmp(owner, SERVERS_OWNER_LOCAL) == 0;
}

static bool may(const project_entry *entry, const servers_caller *caller, bool write)
{
    return strcmp(entry->owner, caller->owner) == 0 || is_local(entry->owner) ||
           (caller->trusted && !write);
}

crdt_err servers_project_store_check(const servers_project_store *store, const char *id,
                                     const servers_caller *caller, bool write,
                                     crdt_diag *diag)
{
    const project_entry *entry = find_entry(store, id);
    if (entry == NULL) {
        return crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there is no project %s", id);
    }
    return may(entry, caller, write)
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_EREFUSED, 0,
                               "the project %s belongs to somebody else", id);
}

static crdt_err refuse_without_manifest(const char *id, crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "the project %s has no manifest", id);
}

crdt_err servers_project_store_check_manifest(const servers_project_store *store,
                                              const char *id,
                                              const servers_caller *caller,
                                              crdt_diag *diag)
{
    crdt_err err = servers_project_store_check(store, id, caller, false, diag);
    return err != CRDT_OK || find_entry(store, id)->has_manifest
               ? err
               : refuse_without_manifest(id, diag);
}

/* ---- writing ---- */

/* Put the record in place, then remember it. `entry` NULL: it is new. */
static crdt_err commit(servers_project_store *store, project_entry *entry,
                       const servers_project_change *change, crdt_diag *diag)
{
    char name[NAME_SIZE];
    name_of(change->id, name);
    crdt_buf record;
    crdt_buf_init(&record, store->alloc);
    scene_json *json = NULL;
    crdt_err err = servers_project_record_write(change, store->alloc, &record);
    if (err == CRDT_OK && record.size > RECORD_SIZE_MAX) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "the project would be over %u bytes",
                            RECORD_SIZE_MAX);
    }
    /* Read as the next start will read it: what cannot be read is not put. */
    if (err == CRDT_OK) {
        err = scene_json_open(&json, store->alloc, crdt_buf_span(&record), NULL, diag);
    }
    if (err == CRDT_OK && entry == NULL && !reserve_entry(store)) {
        err = CRDT_ENOMEM;
    }
    if (err == CRDT_OK) {
        err = servers_disk_put(store->disk, SERVERS_PROJECTS, name,
                               crdt_buf_span(&record), diag);
        err = err == CRDT_ELIMIT ? CRDT_EBUSY : err;
    }
    if (err == CRDT_OK) {
        if (entry == NULL) {
            entry = &store->entries[store->entry_count++];
            copy_text(entry->id, sizeof entry->id, crdt_span_of(change->id));
        }
        remember(entry, crdt_span_of(change->owner), scene_json_root(json));
        err = servers_disk_sync(store->disk, SERVERS_PROJECTS, diag);
    }
    scene_json_close(json);
    crdt_buf_deinit(&record);
    return err;
}

/* Change a project that is there: `fn` says how. */
typedef crdt_err (*change_fn)(void *ctx, servers_project_change *change);

static crdt_err change_project(servers_project_store *store, const char *id,
                               const servers_caller *caller, change_fn fn, void *ctx,
                               crdt_diag *diag)
{
    crdt_err err = servers_project_store_check(store, id, caller, true, diag);
    if (err != CRDT_OK) {
        return err;
    }
    project_record old;
    err = read_record(store, id, &old, diag);
    if (err != CRDT_OK) {
        return err;
    }
    project_entry *entry = find_entry(store, id);
    char owner[SERVERS_ADDRESS_SIZE];
    snprintf(owner, sizeof owner, "%s",
             is_local(caller->owner) ? entry->owner : caller->owner);
    servers_project_change change = {.id = id,
                                     .owner = owner,
                                     .created_at = old.created_at,
                                     .manifest = old.manifest,
                                     .old_project = old.project};
    cli_report_time(caller->now_ms, change.updated_at);
    err = fn(ctx, &change);
    if (err == CRDT_OK) {
        err = commit(store, entry, &change, diag);
    }
    scene_json_close(old.json);
    return err;
}

typedef struct put_change {
    const servers_project_put *put;
    crdt_alloc alloc;
    crdt_buf *row;
} put_change;

static crdt_err apply_put(void *ctx, servers_project_change *change)
{
    put_change *given = ctx;
    change->project = given->put->project;
    if (given->put->manifest != NULL) {
        change->manifest = given->put->manifest;
    }
    return servers_project_record_row(change, given->alloc, given->row);
}

static crdt_err put_new(servers_project_store *store, const char *id,
                        const servers_project_put *put, const servers_caller *caller,
                        crdt_buf *row, crdt_diag *diag)
{
    if (store->entry_count == SERVERS_PROJECT_MAX) {
        return crdt_diag_set(diag, CRDT_EBUSY, 0, "there are %u projects already",
                             SERVERS_PROJECT_MAX);
    }
    servers_project_change change = {.id = id,
                                     .owner = caller->owner,
                                     .project = put->project,
                                     .manifest = put->manifest};
    cli_report_time(caller->now_ms, change.updated_at);
    if (!servers_json_find_text(put->project, "created_at", &change.created_at)) {
        change.created_at = crdt_span_of(change.updated_at);
    }
    crdt_err err = servers_project_record_row(&change, store->alloc, row);
    return err == CRDT_OK ? commit(store, NULL, &change, diag) : err;
}

crdt_err servers_project_store_put(servers_project_store *store, const char *id,
                                   const servers_project_put *put,
                                   const servers_caller *caller, crdt_buf *row,
                                   crdt_diag *diag)
{
    if (find_entry(store, id) == NULL) {
        return put_new(store, id, put, caller, row, diag);
    }
    put_change given = {.put = put, .alloc = store->alloc, .row = row};
    return change_project(store, id, caller, apply_put, &given, diag);
}

static crdt_err apply_remove_manifest(void *ctx, servers_project_change *change)
{
    (void)ctx;
    change->manifest = NULL;
    return CRDT_OK;
}

crdt_err servers_project_store_remove_manifest(servers_project_store *store,
                                               const char *id,
                                               const servers_caller *caller,
                                               crdt_diag *diag)
{
    return change_project(store, id, caller, apply_remove_manifest, NULL, diag);
}

static crdt_err apply_thumbnail(void *ctx, servers_project_change *change)
{
    change->thumbnail = ctx;
    return CRDT_OK;
}

crdt_err servers_project_store_set_thumbnail(servers_project_store *store,
                                             const char *id, const char *file_name,
                                             const servers_caller *caller,
                                             crdt_diag *diag)
{
    return change_project(store, id, caller, apply_thumbnail,
                          (void *)(uintptr_t)file_name, diag);
}

static crdt_err apply_unlink(void *ctx, servers_project_change *change)
{
    static const char *const coords[] = {"creation_coords", NULL};
    change->skip = coords;
    (*(size_t *)ctx)++;
    return CRDT_OK;
}

crdt_err servers_project_store_unlink(servers_project_store *store, crdt_span coords,
                                      const servers_caller *caller, size_t *count,
                                      crdt_diag *diag)
{
    *count = 0;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < store->entry_count && err == CRDT_OK; i++) {
        const project_entry *entry = &store->entries[i];
        if (crdt_span_equal(crdt_span_of(entry->coords), coords) &&
            may(entry, caller, true)) {
            err = change_project(store, entry->id, caller, apply_unlink, count, diag);
        }
    }
    return err;
}

crdt_err servers_project_store_remove(servers_project_store *store, const char *id,
                                      const servers_caller *caller, crdt_diag *diag)
{
    crdt_err err = servers_project_store_check(store, id, caller, true, diag);
    if (err != CRDT_OK) {
        return err;
    }
    char name[NAME_SIZE];
    name_of(id, name);
    err = servers_disk_remove(store->disk, SERVERS_PROJECTS, name, diag);
    if (err == CRDT_OK) {
        project_entry *entry = find_entry(store, id);
        size_t after = store->entry_count - (size_t)(entry - store->entries) - 1;
        memmove(entry, entry + 1, after * sizeof *entry);
        store->entry_count--;
        err = servers_disk_sync(store->disk, SERVERS_PROJECTS, diag);
    }
    return err;
}

/* ---- reading ---- */

static crdt_err read_checked(servers_project_store *store, const char *id,
                             const servers_caller *caller, project_record *record,
                             crdt_diag *diag)
{
    *record = (project_record){.json = NULL};
    crdt_err err = servers_project_store_check(store, id, caller, false, diag);
    return err == CRDT_OK ? read_record(store, id, record, diag) : err;
}

static crdt_err give_node(const scene_json_node *node, crdt_alloc alloc, crdt_buf *out)
{
    scene_json_writer writer;
    scene_json_writer_init(&writer, alloc, out);
    servers_json_node(&writer, node);
    crdt_err err = writer.err;
    scene_json_writer_deinit(&writer);
    return err;
}

crdt_err servers_project_store_row(servers_project_store *store, const char *id,
                                   const servers_caller *caller, crdt_buf *out,
                                   crdt_diag *diag)
{
    project_record record;
    crdt_err err = read_checked(store, id, caller, &record, diag);
    if (err == CRDT_OK) {
        err = give_node(record.project, store->alloc, out);
    }
    scene_json_close(record.json);
    return err;
}

crdt_err servers_project_store_manifest(servers_project_store *store, const char *id,
                                        const servers_caller *caller, crdt_buf *out,
                                        crdt_diag *diag)
{
    project_record record;
    crdt_err err = read_checked(store, id, caller, &record, diag);
    if (err == CRDT_OK && record.manifest == NULL) {
        err = refuse_without_manifest(id, diag);
    }
    if (err == CRDT_OK) {
        err = give_node(record.manifest, store->alloc, out);
    }
    scene_json_close(record.json);
    return err;
}

const char *servers_project_store_next(const servers_project_store *store,
                                       const servers_caller *caller, crdt_span coords,
                                       size_t *index)
{
    while (*index < store->entry_count) {
        const project_entry *entry = &store->entries[(*index)++];
        if (may(entry, caller, false) &&
            (coords.size == 0 ||
             crdt_span_equal(crdt_span_of(entry->coords), coords))) {
            return entry->id;
        }
    }
    return NULL;
}

size_t servers_project_store_count(const servers_project_store *store)
{
    return store->entry_count;
}
