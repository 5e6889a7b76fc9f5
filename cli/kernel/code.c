#include "cli/kernel/code.h"

#include "cli/content/content_client.h"
#include "cli/files.h"
#include "cli/kernel/process.h"
#include "cli/play/sandbox.h"
#include "scene/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SAVE_MS 12000
#define CALL_MS 20000
#define MAKE_MS 20000

static const char empty_code[] = "dcl.subscribe('sceneStart');\n";

static crdt_err write_file(const kernel_code *code, const char *name, crdt_span bytes,
                           crdt_diag *diag)
{
    char path[KERNEL_PATH_SIZE];
    cli_file file;
    kernel_place_path(code->place, name, path);
    crdt_err err = cli_files_create(&file, path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    bool good = fwrite(bytes.data, 1, bytes.size, file.stream) == bytes.size;
    err = cli_files_close(&file, good, diag);
    return err != CRDT_OK || good ? err : CRDT_EIO;
}

/* ---- of an edition worker ---- */

static crdt_err ask(const kernel_code *code, const char *method, const char *http,
                    const char *path, const char *token, uint32_t timeout_ms,
                    web_answer *answer, crdt_diag *diag)
{
    char url[KERNEL_URL_SIZE + 32];
    char bearer[160];
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", token);
    const char *headers[] = {bearer, NULL};
    if (!web_url_join(http, path, url, sizeof url)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the worker's address is too long");
    }
    web_call call = web_call_default();
    call.method = method;
    call.url = url;
    call.headers = headers;
    call.timeout_ms = timeout_ms;
    call.answer_max = PLAY_CODE_SIZE_MAX;
    call.stop = code->stop;
    return web_client_call(&call, answer, diag);
}

/* The worker's own words on why it did not save. */
static void read_refusal(const web_answer *answer, kernel_saved *saved)
{
    scene_json *json = NULL;
    snprintf(saved->text, sizeof saved->text, "HTTP %d", answer->status);
    if (scene_json_open(&json, crdt_alloc_default(), crdt_buf_span(&answer->body), NULL,
                        NULL) != CRDT_OK) {
        return;
    }
    const scene_json_node *error = scene_json_find(scene_json_root(json), "error");
    const scene_json_node *ok = scene_json_find(scene_json_root(json), "ok");
    saved->ok = answer->status == 200 && ok != NULL && ok->type == SCENE_JSON_BOOL &&
                ok->boolean;
    if (error != NULL && error->type == SCENE_JSON_STRING) {
        crdt_span text = scene_json_text(error);
        snprintf(saved->text, sizeof saved->text, "%.*s", (int)text.size,
                 (const char *)text.data);
    }
    scene_json_close(json);
}

/* What pages need to know of it beside what it builds: which files its models are. Without
 * it they show shapes. */
static void keep_info(const kernel_code *code, const char *http, const char *token)
{
    web_answer answer = {0};
    crdt_diag why = {0};
    crdt_err err = ask(code, "GET", http, "/v1/info", token, CALL_MS, &answer, &why);
    if (err == CRDT_OK && answer.status == 200) {
        (void)write_file(code, "info.json", crdt_buf_span(&answer.body), &why);
    }
    web_answer_deinit(&answer);
}

static void forget_info(const kernel_code *code)
{
    char path[KERNEL_PATH_SIZE];
    kernel_place_path(code->place, "info.json", path);
    remove(path);
}

crdt_err kernel_code_ask(const kernel_code *code, const char *http, const char *token,
                         kernel_saved *saved, crdt_diag *diag)
{
    web_answer answer = {0};
    crdt_diag why = {0};
    *saved = (kernel_saved){.asked = true};
    crdt_err err = ask(code, "POST", http, "/v1/save", token, SAVE_MS, &answer, &why);
    if (err == CRDT_OK) {
        read_refusal(&answer, saved);
    } else {
        snprintf(saved->text, sizeof saved->text, "%s", why.text);
    }
    web_answer_deinit(&answer);
    answer = (web_answer){0};
    err = ask(code, "GET", http, "/v1/code", token, CALL_MS, &answer, diag);
    if (err == CRDT_OK && answer.status != 200) {
        int shown = answer.body.size < 100 ? (int)answer.body.size : 100;
        err = crdt_diag_set(diag, CRDT_EREFUSED, 0,
                            "the edition gives no code: HTTP %d: %.*s", answer.status,
                            shown, (const char *)answer.body.data);
    }
    if (err == CRDT_OK) {
        err = write_file(code, "game.js", crdt_buf_span(&answer.body), diag);
    }
    web_answer_deinit(&answer);
    if (err == CRDT_OK) {
        keep_info(code, http, token);
    }
    return err;
}

/* ---- of a store ---- */

static crdt_err run_codegen(const kernel_code *code, const char *store, crdt_diag *diag)
{
    char path[KERNEL_PATH_SIZE];
    char log[KERNEL_PATH_SIZE];
    kernel_place_path(code->place, "game.js", path);
    kernel_place_path(code->place, "log", log);
    const char *argv[] = {"scenesync", "codegen", "--store", store, "-o", path, NULL};
    return kernel_process_run(code->program, argv, log, MAKE_MS, diag);
}

crdt_err kernel_code_make(const kernel_code *code, crdt_diag *diag)
{
    char store[KERNEL_PATH_SIZE];
    kernel_place_path(code->place, "store", store);
    return run_codegen(code, store, diag);
}

/* ---- of what is deployed ---- */

bool kernel_code_find_hash(crdt_span answer, const char *name, char *hash, size_t size)
{
    scene_json *json = NULL;
    bool found = false;
    if (scene_json_open(&json, crdt_alloc_default(), answer, NULL, NULL) != CRDT_OK) {
        return false;
    }
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *list = root->type == SCENE_JSON_ARRAY && root->count > 0
                                      ? scene_json_find(root + 1, "content")
                                      : NULL;
    bool usable = list != NULL && list->type == SCENE_JSON_ARRAY;
    const scene_json_node *entry = usable ? list + 1 : NULL;
    for (uint32_t i = 0; usable && !found && i < list->count; i++) {
        const scene_json_node *file = scene_json_find(entry, "file");
        const scene_json_node *node = scene_json_find(entry, "hash");
        bool texts = file != NULL && file->type == SCENE_JSON_STRING && node != NULL &&
                     node->type == SCENE_JSON_STRING && node->count < size;
        if (texts && file->count == strlen(name) &&
            strncasecmp((const char *)scene_json_text(file).data, name, file->count) ==
                0) {
            snprintf(hash, size, "%.*s", (int)node->count,
                     (const char *)scene_json_text(node).data);
            found = true;
        }
        entry = scene_json_next(entry);
    }
    scene_json_close(json);
    return found;
}

/* The hash of the deployed bin/game.js. */
static bool find_game(const kernel_code *code, char hash[CONTENT_TEXT_SIZE])
{
    char url[512];
    char body[64];
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    if (!web_url_join(code->content, "/content/entities/active", url, sizeof url)) {
        return false;
    }
    snprintf(body, sizeof body, "{\"pointers\":[\"%s\"]}", code->scene);
    web_call call = web_call_default();
    call.method = "POST";
    call.url = url;
    call.headers = headers;
    call.body = crdt_span_of(body);
    call.timeout_ms = CALL_MS;
    call.answer_max = CONTENT_ENTITIES_MAX;
    call.stop = code->stop;
    web_answer answer = {0};
    bool found = web_client_call(&call, &answer, NULL) == CRDT_OK &&
                 answer.status == 200 &&
                 kernel_code_find_hash(crdt_buf_span(&answer.body), "bin/game.js", hash,
                                       CONTENT_TEXT_SIZE);
    web_answer_deinit(&answer);
    return found;
}

/* Import the scene file into a store for the purpose, and make the code of that. */
static crdt_err make_of_file(const kernel_code *code, crdt_span file, crdt_diag *diag)
{
    char path[KERNEL_PATH_SIZE];
    char store[KERNEL_PATH_SIZE];
    char log[KERNEL_PATH_SIZE];
    kernel_place_path(code->place, "deployed", path);
    kernel_place_path(code->place, "deployed.store", store);
    kernel_place_path(code->place, "log", log);
    crdt_err err = write_file(code, "deployed", file, diag);
    if (err != CRDT_OK) {
        return err;
    }
    static const char *const files[] = {"deployed.store/data.mdb",
                                        "deployed.store/lock"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char old[KERNEL_PATH_SIZE];
        kernel_place_path(code->place, files[i], old);
        remove(old);
    }
    remove(store);
    const char *argv[] = {"scenesync", "import", "--store", store, path, NULL};
    err = kernel_process_run(code->program, argv, log, MAKE_MS, diag);
    return err == CRDT_OK ? run_codegen(code, store, diag) : err;
}

crdt_err kernel_code_deployed(const kernel_code *code, crdt_diag *diag)
{
    content_client client = {.alloc = crdt_alloc_default(),
                             .url = code->content,
                             .timeout_ms = CALL_MS,
                             .stop = code->stop};
    content_scene scene = {.deployed = false};
    crdt_err err = CRDT_OK;
    if (code->content != NULL) {
        err = content_client_find(&client, code->scene, &scene, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    forget_info(code); /* that was another scene */
    char hash[CONTENT_TEXT_SIZE];
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    if (scene.deployed && find_game(code, hash)) {
        err = content_client_fetch(&client, hash, PLAY_CODE_SIZE_MAX, &bytes, diag);
        if (err == CRDT_OK) {
            err = write_file(code, "game.js", crdt_buf_span(&bytes), diag);
        }
    } else if (scene.has_file) {
        err = content_client_fetch(&client, scene.file.hash, CONTENT_FILE_MAX, &bytes,
                                   diag);
        if (err == CRDT_OK) {
            err = make_of_file(code, crdt_buf_span(&bytes), diag);
        }
    } else {
        err = write_file(code, "game.js", crdt_span_of(empty_code), diag);
    }
    crdt_buf_deinit(&bytes);
    return err;
}
