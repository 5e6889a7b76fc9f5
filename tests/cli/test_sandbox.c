/* Scripts of all kinds, each in a process of its own: what they say, and how the hostile
 * ones end. */

#include "cli/play/sandbox.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char said[4096]; /* the calls, as text */

static crdt_err take(void *ctx, const play_call *call, crdt_diag *diag)
{
    (void)ctx;
    (void)diag;
    size_t used = strlen(said);
    used += (size_t)snprintf(said + used, sizeof said - used, "%u %s", call->line,
                             play_call_name(call->kind));
    for (size_t i = 0; i < call->argument_count && used < sizeof said; i++) {
        if (call->arguments[i].size == 0) {
            continue; /* nothing is carried */
        }
        used += (size_t)snprintf(said + used, sizeof said - used, " %.*s",
                                 (int)call->arguments[i].size,
                                 (const char *)call->arguments[i].data);
    }
    if (used < sizeof said) {
        snprintf(said + used, sizeof said - used, "; ");
    }
    return CRDT_OK;
}

static crdt_err refuse_tenth(void *ctx, const play_call *call, crdt_diag *diag)
{
    (void)call;
    int *count = ctx;
    return ++*count == 10 ? crdt_diag_set(diag, CRDT_ELIMIT, 0, "ten are enough")
                          : CRDT_OK;
}

static play_limits limits(void)
{
    play_limits some = play_limits_default();
    some.cpu_seconds = 60; /* under a sanitizer all takes long */
    some.wall_ms = 120000;
    return some;
}

static play_failure run_with(const char *code, const play_limits *limits,
                             play_take_fn fn, void *ctx)
{
    play_sandbox *sandbox = NULL;
    play_failure failure;
    said[0] = '\0';
    cr_assert_eq(play_sandbox_start(&sandbox, crdt_span_of(code), limits, NULL),
                 CRDT_OK);
    play_sandbox_read(sandbox, fn, ctx, NULL, &failure);
    play_sandbox_close(sandbox);
    return failure;
}

static play_failure run(const char *code)
{
    play_limits some = limits();
    return run_with(code, &some, take, NULL);
}

/* It ends because its CPU time is over. */
static void never_ends(const char *code)
{
    play_limits some = limits();
    some.cpu_seconds = 1;
    play_failure failure = run_with(code, &some, take, NULL);
    cr_expect(strstr(failure.text, "took too long") != NULL, "%s: %s", failure.text,
              code);
}

/* It ends with an error of this text. */
static void fails(const char *code, uint32_t line, const char *text)
{
    play_failure failure = run(code);
    cr_expect(failure.failed, "%s", code);
    cr_expect_eq(failure.line, line, "line %u, not %u: %s", failure.line, line, code);
    cr_expect(strstr(failure.text, text) != NULL, "`%s` lacks `%s`: %s", failure.text,
              text, code);
}

Test(sandbox, calls_come_as_they_are_made)
{
    play_failure failure = run("dcl.subscribe('sceneStart');\n"
                               "dcl.addEntity('1'); dcl.setParent('1', 0);\n"
                               "\n"
                               "dcl.updateEntityComponent('1', 'engine.transform', 1, "
                               "JSON.stringify({a: 'ü'}));\n"
                               "dcl.log('a', 1, null);");
    cr_assert_not(failure.failed, "%s", failure.text);
    cr_assert_str_eq(said,
                     "1 subscribe sceneStart; 2 addEntity 1; 2 setParent 1 0; "
                     "4 updateEntityComponent 1 engine.transform 1 {\"a\":\"ü\"}; "
                     "5 log a 1 null; ");
}

Test(sandbox, what_is_carried_comes_as_json)
{
    play_failure failure = run("dcl.addEntity('1', {b: [1], a: 'x'});\n"
                               "dcl.addEntity('2', 7); dcl.addEntity('3', '{}');\n"
                               "dcl.addEntity('4', function () {});\n"
                               "dcl.scenesync && dcl.scenesync('1', {});");
    cr_assert_not(failure.failed, "%s", failure.text);
    cr_assert_str_eq(said, "1 addEntity 1 {\"b\":[1],\"a\":\"x\"}; 2 addEntity 2; "
                           "2 addEntity 3 {}; 3 addEntity 4; 4 scenesync 1 {}; ");
    fails("var c = {}; c.c = c; dcl.addEntity('1', c);", 1, "TypeError");
}

/* A text that calls while it is made: each call has its own arguments. */
Test(sandbox, calls_within_a_call)
{
    play_failure failure = run(
        "dcl.setParent('a', {toString: function () { dcl.log('b'); return 'c'; }});");
    cr_assert_not(failure.failed, "%s", failure.text);
    cr_assert_str_eq(said, "1 log b; 1 setParent a c; ");
}

Test(sandbox, letters_beyond_the_basic_plane)
{
    play_failure failure = run("dcl.log('\\ud83d\\ude00 😀 \\ud83d \\ude00');");
    cr_assert_not(failure.failed, "%s", failure.text);
    cr_assert_str_eq(said, "1 log 😀 😀 \xef\xbf\xbd \xef\xbf\xbd; ");
}

Test(sandbox, started_once_never_updated)
{
    play_failure failure = run("dcl.onUpdate(function () { dcl.log('no'); });\n"
                               "dcl.onStart(function () { dcl.log('two'); });\n"
                               "dcl.log('one');");
    cr_assert_not(failure.failed, "%s", failure.text);
    cr_assert_str_eq(said, "3 log one; 2 log two; ");
    fails("dcl.onStart(7)", 1, "function required");
}

/* More constants than one function may have: generated code is run in pieces. */
Test(sandbox, generated_code_of_any_length)
{
    size_t size = (size_t)4 << 20;
    size_t used = 0;
    char *code = malloc(size);
    for (int i = 0; i < 40000; i++) {
        used += (size_t)snprintf(code + used, size - used,
                                 "dcl.setParent('%d', '%d.5');\n", i, i);
    }
    used += (size_t)snprintf(code + used, size - used, "dcl.nothing();\n");
    int count = -100000;
    play_limits some = limits();
    play_failure failure = run_with(code, &some, refuse_tenth, &count);
    free(code);
    cr_assert_eq(count, -60000);
    cr_assert(failure.failed);
    cr_assert_eq(failure.line, 40001);
}

Test(sandbox, errors_of_a_script)
{
    fails("dcl.addEntity('1');\n\nvar a = ;", 3, "SyntaxError");
    fails("dcl.addEntity('1');\nnull.x;", 2, "TypeError");
    fails("function f() {\n  throw new Error('so what');\n}\nf();", 2,
          "Error: so what");
    fails("throw 'a text';", 0, "a text");
    fails("throw {toString: function () { throw 1; }};", 0, "");
    fails("throw {toString: function () { return ''; }};", 0, "without a text");
    fails("dcl.addEntity();", 1, "takes 1 argument");
    fails("dcl.addEntity(Symbol('a'));", 1, "TypeError");
    fails("dcl.query('x');", 1, "not callable");
    fails("\xff\xfe", 0, "SyntaxError");
    cr_assert_not(run("").failed);
}

Test(sandbox, what_was_said_before_an_error_counts)
{
    cr_assert(run("dcl.addEntity('1'); throw 1;").failed);
    cr_assert_str_eq(said, "1 addEntity 1; ");
}

Test(sandbox, there_is_nothing_of_the_host, .timeout = 60)
{
    const char *names[] = {"require", "Duktape", "process", "print", "alert",
                           "console", "load",    "read",    "os",    "std"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char code[128];
        snprintf(code, sizeof code, "if (typeof %s !== 'undefined') { throw 1; }",
                 names[i]);
        cr_expect_not(run(code).failed, "%s", names[i]);
    }
}

/* A line of /proc/PID/status, or "". */
static void status_line(pid_t pid, const char *key, char *line, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    while (file != NULL && fgets(line, (int)size, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            break;
        }
        line[0] = '\0';
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* Our only child. */
static pid_t find_child(void)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    pid_t found = 0;
    while ((entry = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        char line[128] = "";
        if (pid > 0) {
            status_line(pid, "PPid:", line, sizeof line);
        }
        found = line[0] != '\0' && strtol(line + 5, NULL, 10) == getpid() ? pid : found;
    }
    closedir(folder);
    return found;
}

static size_t count_files(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    size_t count = 0;
    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

/* The process has four descriptors (/dev/null three times, and the pipe), and may not ask
 * the system for more. */
Test(sandbox, its_process_has_nothing, .timeout = 120)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip("under a sanitizer there is no filter");
#endif
    FILE *secret = tmpfile();
    play_limits some = limits();
    play_sandbox *sandbox = NULL;
    crdt_span code = crdt_span_of("dcl.log(1); for (;;);");
    cr_assert_eq(play_sandbox_start(&sandbox, code, &some, NULL), CRDT_OK);
    pid_t child = find_child();
    cr_assert(child > 0);
    char line[128] = "";
    struct timespec wait = {.tv_nsec = 5000000};
    for (int i = 0; i < 10000 && strstr(line, "\t2") == NULL; i++) {
        nanosleep(&wait, NULL); /* until it has come so far */
        status_line(child, "Seccomp:", line, sizeof line);
    }
    cr_assert(strstr(line, "\t2") != NULL, "%s", line);
    status_line(child, "NoNewPrivs:", line, sizeof line);
    cr_assert(strstr(line, "\t1") != NULL, "%s", line);
    cr_assert_eq(count_files(child), 2 + 4, "%zu", count_files(child));
    play_sandbox_close(sandbox);
    fclose(secret);
}

/* Where the system takes no filter, no script is run: as if this were such a system. */
Test(sandbox, without_a_filter_nothing_runs)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip("under a sanitizer there is no filter");
#endif
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof steps / sizeof steps[0], steps};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    play_failure failure = run("dcl.addEntity('1');");
    cr_assert(failure.failed);
    cr_assert(strstr(failure.text, "confined") != NULL, "%s", failure.text);
    cr_assert_str_eq(said, "");
}

Test(sandbox, dcl_cannot_be_tampered_with)
{
    play_failure failure = run(
        "dcl.addEntity = function () {}; dcl = 1; delete dcl.addEntity;\n"
        "Object.prototype.toString = null; Array.prototype.join = null;\n"
        "dcl.addEntity.call = 7; try { dcl.addEntity.__proto__ = null; } catch (e) {}\n"
        "try { Object.defineProperty(this, 'dcl', {value: 1}); } catch (e) {}\n"
        "Object.defineProperty(Object.prototype, 'lineNumber', {get: function () "
        "{ throw 1; }});\n"
        "dcl.addEntity('1');");
    cr_assert_not(failure.failed, "%s", failure.text);
    cr_assert_str_eq(said, "6 addEntity 1; ");
}

Test(sandbox, loops_without_end, .timeout = 120)
{
    never_ends("while (true) {}");
    never_ends("for (;;) { try { throw 1; } catch (e) {} finally { continue; } }");
    never_ends(
        "throw {get message() { for (;;); }, toString: function () { for (;;); }};");
    never_ends("/^(a+)+$/.exec('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab');");
    fails("var a = []; a.length = 4294967295; a.sort();", 1, "");
}

Test(sandbox, a_script_that_only_waits_is_ended_too, .timeout = 60)
{
    play_limits some = limits();
    some.cpu_seconds = 60;
    some.wall_ms = 300;
    play_failure failure = run_with("for (;;);", &some, take, NULL);
    cr_assert(strstr(failure.text, "took too long") != NULL, "%s", failure.text);
}

Test(sandbox, memory_without_end, .timeout = 120)
{
    fails("var a = [], s = new Array(99999).join('x'); for (;;) { a.push(s + "
          "a.length); }",
          1, "too much memory");
    fails("var s = 'x'; for (;;) { s += s; }", 1, "");
    fails("new ArrayBuffer(2147483647);", 1, "");
    fails("var a = []; for (;;) { try { for (;;) { a.push({a: [1]}); } } "
          "catch (e) { a = []; throw e; } }",
          1, "too much memory");
    fails("'x'.repeat ? 'x'.repeat(1 << 30) : new Array(1 << 30).join('x');", 1, "");
}

Test(sandbox, recursion_without_end, .timeout = 120)
{
    fails("function f() { f(); }\nf();", 1, "RangeError");
    fails("var a = []; a[0] = a; for (var i = 0; i < 1e5; i++) { a = [a]; }\n"
          "JSON.stringify(a);",
          2, "");
    fails("var s = ''; for (var i = 0; i < 100000; i++) { s += '('; } eval(s);", 1, "");
    fails("var s = ''; for (var i = 0; i < 50000; i++) { s += '('; } new RegExp(s);", 1,
          "");
    fails("var s = ''; for (var i = 0; i < 100000; i++) { s += '['; } JSON.parse(s);",
          1, "");
    fails("function F() { return new Proxy({}, {get: function (t, k, r) { return r[k]; "
          "}}); }\nF().x;",
          1, "");
    fails("var o = {toString: function () { return '' + o; }};\ndcl.log(o);", 1, "");
}

Test(sandbox, calls_without_end, .timeout = 120)
{
    play_limits some = limits();
    some.call_max = 1000;
    play_failure failure =
        run_with("for (;;) { dcl.addEntity('1'); }", &some, take, NULL);
    cr_assert_str_eq(failure.text, "makes too many calls on dcl");
    some = limits();
    some.size_max = 1 << 20;
    failure = run_with("var s = new Array(100000).join('x'); for (;;) { dcl.log(s); }",
                       &some, take, NULL);
    cr_assert_str_eq(failure.text, "makes too many calls on dcl");
    fails("var s = 'x'; for (var i = 0; i < 22; i++) { s += s; }\ndcl.log(s);", 2,
          "too long");
}

Test(sandbox, who_takes_may_end_it)
{
    int count = 0;
    play_limits some = limits();
    play_failure failure =
        run_with("for (;;) { dcl.addEntity('1'); }", &some, refuse_tenth, &count);
    cr_assert_eq(count, 10);
    cr_assert_str_eq(failure.text, "ten are enough");
}

Test(sandbox, it_can_be_stopped)
{
    atomic_bool stop = true;
    play_limits some = limits();
    play_sandbox *sandbox = NULL;
    play_failure failure;
    cr_assert_eq(play_sandbox_start(&sandbox, crdt_span_of("for (;;);"), &some, NULL),
                 CRDT_OK);
    play_sandbox_read(sandbox, take, NULL, &stop, &failure);
    play_sandbox_close(sandbox);
    cr_assert_str_eq(failure.text, "was stopped");
    cr_assert_eq(play_sandbox_start(&sandbox, crdt_span_of("for (;;);"), &some, NULL),
                 CRDT_OK);
    play_sandbox_close(sandbox); /* without reading at all */
}
