#include "tests/fuzz/fuzz_memory.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

static atomic_ptrdiff_t held;
static atomic_ptrdiff_t peak;

static void add(size_t size)
{
    ptrdiff_t now =
        atomic_fetch_add_explicit(&held, (ptrdiff_t)size, memory_order_relaxed) +
        (ptrdiff_t)size;
    if (now > atomic_load_explicit(&peak, memory_order_relaxed)) {
        atomic_store_explicit(&peak, now, memory_order_relaxed);
    }
}

static void drop(size_t size)
{
    atomic_fetch_sub_explicit(&held, (ptrdiff_t)size, memory_order_relaxed);
}

ptrdiff_t fuzz_memory_held(void)
{
    return atomic_load(&held);
}

void fuzz_memory_mark(void)
{
    atomic_store(&peak, atomic_load(&held));
}

ptrdiff_t fuzz_memory_peak(void)
{
    return atomic_load(&peak);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#endif

#ifdef UNDER_SANITIZER

#include <stdlib.h>

/* sanitizer/allocator_interface.h, which not every compiler's package has. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *,
                                                                size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *ptr);

static void count_malloc(const volatile void *ptr, size_t size)
{
    (void)ptr;
    add(size);
}

static void count_free(const volatile void *ptr)
{
    if (ptr != NULL) {
        drop(__sanitizer_get_allocated_size(ptr));
    }
}

void fuzz_memory_open(void)
{
    if (__sanitizer_install_malloc_and_free_hooks(count_malloc, count_free) == 0) {
        abort();
    }
}

#else

/* glibc's own, by the names it keeps for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *ptr);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *ptr, size_t size);
void *memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **out, size_t alignment, size_t size);
void free(void *ptr);

static void *counted(void *ptr)
{
    if (ptr != NULL) {
        add(malloc_usable_size(ptr));
    }
    return ptr;
}

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return counted(__libc_calloc(count, size));
}

void *realloc(void *ptr, size_t size)
{
    size_t before = ptr == NULL ? 0 : malloc_usable_size(ptr);
    void *moved = __libc_realloc(ptr, size);
    counted(moved);
    if (moved != NULL || size == 0) {
        drop(before);
    }
    return moved;
}

void *memalign(size_t alignment, size_t size)
{
    return counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = counted(__libc_memalign(alignment, size));
    return *out == NULL ? ENOMEM : 0;
}

void free(void *ptr)
{
    if (ptr != NULL) {
        drop(malloc_usable_size(ptr));
        __libc_free(ptr);
    }
}

/* Blocks of any size come from one heap that stays: a kernel that maps and unmaps pages for
 * each input would be most of the time. */
void fuzz_memory_open(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
}

#endif
