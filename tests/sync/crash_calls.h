#ifndef TESTS_SYNC_CRASH_CALLS_H
#define TESTS_SYNC_CRASH_CALLS_H

/* The C library's calls that change files, replaced for a whole program (LMDB's calls go
 * the same way): what happens below a folder is told to a model of a disk, and before each
 * sync is over a function is called, which may look at what a power cut would leave.
 *
 * Files below `root` and `image_root` are identified (statx) by their numbers in the model,
 * so an image laid into `image_root` is the very store that was recorded. Nothing is really
 * synced there. One watch at a time, one thread. */

#include "tests/sync/crash_model.h"

typedef struct crash_watch {
    const char *root; /* without a slash at its end */
    crash_model *model;
    void (*at_sync)(void *ctx); /* may open and write files, but not below `root` */
    void *ctx;
    bool
        lie; /* syncs of the journal do nothing: such a disk loses acknowledged edits */
    const char *image_root;
    const crash_image *image; /* what lies there */
} crash_watch;

/* `watch` is borrowed until crash_calls_end. Files of the model's image are known by
 * their names already. */
void crash_calls_begin(crash_watch *watch, const crash_image *known);
/* From here on calls do what they did before. */
void crash_calls_end(void);

#endif /* TESTS_SYNC_CRASH_CALLS_H */
