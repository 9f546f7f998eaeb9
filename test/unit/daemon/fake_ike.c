#include "test/unit/daemon/fake_ike.h"

#include <stdio.h>
#include <string.h>

#include "ike/ids.h"
#include "ike/sa/child_sa.h"

// Handles are the addresses of the views.
const struct ike_sa *fake_sa(const struct fake_ike *f, unsigned i)
{
    return (const struct ike_sa *)(const void *)&f->sa[i];
}

static unsigned index_of(const struct fake_ike *f, const struct ike_sa *sa)
{
    return (unsigned)((const struct ike_sa_view *)(const void *)sa - f->sa);
}

static void request(struct fake_ike *f, ike_done_fn *done, void *ctx)
{
    if (f->before_return) f->before_return(f);
    if (f->answer_at_once) {
        done(ctx, f->answer, f->answer == ERR_OK ? "" : "the peer said no");
        return;
    }
    f->done = done;
    f->done_ctx = ctx;
}

void ike_work_done(struct ike *ike, struct ike_work *w)
{
    (void)ike, (void)w;
}

struct ike_options ike_options_default(void)
{
    return (struct ike_options){0};
}

void ike_set_options(struct ike *ike, const struct ike_options *options)
{
    (void)ike, (void)options;
}

void ike_configure(struct ike *ike, const struct config *config)
{
    (void)config;
    fake(ike)->configured++;
}

struct pools *ike_pools(struct ike *ike)
{
    return fake(ike)->pools;
}

void ike_initiate(struct ike *ike, const char *conn, const char *child, ike_done_fn *done,
                  void *ctx)
{
    struct fake_ike *f = fake(ike);
    (void)snprintf(f->conn, sizeof f->conn, "%s", conn ? conn : "-");
    (void)snprintf(f->child_name, sizeof f->child_name, "%s", child ? child : "-");
    request(f, done, ctx);
}

void ike_terminate(struct ike *ike, const struct ike_choice *what, unsigned *matches,
                   ike_done_fn *done, void *ctx)
{
    struct fake_ike *f = fake(ike);
    f->choice = *what;
    (void)snprintf(f->conn, sizeof f->conn, "%s", what->ike ? what->ike : "-");
    (void)snprintf(f->child_name, sizeof f->child_name, "%s", what->child ? what->child : "-");
    *matches = f->matches;
    request(f, done, ctx);
}

err_t ike_rekey(struct ike *ike, const struct ike_choice *what, unsigned *matches)
{
    struct fake_ike *f = fake(ike);
    f->choice = *what;
    *matches = f->matches;
    return f->answer;
}

err_t ike_redirect(struct ike *ike, const struct ike_redirect *what, unsigned *matches)
{
    struct fake_ike *f = fake(ike);
    f->choice = what->choice;
    (void)snprintf(f->gateway, sizeof f->gateway, "%s", what->gateway);
    *matches = f->matches;
    return f->answer;
}

void ike_each(struct ike *ike, ike_view_fn *fn, void *ctx)
{
    struct fake_ike *f = fake(ike);
    for (unsigned i = 0; i < f->sa_n; i++) {
        if (!fn(ctx, &f->sa[i], fake_sa(f, i))) return;
    }
}

unsigned ike_ids(const struct ike *ike, uint32_t *out, unsigned max)
{
    const struct fake_ike *f = (const struct fake_ike *)(const void *)ike;
    for (unsigned i = 0; i < f->sa_n && i < max; i++) out[i] = f->sa[i].id;
    return f->sa_n;
}

void ike_one(struct ike *ike, uint32_t id, ike_view_fn *fn, void *ctx)
{
    struct fake_ike *f = fake(ike);
    f->ones++;
    if (f->before_one) f->before_one(f, id);
    for (unsigned i = 0; i < f->sa_n; i++) {
        if (f->sa[i].id == id) (void)fn(ctx, &f->sa[i], fake_sa(f, i));
    }
}

void ike_each_child(struct ike *ike, const struct ike_sa *sa, child_view_fn *fn, void *ctx)
{
    struct fake_ike *f = fake(ike);
    const struct child_sa_view *v = &f->child[index_of(f, sa)];
    if (v->name) (void)fn(ctx, v);
}

void ike_child_show(struct ike *ike, const struct child_sa *child, child_view_fn *fn, void *ctx)
{
    const struct fake_ike *f = fake(ike);
    for (unsigned i = 0; i < f->sa_n; i++) {
        if (f->child[i].id == child->id) (void)fn(ctx, &f->child[i]);
    }
}

void ike_sa_show(struct ike *ike, const struct ike_sa *sa, struct ike_sa_view *out)
{
    struct fake_ike *f = fake(ike);
    *out = f->sa[index_of(f, sa)];
}

void ike_stats(const struct ike *ike, struct ike_stats *out)
{
    *out = ((const struct fake_ike *)(const void *)ike)->stats;
}

err_t ike_install(struct ike *ike, const char *conn, const char *child, struct why *why)
{
    struct fake_ike *f = fake(ike);
    (void)snprintf(f->conn, sizeof f->conn, "%s", conn ? conn : "-");
    (void)snprintf(f->child_name, sizeof f->child_name, "%s", child);
    if (f->answer != ERR_OK) return why_not(why, f->answer, "the executor said no");
    (void)snprintf(f->installed, sizeof f->installed, "%s ", child);
    return ERR_OK;
}

err_t ike_uninstall(struct ike *ike, const char *conn, const char *child, struct why *why)
{
    err_t err = ike_install(ike, conn, child, why);
    fake(ike)->installed[0] = 0;
    return err;
}

bool ike_installed(const struct ike *ike, const char *conn, const char *child, uint32_t *reqid)
{
    char word[64];
    (void)conn;
    if (reqid) *reqid = strcmp(child, "pass") != 0 ? 5 : 0; // a shunt has no SAs
    (void)snprintf(word, sizeof word, "%s ", child);
    return strstr(fake((struct ike *)(uintptr_t)ike)->installed, word);
}

struct counters *ike_counters(struct ike *ike)
{
    return &fake(ike)->counters;
}

struct whitelist *ike_whitelist(struct ike *ike)
{
    return fake(ike)->whitelist;
}

struct simcards *ike_simcards(struct ike *ike)
{
    static struct simcards *cards; // nobody looks into them
    (void)ike;
    if (!cards) cards = simcards_new(0);
    return cards;
}

void ike_network_changed(struct ike *ike)
{
    (void)ike;
}
