#include "ike/sa/traffic.h"

#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"

static void add(const struct child_sa *c, bool out, struct ike_traffic *to)
{
    uint64_t bytes, packets;
    if (!install_counted(c, out, &bytes, &packets)) return;
    *(out ? &to->bytes_out : &to->bytes_in) += bytes;
    *(out ? &to->packets_out : &to->packets_in) += packets;
}

void traffic_keep_out(const struct child_sa *c)
{
    if (c->sa->ike->opt.counts) add(c, true, &c->sa->past);
}

void traffic_keep(const struct child_sa *c)
{
    traffic_keep_out(c);
    if (c->sa->ike->opt.counts) add(c, false, &c->sa->past);
}

struct ike_traffic traffic_here(const struct child_sa *c)
{
    struct ike_traffic t = {0};
    if (!c->sa->ike->opt.counts) return t;
    add(c, false, &t);
    add(c, true, &t);
    return t;
}

void traffic_moved(const struct child_sa *c, const struct ike_traffic *before)
{
    struct ike_traffic *to = &c->sa->past, now = traffic_here(c);
    if (now.packets_in < before->packets_in) {
        to->packets_in += before->packets_in;
        to->bytes_in += before->bytes_in;
    }
    if (now.packets_out < before->packets_out) {
        to->packets_out += before->packets_out;
        to->bytes_out += before->bytes_out;
    }
}

struct ike_traffic traffic_of(const struct ike_sa *sa)
{
    struct ike_traffic sum = sa->past;
    for (const struct child_sa *c = sa->children; c; c = c->next) {
        add(c, false, &sum);
        add(c, true, &sum);
    }
    return sum;
}
