#include "cli/trace_filter.h"

#include <pcap/pcap.h>

#define LONGEST 65535 // bytes of a packet: none is cut before the filter sees it

static json_t *program_json(const struct bpf_program *p)
{
    json_t *all = json_array();
    for (unsigned i = 0; all && i < p->bf_len; i++) {
        const struct bpf_insn *s = &p->bf_insns[i];
        (void)json_array_append_new(
            all, json_pack("[i, i, i, I]", s->code, s->jt, s->jf, (json_int_t)s->k));
    }
    return all;
}

err_t trace_filter(const char *expression, json_t **out, struct why *why)
{
    struct bpf_program program;
    pcap_t *pcap = pcap_open_dead(DLT_RAW, LONGEST);
    err_t err = ERR_OK;
    *out = NULL;
    if (!pcap) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        err = why_not(why, ERR_SYNTAX, "%s", pcap_geterr(pcap));
    } else {
        *out = program_json(&program);
        if (!*out) err = why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
        pcap_freecode(&program);
    }
    pcap_close(pcap);
    return err;
}
