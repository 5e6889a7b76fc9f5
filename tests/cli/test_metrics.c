#include "cli/web/metrics.h"

#include "cli/usage.h"

#include <criterion/criterion.h>

static void assert_text(crdt_buf *out, const char *wanted)
{
    cr_assert(crdt_span_equal(crdt_buf_span(out), crdt_span_of(wanted)), "%.*s",
              (int)out->size, (const char *)out->data);
    crdt_buf_deinit(out);
}

Test(metrics, families_and_samples)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    web_metrics m = web_metrics_open(&out);
    const char *labels[] = {"kind", "stale", "peer", "tcp://a:1", NULL};
    web_metrics_counter(&m, "x_total", "Edits.");
    web_metrics_put(&m, NULL, 12);
    web_metrics_gauge(&m, "y", "Bytes.");
    web_metrics_put(&m, labels, 0.5);
    web_metrics_put(&m, (const char *[]){NULL}, 281474976710655);
    cr_assert_eq(m.err, CRDT_OK);
    assert_text(&out, "# HELP x_total Edits.\n# TYPE x_total counter\nx_total 12\n"
                      "# HELP y Bytes.\n# TYPE y gauge\n"
                      "y{kind=\"stale\",peer=\"tcp://a:1\"} 0.5\ny 281474976710655\n");
}

/* Values of labels are whatever people and peers chose. */
Test(metrics, labels_are_escaped)
{
    static const struct {
        const char *value;
        const char *text;
    } rows[] = {
        {"", "y{l=\"\"} 1\n"},
        {"a\"b\\c\nd", "y{l=\"a\\\"b\\\\c\\nd\"} 1\n"},
        {"\xc3\xa9\xf0\x9f\x98\x80", "y{l=\"\xc3\xa9\xf0\x9f\x98\x80\"} 1\n"},
        {"\xff\"", "y{l=\"\xef\xbf\xbd\\\"\"} 1\n"},
        {"\xc3", "y{l=\"\xef\xbf\xbd\"} 1\n"},
        {"\xc3\"", "y{l=\"\xef\xbf\xbd\\\"\"} 1\n"},
        {"\x80\x80\xe2\x82",
         "y{l=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 1\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        web_metrics m = web_metrics_open(&out);
        m.family = "y";
        web_metrics_put(&m, (const char *[]){"l", rows[i].value, NULL}, 1);
        assert_text(&out, rows[i].text);
    }
}

Test(metrics, of_this_process)
{
    cli_usage usage;
    cli_usage_get(&usage);
    cr_assert_gt(usage.memory_size, 1u << 20);
    cr_assert_geq(usage.file_count, 3);
    cr_assert_gt(usage.file_max, usage.file_count);
    cr_assert_geq(usage.thread_count, 1);
    cr_assert_gt(usage.cpu_us, 0);
}
