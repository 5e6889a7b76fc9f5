#include "cli/access.h"
#include "cli/access_file.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <string.h>
#include <time.h>

#define DAY_MS UINT64_C(86400000)
#define DAYS_MAX 36500

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A date, or days from now. */
static bool parse_expiry(const char *text, uint64_t *ms)
{
    double days;
    if (cli_args_number(text, 1, DAYS_MAX, &days)) {
        *ms = now_ms() + (uint64_t)(days * (double)DAY_MS);
        return true;
    }
    return access_time_parse(text, ms) && *ms != 0;
}

static int add(cli_run *run, const char *file)
{
    const char *role_text = cli_args_get(run->args, "--role");
    const char *expires = cli_args_get(run->args, "--expires");
    access_role role;
    uint64_t expires_ms = 0;
    if (run->args->argument_count != 2 || role_text == NULL ||
        !access_role_parse(role_text, &role)) {
        return cli_run_misuse(run, "it is `access add NAME --role ROLE`");
    }
    if (expires != NULL && !parse_expiry(expires, &expires_ms)) {
        return cli_run_misuse(run,
                              "--expires takes a date (2027-01-31, "
                              "2027-01-31T12:00:00Z) or 1 to %d days",
                              DAYS_MAX);
    }
    if (expires != NULL && expires_ms <= now_ms()) {
        return cli_run_misuse(run, "--expires is over already");
    }
    const char *name = run->args->arguments[1];
    char token[ACCESS_TOKEN_SIZE];
    crdt_diag diag = {0};
    crdt_err err = cli_access_add(file, name, role, expires_ms, token, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "add %s to %s", name, file);
    }
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "access");
        cli_report_text(&report, "name", name);
        cli_report_text(&report, "role", role_text);
        cli_report_text(&report, "token", token);
        cli_report_end(&report);
    } else {
        fprintf(run->err, "The token of %s, shown this once:\n", name);
        fprintf(run->out, "%s\n", token);
    }
    return CLI_DONE;
}

typedef struct people_listing {
    FILE *out;
    bool json;
    uint64_t now_ms;
} people_listing;

static void list_person(void *ctx, const access_person *person, uint64_t expires_ms)
{
    const people_listing *listing = ctx;
    char time[CLI_TIME_TEXT_SIZE];
    cli_report_time(expires_ms, time);
    bool expired = expires_ms != 0 && expires_ms <= listing->now_ms;
    if (listing->json) {
        cli_report report;
        cli_report_begin(&report, listing->out);
        cli_report_text(&report, "event", "person");
        cli_report_text(&report, "id", person->id);
        cli_report_text(&report, "name", person->name);
        cli_report_text(&report, "role", access_role_name(person->role));
        if (expires_ms != 0) {
            cli_report_text(&report, "expires", time);
        }
        cli_report_bool(&report, "expired", expired);
        cli_report_end(&report);
        return;
    }
    fprintf(listing->out, "%s  %-7s  %-20s  %s%s\n", person->id,
            access_role_name(person->role), expires_ms != 0 ? time : "for good",
            person->name, expired ? "  (expired)" : "");
}

static int list(cli_run *run, const char *file)
{
    people_listing listing = {.out = run->out, .json = run->json, .now_ms = now_ms()};
    crdt_diag diag = {0};
    crdt_err err = cli_access_list(file, list_person, &listing, &diag);
    return err == CRDT_OK ? CLI_DONE : cli_run_fail(run, err, &diag, "read %s", file);
}

static int set_role(cli_run *run, const char *file, const char *who, access_role role)
{
    crdt_diag diag = {0};
    crdt_err err = cli_access_set_role(file, who, role, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "change %s in %s", who, file);
    }
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "access");
        cli_report_text(&report, "who", who);
        cli_report_text(&report, "role", access_role_name(role));
        cli_report_end(&report);
    }
    return CLI_DONE;
}

int cli_cmd_access(cli_run *run)
{
    const cli_args *args = run->args;
    const char *file = cli_args_get(args, "--file");
    const char *what = args->arguments[0];
    if (strcmp(what, "add") == 0) {
        return add(run, file);
    }
    if (cli_args_has(args, "--role") || cli_args_has(args, "--expires")) {
        return cli_run_misuse(run, "--role and --expires go with `access add`");
    }
    if (strcmp(what, "list") == 0 && args->argument_count == 1) {
        return list(run, file);
    }
    access_role role = ACCESS_NONE;
    if (strcmp(what, "role") == 0 && args->argument_count == 3 &&
        access_role_parse(args->arguments[2], &role) && role != ACCESS_NONE) {
        return set_role(run, file, args->arguments[1], role);
    }
    if (strcmp(what, "remove") == 0 && args->argument_count == 2) {
        return set_role(run, file, args->arguments[1], ACCESS_NONE);
    }
    return cli_run_misuse(run, "it is `access add NAME --role ROLE`, `access list`, "
                               "`access role NAME view|edit|publish|admin` or `access "
                               "remove NAME`");
}
