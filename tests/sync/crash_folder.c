#include "tests/sync/crash_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void crash_folder_open(crash_folder *f, const char *root)
{
    f->root = root;
    f->slot_count = 0;
    crash_folder_empty(root);
}

void crash_folder_close(crash_folder *f)
{
    crash_folder_sweep(f);
    for (size_t i = 0; i < f->slot_count; i++) {
        free(f->slots[i].bytes);
    }
    f->slot_count = 0;
}

static crash_slot *find_slot(crash_folder *f, const char *path)
{
    for (size_t i = 0; i < f->slot_count; i++) {
        if (strcmp(f->slots[i].path, path) == 0) {
            return &f->slots[i];
        }
    }
    if (f->slot_count == CRASH_FILE_MAX) {
        abort();
    }
    crash_slot *s = &f->slots[f->slot_count++];
    *s = (crash_slot){.fd = -1};
    snprintf(s->path, sizeof s->path, "%s", path);
    return s;
}

static void slot_path(const crash_folder *f, const crash_slot *s, char path[192])
{
    snprintf(path, 192, "%s/%s", f->root, s->path);
}

static void fill_slot(const crash_folder *f, crash_slot *s,
                      const crash_image_file *file)
{
    char path[192];
    slot_path(f, s, path);
    if (s->fd < 0) {
        s->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        s->size = 0;
    }
    if (s->capacity < file->size) {
        s->capacity = file->size * 2;
        s->bytes = realloc(s->bytes, s->capacity);
    }
    if (s->fd < 0 || (s->capacity > 0 && s->bytes == NULL)) {
        abort();
    }
    if (s->size != file->size && ftruncate(s->fd, (off_t)file->size) != 0) {
        abort();
    }
    for (size_t at = 0; at < file->size; at += CRASH_SECTOR) {
        size_t left = file->size - at;
        size_t size = left < CRASH_SECTOR ? left : CRASH_SECTOR;
        if (at + size <= s->size &&
            memcmp(s->bytes + at, file->bytes + at, size) == 0) {
            continue;
        }
        if (pwrite(s->fd, file->bytes + at, size, (off_t)at) != (ssize_t)size) {
            abort();
        }
        memcpy(s->bytes + at, file->bytes + at, size);
    }
    s->size = file->size;
}

static void drop_slot(const crash_folder *f, crash_slot *s)
{
    char path[192];
    if (s->fd >= 0) {
        slot_path(f, s, path);
        unlink(path);
        close(s->fd);
        s->fd = -1;
    }
}

void crash_folder_lay(crash_folder *f, const crash_image *image)
{
    for (size_t i = 0; i < f->slot_count; i++) {
        bool there = false;
        for (size_t k = 0; k < image->count; k++) {
            there = there || strcmp(f->slots[i].path, image->files[k].path) == 0;
        }
        if (!there) {
            drop_slot(f, &f->slots[i]);
        }
    }
    for (size_t k = 0; k < image->count; k++) {
        fill_slot(f, find_slot(f, image->files[k].path), &image->files[k]);
    }
}

/* Make the folder, and remove the files in it. */
static void empty_folder(const char *root, const char *below)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, below);
    mkdir(path, 0700);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        abort();
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s%s/%s", root, below, entry->d_name);
        (void)unlink(path); /* folders stay */
    }
    closedir(dir);
}

void crash_folder_empty(const char *root)
{
    empty_folder(root, "");
    empty_folder(root, "/store");
    empty_folder(root, "/state");
    empty_folder(root, "/state/stores");
}

void crash_folder_sweep(crash_folder *f)
{
    for (size_t i = 0; i < f->slot_count; i++) {
        drop_slot(f, &f->slots[i]);
    }
    crash_folder_empty(f->root);
}
