/* publish and unpublish: prepare, or with --confirm do it (cli/content/publish.h). */

#include "cli/content/parcels.h"
#include "cli/content/publish.h"
#include "cli/files.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHAIN_SIZE_MAX (64u << 10)
#define PICTURE_SIZE_MAX (8u << 20)
#define HEADERS_MAX 32

typedef struct publish_call {
    cli_run *run;
    content_publish_options options;
    const char *headers[HEADERS_MAX + 1];
    char folder[4096];
    crdt_buf result;
    crdt_diag diag;
} publish_call;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Servers, headers, and where it is kept between the two steps. False: it was said. */
static bool open_call(publish_call *call, cli_run *run)
{
    const cli_args *args = run->args;
    const char *store = cli_args_get(args, "--store");
    const char *folder = cli_args_get(args, "--folder");
    *call = (publish_call){.run = run, .options = content_publish_options_default()};
    crdt_buf_init(&call->result, call->options.alloc);
    size_t index = 0;
    size_t count = 0;
    const char *header;
    while ((header = cli_args_next(args, "--header", &index)) != NULL) {
        if (count == HEADERS_MAX || strchr(header, ':') == NULL ||
            strpbrk(header, "\r\n") != NULL) {
            cli_run_misuse(run, "--header takes `NAME: VALUE`, up to %d times",
                           HEADERS_MAX);
            return false;
        }
        call->headers[count++] = header;
    }
    snprintf(call->folder, sizeof call->folder, "%s%s",
             folder != NULL  ? folder
             : store != NULL ? store
                             : ".",
             folder != NULL ? "" : "/publish");
    call->options.content_url = cli_args_get(args, "--content");
    call->options.builder_url = cli_args_get(args, "--builder");
    call->options.headers = count > 0 ? call->headers : NULL;
    call->options.folder = call->folder;
    call->options.now_ms = now_ms();
    return true;
}

/* ---- the scene of the store, from whoever holds it ---- */

typedef struct verb_text {
    char *text; /* what it printed */
    size_t size;
} verb_text;

/* Do another verb on the store: by the node that runs on it, or by one of our own. */
static bool run_verb(publish_call *call, size_t argc, const char *const *argv,
                     verb_text *printed)
{
    cli_run *run = call->run;
    const char *store = cli_args_get(run->args, "--store");
    FILE *out = open_memstream(&printed->text, &printed->size);
    if (out == NULL) {
        cli_run_fail(run, CRDT_ENOMEM, NULL, "read the scene");
        return false;
    }
    int code = CLI_FAILED;
    crdt_diag diag = {0};
    crdt_err err = cli_control_call(store, argc, argv, (crdt_span){0}, out, run->err,
                                    &code, &diag);
    if (err == CRDT_ENOTFOUND) {
        cli_args args;
        char error[CLI_ERROR_SIZE];
        cli_run inner = *run;
        inner.key = NULL; /* each its own secrets */
        inner.master = NULL;
        const cli_verb *verb = cli_verb_find(argv[0]);
        bool parsed = cli_args_parse(&args, verb, argc - 1, argv + 1, error);
        inner.args = &args;
        inner.out = out;
        inner.json = parsed && cli_args_has(&args, "--json");
        code = parsed ? verb->run(&inner) : CLI_FAILED;
        (void)cli_run_close(&inner);
        run->busy = inner.busy;
        err = CRDT_OK;
    }
    if (fclose(out) != 0 && err == CRDT_OK) {
        err = CRDT_ENOMEM;
    }
    if (err != CRDT_OK) {
        cli_run_fail(run, err, &diag, "use the store %s", store);
    }
    return err == CRDT_OK && code == CLI_DONE;
}

/* The state file, as it is saved. */
static bool read_scene(publish_call *call, verb_text *scene)
{
    const char *store = cli_args_get(call->run->args, "--store");
    const char *argv[] = {"export", "--store", store, "--format", "state", "--saved"};
    return run_verb(call, sizeof argv / sizeof argv[0], argv, scene);
}

/* The name of the store's scene, if that is a place. */
static bool stored_pointer(publish_call *call, char pointer[SYNC_NODE_NAME_SIZE])
{
    const char *store = cli_args_get(call->run->args, "--store");
    const char *argv[] = {"status", "--store", store, "--json"};
    verb_text status = {0};
    scene_json *json;
    content_parcel parcel;
    bool found = false;
    if (run_verb(call, sizeof argv / sizeof argv[0], argv, &status) &&
        scene_json_open(&json, call->options.alloc,
                        (crdt_span){(const uint8_t *)status.text, status.size}, NULL,
                        NULL) == CRDT_OK) {
        const scene_json_node *name = scene_json_find(scene_json_root(json), "scene");
        found = name != NULL && name->type == SCENE_JSON_STRING &&
                content_parcel_parse(scene_json_text(name), &parcel);
        if (found) {
            content_parcel_format(parcel, pointer);
        }
        scene_json_close(json);
    }
    free(status.text);
    return found;
}

/* The place: given, or the name of the store's scene. False: it was said. */
static bool scene_pointer(publish_call *call, char pointer[SYNC_NODE_NAME_SIZE])
{
    const cli_args *args = call->run->args;
    const char *given = cli_args_get(args, "--scene");
    if (given != NULL) {
        snprintf(pointer, SYNC_NODE_NAME_SIZE, "%s", given);
        return true;
    }
    if (strcmp(args->verb->name, "publish") == 0 && stored_pointer(call, pointer)) {
        return true;
    }
    if (!call->run->busy) {
        cli_run_misuse(call->run, "--scene X,Y says where");
    }
    return false;
}

/* ---- telling ---- */

static void print_list(FILE *out, const scene_json_node *list, const char *title,
                       const char *first, const char *second)
{
    if (list == NULL || list->type != SCENE_JSON_ARRAY || list->count == 0) {
        return;
    }
    fprintf(out, "%s\n", title);
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++) {
        const scene_json_node *a = first != NULL ? scene_json_find(node, first) : node;
        const scene_json_node *b =
            second != NULL ? scene_json_find(node, second) : NULL;
        if (a != NULL && a->type == SCENE_JSON_STRING) {
            fprintf(out, "  %.*s", (int)a->count, (const char *)a->as.text);
        }
        if (b != NULL && b->type == SCENE_JSON_STRING) {
            fprintf(out, ": %.*s", (int)b->count, (const char *)b->as.text);
        }
        if (b != NULL && b->type == SCENE_JSON_NUMBER) {
            fprintf(out, "  %.0f bytes", b->as.number);
        }
        fputc('\n', out);
        node = scene_json_next(node);
    }
}

static void print_text(FILE *out, const scene_json_node *object, const char *key,
                       const char *title)
{
    const scene_json_node *node = scene_json_find(object, key);
    if (node != NULL && node->type == SCENE_JSON_STRING) {
        fprintf(out, "%s %.*s\n", title, (int)node->count, (const char *)node->as.text);
    }
}

static void print_prepared(FILE *out, const scene_json_node *prepared)
{
    const scene_json_node *expires = scene_json_find(prepared, "expires");
    char time[CLI_TIME_TEXT_SIZE] = "-";
    if (expires != NULL && expires->type == SCENE_JSON_NUMBER) {
        cli_report_time((uint64_t)expires->as.number, time);
    }
    print_list(out, scene_json_find(prepared, "pointers"), "parcels", NULL, NULL);
    print_list(out, scene_json_find(prepared, "files"), "files", "file", "size");
    print_list(out, scene_json_find(prepared, "missing"), "MISSING", "file", "why");
    print_list(out, scene_json_find(prepared, "warnings"), "warnings", NULL, NULL);
    print_text(out, prepared, "replaces", "replaces ");
    print_text(out, prepared, "sign", "to sign  ");
    print_text(out, prepared, "id", "id       ");
    fprintf(out, "until     %s\n", time);
    fputs(
        "Nothing is deployed yet: sign that text, and run this again with --confirm ID "
        "--auth-chain FILE.\n",
        out);
}

static void print_published(FILE *out, const scene_json_node *published)
{
    const scene_json_node *already = scene_json_find(published, "already");
    bool again = already != NULL && already->boolean;
    print_text(out, published, "entityId", again ? "deployed already:" : "deployed:");
    print_list(out, scene_json_find(published, "warnings"), "warnings", NULL, NULL);
}

/* Say what came of it. */
static int say(publish_call *call, crdt_err err, const char *what)
{
    cli_run *run = call->run;
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &call->diag, "%s", what);
    }
    scene_json *json;
    if (run->json) {
        fwrite(call->result.data, 1, call->result.size, run->out);
        fputc('\n', run->out);
        return CLI_DONE;
    }
    err = scene_json_open(&json, call->options.alloc, crdt_buf_span(&call->result),
                          NULL, NULL);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "%s", what);
    }
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *prepared = scene_json_find(root, "prepared");
    if (prepared != NULL) {
        print_prepared(run->out, prepared);
    } else {
        print_published(run->out, scene_json_find(root, "published"));
    }
    scene_json_close(json);
    return CLI_DONE;
}

/* ---- the steps ---- */

/* Read a file that an option names, if it was given. False: it was said. */
static bool read_option(publish_call *call, const char *option, size_t size_max,
                        crdt_buf *out)
{
    const char *path = cli_args_get(call->run->args, option);
    crdt_buf_init(out, call->options.alloc);
    crdt_err err =
        path != NULL ? cli_files_read(path, size_max, out, &call->diag) : CRDT_OK;
    if (err != CRDT_OK) {
        cli_run_fail(call->run, err, &call->diag, "read %s", path);
    }
    return err == CRDT_OK;
}

static int confirm(publish_call *call, bool unpublish)
{
    cli_run *run = call->run;
    crdt_buf chain;
    verb_text scene = {0};
    bool as_is = unpublish || cli_args_has(run->args, "--as-prepared");
    int code = CLI_FAILED;
    if (read_option(call, "--auth-chain", CHAIN_SIZE_MAX, &chain) &&
        (as_is || read_scene(call, &scene))) {
        content_publish_confirmation given = {
            .id = cli_args_get(run->args, "--confirm"),
            .auth_chain = crdt_buf_span(&chain),
            .state = {(const uint8_t *)scene.text, as_is ? 0 : scene.size},
            .unpublish = unpublish,
        };
        code = say(
            call,
            content_publish_confirm(&call->options, &given, &call->result, &call->diag),
            unpublish ? "unpublish the scene" : "publish the scene");
    }
    free(scene.text);
    crdt_buf_deinit(&chain);
    return code;
}

static int prepare(publish_call *call)
{
    const cli_args *args = call->run->args;
    char pointer[SYNC_NODE_NAME_SIZE];
    crdt_buf picture;
    verb_text scene = {0};
    int code = CLI_FAILED;
    if (!scene_pointer(call, pointer)) {
        return CLI_USAGE;
    }
    if (read_option(call, "--thumbnail", PICTURE_SIZE_MAX, &picture) &&
        read_scene(call, &scene)) {
        content_publish_scene wanted = {
            .pointer = pointer,
            .parcels = cli_args_get(args, "--parcels"),
            .state = {(const uint8_t *)scene.text, scene.size},
            .title = cli_args_get(args, "--title"),
            .description = cli_args_get(args, "--description"),
            .thumbnail = crdt_buf_span(&picture),
            .project = cli_args_get(args, "--project"),
        };
        code = say(call,
                   content_publish_prepare(&call->options, &wanted, &call->result,
                                           &call->diag),
                   "prepare the scene");
    }
    free(scene.text);
    crdt_buf_deinit(&picture);
    return code;
}

static int run_call(cli_run *run, bool unpublish)
{
    const cli_args *args = run->args;
    bool confirms = cli_args_has(args, "--confirm");
    publish_call call;
    if (!confirms && cli_args_has(args, "--auth-chain")) {
        return cli_run_misuse(run, "--auth-chain belongs to --confirm");
    }
    if (!open_call(&call, run)) {
        return CLI_USAGE;
    }
    int code;
    if (confirms) {
        code = confirm(&call, unpublish);
    } else if (unpublish) {
        char pointer[SYNC_NODE_NAME_SIZE];
        code = scene_pointer(&call, pointer)
                   ? say(&call,
                         content_unpublish_prepare(&call.options, pointer, &call.result,
                                                   &call.diag),
                         "prepare to unpublish")
                   : CLI_USAGE;
    } else {
        code = prepare(&call);
    }
    crdt_buf_deinit(&call.result);
    return code;
}

int cli_cmd_publish(cli_run *run)
{
    return run_call(run, false);
}

int cli_cmd_unpublish(cli_run *run)
{
    return run_call(run, true);
}
