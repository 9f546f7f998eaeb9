// replay.c - runs every file of a corpus folder through a fuzz target, as a TAP test.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    static uint8_t buf[1 << 20];
    size_t n = fread(buf, 1, sizeof buf, f);
    (void)fclose(f);
    uint8_t *exact = malloc(n ? n : 1); // exact size, so that ASan sees an overrun by one
    if (!exact) return -1;
    memcpy(exact, buf, n);
    int rc = LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return rc;
}

int main(int argc, char **argv)
{
    struct dirent **list = NULL;
    int n = argc == 2 ? scandir(argv[1], &list, NULL, alphasort) : -1;
    unsigned count = 0;
    if (n < 0) {
        printf("Bail out! no corpus folder\n");
        return 1;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        if (list[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", argv[1], list[i]->d_name);
            (void)fprintf(stderr, "# %s\n", list[i]->d_name); // names the culprit of a crash
            printf("%s %u - %s\n", replay_file(path) == 0 ? "ok" : "not ok", ++count,
                   list[i]->d_name);
            (void)fflush(stdout);
        }
        free(list[i]);
    }
    free(list);
    printf("1..%u\n", count);
    return count ? 0 : 1;
}
