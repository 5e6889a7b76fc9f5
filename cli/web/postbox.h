#ifndef CLI_WEB_POSTBOX_H
#define CLI_WEB_POSTBOX_H

/* Answers on their way from other threads to the server's, in the order they were given. */

#include "cli/web/server_impl.h"

#include <pthread.h>

typedef struct web_mail {
    struct web_mail *next;
    web_reply reply;
    char location[WEB_LOCATION_SIZE]; /* what reply.location points to */
} web_mail;

typedef struct web_postbox {
    crdt_alloc alloc;
    pthread_mutex_t lock; /* guards the list */
    web_mail *first;
    web_mail *last;
} web_postbox;

void web_postbox_init(web_postbox *postbox, crdt_alloc alloc);
/* Frees what nobody took. No other thread may use it any more. */
void web_postbox_deinit(web_postbox *postbox);

/* Takes what `reply` holds; without memory for it, it is dropped, and whoever asked waits
 * for nothing. Any thread. */
void web_postbox_put(web_postbox *postbox, web_reply *reply);
/* The oldest, for the caller to free; NULL: none. Take reply.body out of it if it is to
 * be kept. */
web_mail *web_postbox_take(web_postbox *postbox);
/* Frees the mail, not the body of its reply. */
void web_mail_free(web_postbox *postbox, web_mail *mail);

#endif /* CLI_WEB_POSTBOX_H */
