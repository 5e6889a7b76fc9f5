#ifndef TESTS_SUPPORT_TEMP_DIR_H
#define TESTS_SUPPORT_TEMP_DIR_H

/* A folder of one's own under $TMPDIR (or /tmp), and what tests do with files. Failures
 * abort: this is test code. */

#include <stddef.h>
#include <stdint.h>

typedef struct temp_dir {
    char path[256];
} temp_dir;

void temp_dir_open(temp_dir *dir);
/* Remove it with all in it. */
void temp_dir_close(temp_dir *dir);
/* `dir`/`name`, in one of eight buffers that are used in turn. */
const char *temp_dir_path(const temp_dir *dir, const char *name);

/* As cp -r and rm -r do. */
void temp_copy(const char *from, const char *to);
void temp_remove(const char *path);

/* The whole file, to be freed; NULL if there is none. */
uint8_t *temp_read_file(const char *path, size_t *size);
/* Over the old content if there is a file: it stays the same inode. */
void temp_write_file(const char *path, const uint8_t *bytes, size_t size);

#endif /* TESTS_SUPPORT_TEMP_DIR_H */
