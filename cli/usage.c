#include "cli/usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static uint64_t resident_size(void)
{
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*u %" SCNu64, &pages) != 1) {
        pages = 0;
    }
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Entries of a folder of /proc, but "." and "..". */
static uint64_t count_entries(const char *path)
{
    uint64_t count = 0;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return 0;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL;
         entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

void cli_usage_get(cli_usage *usage)
{
    struct rusage own;
    struct rlimit limit;
    *usage = (cli_usage){.memory_size = resident_size(),
                         .thread_count = count_entries("/proc/self/task")};
    uint64_t files = count_entries("/proc/self/fd");
    usage->file_count = files > 0 ? files - 1 : 0; /* the folder itself was open */
    if (getrusage(RUSAGE_SELF, &own) == 0) {
        usage->cpu_us = microseconds(own.ru_utime) + microseconds(own.ru_stime);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        usage->file_max = limit.rlim_cur;
    }
}
