#ifndef TESTS_SYNC_CRASH_FOLDER_H
#define TESTS_SYNC_CRASH_FOLDER_H

/* Images of a disk, laid as real files into a folder, one after the other: only what differs
 * from the one before is written. The folder has store/ and state/stores/. Failures abort. */

#include "tests/sync/crash_model.h"

/* A file that lies there. */
typedef struct crash_slot {
    char path[CRASH_NAME_MAX];
    int fd; /* -1: it does not exist */
    uint8_t *bytes;
    size_t size, capacity;
} crash_slot;

typedef struct crash_folder {
    const char *root; /* borrowed */
    crash_slot slots[CRASH_FILE_MAX];
    size_t slot_count;
} crash_folder;

void crash_folder_open(crash_folder *f, const char *root);
void crash_folder_close(crash_folder *f);
void crash_folder_lay(crash_folder *f, const crash_image *image);
/* After the files were written to: nothing is known of what lies there, so it is emptied. */
void crash_folder_sweep(crash_folder *f);
/* Make the folders below `root`, and remove the files in them. */
void crash_folder_empty(const char *root);

#endif /* TESTS_SYNC_CRASH_FOLDER_H */
