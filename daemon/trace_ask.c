#include "daemon/trace_ask.h"

#include <jansson.h>
#include <string.h>

// A number from min to max, or `usual` where it is not given.
static bool number_read(const json_t *j, const char *key, const json_int_t range[2], uint32_t *out)
{
    const json_t *v = json_object_get(j, key);
    if (!v) return true; // stays what it is
    const json_int_t n = json_integer_value(v);
    *out = (uint32_t)n;
    return json_is_integer(v) && n >= range[0] && n <= range[1];
}

static bool flag_read(const json_t *j, const char *key, bool *out)
{
    const json_t *v = json_object_get(j, key);
    *out = json_is_true(v);
    return !v || json_is_boolean(v);
}

static bool way_read(const json_t *j, struct trace_spec *spec)
{
    const json_t *v = json_object_get(j, "way");
    const char *way = v ? json_string_value(v) : "both";
    if (!way) return false;
    const bool both = strcmp(way, "both") == 0;
    spec->out = both || strcmp(way, "out") == 0;
    spec->in = both || strcmp(way, "in") == 0;
    return spec->out || spec->in;
}

static bool field_read(const json_t *step, size_t i, json_int_t max, json_int_t *out)
{
    const json_t *v = json_array_get(step, i);
    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= 0 && *out <= max;
}

static bool step_read(const json_t *step, struct sock_filter *out)
{
    json_int_t code, jt, jf, k;
    if (json_array_size(step) != 4) return false;
    if (!field_read(step, 0, UINT16_MAX, &code) || !field_read(step, 1, UINT8_MAX, &jt) ||
        !field_read(step, 2, UINT8_MAX, &jf) || !field_read(step, 3, UINT32_MAX, &k))
        return false;
    *out = (struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, (uint32_t)k};
    return true;
}

static err_t filter_read(const json_t *j, struct trace_spec *spec, struct why *why)
{
    const json_t *steps = json_object_get(j, "filter");
    const size_t n = json_array_size(steps);
    if (!steps) return ERR_OK;
    if (n > BPF_STEPS_MAX)
        return why_not(why, ERR_RANGE, "the filter has %zu steps, and at most %d are taken", n,
                       BPF_STEPS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!step_read(json_array_get(steps, i), &spec->filter[i]))
            return why_not(why, ERR_SYNTAX, "the filter's step %zu is not four numbers", i);
    }
    spec->steps = (unsigned)n;
    return bpf_check(spec->filter, spec->steps, why);
}

static err_t ask_read(const json_t *j, struct trace_ask *out, struct why *why)
{
    static const json_int_t every[] = {1, TRACE_EVERY_MAX},
                            snap[] = {TRACE_SNAP_MIN, TRACE_SNAP_MAX};
    struct trace_spec *spec = &out->spec;
    spec->every = 1;
    spec->snap = TRACE_SNAP_MIN;
    if (!json_is_object(j)) return why_not(why, ERR_SYNTAX, "the request is no JSON object");
    if (!number_read(j, "every", every, &spec->every) || !number_read(j, "snap", snap, &spec->snap))
        return why_not(why, ERR_RANGE, "'every' is from 1 to %d, 'snap' from %d to %d",
                       TRACE_EVERY_MAX, TRACE_SNAP_MIN, TRACE_SNAP_MAX);
    if (!way_read(j, spec))
        return why_not(why, ERR_SYNTAX, "'way' is one of \"both\", \"out\", \"in\"");
    if (!flag_read(j, "drops", &spec->drops) || !flag_read(j, "bytes", &out->bytes))
        return why_not(why, ERR_SYNTAX, "'drops' and 'bytes' are true or false");
    return filter_read(j, spec, why);
}

err_t trace_ask_read(span_t request, struct trace_ask *out, struct why *why)
{
    memset(out, 0, sizeof *out);
    json_t *j = json_loadb((const char *)request.at, request.len, JSON_REJECT_DUPLICATES, NULL);
    const err_t err = ask_read(j, out, why);
    json_decref(j);
    return err;
}
