#include "cli/web/metrics.h"

#include "crdt/value.h"
#include "scene/json.h"

web_metrics web_metrics_open(crdt_buf *out)
{
    return (web_metrics){.out = out, .family = "", .err = CRDT_OK};
}

static void put(web_metrics *metrics, crdt_span piece)
{
    if (metrics->err == CRDT_OK) {
        metrics->err = crdt_buf_append_span(metrics->out, piece);
    }
}

static void put_text(web_metrics *metrics, const char *text)
{
    put(metrics, crdt_span_of(text));
}

static void begin(web_metrics *metrics, const char *family, const char *type,
                  const char *help)
{
    metrics->family = family;
    put_text(metrics, "# HELP ");
    put_text(metrics, family);
    put_text(metrics, " ");
    put_text(metrics, help);
    put_text(metrics, "\n# TYPE ");
    put_text(metrics, family);
    put_text(metrics, type);
}

void web_metrics_counter(web_metrics *metrics, const char *family, const char *help)
{
    begin(metrics, family, " counter\n", help);
}

void web_metrics_gauge(web_metrics *metrics, const char *family, const char *help)
{
    begin(metrics, family, " gauge\n", help);
}

/* One character, or one byte that is none. */
static size_t put_character(web_metrics *metrics, crdt_span text)
{
    size_t size = 1;
    if (text.data[0] == '\\' || text.data[0] == '"') {
        put_text(metrics, "\\");
    }
    if (text.data[0] == '\n') {
        put_text(metrics, "\\n");
        return 1;
    }
    while (size < 4 && size < text.size && (text.data[size] & 0xc0) == 0x80) {
        size++;
    }
    if (crdt_utf8_valid((crdt_span){text.data, size}, NULL)) {
        put(metrics, (crdt_span){text.data, size});
        return size;
    }
    put_text(metrics, "\xef\xbf\xbd");
    return 1;
}

static void put_label(web_metrics *metrics, const char *name, const char *value)
{
    put_text(metrics, name);
    put_text(metrics, "=\"");
    crdt_span left = crdt_span_of(value);
    while (left.size > 0) {
        size_t size = put_character(metrics, left);
        left = (crdt_span){left.data + size, left.size - size};
    }
    put_text(metrics, "\"");
}

void web_metrics_put(web_metrics *metrics, web_labels labels, double value)
{
    char digits[SCENE_JSON_NUMBER_SIZE];
    put_text(metrics, metrics->family);
    for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
        put_text(metrics, i == 0 ? "{" : ",");
        put_label(metrics, labels[i], labels[i + 1]);
    }
    put_text(metrics, labels != NULL && labels[0] != NULL ? "} " : " ");
    size_t size = scene_json_number_format(value, digits);
    put(metrics, (crdt_span){(const uint8_t *)digits, size});
    put_text(metrics, "\n");
}
