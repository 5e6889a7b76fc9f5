#ifndef CLI_WEB_ACCEPT_H
#define CLI_WEB_ACCEPT_H

/* What a caller says it takes, and has already: Accept-Encoding and If-None-Match. Pure;
 * `header` is NULL where it was not sent, and may be cut (what is missing is not said).
 * Source: RFC 9110, 12.5.3 and 13.1.2. */

#include <stdbool.h>

/* Is a body in `encoding` ("gzip") taken? By its name, else by "*"; not with a weight of 0.
 * Without the header everything would be allowed, but who says nothing gets the plain body. */
bool web_accept_encoding(const char *header, const char *encoding);

/* Is `etag` (with its quotes) among those of If-None-Match? Compared weakly: `W/` does not
 * count. "*" is every etag. */
bool web_accept_has(const char *header, const char *etag);

#endif /* CLI_WEB_ACCEPT_H */
