#ifndef TESTS_FUZZ_FUZZ_MEMORY_H
#define TESTS_FUZZ_FUZZ_MEMORY_H

/* How many bytes this process holds from malloc, and held at most: every library's too.
 *
 * malloc and its family are replaced by functions that count and call glibc's; under a
 * sanitizer, which replaces them itself, its hooks count. Sizes are those of the blocks
 * given, so a little more than was asked for. A block that is resized counts twice for the
 * moment in which both may be there.
 *
 * Threads: counts are of all threads; two that pass the peak at once may leave the lower. */

#include <stddef.h>

/* Begin to count; called once, before the first of the other calls. */
void fuzz_memory_open(void);
/* Bytes held now, since open; negative if what was there before was given back. */
ptrdiff_t fuzz_memory_held(void);
/* Forget the peak: it is what is held now. */
void fuzz_memory_mark(void);
/* Bytes held at most since the last mark. */
ptrdiff_t fuzz_memory_peak(void);

#endif /* TESTS_FUZZ_FUZZ_MEMORY_H */
