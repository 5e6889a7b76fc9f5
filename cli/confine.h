#ifndef CLI_CONFINE_H
#define CLI_CONFINE_H

/* A process that serves gives up what it does not need, before it hears the first foreign
 * byte, and for good. Who takes it over through a mistake of ours gets little:
 *
 *   no new privileges   a program of more rights cannot be started
 *   memory              no core file, no debugger of the same user (not dumpable)
 *   files               only those it works on (Landlock, Linux 5.13 on)
 *   system calls        those that a server uses: no other program, no new process, no
 *                       tracing, mounting, loading; no memory that is written and executed
 *                       (seccomp)
 *
 * What the system has not is left out; cli_confined tells what is on. Threads started
 * before are not confined, so it is called before any. confine.c alone meets Landlock and
 * the filter of a server (cli/play/sandbox.c has its own, far narrower one).
 *
 * Files that every server may read: /usr, /lib, /proc (its own part), /sys/devices/system,
 * and of /etc what names, time and certificates need: all of it, except for root, who could
 * read secrets there. */

#include "crdt/err.h"

#include <stdbool.h>
#include <stddef.h>

#define CLI_CONFINE_PATHS_MAX 32

/* What it keeps. Paths are borrowed until cli_confine returns; NULL is skipped. */
typedef struct cli_confine_plan {
    const char *writes[CLI_CONFINE_PATHS_MAX]; /* folders with all below */
    bool made[CLI_CONFINE_PATHS_MAX];          /* made where it is missing */
    size_t write_count;
    const char *reads[CLI_CONFINE_PATHS_MAX]; /* files, or folders with all below */
    size_t read_count;
    bool forks;  /* starts processes of its own program's code */
    bool spawns; /* and starts its own program anew */
} cli_confine_plan;

typedef struct cli_confined {
    bool privileges;
    bool memory;
    int files; /* version of Landlock; 0: off */
    bool calls;
} cli_confined;

void cli_confine_make(cli_confine_plan *plan, const char *folder);
void cli_confine_write(cli_confine_plan *plan, const char *folder);
void cli_confine_read(cli_confine_plan *plan, const char *path);

/* The folder of `path` is written too (a file is written beside, and renamed), or read (it
 * is renamed by others). `folder` is filled and belongs to the caller; at least
 * CLI_CONFINE_PATH_SIZE bytes. */
#define CLI_CONFINE_PATH_SIZE 4096
void cli_confine_write_beside(cli_confine_plan *plan, const char *path, char *folder);
void cli_confine_read_beside(cli_confine_plan *plan, const char *path, char *folder);
/* Is the folder of `path` too much to give: the root, the home folder or one above it, a
 * folder of temporary files? */
bool cli_confine_is_broad(const char *path);

/* Errors: CRDT_EIO: a folder cannot be made. What the system refuses is no error. */
crdt_err cli_confine(const cli_confine_plan *plan, cli_confined *done, crdt_diag *diag);

/* "no new privileges, no core files, files (Landlock 7), system calls (seccomp)". */
#define CLI_CONFINED_SIZE 160
void cli_confined_text(const cli_confined *done, char out[CLI_CONFINED_SIZE]);

#endif /* CLI_CONFINE_H */
