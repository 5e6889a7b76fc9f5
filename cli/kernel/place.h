#ifndef CLI_KERNEL_PLACE_H
#define CLI_KERNEL_PLACE_H

/* The folder of one scene below the kernel's, and what is remembered in it:
 *
 *   DIR/lock                 held while a kernel uses DIR
 *   DIR/scenes/X,Y/store     the replica of the edition worker
 *                 /game.js   the code that is played
 *                 /info.json what the edition said of itself to pages, for who plays it
 *                 /log       what the workers print; log.1: before that
 *                 /pid       the process that was last started, and when it was
 *                 /scene.json  {"mode","before","http","bus"}: what was wanted, and ports
 *
 * A scene keeps its ports for life, so that renderers and peers need only reconnect. */

#include "cli/kernel/scene_state.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define KERNEL_PATH_SIZE 512
#define KERNEL_NAME_SIZE 16 /* of "X,Y", with terminator */

typedef struct kernel_place {
    char dir[KERNEL_PATH_SIZE - 32];
    kernel_mode mode; /* wanted when the kernel last ended */
    kernel_mode before;
    uint16_t http_port; /* 0: none yet */
    uint16_t bus_port;  /* and the next one up */
} kernel_place;

/* Make the folder, read what is remembered. What cannot be read is as if forgotten.
 * Errors: CRDT_EIO: no folder; CRDT_EINVAL: the path is too long. */
crdt_err kernel_place_open(kernel_place *place, const char *dir, const char *scene,
                           crdt_diag *diag);
/* Remember: whole or not at all. Errors: CRDT_EIO. */
crdt_err kernel_place_save(const kernel_place *place, crdt_diag *diag);
/* The path of a file in it: "store". */
void kernel_place_path(const kernel_place *place, const char *name,
                       char path[KERNEL_PATH_SIZE]);
bool kernel_place_has(const kernel_place *place, const char *name);

/* Choose ports on `host`, unless they are chosen and free. True if they changed. */
bool kernel_place_choose_ports(kernel_place *place, const char *host);

/* Note the process that was started; 0: none. */
void kernel_place_set_process(const kernel_place *place, pid_t pid);
/* The process of a kernel before, if it still lives; else 0. */
pid_t kernel_place_find_process(const kernel_place *place);

/* Hold DIR until the descriptor is closed. Errors: CRDT_EBUSY: another kernel has it;
 * CRDT_EIO. */
crdt_err kernel_place_lock(const char *dir, int *fd, crdt_diag *diag);
/* Call `visit` for each scene that has a folder. Errors: CRDT_EIO. */
crdt_err kernel_place_list(const char *dir, void (*visit)(void *ctx, const char *scene),
                           void *ctx, crdt_diag *diag);

#endif /* CLI_KERNEL_PLACE_H */
