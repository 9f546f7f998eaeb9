// A conversation whose methods are a RADIUS server's: what of the peer's packets is sent on, and
// whose name it is that the server proves.
#include <string.h>

#include "base/order.h"
#include "eap/method.h"
#include "eap/relay.h"
#include "test/check.h"

#define SERVER_ID 7

static struct eap *talk_of(bool alone)
{
    struct eap_terms t = {.server = true, .alone = alone};
    struct eap_name_is name;
    CHECK_OK(id_parse("carol", &t.other, NULL));
    struct eap *e = eap_new(&t);
    assert_non_null(e);
    CHECK_OK(eap_relay_begin(e, "", &name));
    return e;
}

static struct eap *talk_new(void)
{
    return talk_of(false);
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

// rfc5998 4: what does not prove the gateway, or gives no key, does not do where nothing else does.
static void alone_only_what_proves_both(void **state)
{
    static const uint8_t msk[64] = {1};
    static const struct {
        bool alone;
        uint8_t type;
        size_t key;
        enum eap_state end;
    } cases[] = {{true, EAP_MSCHAPV2, 64, EAP_FAILED}, {true, EAP_MD5, 0, EAP_FAILED},
                 {true, EAP_SIM, 0, EAP_FAILED},       {true, EAP_SIM, 64, EAP_SUCCEEDED},
                 {true, EAP_TLS, 64, EAP_SUCCEEDED},   {false, EAP_MD5, 0, EAP_SUCCEEDED}};
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct eap *e = talk_of(cases[i].alone);
        asks(e, cases[i].type);
        eap_relay_give(e, EAP_SUCCEEDED, span(NULL, 0), span(msk, cases[i].key));
        CHECK_EQ(eap_state(e), cases[i].end);
        CHECK_EQ(eap_packet(e).at[0], cases[i].end == EAP_FAILED ? 4 : 3);
        CHECK_EQ(eap_msk(e).len, cases[i].end == EAP_FAILED ? 0 : cases[i].key);
        eap_free(e);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_may_ask_for_a_name),
        cmocka_unit_test(a_name_that_nobody_asks_for),
        cmocka_unit_test(a_name_too_early),
        cmocka_unit_test(alone_only_what_proves_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
