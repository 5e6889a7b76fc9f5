#ifndef CLI_WORKER_MAILBOX_H
#define CLI_WORKER_MAILBOX_H

/* What other threads tell the thread of the sockets, in the order they said it.
 *
 * Bounded by what is asked for: one look at the view at a time, edits under way, requests;
 * and by limits of who posts events.
 *
 * Threads: any. */

#include "cli/worker/news.h"
#include "sync/node.h"

#include <pthread.h>

typedef enum worker_mail_kind {
    WORKER_MAIL_NEWS,      /* `news` */
    WORKER_MAIL_DONE,      /* `job` is settled; the news of it came before */
    WORKER_MAIL_PULLED,    /* the look that was asked for is over */
    WORKER_MAIL_PRESENCE,  /* `actor` tells `text` of the people there */
    WORKER_MAIL_LEFT,      /* `actor` is gone */
    WORKER_MAIL_EVENT,     /* `text`: an event for all renderers */
    WORKER_MAIL_STATE,     /* `state` (static) and `text` about it */
    WORKER_MAIL_TEXT,      /* `text` about the state at hand */
    WORKER_MAIL_ACTOR,     /* the node writes as `actor` now */
    WORKER_MAIL_SAVER,     /* what is told of saving has changed */
    WORKER_MAIL_ANSWER,    /* renderer `serial` is answered: `id`, `code` (static, NULL:
                           * done), `text` */
    WORKER_MAIL_RESULT,    /* `text`: an event for renderer `serial` alone */
    WORKER_MAIL_CONFLICTS, /* `text`: the event that tells what stands now */
} worker_mail_kind;

typedef struct worker_mail {
    struct worker_mail *next;
    worker_mail_kind kind;
    worker_news news;
    void *job;
    crdt_actor actor;
    const char *state;
    const char *code;
    uint64_t serial;
    crdt_buf id;
    crdt_buf text;
} worker_mail;

typedef struct worker_mailbox {
    crdt_alloc alloc;
    pthread_mutex_t mutex;
    worker_mail *first;
    worker_mail *last;
} worker_mailbox;

void worker_mailbox_init(worker_mailbox *box, crdt_alloc alloc);
void worker_mailbox_deinit(worker_mailbox *box);

/* An empty letter. NULL: no memory. */
worker_mail *worker_mail_open(worker_mailbox *box, worker_mail_kind kind);
void worker_mail_close(worker_mail *mail);
/* Takes the letter. */
void worker_mailbox_post(worker_mailbox *box, worker_mail *mail);
/* The oldest letter, to be closed; NULL: none. */
worker_mail *worker_mailbox_take(worker_mailbox *box);

#endif /* CLI_WORKER_MAILBOX_H */
