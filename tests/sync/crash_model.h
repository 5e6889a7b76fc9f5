#ifndef TESTS_SYNC_CRASH_MODEL_H
#define TESTS_SYNC_CRASH_MODEL_H

/* What a disk may hold after a power cut, given the writes and syncs that a program made.
 *
 * Of each file the model keeps what is durable and, sector by sector (512 bytes), the
 * versions that were written since the last sync; of the folders what was linked, renamed
 * and unlinked since they were synced. An image takes any one version of each sector, any
 * of the sizes the file had, and any of the pending changes of names: so every order in
 * which a disk may write, and every set of sectors it may have written when it stopped.
 * One sector may be torn: words of 8 bytes of one version, the others of the one before.
 * Where a file grew and a sector of it was not written there are zeros, or garbage.
 *
 *     units:   [ sector 8: 0..2 ] [ sector 9: 0..1 ] [ size: 0..1 ] [ rename: 0..1 ]
 *     choice:          1                 0                 1               0
 *
 * Paths are relative to a root and name files only: folders are taken as durable.
 * Failures abort: this is test code. */

#include "tests/support/gen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CRASH_SECTOR = 512,
    CRASH_NAME_MAX = 96,
    CRASH_FILE_MAX = 64, /* files over the life of a model, and names at once */
    CRASH_UNIT_MAX = 4096,
};

typedef struct crash_model crash_model;

crash_model *crash_model_open(void);
void crash_model_close(crash_model *m);

/* ---- what happens ---- */

/* A new file, empty and durable, without a name. Returns its number. */
unsigned crash_model_make(crash_model *m);
void crash_model_write(crash_model *m, unsigned file, uint64_t offset,
                       const uint8_t *bytes, size_t size);
void crash_model_truncate(crash_model *m, unsigned file, uint64_t size);
/* All of the file is durable now; or only these bytes (a write with O_DSYNC). */
void crash_model_sync(crash_model *m, unsigned file);
void crash_model_sync_range(crash_model *m, unsigned file, uint64_t offset,
                            size_t size);
void crash_model_link(crash_model *m, const char *path, unsigned file);
void crash_model_unlink(crash_model *m, const char *path);
void crash_model_rename(crash_model *m, const char *from, const char *to,
                        unsigned file);
/* The names right below `dir` are durable now ("": the root). */
void crash_model_sync_dir(crash_model *m, const char *dir);

/* ---- what may be left ---- */

typedef enum crash_unit_kind {
    CRASH_NAME,
    CRASH_SIZE,
    CRASH_SECTOR_OF
} crash_unit_kind;

/* Something that may have reached the disk or not: 0 is the durable state. */
typedef struct crash_unit {
    crash_unit_kind kind;
    unsigned file; /* of CRASH_SIZE and CRASH_SECTOR_OF */
    size_t index;  /* of the pending change, or of the pending sector */
    unsigned option_count;
    bool aside; /* not of the folder that is enumerated (see crash_model_units) */
} crash_unit;

typedef struct crash_tear {
    size_t unit;   /* a sector's, chosen above 0; SIZE_MAX: no tear */
    uint64_t mask; /* bit i: word i is of the chosen version, else of the one before */
} crash_tear;

typedef struct crash_image_file {
    char path[CRASH_NAME_MAX];
    unsigned file;
    uint8_t *bytes; /* owned by the image */
    size_t size;
    size_t capacity;
} crash_image_file;

typedef struct crash_image {
    crash_image_file files[CRASH_FILE_MAX];
    size_t count;
} crash_image;

/* All that is pending. Files whose path does not begin with `prefix` are aside. Returns
 * the count, at most CRASH_UNIT_MAX. */
size_t crash_model_units(const crash_model *m, const char *prefix,
                         crash_unit units[CRASH_UNIT_MAX]);
/* Is the unit a sector of the first `size` bytes of the file named `path`? */
bool crash_model_is_within(const crash_model *m, const crash_unit *unit,
                           const char *path, uint64_t size);
/* The image of these choices. `garbage`: what fills grown places, 0: zeros. */
void crash_model_build(const crash_model *m, const crash_unit *units, size_t count,
                       const uint8_t *choice, const crash_tear *tear, uint64_t garbage,
                       crash_image *image);
void crash_image_deinit(crash_image *image);

/* A model of a disk that holds exactly this image, durable; files keep their numbers. */
crash_model *crash_model_of(const crash_image *image);

#endif /* TESTS_SYNC_CRASH_MODEL_H */
