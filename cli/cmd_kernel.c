#include "cli/run.h"
#include "cli/verbs.h"

int cli_cmd_kernel(cli_run *run)
{
    return cli_run_misuse(run, "not built yet");
}
