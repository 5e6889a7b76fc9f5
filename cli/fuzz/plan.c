#include "cli/fuzz/plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC "scenesync fuzz plan 1"
#define WORDS_MAX 10u
#define LINE_MAX_SIZE 512u

const char *const fuzz_component_names[FUZZ_COMPONENTS] = {"Transform", "Name",
                                                           "GLTFShape", "Thing"};
const char *const fuzz_field_names[FUZZ_FIELDS] = {"position", "value", "src"};

static const struct {
    const char *name;
    const char *arguments;
} verbs[] = {
#define FUZZ_VERB_ROW(name, text, arguments) {text, arguments},
    FUZZ_VERB_MAP(FUZZ_VERB_ROW)
#undef FUZZ_VERB_ROW
};

const char *fuzz_verb_name(fuzz_verb verb)
{
    return verbs[verb].name;
}

const char *fuzz_verb_arguments(fuzz_verb verb)
{
    return verbs[verb].arguments;
}

/* ---- memory ---- */

void fuzz_plan_init(fuzz_plan *plan)
{
    *plan = (fuzz_plan){.seed = 1,
                        .place_count = 2,
                        .network = {.delay_from = 1, .delay_to = 5},
                        .disk_ms = 5};
}

void fuzz_plan_deinit(fuzz_plan *plan)
{
    free(plan->scene);
    free(plan->steps);
    fuzz_plan_init(plan);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("fuzz: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void fuzz_plan_push(fuzz_plan *plan, const fuzz_step *step)
{
    if (plan->step_count == plan->step_capacity) {
        plan->step_capacity = plan->step_capacity == 0 ? 32 : plan->step_capacity * 2;
        plan->steps =
            must(realloc(plan->steps, plan->step_capacity * sizeof *plan->steps));
    }
    plan->steps[plan->step_count++] = *step;
}

void fuzz_plan_copy(fuzz_plan *plan, const fuzz_plan *from)
{
    fuzz_plan old = *plan;
    *plan = *from;
    plan->steps = NULL;
    plan->step_count = plan->step_capacity = 0;
    plan->scene = from->scene == NULL ? NULL : must(strdup(from->scene));
    for (size_t i = 0; i < from->step_count; i++) {
        fuzz_plan_push(plan, &from->steps[i]);
    }
    fuzz_plan_deinit(&old);
}

/* ---- writing ---- */

static void write_argument(char kind, const fuzz_step *step, char *out, size_t size)
{
    switch (kind) {
    case 'p':
        snprintf(out, size, " %u", step->place);
        break;
    case 'q':
        snprintf(out, size, " %u", step->other);
        break;
    case 'e':
        snprintf(out, size, " e%u", step->entity);
        break;
    case 'u':
        if (step->parent == FUZZ_ROOT) {
            snprintf(out, size, " root");
        } else {
            snprintf(out, size, " e%u", step->parent);
        }
        break;
    case 'c':
        snprintf(out, size, " %s", fuzz_component_names[step->component]);
        break;
    case 'f':
        snprintf(out, size, " %s", fuzz_field_names[step->field]);
        break;
    case 'v':
        snprintf(out, size, " %u", step->value);
        break;
    default:
        snprintf(out, size, " %u",
                 step->n[kind == 'n'   ? 0
                         : kind == 'm' ? 1
                         : kind == 'k' ? 2
                                       : 3]);
        break;
    }
}

void fuzz_step_write(const fuzz_step *step, char text[FUZZ_STEP_TEXT_SIZE])
{
    snprintf(text, FUZZ_STEP_TEXT_SIZE, "%s", verbs[step->verb].name);
    for (const char *kind = verbs[step->verb].arguments; *kind != '\0'; kind++) {
        size_t size = strlen(text);
        write_argument(*kind, step, text + size, FUZZ_STEP_TEXT_SIZE - size);
    }
    if (step->joined) {
        size_t size = strlen(text);
        snprintf(text + size, FUZZ_STEP_TEXT_SIZE - size, " &");
    }
}

static void put_line(crdt_buf *out, const char *text)
{
    if (crdt_buf_append(out, text, strlen(text)) != CRDT_OK ||
        crdt_buf_append(out, "\n", 1) != CRDT_OK) {
        must(NULL);
    }
}

void fuzz_plan_write(const fuzz_plan *plan, crdt_buf *out)
{
    char line[LINE_MAX_SIZE];
    put_line(out, MAGIC);
    snprintf(line, sizeof line, "seed %llu", (unsigned long long)plan->seed);
    put_line(out, line);
    snprintf(line, sizeof line, "places %u", plan->place_count);
    put_line(out, line);
    snprintf(line, sizeof line, "network %u %u %u %u", plan->network.loss,
             plan->network.repeats, plan->network.delay_from, plan->network.delay_to);
    put_line(out, line);
    snprintf(line, sizeof line, "disk %u", plan->disk_ms);
    put_line(out, line);
    put_line(out, plan->line ? "shape line" : "shape mesh");
    if (plan->undialable) {
        put_line(out, "undialable");
    }
    if (plan->no_discover) {
        put_line(out, "no-discover");
    }
    if (plan->small) {
        put_line(out, "small");
    }
    if (plan->scene != NULL) {
        snprintf(line, sizeof line, "scene %s", plan->scene);
        put_line(out, line);
    }
    put_line(out, "steps");
    for (size_t i = 0; i < plan->step_count; i++) {
        char text[FUZZ_STEP_TEXT_SIZE];
        fuzz_step_write(&plan->steps[i], text);
        put_line(out, text);
    }
}

/* ---- reading ---- */

typedef struct reader {
    crdt_span text;
    size_t at;
    size_t line_at; /* where the line began */
    uint32_t line;
    char copy[LINE_MAX_SIZE];
    char *words[WORDS_MAX];
    size_t word_count;
    crdt_diag *diag;
} reader;

static crdt_err refuse(reader *r, const char *what)
{
    crdt_err err = crdt_diag_set(r->diag, CRDT_ECORRUPT, r->line_at, "%s", what);
    if (r->diag != NULL) {
        r->diag->line = r->line;
        r->diag->column = 1;
    }
    return err;
}

static void split_words(reader *r)
{
    char *at = r->copy;
    r->word_count = 0;
    while (r->word_count < WORDS_MAX) {
        at += strspn(at, " \t");
        if (*at == '\0') {
            return;
        }
        r->words[r->word_count++] = at;
        at += strcspn(at, " \t");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
}

/* The next line that says something, split into words; no words: the end. */
static crdt_err next_line(reader *r)
{
    r->word_count = 0;
    while (r->word_count == 0 && r->at < r->text.size) {
        const uint8_t *from = r->text.data + r->at;
        const uint8_t *end = memchr(from, '\n', r->text.size - r->at);
        size_t size = end == NULL ? r->text.size - r->at : (size_t)(end - from);
        r->line++;
        r->line_at = r->at;
        r->at += size + (end != NULL);
        if (size >= sizeof r->copy || memchr(from, '\0', size) != NULL) {
            return refuse(r, "the line is too long, or no text");
        }
        memcpy(r->copy, from, size);
        r->copy[size] = '\0';
        char *comment = strchr(r->copy, '#');
        if (comment != NULL) {
            *comment = '\0';
        }
        split_words(r);
    }
    return CRDT_OK;
}

static bool read_number(const char *text, uint64_t max, uint64_t *number)
{
    char *end = NULL;
    if (*text < '0' || *text > '9' || strlen(text) > 20) {
        return false;
    }
    *number = strtoull(text, &end, 10);
    return *end == '\0' && *number <= max;
}

static bool read_small(const char *text, uint32_t max, uint32_t *number)
{
    uint64_t wide = 0;
    bool ok = read_number(text, max, &wide);
    *number = (uint32_t)wide;
    return ok;
}

static bool read_index(const char *text, uint32_t max, uint8_t *index)
{
    uint32_t number = 0;
    bool ok = read_small(text, max, &number);
    *index = (uint8_t)number;
    return ok;
}

static bool read_name(const char *text, const char *const *names, uint32_t count,
                      uint8_t *index)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *index = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static bool read_argument(char kind, const char *text, uint32_t place_count,
                          fuzz_step *step)
{
    switch (kind) {
    case 'p':
        return read_index(text, place_count - 1, &step->place);
    case 'q':
        return read_index(text, place_count - 1, &step->other);
    case 'e':
        return *text == 'e' &&
               read_index(text + 1, FUZZ_ENTITIES_MAX - 1, &step->entity);
    case 'u':
        step->parent = FUZZ_ROOT;
        return strcmp(text, "root") == 0 ||
               (*text == 'e' &&
                read_index(text + 1, FUZZ_ENTITIES_MAX - 1, &step->parent));
    case 'c':
        return read_name(text, fuzz_component_names, FUZZ_COMPONENTS, &step->component);
    case 'f':
        return read_name(text, fuzz_field_names, FUZZ_FIELDS, &step->field);
    case 'v':
        return read_small(text, FUZZ_VALUE_MAX, &step->value);
    default:
        return read_small(text, UINT32_MAX,
                          &step->n[kind == 'n'   ? 0
                                   : kind == 'm' ? 1
                                   : kind == 'k' ? 2
                                                 : 3]);
    }
}

static bool check_network(const fuzz_network *network)
{
    return network->loss <= 100 && network->repeats <= 100 &&
           network->delay_from <= network->delay_to && network->delay_to <= 60000;
}

static crdt_err read_step(reader *r, fuzz_plan *plan)
{
    fuzz_step step = {0};
    while (step.verb < FUZZ_VERB_COUNT &&
           strcmp(verbs[step.verb].name, r->words[0]) != 0) {
        step.verb++;
    }
    if (step.verb == FUZZ_VERB_COUNT) {
        return refuse(r, "there is no such step");
    }
    size_t count = strlen(verbs[step.verb].arguments);
    step.joined = r->word_count == count + 2 && strcmp(r->words[count + 1], "&") == 0;
    if (r->word_count != count + 1 + step.joined) {
        return refuse(r, "the step has too few or too many arguments");
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_argument(verbs[step.verb].arguments[i], r->words[i + 1],
                           plan->place_count, &step)) {
            return refuse(r, "an argument of the step makes no sense");
        }
    }
    fuzz_network network = {step.n[0], step.n[1], step.n[2], step.n[3]};
    if (step.verb == FUZZ_NETWORK && !check_network(&network)) {
        return refuse(r, "the network makes no sense");
    }
    if ((step.verb == FUZZ_WAIT && step.n[0] > 3600000) ||
        (step.verb == FUZZ_BURST && step.n[0] > 10000)) {
        return refuse(r, "the number is too large");
    }
    if (plan->step_count == FUZZ_STEPS_MAX) {
        return crdt_diag_set(r->diag, CRDT_ELIMIT, r->line_at, "too many steps");
    }
    fuzz_plan_push(plan, &step);
    return CRDT_OK;
}

static bool read_network(const reader *r, fuzz_network *network)
{
    return r->word_count == 5 && read_small(r->words[1], 100, &network->loss) &&
           read_small(r->words[2], 100, &network->repeats) &&
           read_small(r->words[3], 60000, &network->delay_from) &&
           read_small(r->words[4], 60000, &network->delay_to) && check_network(network);
}

/* One line before `steps`. */
static crdt_err read_setting(reader *r, fuzz_plan *plan)
{
    const char *name = r->words[0];
    const char *value = r->word_count == 2 ? r->words[1] : "";
    bool ok = false;
    if (strcmp(name, "seed") == 0) {
        ok = read_number(value, UINT64_MAX, &plan->seed);
    } else if (strcmp(name, "places") == 0) {
        ok = read_small(value, FUZZ_PLACES_MAX, &plan->place_count) &&
             plan->place_count >= 1;
    } else if (strcmp(name, "network") == 0) {
        ok = read_network(r, &plan->network);
    } else if (strcmp(name, "disk") == 0) {
        ok = read_small(value, 60000, &plan->disk_ms) && plan->disk_ms >= 1;
    } else if (strcmp(name, "shape") == 0) {
        plan->line = strcmp(value, "line") == 0;
        ok = plan->line || strcmp(value, "mesh") == 0;
    } else if (strcmp(name, "scene") == 0 && value[0] != '\0') {
        free(plan->scene);
        plan->scene = must(strdup(value));
        ok = true;
    } else {
        ok = r->word_count == 1;
        bool *flag = strcmp(name, "undialable") == 0    ? &plan->undialable
                     : strcmp(name, "no-discover") == 0 ? &plan->no_discover
                     : strcmp(name, "small") == 0       ? &plan->small
                                                        : NULL;
        if (flag != NULL) {
            *flag = true;
        }
        ok = ok && flag != NULL;
    }
    return ok ? CRDT_OK : refuse(r, "the setting makes no sense");
}

static crdt_err read_lines(reader *r, fuzz_plan *plan)
{
    crdt_err err = next_line(r);
    if (err == CRDT_OK &&
        (r->word_count != 4 || strcmp(r->words[0], "scenesync") != 0 ||
         strcmp(r->words[2], "plan") != 0 || strcmp(r->words[3], "1") != 0)) {
        err = refuse(r, "the first line is not `" MAGIC "`");
    }
    bool steps = false;
    while (err == CRDT_OK && (err = next_line(r)) == CRDT_OK && r->word_count > 0) {
        if (steps) {
            err = read_step(r, plan);
        } else if (strcmp(r->words[0], "steps") == 0) {
            steps = true;
        } else {
            err = read_setting(r, plan);
        }
    }
    return err;
}

crdt_err fuzz_plan_read(fuzz_plan *plan, crdt_span text, crdt_diag *diag)
{
    reader r = {.text = text, .diag = diag};
    fuzz_plan_deinit(plan);
    crdt_err err = read_lines(&r, plan);
    if (err != CRDT_OK) {
        fuzz_plan_deinit(plan);
    }
    return err;
}
