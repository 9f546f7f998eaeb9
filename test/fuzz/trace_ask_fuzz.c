// What somebody asks to see of live packets: any JSON either becomes a specification within its
// limits or is refused with a sentence; a filter that was taken runs over any packet, to its end.
// The input is the request, a zero byte, and the packet.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/trace_ask.h"
#include "test/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static struct trace_ask ask;
    struct why why = {{0}};
    const uint8_t *end = n ? memchr(in, 0, n) : NULL;
    const size_t len = end ? (size_t)(end - in) : n;
    const span_t packet = end ? span(end + 1, n - len - 1) : span(NULL, 0);
    if (trace_ask_read(span(in, len), &ask, &why) != ERR_OK) {
        MUST(*why.text);
        return 0;
    }
    const struct trace_spec *spec = &ask.spec;
    MUST(spec->every >= 1 && spec->every <= TRACE_EVERY_MAX);
    MUST(spec->snap >= TRACE_SNAP_MIN && spec->snap <= TRACE_SNAP_MAX);
    MUST(spec->in || spec->out);
    MUST(spec->steps <= BPF_STEPS_MAX);
    if (spec->steps) (void)bpf_run(spec->filter, packet, (uint32_t)packet.len + 40);
    return 0;
}
