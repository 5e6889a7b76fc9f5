/* Who is let in: tokens right and wrong, files good and broken, changes while it runs. */

#include "cli/access.h"
#include "cli/access_file.h"
#include "cli/files.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static temp_dir dir;
static char path[512];

static void make_dir(void)
{
    temp_dir_open(&dir);
    snprintf(path, sizeof path, "%s", temp_dir_path(&dir, "access.json"));
}

static void remove_dir(void)
{
    temp_dir_close(&dir);
}

TestSuite(access, .init = make_dir, .fini = remove_dir);

#define NOW UINT64_C(1800000000000)

static cli_access *open_access(access_role loopback, const char *master)
{
    cli_access_options options = {.alloc = crdt_alloc_default(),
                                  .file = path,
                                  .loopback = loopback,
                                  .master = master};
    cli_access *access = NULL;
    cr_assert_eq(cli_access_open(&access, &options), CRDT_OK);
    return access;
}

static void add(const char *name, access_role role, uint64_t expires_ms,
                char token[ACCESS_TOKEN_SIZE])
{
    crdt_diag diag = {0};
    crdt_err err = cli_access_add(path, name, role, expires_ms, token, &diag);
    cr_assert_eq(err, CRDT_OK, "%s", diag.text);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
}

static access_role role_of(cli_access *access, const char *token)
{
    return cli_access_check(access, token, false, NOW, NULL).role;
}

Test(access, a_token_lets_its_person_in)
{
    char ana[ACCESS_TOKEN_SIZE];
    char ben[ACCESS_TOKEN_SIZE];
    add("Ana", ACCESS_EDIT, 0, ana);
    add("Ben \xc3\xa9", ACCESS_VIEW, NOW + 1000, ben);
    cr_expect_str_neq(ana, ben);
    cli_access *access = open_access(ACCESS_NONE, NULL);
    cr_expect_null(cli_access_trouble(access));
    const char *why = "?";
    access_person person = cli_access_check(access, ana, false, NOW, &why);
    cr_expect_eq(person.role, ACCESS_EDIT);
    cr_expect_str_eq(person.name, "Ana");
    cr_expect_null(why);
    access_person again = cli_access_again(access, person.id, false, NOW);
    cr_expect_eq(again.role, ACCESS_EDIT);
    cr_expect_str_eq(again.name, "Ana");
    cr_expect_eq(role_of(access, ben), ACCESS_VIEW);
    cr_expect_eq(cli_access_again(access, "nobody12", true, NOW).role, ACCESS_NONE);
    cli_access_close(access);

    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(cli_files_read(path, 1 << 20, &text, NULL), CRDT_OK);
    cr_expect_null(memmem(text.data, text.size, strrchr(ana, '_') + 1, 20));
    crdt_buf_deinit(&text);
}

/* Every one of them is refused, the same way to the caller; the log says why. */
Test(access, wrong_tokens)
{
    char ana[ACCESS_TOKEN_SIZE];
    char ben[ACCESS_TOKEN_SIZE];
    char old[ACCESS_TOKEN_SIZE];
    add("Ana", ACCESS_ADMIN, 0, ana);
    add("Ben", ACCESS_VIEW, 0, ben);
    add("Old", ACCESS_ADMIN, NOW, old);
    cli_access *access = open_access(ACCESS_ADMIN, NULL);
    const char *why;
    cr_expect_eq(cli_access_check(access, old, true, NOW, &why).role, ACCESS_NONE);
    cr_expect_str_eq(why, "expired");
    cr_expect_eq(cli_access_check(access, old, true, NOW - 1, &why).role, ACCESS_ADMIN);

    /* Ana's id with Ben's secret. */
    char mixed[ACCESS_TOKEN_SIZE * 2];
    char *secret = strchr(strchr(ben, '_') + 1, '_');
    char *end = strchr(strchr(ana, '_') + 1, '_');
    snprintf(mixed, sizeof mixed, "%.*s%s", (int)(end - ana), ana, secret);
    cr_expect_eq(cli_access_check(access, mixed, true, NOW, &why).role, ACCESS_NONE);
    cr_expect_str_eq(why, "wrong secret");

    /* Each letter of it changed, each length cut, something behind it. */
    for (size_t i = 0; i < strlen(ana); i++) {
        char forged[ACCESS_TOKEN_SIZE];
        memcpy(forged, ana, sizeof forged);
        forged[i] = forged[i] == 'A' ? 'E' : 'A';
        cr_expect_eq(cli_access_check(access, forged, true, NOW, &why).role,
                     ACCESS_NONE, "%zu", i);
        cr_expect_not_null(why);
        memcpy(forged, ana, sizeof forged);
        forged[i] = '\0';
        cr_expect_eq(cli_access_check(access, forged, i > 0, NOW, &why).role,
                     ACCESS_NONE, "%zu", i);
    }
    snprintf(mixed, sizeof mixed, "%sA", ana);
    cr_expect_eq(role_of(access, mixed), ACCESS_NONE);
    static const char *const TEXTS[] = {
        "ss1_",          "ss1__",  "x",
        "ss1_abcdefgh_", " ",      "ss2_abcdefghijklmnop_AAAA",
        "Bearer",        "kernel", "../../etc/passwd",
        "\xff\xfe"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        cr_expect_eq(cli_access_check(access, TEXTS[i], true, NOW, &why).role,
                     ACCESS_NONE, "%s", TEXTS[i]);
    }
    cli_access_close(access);
}

Test(access, the_loopback_and_the_kernel)
{
    char ana[ACCESS_TOKEN_SIZE];
    add("Ana", ACCESS_VIEW, 0, ana);
    cli_access *access = open_access(ACCESS_EDIT, "master secret");
    const char *why;
    cr_expect_eq(cli_access_check(access, NULL, true, NOW, &why).role, ACCESS_EDIT);
    cr_expect_eq(cli_access_check(access, "", true, NOW, &why).role, ACCESS_EDIT);
    cr_expect_eq(cli_access_check(access, NULL, false, NOW, &why).role, ACCESS_NONE);
    cr_expect_str_eq(why, "no token");
    cr_expect_eq(cli_access_again(access, "", true, NOW).role, ACCESS_EDIT);
    cr_expect_eq(cli_access_again(access, "", false, NOW).role, ACCESS_NONE);
    /* Who shows a token is that person, on the loopback too. */
    cr_expect_eq(cli_access_check(access, ana, true, NOW, &why).role, ACCESS_VIEW);

    access_person kernel = cli_access_check(access, "master secret", false, NOW, &why);
    cr_expect_eq(kernel.role, ACCESS_ADMIN);
    cr_expect_eq(cli_access_again(access, kernel.id, false, NOW).role, ACCESS_ADMIN);
    cr_expect_eq(role_of(access, "master secres"), ACCESS_NONE);
    cli_access_close(access);

    access = open_access(ACCESS_NONE, "");
    cr_expect_eq(cli_access_check(access, "", true, NOW, &why).role, ACCESS_NONE);
    cr_expect_eq(cli_access_again(access, "kernel", true, NOW).role, ACCESS_NONE);
    cli_access_close(access);
}

Test(access, a_change_of_the_file_counts_at_once)
{
    char ana[ACCESS_TOKEN_SIZE];
    char ben[ACCESS_TOKEN_SIZE];
    cli_access *access = open_access(ACCESS_NONE, NULL); /* no file yet */
    cr_expect_not_null(cli_access_trouble(access));
    cr_expect_not(cli_access_refresh(access, NOW));
    add("Ana", ACCESS_EDIT, 0, ana);
    cr_expect(cli_access_refresh(access, NOW));
    cr_expect_not(cli_access_refresh(access, NOW));
    cr_expect_null(cli_access_trouble(access));
    access_person person = cli_access_check(access, ana, false, NOW, NULL);
    cr_expect_eq(person.role, ACCESS_EDIT);

    cr_assert_eq(cli_access_set_role(path, "Ana", ACCESS_VIEW, NULL), CRDT_OK);
    cr_expect(cli_access_refresh(access, NOW));
    cr_expect_eq(cli_access_again(access, person.id, false, NOW).role, ACCESS_VIEW);
    cr_assert_eq(cli_access_set_role(path, person.id, ACCESS_PUBLISH, NULL), CRDT_OK);
    cr_expect(cli_access_refresh(access, NOW));
    cr_expect_eq(role_of(access, ana), ACCESS_PUBLISH);

    add("Ben", ACCESS_EDIT, NOW + 5000, ben);
    cr_expect(cli_access_refresh(access, NOW + 4999));
    cr_expect_not(cli_access_refresh(access, NOW + 4999));
    cr_expect(cli_access_refresh(access, NOW + 5000)); /* Ben's time is over */
    cr_expect_not(cli_access_refresh(access, NOW + 6000));

    cr_assert_eq(cli_access_set_role(path, "Ana", ACCESS_NONE, NULL), CRDT_OK);
    cr_expect(cli_access_refresh(access, NOW + 7000));
    cr_expect_eq(cli_access_again(access, person.id, false, NOW).role, ACCESS_NONE);
    cr_expect_eq(role_of(access, ana), ACCESS_NONE);
    cr_assert_eq(unlink(path), 0);
    cr_expect(cli_access_refresh(access, NOW + 8000));
    cr_expect_eq(role_of(access, ben), ACCESS_NONE);
    cli_access_close(access);
}

Test(access, a_broken_file_lets_nobody_in)
{
    char ana[ACCESS_TOKEN_SIZE];
    add("Ana", ACCESS_ADMIN, 0, ana);
    crdt_buf good;
    crdt_buf_init(&good, crdt_alloc_default());
    cr_assert_eq(cli_files_read(path, 1 << 20, &good, NULL), CRDT_OK);
    cr_assert_eq(crdt_buf_append(&good, "", 1), CRDT_OK);
    const char *text = (const char *)good.data;
    cli_access *access = open_access(ACCESS_ADMIN, "m");

    for (size_t size = 0; size + 2 < good.size; size += 7) { /* cut short */
        char cut[2048];
        snprintf(cut, sizeof cut, "%.*s", (int)size, text);
        write_file(cut, 0600);
        cr_expect(cli_access_refresh(access, NOW));
        cr_expect_not_null(cli_access_trouble(access));
        cr_expect_eq(role_of(access, ana), ACCESS_NONE, "%zu", size);
        cr_expect_eq(cli_access_check(access, NULL, true, NOW, NULL).role, ACCESS_NONE);
        cr_expect_eq(role_of(access, "m"), ACCESS_ADMIN);
    }
    static const mode_t MODES[] = {0620, 0602, 0666};
    for (size_t i = 0; i < 3; i++) {
        write_file(text, MODES[i]);
        cli_access_refresh(access, NOW);
        cr_expect_eq(role_of(access, ana), ACCESS_NONE, "%o", MODES[i]);
        cr_expect_not_null(strstr(cli_access_trouble(access), "others"));
        cr_expect_eq(cli_access_set_role(path, "Ana", ACCESS_VIEW, NULL),
                     CRDT_EREFUSED);
    }
    write_file(text, 0640); /* read by others: hashes of random secrets */
    cli_access_refresh(access, NOW);
    cr_expect_eq(role_of(access, ana), ACCESS_ADMIN);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    cli_access_refresh(access, NOW);
    cr_expect_eq(role_of(access, ana), ACCESS_NONE);
    cr_expect_not_null(cli_access_trouble(access));
    cr_assert_eq(rmdir(path), 0);
    cli_access_close(access);
    crdt_buf_deinit(&good);
}

#define PERSON(id, more)                                                               \
    "{\"id\":\"" id "\",\"name\":\"A\",\"role\":\"edit\","                             \
    "\"salt\":\"00112233445566778899aabbccddeeff\","                                   \
    "\"hash\":"                                                                        \
    "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"" more "}"

Test(access, files_that_are_refused)
{
    static const struct {
        const char *text;
        const char *said;
    } ROWS[] = {
        {"", ""},
        {"[]", "version"},
        {"{\"version\":2,\"people\":[]}", "version"},
        {"{\"version\":\"1\",\"people\":[]}", "version"},
        {"{\"version\":1}", "list of people"},
        {"{\"version\":1,\"people\":{}}", "list of people"},
        {"{\"version\":1,\"people\":[],\"default\":\"admin\"}", "nothing else"},
        {"{\"version\":1,\"people\":[1]}", "object"},
        {"{\"version\":1,\"people\":[{}]}", "id, name, role"},
        {"{\"version\":1,\"people\":[" PERSON("abcdefgh",
                                              ",\"expire\":\"2027-01-31\"") "]}",
         "no member `expire`"},
        {"{\"version\":1,\"people\":[" PERSON("abcdefgh", ",\"expires\":null") "]}",
         "`expires`"},
        {"{\"version\":1,\"people\":[" PERSON("abcdefgh",
                                              ",\"expires\":\"never\"") "]}",
         "`expires`"},
        {"{\"version\":1,\"people\":[" PERSON("abcdefgh",
                                              ",\"expires\":\"2027-02-29\"") "]}",
         "`expires`"},
        {"{\"version\":1,\"people\":[" PERSON("kernel", "") "]}", "`id`"},
        {"{\"version\":1,\"people\":[" PERSON("ABCDEFGH", "") "]}", "`id`"},
        {"{\"version\":1,\"people\":[" PERSON("abcdefgh", "") "," PERSON("abcdefgh",
                                                                         "") "]}",
         "two people"},
        {"{\"version\":1,\"people\":[{\"id\":\"abcdefgh\",\"role\":\"none\"}]}",
         "`role`"},
        {"{\"version\":1,\"people\":[{\"id\":\"abcdefgh\",\"role\":\"Admin\"}]}",
         "`role`"},
        {"{\"version\":1,\"people\":[{\"id\":\"abcdefgh\",\"role\":\"edit\\u0000\"}]}",
         "`role`"},
        {"{\"version\":1,\"people\":[{\"name\":\"\"}]}", "`name`"},
        {"{\"version\":1,\"people\":[{\"name\":\"a\\nb\"}]}", "`name`"},
        {"{\"version\":1,\"people\":[{\"salt\":\"00\"}]}", "`salt`"},
        {"{\"version\":1,\"people\":[]}x", ""},
    };
    access_file file;
    access_file_init(&file, crdt_alloc_default());
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        crdt_diag diag = {0};
        crdt_err err = access_file_parse(&file, crdt_span_of(ROWS[i].text), &diag);
        cr_expect_eq(err, CRDT_ECORRUPT, "%zu: %s", i, crdt_err_name(err));
        cr_expect_not_null(strstr(diag.text, ROWS[i].said), "%zu: %s", i, diag.text);
        cr_expect_eq(file.entry_count, 0);
    }
    const char *good = "{\"version\":1,\"people\":[" PERSON(
        "abcdefgh", ",\"expires\":\"2027-01-31T00:00:00Z\"") "," PERSON("ijklmnop",
                                                                        "") "]}";
    cr_assert_eq(access_file_parse(&file, crdt_span_of(good), NULL), CRDT_OK);
    cr_expect_eq(file.entry_count, 2);
    cr_expect_eq(file.entries[0].expires_ms, UINT64_C(1801353600000));
    access_file_deinit(&file);
}

Test(access, changes_by_name_and_id)
{
    char token[ACCESS_TOKEN_SIZE];
    crdt_diag diag = {0};
    cr_expect_eq(cli_access_set_role(path, "Ana", ACCESS_VIEW, &diag), CRDT_ENOTFOUND);
    cr_expect_neq(access(path, F_OK), 0); /* nothing was made */
    add("Ana", ACCESS_VIEW, 0, token);
    add("Ana", ACCESS_EDIT, 0, token);
    cr_expect_eq(cli_access_set_role(path, "Ana", ACCESS_VIEW, &diag), CRDT_EINVAL);
    cr_expect_not_null(strstr(diag.text, "2 people"));
    char id[32];
    uint8_t secret[ACCESS_SECRET_SIZE];
    cr_assert(access_token_parse(token, id, secret));
    cr_expect_eq(cli_access_set_role(path, id, ACCESS_NONE, &diag), CRDT_OK);
    cr_expect_eq(cli_access_set_role(path, "Ana", ACCESS_NONE, &diag), CRDT_OK);
    cr_expect_eq(cli_access_add(path, "", ACCESS_VIEW, 0, token, &diag), CRDT_EINVAL);
    cr_expect_eq(cli_access_add(path, "a\x01", ACCESS_VIEW, 0, token, &diag),
                 CRDT_EINVAL);
    cr_expect_eq(cli_access_add(path, "\xff", ACCESS_VIEW, 0, token, &diag),
                 CRDT_EINVAL);
    cr_expect_eq(cli_access_add(path, "Ana", ACCESS_NONE, 0, token, &diag),
                 CRDT_EINVAL);
    cr_expect_eq(cli_access_add("/nonexistent/a", "Ana", ACCESS_VIEW, 0, token, &diag),
                 CRDT_ENOTFOUND);
}

Test(access, tokens_are_32_bytes_as_base64url)
{
    uint8_t secret[ACCESS_SECRET_SIZE];
    uint8_t back[ACCESS_SECRET_SIZE];
    char token[ACCESS_TOKEN_SIZE];
    char id[32];
    for (size_t i = 0; i < sizeof secret; i++) {
        secret[i] = (uint8_t)(i * 37 + 5);
    }
    access_token_format("abcdefgh", secret, token);
    cr_expect_str_eq(token, "ss1_abcdefgh_BSpPdJm-4wgtUnecweYLMFV6n8TpDjNYfaLH7BE2W4A");
    cr_assert(access_token_parse(token, id, back));
    cr_expect_str_eq(id, "abcdefgh");
    cr_expect_arr_eq(secret, back, sizeof secret);
    token[strlen(token) - 1] = 'B'; /* the same bytes, spelled in another way */
    cr_expect_not(access_token_parse(token, id, back));
}

Test(access, dates)
{
    uint64_t ms;
    cr_expect(access_time_parse("1970-01-01", &ms));
    cr_expect_eq(ms, 0);
    cr_expect(access_time_parse("2000-02-29T23:59:59Z", &ms));
    cr_expect_eq(ms, UINT64_C(951868799000));
    cr_expect(access_time_parse("9999-12-31", &ms));
    static const char *const WRONG[] = {"",
                                        "2027",
                                        "2027-1-31",
                                        "2027-13-01",
                                        "2027-00-01",
                                        "2027-02-29",
                                        "1900-01-01",
                                        "2027-01-31T00:00:00",
                                        "2027-01-31 ",
                                        "2027-01-31Z",
                                        "2027-01-31T24:00:00Z",
                                        "2027-01-31T00:00:00+01:00"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        cr_expect_not(access_time_parse(WRONG[i], &ms), "%s", WRONG[i]);
    }
}

Test(access, out_of_memory_lets_nobody_in)
{
    char ana[ACCESS_TOKEN_SIZE];
    add("Ana", ACCESS_ADMIN, 0, ana);
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    for (uint64_t n = 0;; n++) {
        fault_alloc_fail_at(&fault, n);
        cli_access_options options = {.alloc = alloc, .file = path};
        cli_access *access = NULL;
        crdt_err err = cli_access_open(&access, &options);
        bool whole = err == CRDT_OK && cli_access_trouble(access) == NULL;
        if (err == CRDT_OK) {
            cr_expect_eq(role_of(access, ana), whole ? ACCESS_ADMIN : ACCESS_NONE);
        }
        cli_access_close(access);
        cr_assert(fault_alloc_balanced(&fault), "%d", (int)n);
        if (whole) {
            cr_expect_gt(n, 3);
            break;
        }
    }
}
