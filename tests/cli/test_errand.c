/* What workers and content servers say, read with care. */

#include "cli/kernel/errand.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static kernel_summary read_summary(const char *text)
{
    kernel_summary summary;
    kernel_summary_read(&summary, crdt_span_of(text));
    return summary;
}

Test(errand, what_a_worker_says)
{
    kernel_summary s = read_summary(
        "{\"ok\":true,\"state\":\"editing\",\"entities\":12,\"renderers\":3,"
        "\"conflicts\":[{},{}],\"people\":[{\"name\":\"Ana\"},{\"name\":\"B\\\"en\"},{}"
        "],"
        "\"save\":{\"state\":\"failing\",\"error\":\"no server\"}}");
    cr_assert(s.known);
    cr_assert_str_eq(s.state, "editing");
    cr_assert_eq(s.entities, 12);
    cr_assert_eq(s.renderers, 3);
    cr_assert_eq(s.conflicts, 2);
    cr_assert_str_eq(s.editors, "[\"Ana\",\"B\\\"en\"]");
    cr_assert_str_eq(s.save, "failing");
    cr_assert_str_eq(s.save_error, "no server");
}

Test(errand, what_is_no_status)
{
    static const char *const texts[] = {
        "", "{", "[]", "7", "null", "\"x\"", "[{\"state\":\"editing\"}]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        kernel_summary s = read_summary(texts[i]);
        cr_expect_not(s.known, "%s", texts[i]);
        cr_expect_str_eq(s.editors, "[]", "%s", texts[i]);
    }
    kernel_summary s = read_summary(
        "{\"state\":7,\"entities\":-1,\"renderers\":1e300,\"conflicts\":\"x\","
        "\"people\":{\"name\":1},\"save\":[]}");
    cr_assert(s.known);
    cr_assert_str_eq(s.state, "");
    cr_assert_eq(s.entities + s.renderers + s.conflicts, 0);
    cr_assert_str_eq(s.editors, "[]");
}

/* However many people there are, and however long their names: whole JSON that fits. */
Test(errand, many_editors)
{
    static char text[100000];
    size_t used = (size_t)snprintf(text, sizeof text, "{\"people\":[{\"name\":\"a\"}");
    for (int i = 0; i < 300; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 ",{\"name\":\"%0*d\"}", 1 + i, i);
    }
    snprintf(text + used, sizeof text - used, "]}");
    kernel_summary s = read_summary(text);
    size_t size = strlen(s.editors);
    cr_assert(size > 100 && size < KERNEL_EDITORS_SIZE);
    cr_assert_eq(s.editors[size - 1], ']');
    cr_assert_eq(s.editors[size - 2], '"');
    kernel_summary long_one;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "{\"people\":[{\"name\":\"", 20);
    memcpy(text + sizeof text - 6, "\"}]}", 5);
    kernel_summary_read(&long_one, crdt_span_of(text));
    cr_assert_str_eq(long_one.editors, "[]");
}

static bool find(const char *text, const char *wanted)
{
    char hash[16] = "";
    bool found =
        kernel_code_find_hash(crdt_span_of(text), "bin/game.js", hash, sizeof hash);
    return wanted != NULL ? found && strcmp(hash, wanted) == 0 : !found;
}

Test(errand, where_the_code_is)
{
    cr_expect(find("[{\"content\":[{\"file\":\"a\",\"hash\":\"1\"},"
                   "{\"file\":\"BIN/game.JS\",\"hash\":\"2\"}]}]",
                   "2"));
    cr_expect(
        find("[{\"content\":[{\"file\":\"bin/game.js\",\"hash\":\"0123456789abcde\"}"
             "]}]",
             "0123456789abcde"));
    static const char *const without[] = {
        "",
        "[]",
        "{}",
        "[7]",
        "[{}]",
        "[{\"content\":7}]",
        "[{\"content\":[]}]",
        "[{\"content\":[7,{},{\"file\":7,\"hash\":7}]}]",
        "[{\"content\":[{\"file\":\"bin/game.js\"}]}]",
        "[{\"content\":[{\"file\":\"bin/game.jsx\",\"hash\":\"1\"}]}]",
        "[{\"content\":[{\"file\":\"bin/game.js\",\"hash\":\"0123456789abcdef\"}]}]"};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        cr_expect(find(without[i], NULL), "%s", without[i]);
    }
}
