#include "cred/fetch.h"

#include <curl/curl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "cred/pkey.h"

void fetched_done(struct fetched *f)
{
    free(f->at);
    *f = (struct fetched){0};
}

static bool is_ldap(const char *url)
{
    return !strncasecmp(url, "ldap://", 7) || !strncasecmp(url, "ldaps://", 8);
}

bool fetch_can(const char *url)
{
    if (strlen(url) > FETCH_URL_MAX) return false;
    for (const char *p = url; *p; p++) {
        bool blank = *p == ' ' && is_ldap(url); // names have them, and so do URLs in certificates
        if (!blank && (*p <= ' ' || *p > '~')) return false;
    }
    return !strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8) || is_ldap(url);
}

err_t fetch_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? ERR_OK : ERR_CRYPTO;
}

struct sink {
    struct fetched got;
    size_t room, limit;
    bool full;
};

// What is longer than asked for ends the transfer.
static size_t sink_write(char *at, size_t one, size_t n, void *ctx)
{
    struct sink *s = ctx;
    size_t len = one * n;
    s->full = len > s->limit - s->got.len;
    if (s->full) return 0;
    if (s->room - s->got.len < len) {
        size_t room = 2 * s->room + len;
        uint8_t *more = realloc(s->got.at, room);
        if (!more) return 0;
        s->got.at = more;
        s->room = room;
    }
    memcpy(s->got.at + s->got.len, at, len);
    s->got.len += len;
    return len;
}

// ---- where strangers may not send us -----------------------------------------------------------

static bool is_inside4(const uint8_t ip[4])
{
    return ip[0] == 0 || ip[0] == 127 || (ip[0] == 169 && ip[1] == 254);
}

static bool is_inside6(const struct in6_addr *ip)
{
    if (IN6_IS_ADDR_V4MAPPED(ip) || IN6_IS_ADDR_V4COMPAT(ip)) return is_inside4(ip->s6_addr + 12);
    return IN6_IS_ADDR_UNSPECIFIED(ip) || IN6_IS_ADDR_LOOPBACK(ip) || IN6_IS_ADDR_LINKLOCAL(ip);
}

// Names are looked up by then, redirects followed.
static curl_socket_t socket_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)ctx, (void)purpose;
    struct sockaddr_storage sa = {0};
    if (to->addrlen > sizeof sa) return CURL_SOCKET_BAD;
    memcpy(&sa, &to->addr, to->addrlen);
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&sa;
    bool inside = true;
    if (sa.ss_family == AF_INET) inside = is_inside4((const uint8_t *)&in4->sin_addr);
    if (sa.ss_family == AF_INET6) inside = is_inside6(&in6->sin6_addr);
    return inside ? CURL_SOCKET_BAD : socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

// A URL that libcurl takes: blanks are escaped.
static void url_escape(const char *url, char out[3 * FETCH_URL_MAX + 1])
{
    size_t n = 0;
    for (; *url; url++) {
        if (*url == ' ') memcpy(out + n, "%20", 3);
        if (*url != ' ') out[n] = *url;
        n += *url == ' ' ? 3 : 1;
    }
    out[n] = '\0';
}

static bool place_set(CURL *c, const struct fetch *ask)
{
    char url[3 * FETCH_URL_MAX + 1];
    const char *schemes = is_ldap(ask->url) ? "ldap,ldaps" : "http,https";
    url_escape(ask->url, url);
    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, schemes) == CURLE_OK;
}

static bool options_set(CURL *c, const struct fetch *ask, struct sink *sink)
{
    long timeout = ask->timeout_ms ? (long)ask->timeout_ms : FETCH_TIMEOUT_MS;
    return place_set(c, ask) &&
           // A redirect must not lead to files of ours or to other protocols.
           curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)FETCH_REDIRECTS_MAX) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)FETCH_CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "pavise/" PAVISE_VERSION) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, sink_write) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, sink) == CURLE_OK &&
           (!ask->stranger ||
            curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, socket_open) == CURLE_OK);
}

static bool post_set(CURL *c, const struct fetch *ask, struct curl_slist **headers)
{
    char type[96];
    if (!ask->type) return true;
    (void)snprintf(type, sizeof type, "Content-Type: %s", ask->type);
    *headers = curl_slist_append(NULL, type);
    return *headers && curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)ask->post.len) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, (const char *)ask->post.at) == CURLE_OK;
}

static err_t error_of(CURLcode code, const struct sink *s)
{
    if (s->full) return ERR_LIMIT;
    switch ((int)code) {
    case CURLE_OK:
        return ERR_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_TOO_MANY_REDIRECTS:
        return ERR_LIMIT;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_UNSUPPORTED;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default:
        return ERR_NOTFOUND;
    }
}

static err_t transfer(CURL *c, const struct fetch *ask, struct sink *sink, struct why *why)
{
    struct curl_slist *headers = NULL;
    err_t e = ERR_NOMEM;
    if (options_set(c, ask, sink) && post_set(c, ask, &headers)) {
        CURLcode code = curl_easy_perform(c);
        e = error_of(code, sink);
        if (e != ERR_OK) {
            e = why_not(why, e, "fetching %.100s failed: %s", ask->url,
                        sink->full ? "it is longer than the limit" : curl_easy_strerror(code));
        }
    }
    curl_slist_free_all(headers);
    return e;
}

// libcurl tells an LDAP entry as LDIF (RFC 2849): "DN: ...", then "\tattribute;binary:: base64".
// Leaves the first such value in its place.
static bool ldif_take(struct fetched *f)
{
    static const char mark[] = ":: ";
    const size_t skip = sizeof mark - 1;
    uint8_t *from = f->len ? memmem(f->at, f->len, mark, skip) : NULL;
    if (!from) return false;
    from += skip;
    uint8_t *end = memchr(from, '\n', f->len - (size_t)(from - f->at));
    size_t len = end ? (size_t)(end - from) : f->len - (size_t)(from - f->at);
    while (len && from[len - 1] <= ' ') len--;
    if (len == 0 || len % 4 != 0 || len > INT_MAX) return false;
    int padding = (from[len - 1] == '=') + (from[len - 2] == '=');
    int n = EVP_DecodeBlock(f->at, from, (int)len); // each output byte is behind its input
    if (n < padding) return false;
    f->len = (size_t)(n - padding);
    return true;
}

err_t fetch_http(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why)
{
    (void)ctx;
    if (!fetch_can(ask->url)) {
        return why_not(why, ERR_UNSUPPORTED, "\"%.80s\" is no URL with http, https or ldap",
                       ask->url);
    }
    CURL *c = curl_easy_init();
    struct sink sink = {.limit = ask->limit};
    if (is_ldap(ask->url)) sink.limit = 2 * ask->limit; // base64, and names around it
    err_t e = c ? transfer(c, ask, &sink, why) : ERR_NOMEM;
    curl_easy_cleanup(c);
    if (e == ERR_OK && is_ldap(ask->url) && !ldif_take(&sink.got))
        e = why_not(why, ERR_NOTFOUND, "fetching %.100s failed: there is no binary attribute",
                    ask->url);
    if (e == ERR_OK)
        *out = sink.got;
    else
        fetched_done(&sink.got);
    return e;
}
