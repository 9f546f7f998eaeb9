#include "cred/fetch.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

void fetched_done(struct fetched *f)
{
    free(f->at);
    *f = (struct fetched){0};
}

bool fetch_can(const char *url)
{
    if (strlen(url) > FETCH_URL_MAX) return false;
    for (const char *p = url; *p; p++) {
        if (*p <= ' ' || *p > '~') return false;
    }
    return !strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8);
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

static bool options_set(CURL *c, const struct fetch *ask, struct sink *sink)
{
    long timeout = ask->timeout_ms ? (long)ask->timeout_ms : FETCH_TIMEOUT_MS;
    return curl_easy_setopt(c, CURLOPT_URL, ask->url) == CURLE_OK &&
           // A redirect must not lead to files of ours or to other protocols.
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
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

err_t fetch_http(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why)
{
    (void)ctx;
    if (!fetch_can(ask->url)) {
        return why_not(why, ERR_UNSUPPORTED, "\"%.80s\" is no URL with http or https", ask->url);
    }
    CURL *c = curl_easy_init();
    struct sink sink = {.limit = ask->limit};
    err_t e = c ? transfer(c, ask, &sink, why) : ERR_NOMEM;
    curl_easy_cleanup(c);
    if (e == ERR_OK)
        *out = sink.got;
    else
        fetched_done(&sink.got);
    return e;
}
