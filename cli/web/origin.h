#ifndef CLI_WEB_ORIGIN_H
#define CLI_WEB_ORIGIN_H

/* Who may call a server on somebody's machine: by which name (Host, against DNS
 * rebinding) and from whose pages (Origin, against pages of other sites). Pure. */

#include <stdbool.h>
#include <stdint.h>

typedef struct web_origin_rules {
    bool tls;
    uint16_t port;
    const char *const
        *hosts; /* further names: NAME (at any port) or NAME:PORT; may be NULL */
    const char *const *origins; /* further origins: SCHEME://HOST[:PORT]; may be NULL */
} web_origin_rules;

/* Is `host` (the header, NULL: not sent) a name of this server? localhost, 127.0.0.1,
 * [::1] and `local` (the numeric address the connection came in at) at the server's port,
 * and the further names. An attacker's page can make a name of its own point here, but
 * cannot make the browser send another name than its own. */
bool web_origin_host_ok(const web_origin_rules *rules, const char *host,
                        const char *local);

/* Is `host` (the header) a name of the loopback, at whatever port? Who calls from this
 * machine by another name may be a proxy or a tunnel, and speak for the whole world. */
bool web_origin_host_is_loopback(const char *host);

typedef enum web_origin_kind {
    WEB_ORIGIN_REFUSED,
    WEB_ORIGIN_NONE,  /* no page calls, or the server's own */
    WEB_ORIGIN_LISTED /* one of rules->origins: it needs CORS headers */
} web_origin_kind;

/* Whose page calls? `origin` is the header, NULL: not sent. "null" is refused: any page
 * can make it its origin. */
web_origin_kind web_origin_check(const web_origin_rules *rules, const char *origin,
                                 const char *local);

#endif /* CLI_WEB_ORIGIN_H */
