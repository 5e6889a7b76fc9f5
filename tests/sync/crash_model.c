#include "tests/sync/crash_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION_MAX = 4, SIZE_MAX_COUNT = 8, CHANGE_MAX = 32 };

/* A sector that was written since the last sync: its versions, oldest first. */
typedef struct sector {
    size_t number;
    size_t count;
    uint8_t versions[VERSION_MAX][CRASH_SECTOR];
} sector;

typedef struct disk_file {
    uint8_t *durable; /* always of whole sectors; zeros from `durable_size` on */
    size_t durable_size;
    size_t capacity;
    size_t size; /* as the program sees it */
    sector *sectors;
    size_t sector_count;
    size_t sector_capacity;
    size_t sizes[SIZE_MAX_COUNT]; /* that it had since the last sync */
    size_t size_count;
} disk_file;

typedef enum change_kind { CHANGE_LINK, CHANGE_UNLINK, CHANGE_RENAME } change_kind;

typedef struct change {
    change_kind kind;
    char path[CRASH_NAME_MAX];
    char to[CRASH_NAME_MAX]; /* of a rename */
    unsigned file;           /* of a link, and what is renamed */
} change;

typedef struct name {
    char path[CRASH_NAME_MAX];
    unsigned file;
} name;

typedef struct name_list {
    name rows[CRASH_FILE_MAX];
    size_t count;
} name_list;

struct crash_model {
    disk_file files[CRASH_FILE_MAX];
    unsigned file_count;
    name_list names; /* durable */
    change changes[CHANGE_MAX];
    size_t change_count;
};

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "crash_model: %s\n", what);
        abort();
    }
}

static void *grow(void *old, size_t size)
{
    void *grown = realloc(old, size);
    must(grown != NULL, "out of memory");
    return grown;
}

crash_model *crash_model_open(void)
{
    crash_model *m = calloc(1, sizeof *m);
    must(m != NULL, "out of memory");
    return m;
}

void crash_model_close(crash_model *m)
{
    for (unsigned i = 0; m != NULL && i < CRASH_FILE_MAX; i++) {
        free(m->files[i].durable);
        free(m->files[i].sectors);
    }
    free(m);
}

/* ---- files ---- */

unsigned crash_model_make(crash_model *m)
{
    must(m->file_count < CRASH_FILE_MAX, "too many files");
    return m->file_count++;
}

static void reserve_durable(disk_file *f, size_t size)
{
    if (size > f->capacity) {
        size_t capacity = (size + CRASH_SECTOR - 1) / CRASH_SECTOR * CRASH_SECTOR * 2;
        f->durable = grow(f->durable, capacity);
        memset(f->durable + f->capacity, 0, capacity - f->capacity);
        f->capacity = capacity;
    }
}

static sector *find_sector(const disk_file *f, size_t number)
{
    for (size_t i = f->sector_count; i > 0; i--) { /* the newest are asked for */
        if (f->sectors[i - 1].number == number) {
            return &f->sectors[i - 1];
        }
    }
    return NULL;
}

static void read_durable(const disk_file *f, size_t number, uint8_t *out)
{
    size_t at = number * CRASH_SECTOR;
    memset(out, 0, CRASH_SECTOR);
    if (at < f->durable_size) {
        size_t size = f->durable_size - at;
        memcpy(out, f->durable + at, size < CRASH_SECTOR ? size : CRASH_SECTOR);
    }
}

/* One more version of the sector, a copy of the newest; to be changed by the caller. */
static uint8_t *add_version(disk_file *f, size_t number)
{
    sector *s = find_sector(f, number);
    if (s == NULL) {
        if (f->sector_count == f->sector_capacity) {
            f->sector_capacity = f->sector_capacity == 0 ? 16 : f->sector_capacity * 2;
            f->sectors = grow(f->sectors, f->sector_capacity * sizeof *s);
        }
        s = &f->sectors[f->sector_count++];
        *s = (sector){.number = number};
    }
    if (s->count == VERSION_MAX) { /* the oldest goes: there are enough others */
        memmove(s->versions[0], s->versions[1], (VERSION_MAX - 1) * CRASH_SECTOR);
        s->count--;
    }
    uint8_t *version = s->versions[s->count];
    if (s->count > 0) {
        memcpy(version, s->versions[s->count - 1], CRASH_SECTOR);
    } else {
        read_durable(f, number, version);
    }
    s->count++;
    return version;
}

static void note_size(disk_file *f, size_t size)
{
    f->size = size;
    if (f->size_count == SIZE_MAX_COUNT) {
        memmove(f->sizes, f->sizes + 1, (SIZE_MAX_COUNT - 1) * sizeof f->sizes[0]);
        f->size_count--;
    }
    f->sizes[f->size_count++] = size;
}

void crash_model_write(crash_model *m, unsigned file, uint64_t offset,
                       const uint8_t *bytes, size_t size)
{
    disk_file *f = &m->files[file];
    size_t end = (size_t)offset + size;
    for (size_t at = (size_t)offset; at < end;) {
        size_t within = at % CRASH_SECTOR;
        size_t part =
            CRASH_SECTOR - within < end - at ? CRASH_SECTOR - within : end - at;
        memcpy(add_version(f, at / CRASH_SECTOR) + within, bytes, part);
        bytes += part;
        at += part;
    }
    if (end > f->size) {
        note_size(f, end);
    }
}

void crash_model_truncate(crash_model *m, unsigned file, uint64_t size)
{
    disk_file *f = &m->files[file];
    for (size_t at = (size_t)size; at < f->size;) {
        size_t within = at % CRASH_SECTOR;
        memset(add_version(f, at / CRASH_SECTOR) + within, 0, CRASH_SECTOR - within);
        at += CRASH_SECTOR - within;
    }
    if (size != f->size) {
        note_size(f, (size_t)size);
    }
}

static void settle_sector(disk_file *f, size_t index)
{
    const sector *s = &f->sectors[index];
    size_t at = s->number * CRASH_SECTOR;
    reserve_durable(f, at + CRASH_SECTOR);
    memcpy(f->durable + at, s->versions[s->count - 1], CRASH_SECTOR);
    f->sectors[index] = f->sectors[--f->sector_count];
}

static void settle_size(disk_file *f)
{
    reserve_durable(f, f->size);
    f->durable_size = f->size;
    f->size_count = 0;
}

void crash_model_sync(crash_model *m, unsigned file)
{
    disk_file *f = &m->files[file];
    while (f->sector_count > 0) {
        settle_sector(f, f->sector_count - 1);
    }
    settle_size(f);
}

void crash_model_sync_range(crash_model *m, unsigned file, uint64_t offset, size_t size)
{
    disk_file *f = &m->files[file];
    size_t first = (size_t)offset / CRASH_SECTOR;
    size_t last = ((size_t)offset + size - 1) / CRASH_SECTOR;
    for (size_t i = f->sector_count; i > 0; i--) {
        if (f->sectors[i - 1].number >= first && f->sectors[i - 1].number <= last) {
            settle_sector(f, i - 1);
        }
    }
    if (offset + size > f->durable_size) {
        settle_size(f);
    }
}

/* ---- names ---- */

static void list_remove(name_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->rows[i].path, path) == 0) {
            list->rows[i] = list->rows[--list->count];
            return;
        }
    }
}

static const name *list_find(const name_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->rows[i].path, path) == 0) {
            return &list->rows[i];
        }
    }
    return NULL;
}

static void list_put(name_list *list, const char *path, unsigned file)
{
    list_remove(list, path);
    must(list->count < CRASH_FILE_MAX, "too many names");
    name *row = &list->rows[list->count++];
    snprintf(row->path, sizeof row->path, "%s", path);
    row->file = file;
}

static void apply_change(name_list *list, const change *c)
{
    const name *from = list_find(list, c->path);
    switch (c->kind) {
    case CHANGE_LINK:
        list_put(list, c->path, c->file);
        break;
    case CHANGE_UNLINK:
        list_remove(list, c->path);
        break;
    case CHANGE_RENAME: /* of this file, whatever has its former name by now */
        if (from != NULL && from->file == c->file) {
            list_remove(list, c->path);
        }
        list_put(list, c->to, c->file);
        break;
    }
}

static change *add_change(crash_model *m, change_kind kind, const char *path)
{
    must(m->change_count < CHANGE_MAX, "too many changes of names");
    change *c = &m->changes[m->change_count++];
    *c = (change){.kind = kind};
    must(strlen(path) < CRASH_NAME_MAX, "a long name");
    snprintf(c->path, sizeof c->path, "%s", path);
    return c;
}

void crash_model_link(crash_model *m, const char *path, unsigned file)
{
    add_change(m, CHANGE_LINK, path)->file = file;
}

void crash_model_unlink(crash_model *m, const char *path)
{
    add_change(m, CHANGE_UNLINK, path);
}

void crash_model_rename(crash_model *m, const char *from, const char *to, unsigned file)
{
    change *c = add_change(m, CHANGE_RENAME, from);
    c->file = file;
    snprintf(c->to, sizeof c->to, "%s", to);
}

static bool is_in(const char *path, const char *dir)
{
    size_t size = strlen(dir);
    if (size > 0 && (strncmp(path, dir, size) != 0 || path[size] != '/')) {
        return false;
    }
    return strchr(path + (size > 0 ? size + 1 : 0), '/') == NULL;
}

void crash_model_sync_dir(crash_model *m, const char *dir)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->change_count; i++) {
        if (is_in(m->changes[i].path, dir)) {
            apply_change(&m->names, &m->changes[i]);
        } else {
            m->changes[kept++] = m->changes[i];
        }
    }
    m->change_count = kept;
}

/* ---- images ---- */

/* Is there a path below `prefix` that names the file, durably or not? */
static bool is_below(const crash_model *m, unsigned file, const char *prefix)
{
    size_t size = strlen(prefix);
    for (size_t i = 0; i < m->names.count; i++) {
        const name *row = &m->names.rows[i];
        if (row->file == file && strncmp(row->path, prefix, size) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < m->change_count; i++) {
        const change *c = &m->changes[i];
        if (c->kind == CHANGE_LINK && c->file == file &&
            strncmp(c->path, prefix, size) == 0) {
            return true;
        }
    }
    return false;
}

size_t crash_model_units(const crash_model *m, const char *prefix,
                         crash_unit units[CRASH_UNIT_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < m->change_count; i++) {
        bool aside = strncmp(m->changes[i].path, prefix, strlen(prefix)) != 0;
        units[count++] = (crash_unit){CRASH_NAME, 0, i, 2, aside};
    }
    for (unsigned file = 0; file < m->file_count; file++) {
        const disk_file *f = &m->files[file];
        bool aside = !is_below(m, file, prefix);
        if (aside && !is_below(m, file, "")) {
            continue; /* it has no name any more */
        }
        must(count + f->sector_count + 1 < CRASH_UNIT_MAX, "too much is pending");
        if (f->size_count > 0) {
            units[count++] =
                (crash_unit){CRASH_SIZE, file, 0, (unsigned)f->size_count + 1, aside};
        }
        for (size_t i = 0; i < f->sector_count; i++) {
            units[count++] = (crash_unit){CRASH_SECTOR_OF, file, i,
                                          (unsigned)f->sectors[i].count + 1, aside};
        }
    }
    return count;
}

bool crash_model_is_within(const crash_model *m, const crash_unit *unit,
                           const char *path, uint64_t size)
{
    if (unit->kind != CRASH_SECTOR_OF) {
        return false;
    }
    const sector *s = &m->files[unit->file].sectors[unit->index];
    return s->number * CRASH_SECTOR < size && is_below(m, unit->file, path);
}

static void put_sector(const disk_file *f, const crash_unit *unit, unsigned choice,
                       const uint64_t *mask, crash_image_file *out)
{
    const sector *s = &f->sectors[unit->index];
    size_t at = s->number * CRASH_SECTOR;
    if (choice == 0 || at >= out->size) {
        return;
    }
    uint8_t before[CRASH_SECTOR];
    uint8_t bytes[CRASH_SECTOR];
    memcpy(bytes, s->versions[choice - 1], CRASH_SECTOR);
    if (mask != NULL) {
        if (choice > 1) {
            memcpy(before, s->versions[choice - 2], CRASH_SECTOR);
        } else {
            read_durable(f, s->number, before);
        }
        for (size_t word = 0; word < CRASH_SECTOR / 8; word++) {
            if ((*mask >> word & 1) == 0) {
                memcpy(bytes + 8 * word, before + 8 * word, 8);
            }
        }
    }
    size_t room = out->size - at;
    memcpy(out->bytes + at, bytes, room < CRASH_SECTOR ? room : CRASH_SECTOR);
}

static void build_file(const disk_file *f, size_t size, uint64_t garbage,
                       crash_image_file *out)
{
    if (size > out->capacity) {
        out->capacity = size * 2;
        out->bytes = grow(out->bytes, out->capacity);
    }
    out->size = size;
    size_t kept = size < f->durable_size ? size : f->durable_size;
    if (kept > 0) {
        memcpy(out->bytes, f->durable, kept);
    }
    gen g = gen_open(garbage, NULL);
    for (size_t i = kept; i < size; i++) {
        out->bytes[i] = garbage == 0 ? 0 : (uint8_t)gen_next(&g);
    }
}

void crash_model_build(const crash_model *m, const crash_unit *units, size_t count,
                       const uint8_t *choice, const crash_tear *tear, uint64_t garbage,
                       crash_image *image)
{
    name_list names = m->names;
    size_t sizes[CRASH_FILE_MAX];
    for (unsigned i = 0; i < m->file_count; i++) {
        sizes[i] = m->files[i].durable_size;
    }
    for (size_t i = 0; i < count; i++) {
        const crash_unit *unit = &units[i];
        if (unit->kind == CRASH_NAME && choice[i] != 0) {
            apply_change(&names, &m->changes[unit->index]);
        } else if (unit->kind == CRASH_SIZE && choice[i] != 0) {
            sizes[unit->file] = m->files[unit->file].sizes[choice[i] - 1];
        }
    }
    image->count = names.count;
    for (size_t n = 0; n < names.count; n++) {
        crash_image_file *out = &image->files[n];
        out->file = names.rows[n].file;
        memcpy(out->path, names.rows[n].path, CRASH_NAME_MAX);
        const disk_file *f = &m->files[out->file];
        build_file(f, sizes[out->file], garbage, out);
        for (size_t i = 0; i < count; i++) {
            if (units[i].kind == CRASH_SECTOR_OF && units[i].file == out->file) {
                put_sector(f, &units[i], choice[i],
                           tear->unit == i ? &tear->mask : NULL, out);
            }
        }
    }
}

void crash_image_deinit(crash_image *image)
{
    for (size_t i = 0; i < CRASH_FILE_MAX; i++) {
        free(image->files[i].bytes);
    }
    memset(image, 0, sizeof *image);
}

crash_model *crash_model_of(const crash_image *image)
{
    crash_model *m = crash_model_open();
    for (size_t i = 0; i < image->count; i++) {
        const crash_image_file *from = &image->files[i];
        disk_file *f = &m->files[from->file];
        f->size = from->size;
        settle_size(f);
        if (from->size > 0) {
            memcpy(f->durable, from->bytes, from->size);
        }
        list_put(&m->names, from->path, from->file);
        if (from->file >= m->file_count) {
            m->file_count = from->file + 1;
        }
    }
    return m;
}
