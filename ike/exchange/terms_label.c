#include "ike/exchange/terms_label.h"

#include <stdio.h>

#include "base/text.h"

span_t terms_label(const struct conf_child *f)
{
    return f->label ? span_str(f->label) : span(NULL, 0);
}

// How many labels a payload has; *found: `wanted` is one of them.
static unsigned labels_of(const struct msg *in, enum payload_type type, span_t wanted, bool *found)
{
    unsigned i = 0, n = 0;
    span_t label;
    *found = false;
    for (; ts_next_label(msg_body(in, type), &i, &label) == ERR_OK; n++)
        *found |= wanted.len && span_eq(label, wanted);
    return n;
}

bool terms_label_fits(const struct msg *in, const struct conf_child *f)
{
    const span_t ours = terms_label(f);
    bool in_i, in_r;
    unsigned n = labels_of(in, PAYLOAD_TSi, ours, &in_i) + labels_of(in, PAYLOAD_TSr, ours, &in_r);
    return ours.len ? in_i && in_r : n == 0;
}

err_t terms_label_check(const struct msg *in, const struct conf_child *f, struct why *why)
{
    const span_t ours = terms_label(f);
    bool in_i, in_r;
    unsigned wanted = ours.len ? 1 : 0;
    bool one = labels_of(in, PAYLOAD_TSi, ours, &in_i) == wanted &&
               labels_of(in, PAYLOAD_TSr, ours, &in_r) == wanted;
    // rfc9478 3 MUST: a label that was asked for is in the answer, or there is no child SA
    if (one && (!wanted || (in_i && in_r))) return ERR_OK;
    return why_not(why, ERR_NOCHOICE,
                   "the peer's answer is not for the label that %.60s asks for (label): %s",
                   f->name, f->label ? f->label : "none");
}

const char *terms_label_show(const struct msg *in, char buf[TERMS_LABEL_TEXT_MAX])
{
    unsigned i = 0;
    span_t label;
    char shown[64];
    buf[0] = 0;
    if (ts_next_label(msg_body(in, PAYLOAD_TSi), &i, &label) != ERR_OK) return buf;
    size_t n = label.len < sizeof shown - 1 ? label.len : sizeof shown - 1;
    for (size_t k = 0; k < n; k++)
        shown[k] = label.at[k] > ' ' && label.at[k] < 127 ? (char)label.at[k] : '?';
    shown[n] = 0;
    (void)snprintf(buf, TERMS_LABEL_TEXT_MAX, " with the label %s", shown);
    return buf;
}
