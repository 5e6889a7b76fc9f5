/* A rebase that is killed at each of its steps on disk: nothing is lost, nothing is there
 * twice, and it ends all the same.
 *
 * The store is brought over by a process of its own (this program with the argument
 * `child`), which ends at the step that it is told. */

#include "cli/worker/deployed.h"
#include "cli/worker/rebase.h"
#include "cli/worker/saved_scene.h"
#include "scene/edit.h"
#include "scene/scene.h"
#include "tests/support/temp_dir.h"

#include "crdt/template.h"
#include "crdt/value.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS 7         /* 3: the marker */
#define STEP_ARCHIVED 4 /* the store is away, the new one not in its place */

static int failures;

#define CHECK(condition, ...)                                                          \
    do {                                                                               \
        if (!(condition)) {                                                            \
            failures++;                                                                \
            printf("%s:%d: ", __FILE__, __LINE__);                                     \
            printf(__VA_ARGS__);                                                       \
            printf("\n");                                                              \
        }                                                                              \
    } while (0)

static const char SCENE[] =
    "{\"schemaVersion\":1,\"entities\":["
    "{\"id\":\"lamp\",\"components\":[{\"type\":\"Transform\",\"value\":{\"x\":1}}]},"
    "{\"id\":\"rug\",\"components\":[{\"type\":\"Transform\",\"value\":{\"x\":2}}]}]}";

/* ---- a store ---- */

static sync_node *open_store(const char *dir, bool must_exist)
{
    sync_node_options options = sync_node_options_default();
    options.store_dir = dir;
    options.scene = "0,0";
    options.must_exist = must_exist;
    sync_node *node = NULL;
    crdt_diag diag = {0};
    crdt_err err = sync_node_open(&node, &options, &diag);
    CHECK(err == CRDT_OK, "open %s: %s", dir, diag.text);
    return err == CRDT_OK ? node : NULL;
}

static worker_deployed read_file(crdt_span text)
{
    worker_deployed file = {.from = ""};
    crdt_op_list_init(&file.ops, crdt_alloc_default());
    scene_descent_init(&file.descent, crdt_alloc_default());
    crdt_diag diag = {0};
    crdt_err err =
        worker_deployed_read(&file, text, SCENE_FORMAT_STATE, "x.json", &diag);
    CHECK(err == CRDT_OK, "read: %s", diag.text);
    return file;
}

static void import(sync_node *node, crdt_span text)
{
    worker_deployed file = read_file(text);
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    CHECK(crdt_template_make(file.ops.ops, file.ops.op_count, &arena, &batch, NULL) ==
                  CRDT_OK &&
              sync_node_import(node, &batch, (crdt_span){NULL, 0}, NULL) == CRDT_OK,
          "import");
    crdt_arena_deinit(&arena);
    worker_deployed_deinit(&file);
}

typedef struct wish {
    const char *entity;
    int64_t x; /* below 0: remove it */
} wish;

static crdt_err fill(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                     crdt_diag *diag)
{
    const wish *w = ctx;
    scene_edit edit;
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_err err = scene_edit_open(&edit, doc, ops);
    if (err == CRDT_OK && w->x < 0) {
        err = scene_edit_remove(&edit, crdt_span_of(w->entity), diag);
    } else if (err == CRDT_OK) {
        err = crdt_value_write_integer(&value, w->x);
        if (err == CRDT_OK) {
            err = scene_edit_set_field(&edit, crdt_span_of(w->entity),
                                       crdt_span_of("Transform"), crdt_span_of("x"),
                                       crdt_buf_span(&value), diag);
        }
    }
    scene_edit_close(&edit);
    crdt_buf_deinit(&value);
    return err;
}

static void set(sync_node *node, const char *entity, int64_t x)
{
    wish w = {entity, x};
    sync_edit edit = {.fn = fill, .ctx = &w, .who = crdt_span_of("ana")};
    sync_edit_result result;
    CHECK(sync_node_edit(node, &edit, &result) == CRDT_OK, "edit %s: %s", entity,
          result.diag.text);
}

/* ---- what is there ---- */

typedef struct look {
    int64_t lamp;
    int64_t vase;
    bool rug;
    uint64_t ana; /* values that she wrote */
} look;

static int64_t number_at(const crdt_document *doc, const char *entity, uint64_t *ana)
{
    scene_component component;
    scene_field field;
    if (!scene_component_find(doc, crdt_span_of(entity), crdt_span_of("Transform"),
                              &component) ||
        !scene_component_field(&component, crdt_span_of("x"), &field)) {
        return -1;
    }
    *ana += crdt_span_equal(field.who, crdt_span_of("ana")) ? 1 : 0;
    crdt_value_reader reader = crdt_value_read_open(field.value);
    return crdt_value_read(&reader).integer;
}

static crdt_err read_look(void *ctx, const crdt_document *doc)
{
    look *l = ctx;
    l->lamp = number_at(doc, "lamp", &l->ana);
    l->vase = number_at(doc, "vase", &l->ana);
    l->rug = scene_entity_live(doc, crdt_span_of("rug"));
    return CRDT_OK;
}

/* Looks at the store as it is; its lineage. */
static crdt_actor inspect(const char *dir, look *l)
{
    *l = (look){.lamp = 0};
    crdt_actor lineage = {{0}};
    sync_node *node = open_store(dir, true);
    sync_node_status status;
    if (node != NULL && sync_node_status_get(node, &status) == CRDT_OK) {
        lineage = status.lineage;
        sync_node_status_deinit(&status);
        CHECK(sync_node_read(node, read_look, l) == CRDT_OK, "read");
    }
    sync_node_close(node);
    return lineage;
}

/* How many folders beside the store begin so. */
static size_t count_beside(const char *folder, const char *name)
{
    DIR *dir = opendir(folder);
    size_t count = 0;
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        count += strncmp(entry->d_name, name, strlen(name)) == 0 ? 1 : 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

/* ---- the child ---- */

static void end_at(void *ctx, int step)
{
    if (step == *(int *)ctx) {
        _exit(9);
    }
}

static crdt_err bring_over(const char *store, crdt_span text, int *step,
                           worker_rebase_report *report)
{
    worker_deployed file = read_file(text);
    worker_rebase_options options = {.alloc = crdt_alloc_default(),
                                     .store_dir = store,
                                     .scene = "0,0",
                                     .ops = file.ops.ops,
                                     .op_count = file.ops.op_count,
                                     .on_step = step != NULL ? end_at : NULL,
                                     .step_ctx = step};
    crdt_diag diag = {0};
    crdt_err err = worker_rebase_run(&options, report, &diag);
    CHECK(err == CRDT_OK, "rebase: %s %s", crdt_err_name(err), diag.text);
    worker_deployed_deinit(&file);
    return err;
}

static int child(char **argv)
{
    int step = atoi(argv[4]);
    size_t size;
    uint8_t *text = temp_read_file(argv[3], &size);
    worker_rebase_report report;
    bring_over(argv[2], (crdt_span){text, size}, &step, &report);
    return 0; /* not ended at the step: a failure */
}

static bool run_child(const char *program, const char *store, const char *file,
                      int step)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", step);
        execl(program, program, "child", store, file, number, (char *)NULL);
        _exit(1);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 9;
}

/* ---- the test ---- */

/* A store with edits that were not saved; what was saved goes to `file`. */
static void prepare(const char *store, const char *file)
{
    sync_node *node = open_store(store, false);
    import(node, crdt_span_of(SCENE));
    set(node, "lamp", 10);
    worker_saved_scene saved;
    worker_saved_scene_init(&saved, crdt_alloc_default());
    CHECK(worker_saved_scene_make(&saved, node, SCENE_FORMAT_STATE, NULL, NULL) ==
                  CRDT_OK &&
              worker_saved_scene_put(file, crdt_buf_span(&saved.text), NULL) == CRDT_OK,
          "save");
    worker_saved_scene_deinit(&saved);
    set(node, "lamp", 11);
    set(node, "vase", 12);
    set(node, "rug", -1);
    sync_node_close(node);
}

static void check_shown(const look *l, const char *when, int step)
{
    CHECK(l->lamp == 11 && l->vase == 12 && !l->rug && l->ana == 2,
          "%s, killed at %d: lamp %lld, vase %lld, rug %d, by ana %llu", when, step,
          (long long)l->lamp, (long long)l->vase, l->rug, (unsigned long long)l->ana);
}

/* A folder that happens to be called so is left alone. */
static void foreign_folder(void)
{
    temp_dir temp;
    temp_dir_open(&temp);
    setenv("SCENESYNC_STATE_DIR", temp_dir_path(&temp, "state"), 1);
    char store[512];
    char other[600];
    char file[512];
    snprintf(store, sizeof store, "%s/store", temp.path);
    snprintf(file, sizeof file, "%s/saved.json", temp.path);
    snprintf(other, sizeof other, "%s.rebasing", store);
    prepare(store, file);
    sync_node_close(open_store(other, false));
    crdt_diag diag = {0};
    CHECK(worker_rebase_finish(store, NULL, &diag) == CRDT_OK, "finish: %s", diag.text);
    size_t size;
    uint8_t *text = temp_read_file(file, &size);
    worker_deployed deployed = read_file((crdt_span){text, size});
    worker_rebase_options options = {.alloc = crdt_alloc_default(),
                                     .store_dir = store,
                                     .scene = "0,0",
                                     .ops = deployed.ops.ops,
                                     .op_count = deployed.ops.op_count};
    worker_rebase_report report;
    CHECK(worker_rebase_run(&options, &report, &diag) == CRDT_EEXIST, "not refused");
    worker_rebase_report_deinit(&report);
    look l;
    inspect(other, &l);
    inspect(store, &l);
    check_shown(&l, "refused", 0);
    worker_deployed_deinit(&deployed);
    free(text);
    temp_dir_close(&temp);
}

/* `made`: who comes next makes the store's folder before it looks, as a worker does that is
 * confined to it: an empty folder is no store, and nothing to keep. */
static void killed_at(const char *program, int step, bool made)
{
    temp_dir temp;
    temp_dir_open(&temp);
    const char *folder = temp.path;
    setenv("SCENESYNC_STATE_DIR", temp_dir_path(&temp, "state"), 1);
    char store[512];
    char file[512];
    char archive[600];
    snprintf(store, sizeof store, "%s/store", folder);
    snprintf(file, sizeof file, "%s/saved.json", folder);
    snprintf(archive, sizeof archive, "%s.archive-1", store);
    prepare(store, file);
    look l;
    crdt_actor before = inspect(store, &l);
    check_shown(&l, "before", step);
    CHECK(run_child(program, store, file, step), "it did not end at step %d", step);
    CHECK(!made || mkdir(store, 0700) == 0, "step %d: there is a store", step);
    bool finished = false;
    crdt_diag diag = {0};
    CHECK(worker_rebase_finish(store, &finished, &diag) == CRDT_OK, "finish: %s",
          diag.text);
    CHECK(finished == (step >= 3 && step < STEPS), "step %d: finished %d", step,
          finished);
    crdt_actor after = inspect(store, &l);
    check_shown(&l, "afterwards", step);
    CHECK(crdt_actor_equal(&before, &after) == (step < 3), "step %d: the lineage",
          step);
    if (step < 3) {
        size_t size;
        uint8_t *text = temp_read_file(file, &size);
        worker_rebase_report report;
        if (bring_over(store, (crdt_span){text, size}, NULL, &report) == CRDT_OK) {
            CHECK(report.done && report.op_count == 5 && report.clash_count == 0,
                  "report: %zu operations, %zu clashes", report.op_count,
                  report.clash_count);
        }
        worker_rebase_report_deinit(&report);
        free(text);
        inspect(store, &l);
        check_shown(&l, "in the end", step);
    }
    CHECK(count_beside(folder, "store") == 3,
          "step %d: %zu names: store, archive, report", step,
          count_beside(folder, "store"));
    crdt_actor archived = inspect(archive, &l);
    check_shown(&l, "archive", step);
    CHECK(crdt_actor_equal(&archived, &before), "step %d: the archive's lineage", step);
    temp_dir_close(&temp);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "child") == 0) {
        return child(argv);
    }
    for (int step = 1; step <= STEPS; step++) {
        int before = failures;
        killed_at(argv[0], step, false);
        printf("[%s] rebase_kill::at_step_%d\n", failures == before ? "PASS" : "FAIL",
               step);
    }
    int before = failures;
    killed_at(argv[0], STEP_ARCHIVED, true);
    printf("[%s] rebase_kill::an_empty_folder_is_no_store\n",
           failures == before ? "PASS" : "FAIL");
    before = failures;
    foreign_folder();
    printf("[%s] rebase_kill::foreign_folder\n", failures == before ? "PASS" : "FAIL");
    return failures == 0 ? 0 : 1;
}
