#ifndef CRDT_ANSWER_FORM_H
#define CRDT_ANSWER_FORM_H

/* Inside of the answers' codec: answer.c reads the head, answer_items.c the rest,
 * answer_write.c writes. What the numbers mean is told by docs/FORMAT.md, "Answer". */

#include "crdt/answer.h"

#define CRDT_ANSWER_FORMAT 2u
#define CRDT_ANSWER_ACTOR_SIZE 16u

/* Before the log and the objects: as they are, or as a frame. Shorter ones are not worth
 * a try. */
#define CRDT_ANSWER_BODY_PLAIN 0u
#define CRDT_ANSWER_BODY_PACKED 1u
#define CRDT_ANSWER_PACKED_MIN 512u

/* A log record begins with its depth, plus LOG_SAME if the object is that of the record
 * before; LOG_END ends the section. */
#define CRDT_ANSWER_LOG_END 0u
#define CRDT_ANSWER_LOG_SAME 4u

/* An object begins with 1 + the index of its shape; END ends the answer. */
#define CRDT_ANSWER_OBJECTS_END 0u

/* A key of a shape begins with its depth - 1, plus KEY_STEP times the count of its
 * entries; SHAPE_END ends the shape. */
#define CRDT_ANSWER_SHAPE_END 0u
#define CRDT_ANSWER_KEY_STEP 4u

/* A key of a shape as one number: its head, and the index of its name. */
static inline uint64_t crdt_answer_id_make(crdt_depth depth, size_t entry_count,
                                           uint32_t name)
{
    uint64_t head = (uint64_t)entry_count * CRDT_ANSWER_KEY_STEP + (depth - 1u);
    return head << 32 | name;
}

static inline uint64_t crdt_answer_id_head(uint64_t id)
{
    return id >> 32;
}

static inline uint32_t crdt_answer_id_name(uint64_t id)
{
    return (uint32_t)id;
}

/* The difference of two times as a number that is small where they are near: 0, -1, 1, -2,
 * 2 ... become 0, 1, 2, 3, 4 ... */
#define CRDT_ANSWER_STEP_MAX ((UINT64_C(1) << 49) - 1)

static inline uint64_t crdt_answer_fold_step(uint64_t time, uint64_t base)
{
    return time >= base ? (time - base) * 2 : (base - time) * 2 - 1;
}

/* May be anything where `folded` comes from foreign bytes: to be checked. */
static inline uint64_t crdt_answer_unfold_step(uint64_t folded, uint64_t base)
{
    return folded % 2 == 0 ? base + folded / 2 : base - (folded / 2 + 1);
}

/* For what a reader keeps: memory in its arena. NULL: there is none, or an error before. */
void *crdt_answer_take(crdt_answer_reader *reader, size_t count, size_t size);
/* An index into the table of actors; 0 after an error. */
uint32_t crdt_answer_read_actor(crdt_answer_reader *reader);

#endif /* CRDT_ANSWER_FORM_H */
