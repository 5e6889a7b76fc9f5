#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/materialize.h"

#include <inttypes.h>

/* The document at one moment. Sizes are what a person calls the size of a scene: our own
 * bookkeeping is left out. */
typedef struct scene_census {
    uint64_t entities;
    uint64_t components;
    uint64_t fields;
    uint64_t conflicts;
    crdt_digest digest;
    crdt_version *version; /* the status's, brought up to the same moment */
} scene_census;

static void count_fields(const crdt_document *doc, crdt_part part, scene_census *census)
{
    scene_component component;
    scene_component_open(doc, part, &component);
    scene_field_cursor cursor = {0};
    scene_field field;
    if (component.whole) {
        census->fields++;
    }
    while (scene_component_next_field(&component, &cursor, &field)) {
        census->fields++;
    }
}

static crdt_err take_census(void *ctx, const crdt_document *doc)
{
    scene_census *census = ctx;
    census->digest = crdt_document_digest(doc);
    census->conflicts = crdt_document_count(doc).conflicts;
    crdt_object entity = {0};
    while (scene_entity_next(doc, &entity)) {
        census->entities++;
        crdt_part part = {0};
        while (crdt_document_next_part(doc, entity, &part)) {
            if (crdt_document_part_live(doc, part) &&
                scene_layout_is_component(crdt_document_part_name(doc, part), NULL)) {
                census->components++;
                count_fields(doc, part, census);
            }
        }
    }
    return crdt_version_copy(census->version, crdt_document_version(doc));
}

static void report_peers(cli_report *report, const sync_node_status *status)
{
    cli_report_open(report, "peers", '[');
    for (size_t i = 0; i < status->peer_count; i++) {
        const sync_node_peer *peer = &status->peers[i];
        cli_report_open(report, NULL, '{');
        cli_report_text(report, "url", peer->url);
        cli_report_actor(report, "actor", &peer->actor);
        cli_report_bool(report, "connected", peer->connected);
        cli_report_bool(report, "heard", peer->heard);
        cli_report_bool(report, "version_equal", peer->version_equal);
        cli_report_bool(report, "digest_equal", peer->digest_equal);
        cli_report_number(report, "lag", peer->lag);
        if (peer->heard_ms_ago != UINT64_MAX) {
            cli_report_number(report, "heard_ms_ago", peer->heard_ms_ago);
        }
        if (peer->trouble[0] != '\0') {
            cli_report_text(report, "trouble", peer->trouble);
        }
        cli_report_close(report, '}');
    }
    cli_report_close(report, ']');
}

static void print_json(cli_run *run, const sync_node_status *status,
                       const scene_census *census)
{
    char digest[CRDT_DIGEST_TEXT_SIZE];
    crdt_digest_format(census->digest, digest);
    cli_report report;
    cli_report_begin(&report, run->out);
    cli_report_text(&report, "scene", status->scene);
    if (status->lineage_known) {
        cli_report_actor(&report, "lineage", &status->lineage);
    } else {
        cli_report_null(&report, "lineage");
    }
    cli_report_actor(&report, "actor", &status->actor);
    cli_report_version(&report, "version", &status->version);
    cli_report_text(&report, "digest", digest);
    cli_report_number(&report, "entities", census->entities);
    cli_report_number(&report, "components", census->components);
    cli_report_number(&report, "fields", census->fields);
    cli_report_number(&report, "conflicts", census->conflicts);
    cli_report_number(&report, "bytes", status->bytes);
    cli_report_bool(&report, "running", run->served);
    if (run->served) {
        cli_report_open(&report, "urls", '[');
        for (size_t i = 0; i < status->url_count; i++) {
            cli_report_text(&report, NULL, status->urls[i]);
        }
        cli_report_close(&report, ']');
        report_peers(&report, status);
        cli_report_number(&report, "lag", status->lag);
        cli_report_number(&report, "held_back", status->held_back);
        cli_report_number(&report, "refused", status->refused);
        cli_report_bool(&report, "poisoned", status->poisoned);
    }
    cli_report_end(&report);
}

static void print_text(cli_run *run, const sync_node_status *status,
                       const scene_census *census)
{
    char digest[CRDT_DIGEST_TEXT_SIZE];
    char actor[CRDT_ACTOR_TEXT_SIZE];
    char lineage[CRDT_ACTOR_TEXT_SIZE] = "none yet";
    crdt_digest_format(census->digest, digest);
    crdt_actor_format(&status->actor, actor);
    if (status->lineage_known) {
        crdt_actor_format(&status->lineage, lineage);
    }
    fprintf(run->out,
            "scene       %s\nlineage     %s\nactor       %s\n"
            "version     %zu actors, time %" PRIu64 "\ndigest      %s\n"
            "entities    %" PRIu64 "\ncomponents  %" PRIu64 "\nfields      %" PRIu64
            "\nconflicts   %" PRIu64 "\nbytes       %" PRIu64 "\n",
            status->scene, lineage, actor, status->version.stamp_count,
            crdt_version_time_max(&status->version), digest, census->entities,
            census->components, census->fields, census->conflicts, status->bytes);
    for (size_t i = 0; i < status->url_count; i++) {
        fprintf(run->out, "listens     %s\n", status->urls[i]);
    }
    for (size_t i = 0; i < status->peer_count; i++) {
        const sync_node_peer *peer = &status->peers[i];
        const char *state = !peer->heard                                ? "not heard"
                            : peer->version_equal && peer->digest_equal ? "equal"
                                                                        : "differs";
        fprintf(run->out, "peer        %s: %s, lag %" PRIu64 "%s%s\n", peer->url, state,
                peer->lag, peer->trouble[0] != '\0' ? "; " : "", peer->trouble);
    }
    if (status->poisoned) {
        fputs("the disk failed: nothing is written any more\n", run->out);
    }
}

int cli_cmd_status(cli_run *run)
{
    if (!cli_run_open(run, CLI_OPEN_READ, NULL)) {
        return CLI_FAILED;
    }
    sync_node_status status;
    crdt_err err = sync_node_status_get(run->node, &status);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "read the status");
    }
    scene_census census = {.version = &status.version};
    err = sync_node_read(run->node, take_census, &census);
    if (err == CRDT_OK) {
        (run->json ? print_json : print_text)(run, &status, &census);
    }
    sync_node_status_deinit(&status);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "count what is there");
    }
    return CLI_DONE;
}
