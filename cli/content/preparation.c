#include "cli/content/preparation.h"

#include "cli/content/entity_text.h"
#include "cli/files.h"
#include "scene/json.h"
#include "scene/json_writer.h"
#include "sync/crypto.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_LENGTH (CONTENT_PUBLISH_ID_SIZE - 1)
#define MAKING "making-" /* before the id, until it is whole */
#define SWEEPS_MAX 32

static crdt_err io_error(crdt_diag *diag, const char *what)
{
    const char *text = strerrordesc_np(errno);
    return crdt_diag_set(diag, CRDT_EIO, 0, "%.80s: %s", what,
                         text != NULL ? text : "unknown error");
}

/* The folder of it, and a file there. */
static bool path_of(const content_prepared *prepared, const char *name,
                    char path[CONTENT_PATH_SIZE])
{
    int size = snprintf(path, CONTENT_PATH_SIZE, "%.3900s/%s%s%s%s", prepared->root,
                        prepared->kept ? "" : MAKING, prepared->id,
                        name[0] != '\0' ? "/" : "", name);
    return size > 0 && size < CONTENT_PATH_SIZE;
}

static bool is_id(const char *text)
{
    return strlen(text) == ID_LENGTH && strspn(text, "0123456789abcdef") == ID_LENGTH;
}

/* ---- the folder ---- */

/* Remove a folder of files; no link is followed. */
static void remove_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    if (folder == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
    rmdir(path);
}

/* Is it one of ours: by its name, and by what is in it? */
static bool is_ours(int root, const char *name, struct stat *status)
{
    char inside[128];
    bool making = strncmp(name, MAKING, sizeof MAKING - 1) == 0 &&
                  is_id(name + sizeof MAKING - 1);
    if ((!making && !is_id(name)) ||
        fstatat(root, name, status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(status->st_mode)) {
        return false;
    }
    snprintf(inside, sizeof inside, "%.60s/prepared.json", name);
    return making || faccessat(root, inside, F_OK, 0) == 0;
}

/* Remove what has expired (all that was left half made, too) and count the rest;
 * *oldest is its oldest. */
static size_t sweep(const char *root, uint64_t now_ms, char oldest[ID_LENGTH + 1])
{
    size_t count = 0;
    uint64_t oldest_ms = UINT64_MAX;
    DIR *folder = opendir(root);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct stat status;
        if (!is_ours(dirfd(folder), entry->d_name, &status)) {
            continue;
        }
        uint64_t made_ms = (uint64_t)status.st_mtim.tv_sec * 1000;
        char path[CONTENT_PATH_SIZE];
        char done[CONTENT_PATH_SIZE];
        snprintf(path, sizeof path, "%.3000s/%.40s", root, entry->d_name);
        snprintf(done, sizeof done, "%.3000s/%.40s/done.json", root, entry->d_name);
        uint64_t last =
            access(done, F_OK) == 0 ? CONTENT_DONE_LAST_MS : CONTENT_PUBLISH_LAST_MS;
        if (made_ms + last < now_ms) {
            remove_folder(path);
            continue;
        }
        count++;
        if (is_id(entry->d_name) && made_ms < oldest_ms) {
            oldest_ms = made_ms;
            memcpy(oldest, entry->d_name, ID_LENGTH + 1);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void make_room(const char *root, uint64_t now_ms)
{
    char oldest[ID_LENGTH + 1] = "";
    for (int tries = 0; tries < SWEEPS_MAX; tries++) { /* some may not be removable */
        if (sweep(root, now_ms, oldest) < CONTENT_PREPARED_MAX || oldest[0] == '\0') {
            return;
        }
        char path[CONTENT_PATH_SIZE];
        snprintf(path, sizeof path, "%.3000s/%s", root, oldest);
        remove_folder(path);
        oldest[0] = '\0';
    }
}

static void init(content_prepared *prepared, crdt_alloc alloc, const char *root)
{
    *prepared = (content_prepared){.alloc = alloc};
    crdt_arena_init(&prepared->arena, alloc);
    scene_text_map_init(&prepared->names, alloc);
    snprintf(prepared->root, sizeof prepared->root, "%s", root);
}

crdt_err content_prepared_open(content_prepared *prepared, crdt_alloc alloc,
                               const char *root, uint64_t now_ms, crdt_diag *diag)
{
    init(prepared, alloc, root);
    if (strlen(root) > 3000) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "the path of the folder is too long");
    }
    if (mkdir(root, 0700) != 0 && errno != EEXIST) {
        return io_error(diag, root);
    }
    make_room(root, now_ms);
    uint8_t random[ID_LENGTH / 2];
    sync_crypto_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(prepared->id + i * 2, 3, "%02x", random[i]);
    }
    prepared->expires_ms = now_ms + CONTENT_PUBLISH_LAST_MS;
    char path[CONTENT_PATH_SIZE];
    if (!path_of(prepared, "", path) || mkdir(path, 0700) != 0) {
        prepared->id[0] = '\0';
        return io_error(diag, root);
    }
    return CRDT_OK;
}

void content_prepared_close(content_prepared *prepared)
{
    char path[CONTENT_PATH_SIZE];
    if (!prepared->kept && prepared->id[0] != '\0' && path_of(prepared, "", path)) {
        remove_folder(path);
    }
    crdt_free(prepared->alloc, prepared->files,
              prepared->file_capacity * sizeof prepared->files[0]);
    crdt_free(prepared->alloc, prepared->notes,
              prepared->note_capacity * sizeof prepared->notes[0]);
    scene_text_map_deinit(&prepared->names);
    crdt_arena_deinit(&prepared->arena);
    init(prepared, prepared->alloc, "");
}

/* Write a new file there, synced. */
static crdt_err write_file(const content_prepared *prepared, const char *name,
                           crdt_span content, crdt_diag *diag)
{
    char path[CONTENT_PATH_SIZE];
    if (!path_of(prepared, name, path)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the path is too long");
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? CRDT_OK : io_error(diag, path); /* the same bytes */
    }
    size_t done = 0;
    bool good = true;
    while (good && done < content.size) {
        ssize_t put = write(fd, content.data + done, content.size - done);
        good = put > 0 || (put < 0 && errno == EINTR);
        done += put > 0 ? (size_t)put : 0;
    }
    good = good && fsync(fd) == 0;
    crdt_err err = good ? CRDT_OK : io_error(diag, path);
    if (close(fd) != 0 && good) {
        err = io_error(diag, path);
    }
    if (err != CRDT_OK) {
        unlink(path);
    }
    return err;
}

static crdt_err sync_folder(const char *path, crdt_diag *diag)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    crdt_err err = good ? CRDT_OK : io_error(diag, path);
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

/* ---- files and notes ---- */

crdt_err content_prepared_text(content_prepared *prepared, crdt_span text,
                               crdt_span *copy)
{
    uint8_t *bytes = crdt_arena_alloc(&prepared->arena, text.size);
    if (bytes == NULL) {
        return CRDT_ENOMEM;
    }
    if (text.size > 0) {
        memcpy(bytes, text.data, text.size);
    }
    *copy = (crdt_span){bytes, text.size};
    return CRDT_OK;
}

/* The name in small letters, in the arena. */
static crdt_err small_letters(content_prepared *prepared, crdt_span name,
                              crdt_span *key)
{
    crdt_err err = content_prepared_text(prepared, name, key);
    uint8_t *at = err == CRDT_OK ? (uint8_t *)(uintptr_t)key->data : NULL;
    for (size_t i = 0; err == CRDT_OK && i < key->size; i++) {
        at[i] = at[i] >= 'A' && at[i] <= 'Z' ? (uint8_t)(at[i] - 'A' + 'a') : at[i];
    }
    return err;
}

static void *grow(crdt_alloc alloc, void *rows, size_t count, size_t *capacity,
                  size_t row_size)
{
    if (count < *capacity) {
        return rows;
    }
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    void *moved = crdt_resize_array(alloc, rows, *capacity, more, row_size);
    *capacity = moved != NULL ? more : *capacity;
    return moved;
}

/* Add the row; CRDT_ENOTHING: it is there with the same hash. */
static crdt_err add_row(content_prepared *prepared, const content_prepared_file *file,
                        crdt_diag *diag)
{
    int shown = file->name.size < 80 ? (int)file->name.size : 80;
    if (!content_file_name_valid(file->name)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "a file cannot be called `%.*s`",
                             shown, (const char *)file->name.data);
    }
    if (prepared->file_count == CONTENT_PREPARED_FILES_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "more than %u files",
                             CONTENT_PREPARED_FILES_MAX);
    }
    crdt_span key = {0};
    uint64_t *index;
    bool fresh;
    void *rows = grow(prepared->alloc, prepared->files, prepared->file_count,
                      &prepared->file_capacity, sizeof prepared->files[0]);
    crdt_err err =
        rows != NULL ? small_letters(prepared, file->name, &key) : CRDT_ENOMEM;
    prepared->files = rows != NULL ? rows : prepared->files;
    if (err == CRDT_OK) {
        err = scene_text_map_put(&prepared->names, key, prepared->file_count, &index,
                                 &fresh);
    }
    if (err != CRDT_OK) {
        return crdt_diag_set(diag, err, 0, "out of memory");
    }
    if (!fresh) {
        bool same = strcmp(prepared->files[*index].hash, file->hash) == 0;
        return same ? CRDT_ENOTHING
                    : crdt_diag_set(diag, CRDT_EEXIST, 0,
                                    "there are two different files `%.*s`", shown,
                                    (const char *)file->name.data);
    }
    content_prepared_file *row = &prepared->files[prepared->file_count];
    *row = *file;
    err = content_prepared_text(prepared, file->name, &row->name);
    if (err == CRDT_OK) {
        prepared->file_count++;
        prepared->size += file->size;
    }
    return err;
}

crdt_err content_prepared_add(content_prepared *prepared, crdt_span name,
                              crdt_span content, crdt_diag *diag)
{
    content_prepared_file file = {.name = name, .size = content.size};
    content_cid(content, file.hash);
    crdt_err err = add_row(prepared, &file, diag);
    if (err == CRDT_ENOTHING) {
        return CRDT_OK;
    }
    return err == CRDT_OK ? write_file(prepared, file.hash, content, diag) : err;
}

bool content_prepared_has(const content_prepared *prepared, crdt_span name)
{
    for (size_t i = 0; i < prepared->file_count; i++) {
        if (content_file_name_equal(prepared->files[i].name, name)) {
            return true;
        }
    }
    return false;
}

crdt_err content_prepared_note_add(content_prepared *prepared, crdt_span file,
                                   const char *text)
{
    void *rows = grow(prepared->alloc, prepared->notes, prepared->note_count,
                      &prepared->note_capacity, sizeof prepared->notes[0]);
    if (rows == NULL) {
        return CRDT_ENOMEM;
    }
    prepared->notes = rows;
    content_prepared_note note = {0};
    crdt_err err =
        file.size > 0 ? content_prepared_text(prepared, file, &note.file) : CRDT_OK;
    err = err == CRDT_OK
              ? content_prepared_text(prepared, crdt_span_of(text), &note.text)
              : err;
    if (err == CRDT_OK) {
        prepared->notes[prepared->note_count++] = note;
    }
    return err;
}

static int by_name(const void *a, const void *b)
{
    const content_prepared_file *left = a;
    const content_prepared_file *right = b;
    return crdt_span_compare(left->name, right->name);
}

void content_prepared_sort(content_prepared *prepared)
{
    if (prepared->file_count > 0) {
        qsort(prepared->files, prepared->file_count, sizeof prepared->files[0],
              by_name);
    }
}

/* ---- telling ---- */

static void member(scene_json_writer *json, const char *key, crdt_span text)
{
    scene_json_writer_key(json, crdt_span_of(key));
    if (text.size > 0) {
        scene_json_writer_string(json, text);
    } else {
        scene_json_writer_null(json);
    }
}

static void number(scene_json_writer *json, const char *key, uint64_t value)
{
    scene_json_writer_key(json, crdt_span_of(key));
    scene_json_writer_integer(json, (int64_t)value);
}

static void write_files(const content_prepared *prepared, scene_json_writer *json)
{
    scene_json_writer_key(json, crdt_span_of("files"));
    scene_json_writer_array_begin(json);
    for (size_t i = 0; i < prepared->file_count; i++) {
        scene_json_writer_object_begin(json);
        member(json, "file", prepared->files[i].name);
        member(json, "hash", crdt_span_of(prepared->files[i].hash));
        number(json, "size", prepared->files[i].size);
        scene_json_writer_object_end(json);
    }
    scene_json_writer_array_end(json);
}

static void write_notes(const content_prepared *prepared, scene_json_writer *json,
                        bool missing)
{
    scene_json_writer_key(json, crdt_span_of(missing ? "missing" : "warnings"));
    scene_json_writer_array_begin(json);
    for (size_t i = 0; i < prepared->note_count; i++) {
        const content_prepared_note *note = &prepared->notes[i];
        if ((note->file.size > 0) != missing) {
            continue;
        }
        if (!missing) {
            scene_json_writer_string(json, note->text);
            continue;
        }
        scene_json_writer_object_begin(json);
        member(json, "file", note->file);
        member(json, "why", note->text);
        scene_json_writer_object_end(json);
    }
    scene_json_writer_array_end(json);
}

crdt_err content_prepared_write(const content_prepared *prepared, crdt_buf *out)
{
    size_t before = out->size;
    scene_json_writer json;
    scene_json_writer_init(&json, prepared->alloc, out);
    scene_json_writer_object_begin(&json);
    member(&json, "id", crdt_span_of(prepared->id));
    member(&json, "kind", crdt_span_of(prepared->unpublish ? "unpublish" : "publish"));
    member(&json, "entityId", crdt_span_of(prepared->entity_id));
    member(&json, "sign", crdt_span_of(prepared->entity_id));
    member(&json, "pointer", crdt_span_of(prepared->pointer));
    scene_json_writer_key(&json, crdt_span_of("pointers"));
    scene_json_writer_array_begin(&json);
    for (size_t i = 0; i < prepared->parcels.count; i++) {
        char pointer[CONTENT_POINTER_SIZE];
        content_parcel_format(prepared->parcels.list[i], pointer);
        scene_json_writer_string(&json, crdt_span_of(pointer));
    }
    scene_json_writer_array_end(&json);
    write_files(prepared, &json);
    number(&json, "size", prepared->size);
    number(&json, "sizeMax",
           (uint64_t)CONTENT_PARCEL_SIZE_MAX * prepared->parcels.count);
    scene_json_writer_key(&json, crdt_span_of("version"));
    if (prepared->version.size > 0) {
        scene_json_writer_raw(&json, prepared->version);
    } else {
        scene_json_writer_null(&json);
    }
    member(&json, "lineage", prepared->lineage);
    member(&json, "replaces", prepared->replaces);
    number(&json, "expires", prepared->expires_ms);
    write_notes(prepared, &json, true);
    write_notes(prepared, &json, false);
    scene_json_writer_object_end(&json);
    crdt_err err = json.err;
    scene_json_writer_deinit(&json);
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}

crdt_err content_prepared_keep(content_prepared *prepared, crdt_span entity,
                               crdt_diag *diag)
{
    content_cid(entity, prepared->entity_id);
    crdt_err err = write_file(prepared, prepared->entity_id, entity, diag);
    crdt_buf text;
    crdt_buf_init(&text, prepared->alloc);
    if (err == CRDT_OK) {
        err = content_prepared_write(prepared, &text);
    }
    if (err == CRDT_OK) {
        err = write_file(prepared, "prepared.json", crdt_buf_span(&text), diag);
    }
    crdt_buf_deinit(&text);
    char from[CONTENT_PATH_SIZE];
    char to[CONTENT_PATH_SIZE];
    if (err == CRDT_OK) {
        (void)path_of(prepared, "", from);
        err = sync_folder(from, diag);
    }
    if (err == CRDT_OK) {
        snprintf(to, sizeof to, "%.3000s/%s", prepared->root, prepared->id);
        err = rename(from, to) == 0 ? sync_folder(prepared->root, diag)
                                    : io_error(diag, to);
        prepared->kept = err == CRDT_OK;
    }
    return err;
}

/* ---- loading ---- */

static bool text_of(const scene_json_node *node, const char *key, crdt_span *text)
{
    const scene_json_node *found = scene_json_find(node, key);
    if (found == NULL || found->type != SCENE_JSON_STRING) {
        return false;
    }
    *text = scene_json_text(found);
    return true;
}

static bool short_text(const scene_json_node *node, const char *key, char *out,
                       size_t size)
{
    crdt_span text;
    if (!text_of(node, key, &text) || text.size >= size) {
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

static bool number_of(const scene_json_node *node, const char *key, uint64_t *value)
{
    const scene_json_node *found = scene_json_find(node, key);
    if (found == NULL || found->type != SCENE_JSON_NUMBER || found->as.number < 0 ||
        found->as.number > 9e15) {
        return false;
    }
    *value = (uint64_t)found->as.number;
    return true;
}

static crdt_err load_files(content_prepared *prepared, const scene_json_node *root,
                           crdt_diag *diag)
{
    const scene_json_node *list = scene_json_find(root, "files");
    if (list == NULL || list->type != SCENE_JSON_ARRAY) {
        return CRDT_ECORRUPT;
    }
    const scene_json_node *node = list + 1;
    crdt_err err = CRDT_OK;
    for (uint32_t i = 0; err == CRDT_OK && i < list->count; i++) {
        content_prepared_file file = {0};
        bool good = text_of(node, "file", &file.name) &&
                    short_text(node, "hash", file.hash, sizeof file.hash) &&
                    content_cid_valid(file.hash) && number_of(node, "size", &file.size);
        err = good ? add_row(prepared, &file, diag) : CRDT_ECORRUPT;
        node = scene_json_next(node);
    }
    return err;
}

static crdt_err load_pointers(content_prepared *prepared, const scene_json_node *root)
{
    const scene_json_node *list = scene_json_find(root, "pointers");
    if (list == NULL || list->type != SCENE_JSON_ARRAY ||
        list->count > CONTENT_PARCELS_MAX) {
        return CRDT_ECORRUPT;
    }
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++) {
        content_parcel parcel;
        if (node->type != SCENE_JSON_STRING ||
            !content_parcel_parse(scene_json_text(node), &parcel)) {
            return CRDT_ECORRUPT;
        }
        prepared->parcels.list[prepared->parcels.count++] = parcel;
        node = scene_json_next(node);
    }
    return CRDT_OK;
}

static crdt_err load_version(content_prepared *prepared, const scene_json_node *root)
{
    const scene_json_node *version = scene_json_find(root, "version");
    if (version == NULL || version->type == SCENE_JSON_NULL) {
        return CRDT_OK;
    }
    crdt_buf value;
    crdt_buf text;
    crdt_buf_init(&value, prepared->alloc);
    crdt_buf_init(&text, prepared->alloc);
    crdt_err err = scene_json_encode(version, prepared->alloc, &value);
    err = err == CRDT_OK ? scene_json_write_value(crdt_buf_span(&value), &text) : err;
    err = err == CRDT_OK ? content_prepared_text(prepared, crdt_buf_span(&text),
                                                 &prepared->version)
                         : err;
    crdt_buf_deinit(&text);
    crdt_buf_deinit(&value);
    return err;
}

static crdt_err load_root(content_prepared *prepared, const scene_json_node *root,
                          crdt_diag *diag)
{
    char kind[16];
    crdt_span text;
    if (!short_text(root, "kind", kind, sizeof kind) ||
        !short_text(root, "entityId", prepared->entity_id, CONTENT_CID_SIZE) ||
        !content_cid_valid(prepared->entity_id) ||
        !short_text(root, "pointer", prepared->pointer, CONTENT_POINTER_SIZE) ||
        !number_of(root, "expires", &prepared->expires_ms)) {
        return CRDT_ECORRUPT;
    }
    prepared->unpublish = strcmp(kind, "unpublish") == 0;
    crdt_err err = load_pointers(prepared, root);
    err = err == CRDT_OK ? load_files(prepared, root, diag) : err;
    err = err == CRDT_OK ? load_version(prepared, root) : err;
    if (err == CRDT_OK && text_of(root, "lineage", &text)) {
        err = content_prepared_text(prepared, text, &prepared->lineage);
    }
    if (err == CRDT_OK && text_of(root, "replaces", &text)) {
        err = content_prepared_text(prepared, text, &prepared->replaces);
    }
    return err;
}

/* Parse a file of it. */
static crdt_err open_json(const content_prepared *prepared, const char *name,
                          scene_json **json, crdt_diag *diag)
{
    char path[CONTENT_PATH_SIZE];
    crdt_buf text;
    crdt_buf_init(&text, prepared->alloc);
    crdt_err err = path_of(prepared, name, path)
                       ? cli_files_read(path, CONTENT_PREPARED_SIZE_MAX, &text, diag)
                       : CRDT_ENOTFOUND;
    if (err == CRDT_OK) {
        err = scene_json_open(json, prepared->alloc, crdt_buf_span(&text), NULL, diag);
    }
    crdt_buf_deinit(&text);
    return err;
}

crdt_err content_prepared_load(content_prepared *prepared, crdt_alloc alloc,
                               const char *root, const char *id, crdt_diag *diag)
{
    init(prepared, alloc, root);
    prepared->kept = true;
    if (!is_id(id)) {
        return crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there is no preparation %.40s",
                             id);
    }
    memcpy(prepared->id, id, CONTENT_PUBLISH_ID_SIZE);
    scene_json *json;
    crdt_err err = open_json(prepared, "prepared.json", &json, diag);
    if (err != CRDT_OK) {
        return err == CRDT_ENOTFOUND
                   ? crdt_diag_set(diag, err, 0,
                                   "there is no preparation %s: it may have expired",
                                   id)
                   : err;
    }
    err = load_root(prepared, scene_json_root(json), diag);
    scene_json_close(json);
    if (err == CRDT_ECORRUPT) {
        return crdt_diag_set(diag, err, 0, "the preparation %s is damaged", id);
    }
    if (err == CRDT_OK && open_json(prepared, "done.json", &json, NULL) == CRDT_OK) {
        prepared->done = true;
        (void)number_of(scene_json_root(json), "timestamp", &prepared->timestamp_ms);
        scene_json_close(json);
    }
    return err;
}

crdt_err content_prepared_map(const content_prepared *prepared, const char *hash,
                              crdt_span *content, crdt_diag *diag)
{
    char path[CONTENT_PATH_SIZE];
    struct stat status;
    *content = (crdt_span){0};
    int fd = path_of(prepared, hash, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &status) != 0) {
        crdt_err err = io_error(diag, hash);
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    size_t size = (size_t)status.st_size;
    void *bytes = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (bytes == MAP_FAILED) {
        return io_error(diag, hash);
    }
    *content = (crdt_span){bytes, size};
    if (!content_cid_matches(hash, *content)) {
        content_prepared_unmap(*content);
        *content = (crdt_span){0};
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "the prepared file %s is not what it was", hash);
    }
    return CRDT_OK;
}

void content_prepared_unmap(crdt_span content)
{
    if (content.size > 0) {
        munmap((void *)(uintptr_t)content.data, content.size);
    }
}

crdt_err content_prepared_finish(content_prepared *prepared, uint64_t timestamp_ms,
                                 crdt_diag *diag)
{
    char text[64];
    char path[CONTENT_PATH_SIZE];
    int size = snprintf(text, sizeof text, "{\"timestamp\":%llu}",
                        (unsigned long long)timestamp_ms);
    crdt_err err = write_file(prepared, "done.json",
                              (crdt_span){(const uint8_t *)text, (size_t)size}, diag);
    if (err == CRDT_OK && path_of(prepared, "", path)) {
        err = sync_folder(path, diag);
    }
    prepared->done = err == CRDT_OK;
    prepared->timestamp_ms = timestamp_ms;
    return err;
}
