#ifndef CLI_WEB_METRICS_H
#define CLI_WEB_METRICS_H

/* Figures as text that Prometheus reads: the exposition format, version 0.0.4.
 *
 *      # HELP scenesync_edits_total Batches made here since the node was opened.
 *      # TYPE scenesync_edits_total counter
 *      scenesync_edits_total 812
 *
 * A family is begun, then its samples follow. The first failure sticks: check `err` once at
 * the end. Source: prometheus.io/docs/instrumenting/exposition_formats */

#include "crdt/buf.h"

#define WEB_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct web_metrics {
    crdt_buf *out;
    const char *family; /* the one at hand */
    crdt_err err;
} web_metrics;

/* NULL-terminated list of names and values in turn: {"kind", "stale", NULL}. */
typedef const char *const *web_labels;

web_metrics web_metrics_open(crdt_buf *out);
void web_metrics_counter(web_metrics *metrics, const char *family, const char *help);
void web_metrics_gauge(web_metrics *metrics, const char *family, const char *help);
/* A sample of the family at hand. `labels` may be NULL; values may hold any bytes: what is
 * no UTF-8 in them becomes U+FFFD. */
void web_metrics_put(web_metrics *metrics, web_labels labels, double value);

#endif /* CLI_WEB_METRICS_H */
