/* Runs a fuzz target over files and folders: its corpus, as a plain test.
 * usage: replay_NAME PATH...     exits 1 if there was no input at all */

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static unsigned long input_count;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        perror(path);
        exit(1);
    }
    /* Exactly its size, so that the address sanitizer sees a read beyond the end. */
    size_t size = (size_t)info.st_size;
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    input_count++;
}

static void run_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(info.st_mode)) {
        run_file(path);
        return;
    }
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder));) {
        if (entry->d_name[0] != '.') {
            char below[4096];
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            run_file(below);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        run_path(argv[i]);
    }
    printf("%lu inputs\n", input_count);
    return input_count > 0 ? 0 : 1;
}
