#include "cli/worker/saved_scene.h"

#include "cli/files.h"
#include "scene/format.h"
#include "scene/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void worker_saved_scene_init(worker_saved_scene *scene, crdt_alloc alloc)
{
    *scene = (worker_saved_scene){.project = ""};
    crdt_buf_init(&scene->text, alloc);
    crdt_version_init(&scene->version, alloc);
    scene_descent_init(&scene->descent, alloc);
}

void worker_saved_scene_deinit(worker_saved_scene *scene)
{
    crdt_buf_deinit(&scene->text);
    crdt_version_deinit(&scene->version);
    scene_descent_deinit(&scene->descent);
}

/* ---- making ---- */

typedef struct making {
    worker_saved_scene *scene;
    scene_format format;
} making;

static void read_project(worker_saved_scene *scene, const crdt_document *doc)
{
    crdt_key key = crdt_key_field(crdt_span_of(SCENE_NAME_SCENE),
                                  crdt_span_of("project"), crdt_span_of("id"));
    crdt_span value;
    crdt_span id;
    scene->project[0] = '\0';
    if (crdt_document_get(doc, &key, &value) && scene_value_text(value, &id) &&
        id.size < sizeof scene->project && memchr(id.data, '\0', id.size) == NULL) {
        memcpy(scene->project, id.data, id.size);
        scene->project[id.size] = '\0';
    }
}

static crdt_err make(void *ctx, const crdt_document *doc)
{
    making *task = ctx;
    worker_saved_scene *scene = task->scene;
    crdt_alloc alloc = scene->text.alloc;
    read_project(scene, doc);
    scene_tree *tree = NULL;
    crdt_err err = crdt_version_copy(&scene->version, crdt_document_version(doc));
    if (err == CRDT_OK) {
        err = scene_descent_read(&scene->descent, doc);
    }
    if (err == CRDT_OK) {
        err = scene_descent_push(&scene->descent, &scene->lineage, &scene->version);
    }
    if (err == CRDT_OK) {
        err = scene_tree_open(&tree, alloc);
    }
    if (err == CRDT_OK) {
        err = scene_tree_build(tree, doc);
    }
    if (err == CRDT_OK) {
        err = scene_format_write_saved(doc, task->format, tree, &scene->descent, alloc,
                                       &scene->text);
    }
    scene_tree_close(tree);
    return err;
}

static crdt_err read_lineage(sync_node *node, crdt_actor *lineage)
{
    sync_node_status status;
    crdt_err err = sync_node_status_get(node, &status);
    if (err != CRDT_OK) {
        return err;
    }
    *lineage = status.lineage;
    bool known = status.lineage_known;
    sync_node_status_deinit(&status);
    return known ? CRDT_OK : CRDT_ESTALE;
}

crdt_err worker_saved_scene_make(worker_saved_scene *scene, sync_node *node,
                                 scene_format format, const char *before,
                                 const char *after)
{
    making task = {.scene = scene, .format = format};
    crdt_buf_clear(&scene->text);
    crdt_err err = read_lineage(node, &scene->lineage);
    if (err == CRDT_OK && before != NULL) {
        err = crdt_buf_append_span(&scene->text, crdt_span_of(before));
    }
    if (err == CRDT_OK) {
        err = sync_node_read(node, make, &task);
    }
    if (err == CRDT_OK && after != NULL) {
        err = crdt_buf_append_span(&scene->text, crdt_span_of(after));
    }
    return err;
}

/* ---- files ---- */

scene_format worker_saved_scene_format(const char *path)
{
    static const char COMPOSITE[] = ".composite";
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t size = strlen(name);
    if (strcmp(name, "builder.json") == 0 || strcmp(name, "manifest.json") == 0) {
        return SCENE_FORMAT_BUILDER;
    }
    if (size >= sizeof COMPOSITE - 1 &&
        strcmp(name + size - (sizeof COMPOSITE - 1), COMPOSITE) == 0) {
        return SCENE_FORMAT_COMPOSITE;
    }
    return SCENE_FORMAT_STATE;
}

/* The name of the file is on disk once its folder is. */
static crdt_err sync_folder(const char *path, crdt_diag *diag)
{
    char *folder = strdup(path);
    if (folder == NULL) {
        return CRDT_ENOMEM;
    }
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    const char *text = strerrordesc_np(error);
    return good ? CRDT_OK
                : crdt_diag_set(diag, CRDT_EIO, 0, "its folder: %s",
                                text != NULL ? text : "unknown error");
}

crdt_err worker_saved_scene_put(const char *path, crdt_span text, crdt_diag *diag)
{
    cli_file file;
    crdt_err err = cli_files_create(&file, path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    bool whole = fwrite(text.data, 1, text.size, file.stream) == text.size;
    err = cli_files_close(&file, whole, diag);
    if (err == CRDT_OK && !whole) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "it could not be written whole");
    }
    return err == CRDT_OK ? sync_folder(path, diag) : err;
}
