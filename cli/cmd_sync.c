#include "cli/run.h"
#include "cli/verbs.h"

#include <poll.h>
#include <string.h>

#define TIMEOUT_DEFAULT 30.0 /* seconds */
#define LOOK_MS 100

/* In a running node, which syncs by itself: wait until this peer equals it. */
static crdt_err wait_until_equal(cli_run *run, const char *url, double timeout,
                                 crdt_diag *diag)
{
    for (double waited = 0; waited <= timeout && !cli_run_stopped(run);
         waited += LOOK_MS / 1e3) {
        sync_node_status status;
        crdt_err err = sync_node_status_get(run->node, &status);
        if (err != CRDT_OK) {
            return err;
        }
        bool known = false;
        bool equal = false;
        for (size_t i = 0; i < status.peer_count; i++) {
            const sync_node_peer *peer = &status.peers[i];
            if (strcmp(peer->url, url) == 0) {
                known = true;
                equal = peer->heard && peer->version_equal && peer->digest_equal;
            }
        }
        sync_node_status_deinit(&status);
        if (equal) {
            return CRDT_OK;
        }
        if (!known) {
            return crdt_diag_set(diag, CRDT_ENOTFOUND, 0,
                                 "the node that runs on this store does not know this "
                                 "peer; start it with --peer");
        }
        poll(NULL, 0, LOOK_MS);
    }
    return CRDT_ETIMEOUT;
}

static int report_result(cli_run *run, const char *url)
{
    sync_node_status status;
    crdt_err err = sync_node_status_get(run->node, &status);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "read the status");
    }
    char digest[CRDT_DIGEST_TEXT_SIZE];
    crdt_digest_format(status.digest, digest);
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "synced");
        cli_report_text(&report, "peer", url);
        cli_report_text(&report, "scene", status.scene);
        cli_report_version(&report, "version", &status.version);
        cli_report_text(&report, "digest", digest);
        cli_report_end(&report);
    } else {
        fprintf(run->out, "in sync with %s, digest %s\n", url, digest);
    }
    sync_node_status_deinit(&status);
    return CLI_DONE;
}

int cli_cmd_sync(cli_run *run)
{
    const char *url = cli_args_get(run->args, "--peer");
    const char *text = cli_args_get(run->args, "--timeout");
    double timeout = TIMEOUT_DEFAULT;
    if (text != NULL && !cli_args_number(text, 0.001, 1e6, &timeout)) {
        return cli_run_misuse(run, "--timeout takes a number of seconds");
    }
    if (!cli_run_open(run, CLI_OPEN_CREATE, NULL)) {
        return CLI_FAILED;
    }
    crdt_diag diag = {0};
    crdt_err err = run->served ? wait_until_equal(run, url, timeout, &diag)
                               : sync_node_sync_once(run->node, url,
                                                     (uint32_t)(timeout * 1e3), &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "sync with %s", url);
    }
    return report_result(run, url);
}
