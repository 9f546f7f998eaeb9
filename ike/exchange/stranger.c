#include "ike/exchange/stranger.h"

#include <stdarg.h>
#include <stdio.h>

#include "ike/exchange/cookie.h"
#include "ike/sa/diplomat.h"

#define DOUBT_NS (2 * NSEC_PER_SEC)           // a genuine answer is here by then
#define IKE_SAS_MAX 100000                    // in all: peers with a key may open many, too
#define ANSWER_EVERY_NS (200 * NSEC_PER_MSEC) // rfc7296 2.21.4: answers to strangers are rationed

// One unprotected Notify, with the SPIs and the Message ID of the request.
static void answer_once(struct ike *ike, const struct datagram *d, const struct ike_header *h,
                        uint16_t type, span_t data)
{
    uint8_t buf[256];
    struct msgw m;
    span_t bytes;
    struct notify n = {.type = type, .data = data};
    struct ike_header reply = *h;
    reply.version = 0x20;
    reply.flags = (uint8_t)((~h->flags & IKE_FLAG_INITIATOR) | IKE_FLAG_RESPONSE);
    msgw_start(&m, buf, sizeof buf, &reply);
    notify_write(msgw_begin(&m, PAYLOAD_N), &n);
    msgw_end(&m);
    if (msgw_finish(&m, &bytes) != ERR_OK) return;
    struct datagram out = {.from = d->to, .to = d->from, .bytes = bytes};
    ike->env.send(ike->env.ctx, &out);
    ike->stats.sent++;
}

static bool rationed(struct ike *ike)
{
    uint64_t now = ike_now(ike);
    if (ike->stranger_at && now - ike->stranger_at < ANSWER_EVERY_NS) return true;
    ike->stranger_at = now ? now : 1;
    return false;
}

static bool shows_cookie(struct ike *ike, const struct cookie_claim *claim, const struct msg *m)
{
    struct notify n;
    if (notify_find(m, N_COOKIE, &n) != ERR_OK) return false;
    return cookie_check(&ike->cookies, &ike->env, claim, n.data) == ERR_OK;
}

// One address may have as many as there is room left for others, and no more than its own limit: so
// nobody takes all by himself, cookies or not.
static bool is_full(const struct ike *ike, unsigned all, unsigned here)
{
    const struct ike_options *opt = &ike->opt;
    if (ike->table.n >= IKE_SAS_MAX || all >= opt->half_open_max) return true;
    return here >= opt->half_open_max - all || here >= opt->half_open_max_ip;
}

static void tell_turned_away(struct ike *ike, const struct datagram *d, bool many)
{
    char ip[IP_TEXT_MAX];
    uint64_t second = ike_now(ike) / NSEC_PER_SEC;
    enum log_level level = second == ike->turned_away_at ? LOG_DEBUG : LOG_STORY;
    ike->turned_away_at = second;
    if (many) {
        tell(ike, NULL, level, "%s is not answered: there are %u IKE SAs (charon.ikesa_limit)",
             ip_show(&d->from.ip, ip), ike->table.n);
    } else {
        tell(ike, NULL, level,
             "%s is not answered: it has begun %u IKE SAs that are not finished "
             "(charon.block_threshold)",
             ip_show(&d->from.ip, ip), ike->opt.half_open_max_ip);
    }
}

bool stranger_must_wait(struct ike *ike, const struct datagram *d, const struct msg *m)
{
    const struct ike_options *opt = &ike->opt;
    unsigned all = ike->table.half_open;
    unsigned here = table_half_open_from(&ike->table, &d->from.ip);
    bool many = opt->sas_max && ike->table.n >= opt->sas_max;
    bool blocked = here >= opt->half_open_max_ip;
    if (many || blocked) tell_turned_away(ike, d, many);
    if (ike->shutdown.on || many || is_full(ike, all, here)) {
        ike->stats.dropped++;
        return true;
    }
    if (all < opt->cookie_threshold && here < opt->cookie_threshold_ip) return false;
    struct cookie_claim claim = {.ip = d->from.ip, .spi_i = m->h.spi_i};
    uint8_t cookie[COOKIE_LEN];
    if (nonce_read(msg_body(m, PAYLOAD_Nonce), &claim.nonce) != ERR_OK) {
        ike->stats.dropped++;
        return true;
    }
    if (shows_cookie(ike, &claim, m)) return false;
    if (cookie_make(&ike->cookies, &ike->env, &claim, cookie) != ERR_OK) return true;
    ike->stats.cookies_sent++;
    answer_once(ike, d, &m->h, N_COOKIE, SPAN(cookie));
    return true;
}

void stranger_version(struct ike *ike, const struct datagram *d, const struct ike_header *h)
{
    ike->stats.dropped++;
    // rfc7296 2.5 MUST: a higher major version is dropped; saying which one we know is a SHOULD.
    if (h->version >> 4 < 2 || h->flags & IKE_FLAG_RESPONSE || rationed(ike)) return;
    answer_once(ike, d, h, N_INVALID_MAJOR_VERSION, span(NULL, 0));
}

void stranger_unknown(struct ike *ike, const struct datagram *d, const struct ike_header *h)
{
    char from[ENDPOINT_TEXT_MAX];
    ike->stats.dropped++;
    // rfc7296 2.21.4 MUST NOT: responses are never answered. The peer takes the hint, if it likes.
    if (h->flags & IKE_FLAG_RESPONSE || rationed(ike)) return;
    tell(ike, NULL, LOG_INFO, "%s speaks of an IKE SA that is not known here; told it so",
         endpoint_show(&d->from, from));
    answer_once(ike, d, h, N_INVALID_IKE_SPI, span(NULL, 0));
}

void stranger_doubt(struct ike_sa *sa, err_t err, const char *fmt, ...)
{
    struct why *why = &sa->opening->refused;
    if (why->text[0]) return; // the first reason is as good as the others
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    sa->opening->refused_err = err;
    tell(sa->ike, sa, LOG_INFO, "%s; waiting a moment whether that was all", why->text);
    // rfc7296 2.21.1: an error that anybody can have sent is not acted upon at once.
    ike_sa_timer(sa, TIMER_CLOSE, ike_now(sa->ike) + DOUBT_NS);
}
