#include "cli/stat_kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/paint.h"

struct meaning {
    const char *name, *text;
};

// Linux: Documentation/networking/xfrm_proc.rst, in other words.
static const struct meaning meanings[] = {
    {"XfrmInError", "came in and failed for a reason that no other counter has"},
    {"XfrmInBufferError", "came in, and there was no memory for it"},
    {"XfrmInHdrError", "came in with a header that cannot be"},
    {"XfrmInNoStates", "came in for an SA that is not there: wrong SPI, address or protocol"},
    {"XfrmInStateProtoError", "came in and did not verify, or was not what its SA protects with"},
    {"XfrmInStateModeError", "came in, in another mode than its SA's"},
    {"XfrmInStateSeqError", "came in with a number used before, or behind the replay window"},
    {"XfrmInStateExpired", "came in for an SA whose lifetime is over"},
    {"XfrmInStateMismatch", "came in, and its SA does not carry such packets, or not so"},
    {"XfrmInStateInvalid", "came in for an SA that is not usable yet, or any more"},
    {"XfrmInTmplMismatch", "came in, protected otherwise than its policy wants"},
    {"XfrmInNoPols", "came in through an SA, and no policy asks for that"},
    {"XfrmInPolBlock", "came in where a policy says block"},
    {"XfrmInPolError", "came in, and its policy could not be applied"},
    {"XfrmOutError", "failed on its way out for a reason that no other counter has"},
    {"XfrmOutBundleGenError", "found no way out: its SAs could not be put together"},
    {"XfrmOutBundleCheckError", "found SAs put together that had changed meanwhile"},
    {"XfrmOutNoStates", "had a policy and no SA: waited for one in vain, or did not wait"},
    {"XfrmOutStateProtoError", "could not be sealed"},
    {"XfrmOutStateModeError", "does not fit its SA's mode"},
    {"XfrmOutStateSeqError", "found all sequence numbers of its SA used up"},
    {"XfrmOutStateExpired", "found an SA whose lifetime is over"},
    {"XfrmOutPolBlock", "was to go out where a policy says block"},
    {"XfrmOutPolDead", "found a policy that was just deleted"},
    {"XfrmOutPolError", "found a policy that could not be applied"},
    {"XfrmFwdHdrError", "was to be forwarded and could not be routed back"},
    {"XfrmOutStateInvalid", "found an SA that is not usable yet, or any more"},
    {"XfrmAcquireError", "needed an SA, and no IKE daemon took the request"},
    {"XfrmOutStateDirError", "found an SA that is for packets coming in only"},
    {"XfrmInStateDirError", "came in for an SA that is for packets going out only"},
    {"XfrmInIptfsError", "came in with an IP-TFS payload that cannot be"},
    {"XfrmOutNoQueueSpace", "found the queue of its IP-TFS SA full"},
};

const char *stat_kernel_text(const char *name)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (strcmp(meanings[i].name, name) == 0) return meanings[i].text;
    }
    return NULL;
}

err_t stat_kernel_read(const char *path, json_t **out, struct why *why)
{
    char line[128], name[64];
    uint64_t n;
    FILE *f = fopen(path, "re");
    if (!f) {
        return why_not(why, ERR_NOTFOUND,
                       "%s: %s: this kernel does not count (CONFIG_XFRM_STATISTICS)", path,
                       strerror(errno));
    }
    json_t *all = json_object();
    bool good = true;
    while (good && fgets(line, sizeof line, f)) {
        good = sscanf(line, "%63s %" SCNu64, name, &n) == 2;
        if (good) (void)json_object_set_new(all, name, json_integer((json_int_t)n));
    }
    (void)fclose(f);
    if (good) {
        *out = json_pack("{s:o}", "kernel", all);
        return *out ? ERR_OK : why_not(why, ERR_NOMEM, "out of memory");
    }
    json_decref(all);
    return why_not(why, ERR_SYNTAX, "%s: a line is not a name and a number", path);
}

void stat_kernel_print(const json_t *stat)
{
    const char *name;
    json_t *value;
    bool any = false;
    printf("packets that the kernel has dropped: (what is not listed is 0)\n");
    json_object_foreach(json_object_get(stat, "kernel"), name, value)
    {
        const char *text = stat_kernel_text(name);
        if (json_integer_value(value) == 0) continue;
        any = true;
        printf("  %s%-24s%s %10lld  %s\n", paint(YELLOW), name, paint(PLAIN),
               (long long)json_integer_value(value), text ? text : "");
    }
    if (!any) printf("  none\n");
}
