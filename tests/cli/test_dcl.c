/* Records of calls: what is written is read, and nothing foreign is believed. */

#include "cli/play/dcl.h"
#include "tests/support/decoder.h"

#include <criterion/criterion.h>

static play_call attach_call(void)
{
    return (play_call){.kind = PLAY_CALL_ATTACH,
                       .line = 70000,
                       .argument_count = 3,
                       .arguments = {crdt_span_of("1"), crdt_span_of("engine.shape"),
                                     crdt_span_of("")}};
}

Test(dcl, a_call_is_read_as_it_was_written)
{
    play_call call = attach_call();
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(play_call_encode(&call, &bytes), CRDT_OK);
    cr_assert_eq(play_call_encode(&call, &bytes), CRDT_OK);
    play_call back;
    size_t size = 0;
    cr_assert_eq(play_call_decode(crdt_buf_span(&bytes), &back, &size, NULL), CRDT_OK);
    cr_assert_eq(size, bytes.size / 2);
    cr_assert_eq(back.kind, call.kind);
    cr_assert_eq(back.line, call.line);
    cr_assert_eq(back.argument_count, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(crdt_span_equal(back.arguments[i], call.arguments[i]));
    }
    crdt_buf_deinit(&bytes);
}

Test(dcl, part_of_a_record_waits_for_the_rest)
{
    play_call call = attach_call();
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(play_call_encode(&call, &bytes), CRDT_OK);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        play_call back;
        size_t size;
        crdt_span part = {bytes.data, cut};
        cr_assert_eq(play_call_decode(part, &back, &size, NULL), CRDT_ENOTHING);
    }
    crdt_buf_deinit(&bytes);
}

Test(dcl, what_is_no_record_is_refused)
{
    static const struct {
        const char *hex;
        crdt_err err;
    } rows[] = {
        {"07000000 02 01 0000 000000", CRDT_ECORRUPT},               /* no head */
        {"08000000 02 00 0000 00000000", CRDT_ECORRUPT},             /* too few */
        {"08000000 0e 00 0000 00000000", CRDT_ECORRUPT},             /* no such call */
        {"08000000 ff 01 0000 00000000", CRDT_ECORRUPT},             /* likewise */
        {"08000000 02 01 0000 00000000", CRDT_ECORRUPT},             /* no argument */
        {"0c000000 02 01 0000 00000000 01000000", CRDT_ECORRUPT},    /* cut off */
        {"0c000000 02 01 0000 00000000 ffffffff", CRDT_ECORRUPT},    /* likewise */
        {"0d000000 02 01 0000 00000000 00000000 00", CRDT_ECORRUPT}, /* a tail */
        {"0d000000 02 01 0000 00000000 01000000 ff", CRDT_ECORRUPT}, /* no UTF-8 */
        {"ffffffff 02 01 0000 00000000", CRDT_ELIMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        crdt_buf bytes;
        crdt_buf_init(&bytes, crdt_alloc_default());
        decoder_unhex(rows[i].hex, &bytes);
        play_call call;
        size_t size;
        crdt_diag diag = {0};
        cr_expect_eq(play_call_decode(crdt_buf_span(&bytes), &call, &size, &diag),
                     rows[i].err, "%s", rows[i].hex);
        cr_expect_neq(diag.text[0], '\0');
        crdt_buf_deinit(&bytes);
    }
}

Test(dcl, a_call_has_a_limit)
{
    static uint8_t much[PLAY_CALL_SIZE_MAX];
    play_call call = {
        .kind = PLAY_CALL_LOG, .argument_count = 1, .arguments = {{much, sizeof much}}};
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(play_call_encode(&call, &bytes), CRDT_ELIMIT);
    cr_assert_eq(bytes.size, 0);
    crdt_buf_deinit(&bytes);
}
