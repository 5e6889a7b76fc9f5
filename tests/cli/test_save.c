#include "cli/worker/save.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crdt/digest.h"

/* What the saver makes of what others tell; with a node and servers: test_load_save.py. */

static const crdt_actor OTHER = {{0x99}};

static worker_save *open_save(void)
{
    worker_save_options options = worker_save_options_default();
    options.builder_url = "http://127.0.0.1:9";
    options.project = "p";
    worker_save *save;
    cr_assert_eq(worker_save_open(&save, &options), CRDT_OK);
    return save;
}

static crdt_version version_of(uint32_t actors, uint64_t time)
{
    crdt_version version;
    crdt_version_init(&version, crdt_alloc_default());
    for (uint32_t i = 0; i < actors; i++) {
        crdt_stamp stamp = {time, {{(uint8_t)i, (uint8_t)(i >> 8), 1}}};
        cr_assert_eq(crdt_version_raise(&version, &stamp), CRDT_OK);
    }
    return version;
}

static worker_save_state state_of(worker_save *save)
{
    worker_save_status status;
    worker_save_look(save, &status);
    return status.state;
}

Test(save, what_another_saved_counts)
{
    worker_save *save = open_save();
    crdt_version version = version_of(2, 5);
    worker_save_changed(save, &version);
    cr_expect_eq(state_of(save), WORKER_SAVE_UNSAVED);
    char text[WORKER_SAVE_VERSION_SIZE];
    cr_assert(worker_version_format(&version, text, sizeof text));
    worker_save_heard(save, &OTHER, true, text);
    cr_expect_eq(state_of(save), WORKER_SAVE_SAVED);
    worker_save_status status;
    worker_save_look(save, &status);
    cr_expect_str_eq(status.version, text);
    cr_expect(crdt_actor_equal(&status.saver, &OTHER));
    crdt_version_deinit(&version);
    version = version_of(2, 6);
    worker_save_changed(save, &version);
    cr_expect_eq(state_of(save), WORKER_SAVE_UNSAVED);
    worker_save_heard(save, &OTHER, true, text); /* the same again is no news */
    cr_expect_eq(state_of(save), WORKER_SAVE_UNSAVED);
    worker_save_left(save, &OTHER);
    worker_save_look(save, &status);
    cr_expect_not(crdt_actor_equal(&status.saver, &OTHER));
    crdt_version_deinit(&version);
    worker_save_close(save);
}

/* A version too long for presence is told as its digest, and is known once ours is it. */
Test(save, a_long_version_is_told_as_a_digest)
{
    worker_save *a = open_save();
    worker_save *b = open_save();
    crdt_version before = version_of(500, 5);
    crdt_version version = version_of(500, 6);
    worker_save_allow(a, &version);
    bool saves;
    char text[WORKER_SAVE_VERSION_SIZE];
    worker_save_tell(a, &saves, text);
    cr_expect_eq(text[0], '#');
    cr_expect_eq(strlen(text), 33);
    worker_save_changed(b, &before);
    worker_save_heard(b, &OTHER, true, text);
    cr_expect_eq(state_of(b), WORKER_SAVE_UNSAVED);
    worker_save_changed(b, &version);
    cr_expect_eq(state_of(b), WORKER_SAVE_SAVED);
    crdt_version_deinit(&before);
    crdt_version_deinit(&version);
    version = version_of(501, 6);
    worker_save_changed(b, &version);
    cr_expect_eq(state_of(b), WORKER_SAVE_UNSAVED);
    crdt_version_deinit(&version);
    worker_save_close(a);
    worker_save_close(b);
}

Test(save, foreign_words_change_nothing)
{
    worker_save *save = open_save();
    crdt_version version = version_of(1, 5);
    worker_save_changed(save, &version);
    static const char *const WORDS[] = {"", "#", "#x", "x", "#00", ":", "\xff"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        worker_save_heard(save, &OTHER, false, WORDS[i]);
        cr_expect_eq(state_of(save), WORKER_SAVE_UNSAVED, "%s", WORDS[i]);
    }
    worker_save_heard(save, &OTHER, false, NULL);
    for (uint32_t i = 0; i < 1000; i++) { /* more than are remembered */
        crdt_actor actor = {{(uint8_t)i, (uint8_t)(i >> 8), 7}};
        worker_save_heard(save, &actor, true, "x");
    }
    crdt_version_deinit(&version);
    worker_save_close(save);
}

static void note_done(void *ctx, const worker_save_result *result)
{
    int *count = ctx;
    *count += !result->ok && result->error[0] != '\0' ? 1 : 0;
}

/* Without a scene a request fails, and says why; who closes answers those that wait. */
Test(save, requests_are_always_answered)
{
    worker_save *save = open_save();
    int count = 0;
    int asked = 0;
    for (int i = 0; i < 200; i++) {
        asked += worker_save_request(save, NULL, false, note_done, &count) == CRDT_OK;
    }
    worker_save_close(save);
    cr_expect_gt(asked, 0);
    cr_expect_eq(count, asked);
}

Test(save, headers_that_are_none_are_not_kept)
{
    worker_save *save = open_save();
    static const char *const BAD[] = {"no colon", "a: b\r\nHost: evil", "\x01: x"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const char *const headers[] = {BAD[i], NULL};
        cr_expect_eq(worker_save_request(save, headers, false, NULL, NULL), CRDT_OK);
    }
    worker_save_close(save);
}

Test(save, a_thumbnail_is_a_picture)
{
    worker_save *save = open_save();
    cr_expect_eq(worker_save_thumbnail(save, crdt_span_of("<svg/>")), CRDT_EINVAL);
    static uint8_t large[(2u << 20) + 1] = {0xff, 0xd8, 0xff};
    crdt_span image = {large, sizeof large};
    cr_expect_eq(worker_save_thumbnail(save, image), CRDT_ELIMIT);
    image.size--;
    cr_expect_eq(worker_save_thumbnail(save, image), CRDT_OK);
    worker_save_close(save);
}
