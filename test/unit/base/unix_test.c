#include "base/unix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/check.h"

static void names(void **state)
{
    (void)state;
    struct why why;
    socklen_t len;
    struct sockaddr_un at;
    char longest[sizeof at.sun_path + 1];
    CHECK_OK(unix_address("/run/x", &at, &len, &why));
    CHECK_STR(at.sun_path, "/run/x");
    CHECK_OK(unix_address("@x", &at, &len, &why));
    assert_int_equal(at.sun_path[0], 0);
    assert_int_equal(at.sun_path[1], 'x');
    assert_int_equal(len, offsetof(struct sockaddr_un, sun_path) + 2);
    memset(longest, 'x', sizeof longest);
    longest[sizeof at.sun_path - 1] = 0;
    CHECK_OK(unix_address(longest, &at, &len, &why));
    longest[sizeof at.sun_path - 1] = 'x';
    longest[sizeof at.sun_path] = 0;
    assert_int_equal(unix_address(longest, &at, &len, &why), ERR_RANGE);
    assert_int_equal(unix_address("", &at, &len, &why), ERR_RANGE);
}

static void bound_and_unbound(void **state)
{
    (void)state;
    int fd = -1, again = -1;
    struct why why;
    char dir[] = "/tmp/unix_test.XXXXXX", name[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(name, sizeof name, "%s/socket", dir);
    CHECK_OK(unix_bind(name, SOCK_STREAM, &fd, &why));
    assert_int_equal(access(name, F_OK), 0);
    assert_int_equal(unix_bind(name, SOCK_STREAM, &again, &why), ERR_SYSTEM);
    assert_non_null(strstr(why.text, name));
    assert_int_equal(again, -1);

    struct sockaddr_un at;
    socklen_t len;
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(unix_address(name, &at, &len, &why));
    assert_int_equal(connect(client, (struct sockaddr *)&at, len), 0);
    assert_int_equal(unix_peer_is_root(client), geteuid() == 0);
    (void)close(client);

    unix_unbind(fd, name);
    assert_int_not_equal(access(name, F_OK), 0);
    unix_unbind(-1, name);
    assert_int_equal(rmdir(dir), 0);
}

// Abstract: gone with its socket, and no file anywhere.
static void abstract(void **state)
{
    (void)state;
    int fd = -1;
    struct why why;
    char name[64];
    (void)snprintf(name, sizeof name, "@unix_test.%d", getpid());
    for (int i = 0; i < 2; i++) {
        CHECK_OK(unix_bind(name, i ? SOCK_SEQPACKET : SOCK_DGRAM, &fd, &why));
        assert_int_not_equal(access(name, F_OK), 0);
        unix_unbind(fd, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(bound_and_unbound),
        cmocka_unit_test(abstract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
