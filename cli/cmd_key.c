#include "cli/key_file.h"
#include "cli/run.h"
#include "cli/verbs.h"

/* Make a key file, or look at one. */
int cli_cmd_key(cli_run *run)
{
    const char *output = cli_args_get(run->args, "--output");
    const char *check = cli_args_get(run->args, "--check");
    if ((output == NULL) == (check == NULL)) {
        return cli_run_misuse(run, "takes one of --output FILE and --check FILE");
    }
    uint8_t key[SYNC_CRYPTO_KEY_SIZE];
    char print[CLI_KEY_PRINT_SIZE];
    crdt_diag diag = {0};
    crdt_err err = CRDT_OK;
    if (output != NULL) {
        sync_crypto_random(key, sizeof key);
        err = cli_key_file_write(output, key, &diag);
    } else {
        err = cli_key_file_read(check, key, &diag);
    }
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag,
                            output != NULL ? "make a key" : "read the key");
    }
    cli_key_file_print(key, print);
    sync_crypto_wipe(key, sizeof key);
    const char *path = output != NULL ? output : check;
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "key");
        cli_report_text(&report, "file", path);
        cli_report_text(&report, "fingerprint", print);
        cli_report_end(&report);
    } else {
        fprintf(run->out, "%s: fingerprint %s\n", path, print);
    }
    return CLI_DONE;
}
