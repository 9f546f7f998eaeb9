// A conversation whose methods are a RADIUS server's: what of the peer's packets is sent on, and
// whose name it is that the server proves.
#include <string.h>

#include "base/order.h"
#include "eap/method.h"
#include "eap/relay.h"
#include "test/check.h"

#define SERVER_ID 7

static struct eap *talk_new(void)
{
    struct eap_terms t = {.server = true};
    struct eap_name_is name;
    CHECK_OK(id_parse("carol", &t.other, NULL));
    struct eap *e = eap_new(&t);
    assert_non_null(e);
    CHECK_OK(eap_relay_begin(e, "", &name));
    return e;
}

static span_t packet(uint8_t code, uint8_t type, const char *text, uint8_t buf[64])
{
    wr_t w = wr_into(buf, 64);
    wr_u8(&w, code);
    wr_u8(&w, SERVER_ID);
    wr_u16(&w, (uint16_t)(5 + strlen(text)));
    wr_u8(&w, type);
    wr_bytes(&w, span_str(text));
    return wr_span(&w);
}

static void asks(struct eap *e, uint8_t type)
{
    uint8_t buf[64];
    eap_relay_give(e, EAP_RUNS, packet(1, type, "x", buf), span(NULL, 0));
    CHECK_EQ(eap_state(e), EAP_RUNS);
}

static bool answers(struct eap *e, uint8_t type, const char *text)
{
    uint8_t buf[64];
    return eap_relay_take(e, packet(2, type, text, buf));
}

static bool is_called(const struct eap *e, const char *name)
{
    struct id id;
    CHECK_OK(id_parse(name, &id, NULL));
    return id_eq(eap_peer(e), &id);
}

static void the_server_may_ask_for_a_name(void **state)
{
    struct eap *e = talk_new();
    (void)state;
    asks(e, EAP_IDENTITY);
    CHECK(answers(e, EAP_IDENTITY, "dave"));
    CHECK(is_called(e, "dave"));
    asks(e, EAP_MD5);
    CHECK(answers(e, EAP_MD5, "anything"));
    CHECK(is_called(e, "dave"));
    eap_free(e);
}

// The server proves whom it has begun with; nobody gets another name for that.
static void a_name_that_nobody_asks_for(void **state)
{
    static const uint8_t asked[] = {EAP_MD5, EAP_MSCHAPV2, EAP_NOTIFICATION};
    (void)state;
    for (unsigned i = 0; i < sizeof asked; i++) {
        struct eap *e = talk_new();
        asks(e, EAP_MD5);
        asks(e, asked[i]);
        CHECK(!answers(e, EAP_IDENTITY, "root"));
        CHECK(is_called(e, "carol"));
        CHECK_EQ(eap_state(e), EAP_FAILED);
        eap_free(e);
    }
}

// Before the server has said anything.
static void a_name_too_early(void **state)
{
    struct eap *e = talk_new();
    (void)state;
    uint8_t buf[64];
    span_t p = packet(2, EAP_IDENTITY, "root", buf);
    buf[1] = e->id;
    CHECK(!eap_relay_take(e, p));
    CHECK(is_called(e, "carol"));
    eap_free(e);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_may_ask_for_a_name),
        cmocka_unit_test(a_name_that_nobody_asks_for),
        cmocka_unit_test(a_name_too_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
