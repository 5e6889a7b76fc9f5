#include "bench/author.h"

#include "bench/bench.h"
#include "bench/message_log.h"

#include <string.h>

void bench_author_open(bench_author *author, uint32_t number,
                       const crdt_version *version)
{
    *author = (bench_author){.actor = bench_actor(number)};
    crdt_version_init(&author->seen, crdt_alloc_default());
    bench_must(crdt_version_copy(&author->seen, version), "author");
    bench_must(crdt_deps_open(&author->deps, crdt_alloc_default(), 1), "author");
    crdt_buf_init(&author->messages, crdt_alloc_default());
}

void bench_author_close(bench_author *author)
{
    crdt_version_deinit(&author->seen);
    crdt_deps_close(author->deps);
    crdt_buf_deinit(&author->messages);
}

void bench_author_write(bench_author *author, const bench_ops *ops)
{
    const crdt_batch batch = {.actor = author->actor,
                              .deps = author->seen.stamps,
                              .dep_count = author->seen.stamp_count,
                              .ops = ops->ops,
                              .op_count = ops->op_count};
    const crdt_stamp last = {.time = crdt_batch_last_time(&batch),
                             .actor = author->actor};
    uint32_t size = 0;
    size_t begin = author->messages.size;
    bench_must(crdt_buf_append(&author->messages, &size, sizeof size), "message");
    bench_must(crdt_batch_encode(&batch, author->deps, &author->messages), "encode");
    size = (uint32_t)(author->messages.size - begin - sizeof size);
    memcpy(author->messages.data + begin, &size, sizeof size);
    bench_must(crdt_deps_note(author->deps, &batch), "deps");
    bench_must(crdt_version_raise(&author->seen, &last), "author");
    author->message_count++;
}

void bench_author_clear(bench_author *author)
{
    crdt_buf_clear(&author->messages);
    author->message_count = 0;
}

void bench_editor_hear(bench_editor *editor, const bench_author *author)
{
    size_t at = 0;
    crdt_span message;
    while (bench_message_log_next(crdt_buf_span(&author->messages), &at, &message)) {
        bench_editor_apply(editor, message);
    }
}
