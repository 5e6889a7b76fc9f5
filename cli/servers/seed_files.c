#include "cli/servers/seed_files.h"

#include "cli/content/cid.h"
#include "cli/content/entity_text.h"
#include "cli/content/published_scene.h"
#include "cli/files.h"
#include "crdt/op_list.h"
#include "scene/format.h"
#include "scene/scene.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 4096u
#define FILES_SIZE_MAX (256u << 20)
#define PATH_SIZE 4096

typedef struct seed_file {
    char path[512]; /* with the folder's name: "models/cart.glb" */
    char cid[CONTENT_CID_SIZE];
    crdt_buf content;
} seed_file;

struct servers_seed_files {
    crdt_alloc alloc;
    seed_file *list;
    size_t count;
    size_t capacity;
    size_t size;
};

/* ---- the folder ---- */

static crdt_err add_file(servers_seed_files *files, const char *path, const char *name,
                         crdt_diag *diag)
{
    if (files->count == FILES_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "more than %u files", FILES_MAX);
    }
    if (files->count == files->capacity) {
        size_t more = files->capacity == 0 ? 32 : files->capacity * 2;
        seed_file *list = crdt_resize_array(files->alloc, files->list, files->capacity,
                                            more, sizeof files->list[0]);
        if (list == NULL) {
            return CRDT_ENOMEM;
        }
        files->list = list;
        files->capacity = more;
    }
    seed_file *file = &files->list[files->count++]; /* the close frees it */
    crdt_buf_init(&file->content, files->alloc);
    snprintf(file->path, sizeof file->path, "%s", name);
    crdt_err err =
        cli_files_read(path, FILES_SIZE_MAX - files->size, &file->content, diag);
    if (err == CRDT_OK) {
        files->size += file->content.size;
        content_cid(crdt_buf_span(&file->content), file->cid);
    }
    return err;
}

/* The folder's own name; `size`: how much of the path counts, without slashes at its end. */
static const char *name_of(const char *folder, size_t *size)
{
    *size = strlen(folder);
    while (*size > 1 && folder[*size - 1] == '/') {
        (*size)--;
    }
    size_t at = *size;
    while (at > 0 && folder[at - 1] != '/') {
        at--;
    }
    return folder + at;
}

static crdt_err read_folder(servers_seed_files *files, const char *folder, DIR *stream,
                            crdt_diag *diag)
{
    size_t size;
    const char *own = name_of(folder, &size);
    int own_size = (int)(folder + size - own);
    crdt_err err = CRDT_OK;
    struct dirent *entry;
    while (err == CRDT_OK && (entry = readdir(stream)) != NULL) {
        char path[PATH_SIZE];
        char name[sizeof files->list[0].path];
        struct stat status;
        int path_size =
            snprintf(path, sizeof path, "%.*s/%s", (int)size, folder, entry->d_name);
        int name_size =
            snprintf(name, sizeof name, "%.*s/%s", own_size, own, entry->d_name);
        bool fits = path_size < (int)sizeof path && name_size < (int)sizeof name;
        if (entry->d_name[0] != '.' && fits && stat(path, &status) == 0 &&
            S_ISREG(status.st_mode)) {
            err = add_file(files, path, name, diag);
        }
    }
    return err;
}

crdt_err servers_seed_files_open(servers_seed_files **out, crdt_alloc alloc,
                                 const char *folder, crdt_diag *diag)
{
    DIR *stream = opendir(folder);
    if (stream == NULL) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "%.100s is no folder that can be read",
                             folder);
    }
    servers_seed_files *files = crdt_allocate(alloc, sizeof *files);
    crdt_err err = CRDT_ENOMEM;
    if (files != NULL) {
        *files = (servers_seed_files){.alloc = alloc};
        err = read_folder(files, folder, stream, diag);
    }
    closedir(stream);
    if (err != CRDT_OK) {
        servers_seed_files_close(files);
        return err;
    }
    *out = files;
    return CRDT_OK;
}

void servers_seed_files_close(servers_seed_files *files)
{
    if (files == NULL) {
        return;
    }
    for (size_t i = 0; i < files->count; i++) {
        crdt_buf_deinit(&files->list[i].content);
    }
    crdt_free(files->alloc, files->list, files->capacity * sizeof files->list[0]);
    crdt_free(files->alloc, files, sizeof *files);
}

static const seed_file *find_hash(const servers_seed_files *files, crdt_span hash)
{
    for (size_t i = 0; i < files->count; i++) {
        if (crdt_span_equal(hash, crdt_span_of(files->list[i].cid))) {
            return &files->list[i];
        }
    }
    return NULL;
}

static const seed_file *find_path(const servers_seed_files *files, crdt_span path)
{
    for (size_t i = 0; i < files->count; i++) {
        if (content_file_name_equal(path, crdt_span_of(files->list[i].path))) {
            return &files->list[i];
        }
    }
    return NULL;
}

/* ---- choosing ---- */

static crdt_err choose(servers_seed_choice *choice, const char *name,
                       const seed_file *file)
{
    crdt_span wanted = crdt_span_of(name);
    for (size_t i = 0; i < choice->count; i++) {
        if (content_file_name_equal(wanted, crdt_span_of(choice->list[i].name))) {
            return CRDT_OK;
        }
    }
    if (file == NULL || !content_file_name_valid(wanted) ||
        choice->count == FILES_MAX) {
        return CRDT_OK;
    }
    if (choice->count == choice->capacity) {
        size_t more = choice->capacity == 0 ? 32 : choice->capacity * 2;
        servers_seed_file *list =
            crdt_resize_array(choice->alloc, choice->list, choice->capacity, more,
                              sizeof choice->list[0]);
        if (list == NULL) {
            return CRDT_ENOMEM;
        }
        choice->list = list;
        choice->capacity = more;
    }
    servers_seed_file *chosen = &choice->list[choice->count++];
    chosen->content = crdt_buf_span(&file->content);
    snprintf(chosen->name, sizeof chosen->name, "%s", name);
    snprintf(chosen->cid, sizeof chosen->cid, "%s", file->cid);
    return CRDT_OK;
}

static crdt_err choose_assets(servers_seed_choice *choice,
                              const servers_seed_files *files,
                              const content_published_scene *scene)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && i < scene->assets.asset_count; i++) {
        const content_asset *asset = &scene->assets.assets[i];
        content_asset_cursor cursor = {0};
        crdt_span path;
        crdt_span hash;
        while (err == CRDT_OK &&
               content_asset_next_file(asset, &cursor, &path, &hash)) {
            char name[sizeof choice->list[0].name];
            if (content_published_scene_path(scene, asset, path, name, sizeof name)) {
                err = choose(choice, name, find_hash(files, hash));
            }
        }
    }
    return err;
}

static crdt_err choose_sources(servers_seed_choice *choice,
                               const servers_seed_files *files,
                               const content_published_scene *scene)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && i < scene->assets.source_count; i++) {
        const seed_file *file = find_path(files, scene->assets.sources[i]);
        err = file != NULL ? choose(choice, file->path, file) : CRDT_OK;
    }
    return err;
}

crdt_err servers_seed_choice_make(servers_seed_choice *choice,
                                  const servers_seed_files *files, crdt_alloc alloc,
                                  crdt_span scene, crdt_diag *diag)
{
    *choice = (servers_seed_choice){.alloc = alloc};
    if (files == NULL) {
        return CRDT_OK;
    }
    content_published_scene read;
    crdt_err err = content_published_scene_read_any(&read, alloc, scene, diag);
    err = err == CRDT_OK ? choose_assets(choice, files, &read) : err;
    err = err == CRDT_OK ? choose_sources(choice, files, &read) : err;
    content_published_scene_deinit(&read);
    return err;
}

void servers_seed_choice_deinit(servers_seed_choice *choice)
{
    crdt_free(choice->alloc, choice->list, choice->capacity * sizeof choice->list[0]);
    *choice = (servers_seed_choice){.alloc = choice->alloc};
}
