#include "cli/web/origin.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* HOST[:PORT] in its parts; a host in brackets is an IPv6 address. */
typedef struct authority {
    char host[256]; /* without brackets */
    bool has_port;
    uint16_t port;
} authority;

static bool parse_port(const char *text, uint16_t *port)
{
    uint32_t number = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        number = number * 10 + (uint32_t)(*text - '0');
        if (number > UINT16_MAX) {
            return false;
        }
    }
    *port = (uint16_t)number;
    return number != 0;
}

static bool parse_authority(const char *text, authority *out)
{
    *out = (authority){0};
    const char *host = text;
    size_t size;
    const char *rest;
    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL) {
            return false;
        }
        host = text + 1;
        size = (size_t)(end - host);
        rest = end + 1;
    } else {
        size = strcspn(text, ":");
        rest = text + size;
    }
    if (size == 0 || size >= sizeof out->host || memchr(host, '/', size) != NULL ||
        memchr(host, '@', size) != NULL) {
        return false;
    }
    memcpy(out->host, host, size);
    out->has_port = *rest == ':';
    return *rest == '\0' || (out->has_port && parse_port(rest + 1, &out->port));
}

static bool is_own_name(const char *host, const char *local)
{
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "::1") == 0 || (local != NULL && strcasecmp(host, local) == 0);
}

bool web_origin_host_ok(const web_origin_rules *rules, const char *host,
                        const char *local)
{
    authority asked;
    if (host == NULL || !parse_authority(host, &asked)) {
        return false;
    }
    uint16_t port = asked.has_port ? asked.port : rules->tls ? 443 : 80;
    if (port == rules->port && is_own_name(asked.host, local)) {
        return true;
    }
    authority known;
    for (size_t i = 0; rules->hosts != NULL && rules->hosts[i] != NULL; i++) {
        if (parse_authority(rules->hosts[i], &known) &&
            strcasecmp(known.host, asked.host) == 0 &&
            (!known.has_port || known.port == port)) {
            return true;
        }
    }
    return false;
}

bool web_origin_host_is_loopback(const char *host)
{
    authority asked;
    if (host == NULL || !parse_authority(host, &asked)) {
        return false;
    }
    struct in_addr address;
    bool numeric = inet_pton(AF_INET, asked.host, &address) == 1;
    return strcasecmp(asked.host, "localhost") == 0 || strcmp(asked.host, "::1") == 0 ||
           (numeric && ntohl(address.s_addr) >> 24 == 127);
}

web_origin_kind web_origin_check(const web_origin_rules *rules, const char *origin,
                                 const char *local)
{
    if (origin == NULL) {
        return WEB_ORIGIN_NONE;
    }
    for (size_t i = 0; rules->origins != NULL && rules->origins[i] != NULL; i++) {
        if (strcasecmp(rules->origins[i], origin) == 0) {
            return WEB_ORIGIN_LISTED;
        }
    }
    const char *scheme = rules->tls ? "https://" : "http://";
    size_t size = strlen(scheme);
    if (strncasecmp(origin, scheme, size) == 0 &&
        web_origin_host_ok(rules, origin + size, local)) {
        return WEB_ORIGIN_NONE;
    }
    return WEB_ORIGIN_REFUSED;
}
