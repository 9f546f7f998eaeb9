#include "daemon/leases.h"

#include "base/clock.h"
#include "daemon/state.h"

#define FILE_NAME "leases"
#define DELAY_NS (NSEC_PER_SEC / 2)

void leases_restore(struct iked *d)
{
    AUTO(text) struct text text = {0};
    struct why why = {0};
    err_t e = state_read(d->options.state_dir, FILE_NAME, &text, &why);
    if (e == ERR_NOTFOUND) return;
    if (e == ERR_OK) e = pools_restore(ike_pools(d->ike), span_str(text_str(&text)), &why);
    d->leases_saved = pools_version(ike_pools(d->ike));
    if (e == ERR_OK) return;
    log_say(LOG_ERROR, "leases",
            "%s/" FILE_NAME " is refused: %s; it is kept as " FILE_NAME
            ".bad, and clients may get other addresses than before",
            d->options.state_dir, why.text);
    state_put_aside(d->options.state_dir, FILE_NAME);
}

static void save(struct iked *d)
{
    AUTO(text) struct text text = {0};
    struct why why = {0};
    uint64_t version = pools_version(ike_pools(d->ike));
    if (version == d->leases_saved) return;
    pools_save(ike_pools(d->ike), &text);
    d->leases_saved = version; // a failure is told once, not for ever
    if (state_write(d->options.state_dir, FILE_NAME, &text, &why) == ERR_OK) return;
    log_say(LOG_WARN, "leases",
            "%s; after a restart clients may get other addresses than they have now", why.text);
}

static void on_timer(void *ctx)
{
    struct iked *d = ctx;
    d->leases_due = false;
    if (d->ike) save(d);
}

void leases_notice(struct iked *d)
{
    if (!d->ike || d->leases_due || pools_version(ike_pools(d->ike)) == d->leases_saved) return;
    if (!d->leases_timer) d->leases_timer = loop_timer_new(d->loop, on_timer, d);
    if (!d->leases_timer) return; // the next change tries again
    d->leases_due = true;
    loop_timer_at(d->leases_timer, clock_mono() + DELAY_NS);
}

void leases_done(struct iked *d)
{
    if (d->ike) save(d);
    loop_timer_free(d->leases_timer);
    d->leases_timer = NULL;
}
