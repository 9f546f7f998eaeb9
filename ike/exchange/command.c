#include "ike/exchange/command.h"

#include <stdio.h>
#include <string.h>

#include "ike/exchange/close.h"
#include "ike/exchange/open.h"
#include "ike/exchange/redirect.h"
#include "ike/exchange/request.h"
#include "ike/exchange/timers.h"
#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"

// ---- initiate ----------------------------------------------------------------------------------

static struct conn *find_conn(struct ike *ike, const char *conn, const char *child,
                              const struct conf_child **out)
{
    struct conn *c = conn ? ike_conn(ike, conn) : ike->conns.first;
    for (; c; c = conn ? NULL : c->next) {
        *out = child ? conn_child(c, child) : NULL;
        if (!child || *out) return c;
    }
    return NULL;
}

void command_initiate(struct ike *ike, const char *conn, const char *child, struct job *job)
{
    char sentence[256];
    const struct conf_child *f = NULL;
    struct conn *c = conn || child ? find_conn(ike, conn, child, &f) : NULL;
    if (!c) {
        (void)snprintf(sentence, sizeof sentence, "no %s %.100s in the configuration",
                       child ? "child" : "connection",
                       child  ? child
                       : conn ? conn
                              : "(no name)");
        job_end(job, ERR_NOTFOUND, sentence);
        return;
    }
    if (f && trap_is_shunt(f)) {
        struct why why = {0};
        err_t err = trap_install(ike, c, f, &why);
        job_end(job, err, err == ERR_OK ? "the shunt policy is installed" : why.text);
        return;
    }
    struct open_wish w = {.conn = c, .child = f, .job = job};
    open_wish(ike, &w);
    job_end(job, ERR_OK, NULL);
}

// ---- terminate, rekey --------------------------------------------------------------------------

static bool ike_matches(const struct ike_sa *sa, const struct ike_choice *what)
{
    // What another one has replaced already is nobody's business any more.
    if (!ike_sa_live(sa) || sa->rekeyed || sa->elder) return false;
    if (what->ike_id && sa->id != what->ike_id) return false;
    return !what->ike || strcmp(ike_sa_name(sa), what->ike) == 0;
}

static bool child_matches(const struct child_sa *c, const struct ike_choice *what)
{
    if (c->state == CHILD_LINGER || c->state == CHILD_REKEYED) return false;
    if (what->child_id && c->id != what->child_id) return false;
    return !what->child || strcmp(c->conf->name, what->child) == 0;
}

static bool wants_children(const struct ike_choice *what)
{
    return what->child || what->child_id;
}

// Here it ends now; the peer is told as soon as it can be.
static void force_child(struct child_sa *c, struct job *job)
{
    struct ike_sa *sa = c->sa;
    struct task *t = c->state == CHILD_DELETING ? NULL : request_task(TASK_DELETE_CHILD, NULL);
    if (t) request_name_spi(t, c->chosen->protocol, c->spi_in);
    waiter_add(&c->enders, job);
    close_child(c, CLOSED_ASKED);
    request_add(sa, t);
}

static unsigned terminate_children(struct ike_sa *sa, const struct ike_choice *what,
                                   struct job *job)
{
    unsigned n = 0;
    for (struct child_sa *c = sa->children, *next; c; c = next) {
        next = c->next;
        if (!child_matches(c, what)) continue;
        n++;
        later_cancel(&sa->ike->later, c->conn->conf.name, c->conf->name);
        if (what->force) {
            force_child(c, job);
        } else {
            close_child_ask(c, CLOSED_ASKED, job);
        }
    }
    return n;
}

static void terminate_ike(struct ike_sa *sa, bool force, struct job *job)
{
    later_cancel(&sa->ike->later, ike_sa_name(sa), NULL);
    close_ike_ask(sa, CLOSED_ASKED, 0, job);
    if (force) close_ike(sa, CLOSED_ASKED, ERR_CLOSED, "closed without waiting for the peer");
}

void command_terminate(struct ike *ike, const struct ike_choice *what, unsigned *matches,
                       struct job *job)
{
    *matches = 0;
    for (struct ike_sa *sa = ike->all, *next; sa; sa = next) {
        next = sa->next;
        if (!ike_matches(sa, what)) continue;
        if (wants_children(what)) {
            *matches += terminate_children(sa, what, job);
            continue;
        }
        ++*matches;
        terminate_ike(sa, what->force, job);
    }
    job_end(job, *matches ? ERR_OK : ERR_NOTFOUND, *matches ? NULL : "no SA fits");
}

static unsigned rekey_children(struct ike_sa *sa, const struct ike_choice *what)
{
    unsigned n = 0;
    for (struct child_sa *c = sa->children, *next; c; c = next) {
        next = c->next;
        if (!child_matches(c, what)) continue;
        n++;
        timers_rekey_child(c);
    }
    return n;
}

err_t command_rekey(struct ike *ike, const struct ike_choice *what, unsigned *matches)
{
    *matches = 0;
    for (struct ike_sa *sa = ike->all, *next; sa; sa = next) {
        next = sa->next;
        if (!ike_matches(sa, what) || sa->state != IKE_UP) continue;
        if (wants_children(what)) {
            *matches += rekey_children(sa, what);
            continue;
        }
        ++*matches;
        if (what->reauth) {
            open_reauth(sa);
        } else {
            timers_rekey_ike(sa);
        }
    }
    return *matches ? ERR_OK : ERR_NOTFOUND;
}

// ---- redirect ----------------------------------------------------------------------------------

static bool may_be_redirected(const struct ike_sa *sa, const struct ike_redirect *what)
{
    const ip_t *peer = &sa->remote.ip;
    if (sa->state != IKE_UP || !ike_matches(sa, &what->choice)) return false;
    if (what->peer && !id_match(what->peer, &sa->remote_id)) return false;
    if (what->lo.family == AF_UNSPEC) return true;
    return peer->family == what->lo.family && ip_cmp(peer, &what->lo) >= 0 &&
           ip_cmp(peer, &what->hi) <= 0;
}

err_t command_redirect(struct ike *ike, const struct ike_redirect *what, unsigned *matches)
{
    struct redirect_to to;
    *matches = 0;
    TRY(redirect_parse(what->gateway, &to));
    for (struct ike_sa *sa = ike->all, *next; sa; sa = next) {
        next = sa->next;
        if (!may_be_redirected(sa, what)) continue;
        err_t err = redirect_ask_peer(sa, &to);
        if (err != ERR_OK)
            tell(ike, sa, LOG_WARN, "the peer cannot be redirected%s",
                 sa->redirect.peer_can ? "" : ": it has not said that it can");
        *matches += err == ERR_OK;
    }
    return ERR_OK;
}

// ---- install, uninstall ------------------------------------------------------------------------

err_t command_install(struct ike *ike, const char *conn, const char *child, struct why *why)
{
    const struct conf_child *f = NULL;
    struct conn *c = find_conn(ike, conn, child, &f);
    if (!c) return why_not(why, ERR_NOTFOUND, "no child %.100s in the configuration", child);
    return trap_ask(ike, c, f, why);
}

err_t command_uninstall(struct ike *ike, const char *conn, const char *child, struct why *why)
{
    if (trap_remove(ike, conn, child)) return ERR_OK;
    return why_not(why, ERR_NOTFOUND, "no policy of %.100s is installed", child);
}

// ---- start, shutdown ---------------------------------------------------------------------------

// A connection that was in force so before only keeps what it has: what a user has ended or
// uninstalled would come back with any other's change.
static void start_child(struct ike *ike, struct conn *conn, const struct conf_child *f)
{
    struct why why = {0};
    bool trap = f->start_action == CONF_TRAP || f->start_action == CONF_TRAP_START ||
                (trap_is_shunt(f) && f->start_action != CONF_NONE);
    bool start = f->start_action == CONF_START || f->start_action == CONF_TRAP_START;
    if (!conn->fresh || !trap) trap = trap_is_there(ike, conn->conf.name, f->name, NULL);
    if (trap && trap_install(ike, conn, f, &why) != ERR_OK) {
        tell(ike, NULL, LOG_ERROR, "cannot install a trap for %s: %s", f->name, why.text);
    }
    if (!start || !conn->fresh || trap_is_shunt(f)) return;
    struct open_wish w = {.conn = conn, .child = f};
    open_wish(ike, &w);
}

void command_start_all(struct ike *ike)
{
    for (struct conn *c = ike->conns.first; c; c = c->next) {
        for (unsigned i = 0; i < c->conf.child_n; i++) start_child(ike, c, &c->conf.child[i]);
    }
}

void command_shutdown(struct ike *ike, uint64_t timeout_ns, struct job *job)
{
    ike->shutdown.on = true;
    ike->shutdown.deadline = ike_now(ike) + timeout_ns;
    waiter_add(&ike->shutdown.waiters, job);
    job_end(job, ERR_OK, NULL);
    traps_remove(ike);
    for (struct ike_sa *sa = ike->all, *next; sa; sa = next) {
        next = sa->next;
        if (ike_sa_live(sa)) close_ike_ask(sa, CLOSED_ASKED, 0, NULL);
    }
}

void command_shutdown_check(struct ike *ike)
{
    if (!ike->shutdown.on || !ike->shutdown.waiters) return;
    for (const struct ike_sa *sa = ike->all; sa; sa = sa->next) {
        if (ike_sa_live(sa)) return;
    }
    policies_release_all(&ike->policies);
    waiter_end(&ike->shutdown.waiters, ERR_OK, "all IKE SAs are closed");
}

static void shutdown_now(struct ike *ike)
{
    for (struct ike_sa *sa = ike->all, *next; sa; sa = next) {
        next = sa->next;
        close_ike(sa, CLOSED_ASKED, ERR_TIMEOUT, "the peer did not answer before we had to go");
    }
}

void command_tick(struct ike *ike)
{
    const char *conn, *child;
    uint64_t now = ike_now(ike);
    while (!ike->shutdown.on && later_take(&ike->later, now, &conn, &child) == ERR_OK) {
        struct conn *c = ike_conn(ike, conn);
        const struct conf_child *f = c ? conn_child(c, child) : NULL;
        struct open_wish w = {.conn = c, .child = f};
        if (f) open_wish(ike, &w);
    }
    if (ike->shutdown.on && ike->shutdown.waiters && ike->shutdown.deadline <= now) {
        shutdown_now(ike);
    }
}

uint64_t command_due(const struct ike *ike)
{
    if (!ike->shutdown.on) return later_due(&ike->later);
    return ike->shutdown.waiters ? ike->shutdown.deadline : DUE_NEVER;
}
