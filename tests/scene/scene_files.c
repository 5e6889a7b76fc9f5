#include "tests/scene/scene_files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *shared_folder(void)
{
    const char *named = getenv("SCENESYNC_SHARED");
    const char *folder = named != NULL ? named : "../shared";
    struct stat info;
    return stat(folder, &info) == 0 && S_ISDIR(info.st_mode) ? folder : NULL;
}

bool files_shared(const char *name, char *path, size_t size)
{
    const char *folder = shared_folder();
    struct stat info;
    if (folder == NULL) {
        return false;
    }
    snprintf(path, size, "%s/data/%s", folder, name);
    return stat(path, &info) == 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);
    return size >= strlen(end) && strcmp(name + size - strlen(end), end) == 0;
}

static bool is_scene(const char *path, bool invalid)
{
    if ((strstr(path, "invalid__") != NULL) != invalid) {
        return false;
    }
    const char *name = strrchr(path, '/');
    return ends_with(name, ".scene-state-definition.json") ||
           ends_with(name, ".composite.json") || ends_with(name, ".builder.json") ||
           ends_with(name, ".server-manifest.json");
}

static void push(files *list, const char *path)
{
    list->paths = realloc(list->paths, (list->count + 1) * sizeof(char *));
    list->paths[list->count++] = strdup(path);
}

static void walk(files *list, const char *folder, bool invalid)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[1024];
        struct stat info;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &info) != 0) {
            continue;
        }
        if (S_ISDIR(info.st_mode)) {
            walk(list, path, invalid);
        } else if (is_scene(path, invalid)) {
            push(list, path);
        }
    }
    closedir(dir);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

files files_open(bool invalid)
{
    files list = {NULL, 0};
    walk(&list, "docs/scenes", invalid);
    const char *folder = shared_folder();
    if (folder == NULL) {
        fprintf(stderr, "skipped: the collection of real scenes is not at hand "
                        "(SCENESYNC_SHARED, ../shared)\n");
    } else {
        char path[1024];
        snprintf(path, sizeof(path), "%s/data", folder);
        walk(&list, path, invalid);
    }
    if (list.count > 1) {
        qsort(list.paths, list.count, sizeof(char *), compare_paths);
    }
    return list;
}

void files_close(files *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->paths[i]);
    }
    free(list->paths);
}

crdt_buf files_read(const char *path)
{
    crdt_buf buf;
    crdt_buf_init(&buf, crdt_alloc_default());
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    char block[65536];
    size_t size;
    while ((size = fread(block, 1, sizeof(block), file)) > 0) {
        cr_assert_eq(crdt_buf_append(&buf, block, size), CRDT_OK);
    }
    fclose(file);
    return buf;
}

bool files_commit_onto(crdt_document *doc, const crdt_op *ops, size_t op_count)
{
    crdt_edit edit = {.actor = {{7}}};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_diag diag = {0};
    crdt_err err = CRDT_ENOTHING;
    if (op_count > 0) {
        err = crdt_document_commit(doc, &edit, ops, op_count, &arena, &batch, &diag);
    }
    crdt_arena_deinit(&arena);
    cr_assert(err == CRDT_OK || err == CRDT_ENOTHING, "%s: %s", crdt_err_name(err),
              diag.text);
    return err == CRDT_OK;
}

crdt_document *files_commit(const crdt_op *ops, size_t op_count)
{
    crdt_document *doc = NULL;
    crdt_document_options options = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&doc, &options), CRDT_OK);
    files_commit_onto(doc, ops, op_count);
    return doc;
}

crdt_document *files_load(crdt_span text, const char *name, scene_format format)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_format_options options = scene_format_options_default();
    options.format = format;
    options.file_name = name;
    crdt_diag diag = {0};
    crdt_err err =
        scene_format_read(text, &options, crdt_alloc_default(), &ops, NULL, &diag);
    cr_assert_eq(err, CRDT_OK, "%s:%u:%u: %s", name, diag.line, diag.column, diag.text);
    crdt_document *doc = files_commit(ops.ops, ops.op_count);
    crdt_op_list_deinit(&ops);
    return doc;
}

crdt_buf files_write(const crdt_document *doc, scene_format format)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(scene_format_write(doc, format, NULL, crdt_alloc_default(), &out),
                 CRDT_OK);
    return out;
}

crdt_buf files_canonical(crdt_span text)
{
    crdt_buf value;
    crdt_buf out;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_diag diag = {0};
    cr_assert_eq(scene_json_to_value(text, crdt_alloc_default(), &value, &diag),
                 CRDT_OK, "%s", diag.text);
    cr_assert_eq(scene_json_write_value(crdt_buf_span(&value), &out), CRDT_OK);
    crdt_buf_deinit(&value);
    return out;
}

void files_same(crdt_span got, crdt_span wanted, const char *what)
{
    if (crdt_span_equal(got, wanted)) {
        return;
    }
    size_t at = 0;
    while (at < got.size && at < wanted.size && got.data[at] == wanted.data[at]) {
        at++;
    }
    size_t from = at > 60 ? at - 60 : 0;
    int got_size = (int)(got.size - from < 160 ? got.size - from : 160);
    int wanted_size = (int)(wanted.size - from < 160 ? wanted.size - from : 160);
    cr_assert(false, "%s: at byte %zu\n  got    %.*s\n  wanted %.*s", what, at,
              got_size, (const char *)got.data + from, wanted_size,
              (const char *)wanted.data + from);
}
