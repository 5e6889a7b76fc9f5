/* The desk: the thread of the sockets. Renderers come and go, say something, are told
 * something; mail comes from the other threads. It never waits. */

#include "cli/visitor.h"
#include "cli/worker/wording.h"
#include "cli/worker/worker_impl.h"
#include "crdt/value.h"

#include <inttypes.h>
#include <stdio.h>

#define CLASHES_A_SECOND 50u
#define NAME_MAX_BYTES 64u

static const char *const COLORS[] = {"#e76f51", "#2a9d8f", "#e9c46a", "#457b9d",
                                     "#9b5de5", "#f15bb5", "#00bbf9", "#43aa8b"};

/* ---- who is it ---- */

/* Look at the access file; links that are open are checked at the next tick. */
static void look_at_access(worker *w)
{
    if (cli_access_refresh(w->access, worker_wall_ms())) {
        w->access_changed = true;
        worker_note_access(w);
    }
}

access_person worker_desk_person(worker *w, const web_request *request)
{
    look_at_access(w);
    access_person person = cli_visitor_of(w->access, request, worker_wall_ms());
    if (person.role == ACCESS_NONE) {
        w->refused_token++;
    }
    return person;
}

/* A name for people: printable UTF-8. */
static bool usable_name(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX_BYTES ||
        !crdt_utf8_valid(crdt_span_of(name), NULL)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static void choose_name(const web_request *request, const access_person *person,
                        const char *id, char name[ACCESS_NAME_SIZE])
{
    snprintf(name, ACCESS_NAME_SIZE, "%s", person->name);
    if (person->name[0] == '\0' &&
        !(web_request_parameter(request, "name", name, ACCESS_NAME_SIZE) &&
          usable_name(name))) {
        snprintf(name, ACCESS_NAME_SIZE, "guest %s", id);
    }
}

/* ---- coming and going ---- */

static crdt_err open_session(worker *w, worker_link *link, const web_request *request,
                             const access_person *person)
{
    char id[32];
    char name[ACCESS_NAME_SIZE];
    char color[8];
    snprintf(id, sizeof id, "r%" PRIu64 "-%s", link->serial, w->instance);
    choose_name(request, person, id, name);
    if (!web_request_parameter(request, "color", color, sizeof color) ||
        color[0] != '#' || strlen(color) != 7 ||
        strspn(color + 1, "0123456789abcdefABCDEF") != 6) {
        snprintf(color, sizeof color, "%s",
                 COLORS[link->serial % (sizeof COLORS / sizeof COLORS[0])]);
    }
    const worker_session_options options = {.hub = w->hub,
                                            .id = crdt_span_of(id),
                                            .name = crdt_span_of(name),
                                            .role = person->role,
                                            .tick_ms = w->options.tick_ms,
                                            .state = w->state,
                                            .held = &w->held,
                                            .request = worker_wish_event,
                                            .ctx = link};
    crdt_err err = worker_session_open(&link->session, &options);
    if (err == CRDT_OK && w->about.size > 0) {
        worker_session_set_state(link->session, w->state, crdt_buf_span(&w->about));
    }
    if (err == CRDT_OK) {
        worker_presence_join(w->presence, options.id, options.name, crdt_span_of(color),
                             person->role);
    }
    return err;
}

int worker_desk_open(void *ctx, web_socket *socket, const web_request *request,
                     void **user)
{
    worker *w = ctx;
    if (strcmp(request->path, "/renderer") != 0) {
        return 404;
    }
    access_person person = worker_desk_person(w, request);
    if (person.role < ACCESS_VIEW) {
        return 401;
    }
    if (w->link_count >= WORKER_RENDERERS_MAX) {
        return 503;
    }
    worker_link *link = crdt_allocate(w->alloc, sizeof *link);
    if (link == NULL) {
        return 503;
    }
    *link = (worker_link){.w = w,
                          .socket = socket,
                          .serial = ++w->serial,
                          .loopback = request->loopback,
                          .pulse = worker_pulse_make(worker_now_ms())};
    snprintf(link->person, sizeof link->person, "%s", person.id);
    if (open_session(w, link, request, &person) != CRDT_OK) {
        crdt_free(w->alloc, link, sizeof *link);
        return 503;
    }
    link->next = w->links;
    w->links = link;
    w->link_count++;
    *user = link;
    web_socket_want_write(socket);
    return 101;
}

/* Time as it goes by for what is on its way to it. */
static uint64_t session_now(worker_link *link)
{
    return worker_pulse_now(&link->pulse, worker_now_ms());
}

static void start_batches(worker *w, worker_link *link)
{
    worker_batch *batch;
    while ((batch = worker_session_take(link->session)) != NULL) {
        if (!worker_edit_start(w, link->serial, batch)) {
            worker_session_settle(link->session, batch, CRDT_ENOMEM, "out of memory",
                                  NULL, session_now(link));
            worker_batch_close(batch);
        }
    }
}

/* The scene is there: what was kept is done. */
static void start_kept(worker *w)
{
    while (w->kept != NULL) {
        worker_batch *batch = w->kept;
        w->kept = batch->next;
        batch->next = NULL;
        if (!worker_edit_start(w, 0, batch)) {
            worker_batch_close(batch);
        }
    }
    w->held.events -= w->kept_held.events;
    w->held.size -= w->kept_held.size;
    w->kept_held = (worker_held){.events = 0};
}

/* Its person leaves: what was said is done all the same, or once the scene is there. */
static void keep_batches(worker *w, worker_link *link)
{
    worker_held held;
    worker_batch **last = &w->kept;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = worker_session_leave(link->session, &held);
    w->kept_held.events += held.events;
    w->kept_held.size += held.size;
    if (strcmp(w->state, "loading") != 0) {
        start_kept(w);
    }
}

void worker_desk_flush(worker *w)
{
    for (worker_link *link = w->links; link != NULL; link = link->next) {
        start_batches(w, link);
    }
}

static void add_counts(worker_session_counts *sum, const worker_session_counts *more)
{
    sum->events += more->events;
    sum->forbidden += more->forbidden;
    sum->invalid += more->invalid;
    sum->other += more->other;
    sum->lost += more->lost;
}

worker_session_counts worker_desk_count(const worker *w)
{
    worker_session_counts sum = w->gone_counts;
    for (const worker_link *link = w->links; link != NULL; link = link->next) {
        const worker_session_counts counts = worker_session_count(link->session);
        add_counts(&sum, &counts);
    }
    return sum;
}

worker_desk_queues worker_desk_queue(worker *w)
{
    worker_desk_queues queues = {.reads = cli_clerk_count(&w->reader),
                                 .publishing = cli_clerk_count(&w->publisher),
                                 .held = w->held.events};
    for (const worker_job *job = w->stalled_first; job != NULL; job = job->next) {
        queues.stalled++;
    }
    for (const worker_link *link = w->links; link != NULL; link = link->next) {
        queues.unanswered += worker_session_unanswered(link->session);
    }
    return queues;
}

/* What it gathered is still done: it was sent. */
void worker_desk_closed(void *ctx, web_socket *socket, void *user)
{
    worker *w = ctx;
    worker_link *link = user;
    (void)socket;
    start_batches(w, link);
    keep_batches(w, link);
    const worker_session_counts counts = worker_session_count(link->session);
    add_counts(&w->gone_counts, &counts);
    worker_link **at = &w->links;
    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    w->link_count--;
    worker_presence_leave(w->presence, worker_session_id(link->session));
    worker_session_close(link->session);
    crdt_free(w->alloc, link, sizeof *link);
}

void worker_desk_close(worker *w)
{
    while (w->links != NULL) {
        worker_desk_closed(w, NULL, w->links);
    }
    if (w->kept != NULL) {
        worker_note(w, "edits that waited for the scene are given up with it");
    }
    while (w->kept != NULL) {
        worker_batch *batch = w->kept;
        w->kept = batch->next;
        worker_batch_close(batch);
    }
    while (w->stalled_first != NULL) {
        worker_job *job = w->stalled_first;
        w->stalled_first = job->next;
        worker_job_close(job);
    }
    w->stalled_last = NULL;
}

/* ---- sockets ---- */

static void close_link(worker_link *link, int code, const char *reason)
{
    if (!link->closing) {
        link->closing = true;
        web_socket_close(link->socket, code, reason);
    }
}

static bool presence_due(const worker *w, const worker_link *link, uint64_t now_ms)
{
    /* With many people the word of all of them is said less often. */
    uint64_t pause = WORKER_PRESENCE_MS + 4 * worker_presence_count(w->presence);
    return link->presence_revision < worker_presence_revision(w->presence) &&
           (link->presence_revision == 0 || link->presence_ms + pause <= now_ms);
}

static void want_write(worker *w, worker_link *link, uint64_t now_ms)
{
    if (worker_session_broken(link->session)) {
        close_link(link, 1011, "out of memory");
    } else if (!link->closing &&
               (worker_session_wants(link->session) || presence_due(w, link, now_ms) ||
                worker_conflicts_wait(w, link))) {
        web_socket_want_write(link->socket);
    }
}

/* Read on, or let it wait. */
static void pace(worker_link *link)
{
    bool busy = worker_session_busy(link->session);
    if (busy != link->paused && !link->closing) {
        link->paused = busy;
        web_socket_pause(link->socket, busy);
    }
}

/* The role now; false: there is none any more. */
static bool check_role(worker *w, worker_link *link, access_role *role)
{
    access_person person =
        cli_access_again(w->access, link->person, link->loopback, worker_wall_ms());
    *role = person.role;
    if (person.role < ACCESS_VIEW) {
        w->refused_token++;
        close_link(link, 1008, "your token is not valid any more");
        return false;
    }
    worker_session_set_role(link->session, person.role);
    worker_presence_set_role(w->presence, worker_session_id(link->session),
                             person.role);
    return true;
}

void worker_desk_message(void *ctx, web_socket *socket, void *user, crdt_span text)
{
    worker *w = ctx;
    worker_link *link = user;
    access_role role;
    (void)socket;
    uint64_t now = worker_now_ms();
    look_at_access(w);
    if (link->closing || !check_role(w, link, &role)) {
        return;
    }
    worker_session_receive(link->session, text, role, session_now(link));
    pace(link);
    want_write(w, link, now);
}

static void tell_presence(worker *w, worker_link *link, uint64_t now_ms)
{
    crdt_buf text;
    crdt_buf_init(&text, w->alloc);
    uint64_t revision = worker_presence_revision(w->presence);
    if (worker_presence_tell(w->presence, link->presence_revision,
                             worker_session_id(link->session), &text) == CRDT_OK &&
        (text.size == 0 ||
         (worker_session_room(link->session, text.size) &&
          worker_session_tell(link->session, crdt_buf_span(&text))))) {
        link->presence_revision = revision;
    }
    link->presence_ms = now_ms;
    crdt_buf_deinit(&text);
}

/* Ask whether what it was told has arrived, if it is time. */
static void ask(worker_link *link, uint64_t now_ms)
{
    if (!link->closing && worker_pulse_ask(&link->pulse, now_ms)) {
        web_socket_ask(link->socket);
    }
}

void worker_desk_arrived(void *ctx, web_socket *socket, void *user)
{
    worker_link *link = user;
    (void)ctx;
    (void)socket;
    worker_pulse_arrive(&link->pulse, worker_now_ms());
}

void worker_desk_write(void *ctx, web_socket *socket, void *user, crdt_buf *out)
{
    worker *w = ctx;
    worker_link *link = user;
    uint64_t now = worker_now_ms();
    if (link->closing) {
        return;
    }
    if (presence_due(w, link, now)) {
        tell_presence(w, link, now);
    }
    worker_conflicts_tell(w, link);
    worker_session_write(link->session, session_now(link), out);
    if (out->size > 0) {
        worker_pulse_tell(&link->pulse, now);
        ask(link, now);
    }
    pace(link);
    if (worker_session_wants(link->session) || worker_conflicts_wait(w, link)) {
        web_socket_want_write(socket);
    }
}

/* ---- mail ---- */

static worker_link *find_link(worker *w, uint64_t serial)
{
    worker_link *link = w->links;
    while (link != NULL && link->serial != serial) {
        link = link->next;
    }
    return link;
}

static void tell_all(worker *w, crdt_span event)
{
    for (worker_link *link = w->links; link != NULL; link = link->next) {
        worker_session_tell(link->session, event);
    }
}

/* Clashes between people are told to everybody, so many a second. */
static void tell_clash(worker *w, const worker_clash *clash)
{
    uint64_t second = worker_now_ms() / 1000;
    if (second != w->clash_second) {
        w->clash_second = second;
        w->clash_count = 0;
    }
    if (w->clash_count++ >= CLASHES_A_SECOND) {
        return;
    }
    crdt_buf text;
    crdt_buf_init(&text, w->alloc);
    const worker_conflict conflict = {.kind = clash->removed ? "removed" : "stale",
                                      .entity = clash->entity,
                                      .part = clash->part,
                                      .field = clash->field,
                                      .value = clash->value,
                                      .author = clash->author,
                                      .stamp = clash->stamp};
    if (worker_word_conflict(&conflict, &text) == CRDT_OK) {
        tell_all(w, crdt_buf_span(&text));
    }
    crdt_buf_deinit(&text);
}

static void settle(worker *w, worker_job *job)
{
    worker_link *link = find_link(w, job->serial);
    const sync_edit_result *result = &job->result;
    if (result->err == CRDT_ECLOSED && worker_edit_again(w, job)) {
        return;
    }
    bool undo = worker_batch_is_undo(job->batch);
    bool nothing = result->err == CRDT_ENOTHING && !undo;
    crdt_err err = nothing ? CRDT_OK : result->err;
    const char *reason =
        result->diag.text[0] != '\0' ? result->diag.text : crdt_err_text(err);
    if (err == CRDT_OK) {
        for (size_t i = 0; i < job->batch->clash_count; i++) {
            tell_clash(w, &job->batch->clashes[i]);
        }
    }
    if (link != NULL) {
        worker_session_settle(link->session, job->batch, err, reason,
                              err == CRDT_OK && !nothing ? &result->last : NULL,
                              session_now(link));
        start_batches(w, link);
        pace(link);
    }
    worker_job_close(job);
}

static void set_state(worker *w, const char *state, crdt_span about)
{
    w->state = state;
    if (strcmp(state, "loading") != 0) {
        start_kept(w);
    }
    crdt_buf_clear(&w->about);
    if (crdt_buf_append_span(&w->about, about) != CRDT_OK) {
        crdt_buf_clear(&w->about);
    }
    for (worker_link *link = w->links; link != NULL; link = link->next) {
        worker_session_set_state(link->session, w->state, about);
    }
}

static void hear(worker *w, const worker_mail *mail)
{
    worker_presence_worker told;
    crdt_diag diag = {0};
    crdt_err err = worker_presence_hear(w->presence, &mail->actor,
                                        crdt_buf_span(&mail->text), &told, &diag);
    if (err != CRDT_OK) {
        worker_note(w, "what a peer told of its people makes no sense: %s", diag.text);
        return;
    }
    worker_hear_saver(w, &mail->actor, &told);
}

static void take_news(worker *w, const worker_news *news)
{
    if (worker_hub_take(w->hub, news) != CRDT_OK) {
        atomic_store(&w->news_lost, true); /* asked for again with the next tick */
        worker_note(w, "out of memory: renderers are shown less than there is");
    }
}

static void take_mail(worker *w, worker_mail *mail)
{
    worker_link *link;
    switch (mail->kind) {
    case WORKER_MAIL_NEWS:
        take_news(w, &mail->news);
        break;
    case WORKER_MAIL_DONE:
        settle(w, mail->job);
        break;
    case WORKER_MAIL_PULLED:
        w->pulling = false;
        worker_job_close(mail->job);
        break;
    case WORKER_MAIL_PRESENCE:
        hear(w, mail);
        break;
    case WORKER_MAIL_LEFT:
        worker_presence_left(w->presence, &mail->actor);
        worker_save_left(w->save, &mail->actor);
        break;
    case WORKER_MAIL_EVENT:
        tell_all(w, crdt_buf_span(&mail->text));
        break;
    case WORKER_MAIL_STATE:
        set_state(w, mail->state, crdt_buf_span(&mail->text));
        break;
    case WORKER_MAIL_TEXT:
        set_state(w, w->state, crdt_buf_span(&mail->text));
        break;
    case WORKER_MAIL_ACTOR:
        worker_presence_set_actor(w->presence, &mail->actor);
        break;
    case WORKER_MAIL_SAVER:
        worker_presence_touch(w->presence);
        break;
    case WORKER_MAIL_ANSWER:
        link = find_link(w, mail->serial);
        if (link != NULL) {
            worker_session_answer(link->session, crdt_buf_span(&mail->id), mail->code,
                                  crdt_buf_span(&mail->text));
        }
        break;
    case WORKER_MAIL_RESULT:
        link = find_link(w, mail->serial);
        if (link != NULL) {
            worker_session_tell(link->session, crdt_buf_span(&mail->text));
        }
        break;
    case WORKER_MAIL_CONFLICTS:
        worker_conflicts_take(w, mail);
        break;
    }
}

/* Look at what changed: at once after a quiet time, else with the next tick. */
static void look(worker *w, uint64_t now_ms)
{
    if (!w->pulling && w->pull_ms + w->options.tick_ms <= now_ms &&
        (worker_view_changed(w) || worker_conflicts_due(w, now_ms))) {
        w->pulling = worker_edit_start(w, 0, NULL);
        w->pull_ms = now_ms;
    }
}

void worker_desk_wake(void *ctx)
{
    worker *w = ctx;
    worker_mail *mail;
    while ((mail = worker_mailbox_take(&w->mailbox)) != NULL) {
        take_mail(w, mail);
        worker_mail_close(mail);
    }
    uint64_t now = worker_now_ms();
    look(w, now);
    for (worker_link *link = w->links; link != NULL; link = link->next) {
        want_write(w, link, now);
    }
}

/* ---- the tick ---- */

static void tell_peers(worker *w, uint64_t now_ms)
{
    if (!worker_presence_dirty(w->presence) ||
        w->presence_ms + WORKER_PRESENCE_MS > now_ms) {
        return;
    }
    sync_node *node = worker_node_acquire(w);
    if (node == NULL) {
        return;
    }
    w->presence_ms = now_ms;
    crdt_buf text;
    crdt_buf_init(&text, w->alloc);
    if (worker_write_presence(w, &text) == CRDT_OK &&
        sync_node_presence(node, crdt_buf_span(&text)) == CRDT_ELIMIT) {
        worker_note(w, "messages are too small to tell who is here");
    }
    crdt_buf_deinit(&text);
    worker_node_release(w);
}

/* What nobody remembers to have seen is forgotten. */
static void forget_left(worker *w)
{
    uint64_t told = worker_presence_revision(w->presence);
    for (const worker_link *link = w->links; link != NULL; link = link->next) {
        told = link->presence_revision < told ? link->presence_revision : told;
    }
    worker_presence_forget(w->presence, told);
}

void worker_desk_tick(void *ctx)
{
    worker *w = ctx;
    uint64_t now = worker_now_ms();
    look_at_access(w);
    bool access_changed = w->access_changed;
    w->access_changed = false;
    worker_edit_retry(w);
    for (worker_link *link = w->links; link != NULL; link = link->next) {
        access_role role;
        if (access_changed && !check_role(w, link, &role)) {
            continue;
        }
        worker_session_tick(link->session, session_now(link));
        ask(link, now);
        start_batches(w, link);
        pace(link);
    }
    look(w, now);
    tell_peers(w, now);
    forget_left(w);
    for (worker_link *link = w->links; link != NULL; link = link->next) {
        want_write(w, link, now);
    }
}
