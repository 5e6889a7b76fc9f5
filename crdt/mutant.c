#include "crdt/mutant.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile uint8_t nobody[CRDT_MUTANTS_MAX];

unsigned crdt_mutant_number;
volatile uint8_t *crdt_mutant_reached = nobody;

__attribute__((constructor)) static void read_environment(void)
{
    const char *number = getenv("SCENESYNC_MUTANT");
    const char *reached = getenv("SCENESYNC_MUTANT_REACHED");
    if (number != NULL) {
        crdt_mutant_number = (unsigned)strtoul(number, NULL, 10);
    }
    int fd = reached == NULL ? -1 : open(reached, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        void *shared =
            mmap(NULL, CRDT_MUTANTS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        crdt_mutant_reached = shared == MAP_FAILED ? nobody : shared;
        close(fd);
    }
}
