// msg_show.c - a message in one line, as strongSwan's users know it: exchange, direction, Message
// ID and the payloads by their short names.
#include "base/text.h"
#include "ike/codec/msg.h"
#include "ike/codec/payloads.h"

struct short_name {
    uint16_t type;
    const char *name;
};

static const struct short_name notifies[] = {
    {N_UNSUPPORTED_CRITICAL_PAYLOAD, "CRIT"},
    {N_INVALID_IKE_SPI, "INVAL_IKE_SPI"},
    {N_INVALID_MAJOR_VERSION, "INVAL_MAJOR"},
    {N_INVALID_SYNTAX, "INVAL_SYN"},
    {N_INVALID_MESSAGE_ID, "INVAL_MID"},
    {N_INVALID_SPI, "INVAL_SPI"},
    {N_NO_PROPOSAL_CHOSEN, "NO_PROP"},
    {N_INVALID_KE_PAYLOAD, "INVAL_KE"},
    {N_AUTHENTICATION_FAILED, "AUTH_FAILED"},
    {N_SINGLE_PAIR_REQUIRED, "SINGLE_PAIR"},
    {N_NO_ADDITIONAL_SAS, "NO_ADD_SAS"},
    {N_INTERNAL_ADDRESS_FAILURE, "INT_ADDR_FAIL"},
    {N_FAILED_CP_REQUIRED, "FAIL_CP_REQ"},
    {N_TS_UNACCEPTABLE, "TS_UNACCEPT"},
    {N_INVALID_SELECTORS, "INVAL_SEL"},
    {N_UNACCEPTABLE_ADDRESSES, "UNACCEPT_ADDR"},
    {N_UNEXPECTED_NAT_DETECTED, "UNEXPEC_NAT"},
    {N_TEMPORARY_FAILURE, "TEMP_FAIL"},
    {N_TS_MAX_QUEUE, "TS_MAX_QUEUE"},
    {N_SA_RESOURCE_INFO, "SA_RES_INFO"},
    {N_STATE_NOT_FOUND, "STATE_NOT_FOUND"},
    {N_CHILD_SA_NOT_FOUND, "NO_CHILD_SA"},
    {N_INITIAL_CONTACT, "INIT_CONTACT"},
    {N_SET_WINDOW_SIZE, "SET_WINSIZE"},
    {N_ADDITIONAL_TS_POSSIBLE, "ADD_TS_POSS"},
    {N_IPCOMP_SUPPORTED, "IPCOMP_SUP"},
    {N_NAT_DETECTION_SOURCE_IP, "NATD_S_IP"},
    {N_NAT_DETECTION_DESTINATION_IP, "NATD_D_IP"},
    {N_COOKIE, "COOKIE"},
    {N_USE_TRANSPORT_MODE, "USE_TRANSP"},
    {N_HTTP_CERT_LOOKUP_SUPPORTED, "HTTP_CERT_LOOK"},
    {N_REKEY_SA, "REKEY_SA"},
    {N_ESP_TFC_PADDING_NOT_SUPPORTED, "ESP_TFC_PAD_N"},
    {N_NON_FIRST_FRAGMENTS_ALSO, "NON_FIRST_FRAG"},
    {N_MOBIKE_SUPPORTED, "MOBIKE_SUP"},
    {N_ADDITIONAL_IP4_ADDRESS, "ADD_4_ADDR"},
    {N_ADDITIONAL_IP6_ADDRESS, "ADD_6_ADDR"},
    {N_NO_ADDITIONAL_ADDRESSES, "NO_ADD_ADDR"},
    {N_UPDATE_SA_ADDRESSES, "UPD_SA_ADDR"},
    {N_COOKIE2, "COOKIE2"},
    {N_NO_NATS_ALLOWED, "NO_NATS"},
    {N_AUTH_LIFETIME, "AUTH_LFT"},
    {N_MULTIPLE_AUTH_SUPPORTED, "MULT_AUTH"},
    {N_ANOTHER_AUTH_FOLLOWS, "AUTH_FOLLOWS"},
    {N_REDIRECT_SUPPORTED, "REDIR_SUP"},
    {N_REDIRECT, "REDIR"},
    {N_REDIRECTED_FROM, "REDIR_FROM"},
    {N_EAP_ONLY_AUTHENTICATION, "EAP_ONLY"},
    {N_CHILDLESS_IKEV2_SUPPORTED, "CHDLESS_SUP"},
    {N_QUICK_CRASH_DETECTION, "QCD_TOK"},
    {N_IKEV2_MESSAGE_ID_SYNC_SUPPORTED, "MSG_ID_SYN_SUP"},
    {N_IKEV2_FRAGMENTATION_SUPPORTED, "FRAG_SUP"},
    {N_SIGNATURE_HASH_ALGORITHMS, "HASH_ALG"},
    {N_USE_PPK, "USE_PPK"},
    {N_PPK_IDENTITY, "PPK_ID"},
    {N_NO_PPK_AUTH, "NO_PPK"},
    {N_USE_PPK_INT, "USE_PPK_INT"},
    {N_PPK_IDENTITY_KEY, "PPK_ID_KEY"},
    {N_INTERMEDIATE_EXCHANGE_SUPPORTED, "IKE_INT_SUP"},
    {N_ADDITIONAL_KEY_EXCHANGE, "ADD_KE"},
    {N_USE_AGGFRAG, "AGGFRAG"},
    {N_USE_BEET_MODE, "BEET_MODE"},
};

static const struct short_name attributes[] = {
    {CP_IP4_ADDRESS, "ADDR"},   {CP_IP4_NETMASK, "MASK"},   {CP_IP4_DNS, "DNS"},
    {CP_IP4_NBNS, "NBNS"},      {CP_IP4_DHCP, "DHCP"},      {CP_VERSION, "VER"},
    {CP_IP6_ADDRESS, "ADDR6"},  {CP_IP6_DNS, "DNS6"},       {CP_IP6_DHCP, "DHCP6"},
    {CP_IP4_SUBNET, "SUBNET"},  {CP_SUPPORTED, "SUP"},      {CP_IP6_SUBNET, "SUBNET6"},
    {CP_IP6_LINK, "LINK6"},     {CP_IP6_PREFIX, "PREFIX6"}, {CP_DNS_DOMAIN, "DNSDOM"},
    {CP_DNSSEC_TA, "DNSSECTA"}, {28672, "U_BANNER"},        {28673, "U_SAVEPWD"},
    {28674, "U_DEFDOM"},        {28675, "U_SPLITDNS"},      {28676, "U_SPLITINC"},
    {28679, "U_LOCALLAN"},
};

static const struct short_name payloads[] = {
    {PAYLOAD_SA, "SA"},     {PAYLOAD_KE, "KE"},     {PAYLOAD_IDi, "IDi"},
    {PAYLOAD_IDr, "IDr"},   {PAYLOAD_CERT, "CERT"}, {PAYLOAD_CERTREQ, "CERTREQ"},
    {PAYLOAD_AUTH, "AUTH"}, {PAYLOAD_Nonce, "No"},  {PAYLOAD_D, "D"},
    {PAYLOAD_V, "V"},       {PAYLOAD_TSi, "TSi"},   {PAYLOAD_TSr, "TSr"},
};

static const struct short_name eap_types[] = {
    {1, "ID"},   {2, "NOTIFY"}, {3, "NAK"},  {4, "MD5"},   {6, "GTC"},       {13, "TLS"},
    {18, "SIM"}, {21, "TTLS"},  {23, "AKA"}, {25, "PEAP"}, {26, "MSCHAPV2"}, {38, "TNC"},
};

// NULL: it has none.
static const char *find(const struct short_name *list, size_t n, uint16_t type)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].type == type) return list[i].name;
    }
    return NULL;
}
#define FIND(list, type) find(list, sizeof(list) / sizeof *(list), type)

static void add_short(struct clip *l, const char *name, uint16_t type)
{
    if (name) {
        clip_add(l, "%s", name);
    } else {
        clip_add(l, "%u", type);
    }
}

static void show_notify(struct clip *l, span_t body)
{
    struct notify n = {0};
    clip_add(l, "N(");
    if (notify_read(body, &n) == ERR_OK) add_short(l, FIND(notifies, n.type), n.type);
    clip_add(l, ")");
}

static void show_config(struct clip *l, span_t body)
{
    struct cp c;
    if (cp_read(body, &c) != ERR_OK) {
        clip_add(l, "CP");
        return;
    }
    static const char *const kinds[] = {"CP", "CPRQ", "CPRP", "CPS", "CPA"};
    clip_add(l, "%s(", kinds[c.type <= CFG_ACK ? c.type : 0]);
    for (unsigned i = 0; i < c.n; i++) {
        if (i) clip_add(l, " ");
        add_short(l, FIND(attributes, c.attr[i].type), c.attr[i].type);
    }
    clip_add(l, ")");
}

static void show_eap(struct clip *l, span_t body)
{
    static const char *const codes[] = {"", "REQ", "RES", "SUCC", "FAIL"};
    rd_t r = rd_from(body);
    uint8_t code = rd_u8(&r);
    (void)rd_bytes(&r, 3); // identifier and length
    clip_add(l, "EAP/%s", codes[code <= 4 ? code : 0]);
    if (code != 1 && code != 2) return;
    uint8_t type = rd_u8(&r);
    clip_add(l, "/");
    add_short(l, FIND(eap_types, type), type);
}

static void show_payload(struct clip *l, const struct payload *p)
{
    switch (p->type) {
    case PAYLOAD_SK:
    case PAYLOAD_SKF:
        return; // what is inside says more
    case PAYLOAD_N:
        show_notify(l, p->body);
        break;
    case PAYLOAD_CP:
        show_config(l, p->body);
        break;
    case PAYLOAD_EAP:
        show_eap(l, p->body);
        break;
    default:
        add_short(l, FIND(payloads, p->type), p->type);
    }
    clip_add(l, " ");
}

const char *msg_show(const struct msg *m, char *buf, size_t cap)
{
    struct clip l = clip_on(buf, cap);
    clip_add(&l, "%s %s %u [ ", exchange_name(m->h.exchange),
             m->h.flags & IKE_FLAG_RESPONSE ? "response" : "request", m->h.id);
    for (unsigned i = 0; i < m->n; i++) show_payload(&l, &m->payload[i]);
    clip_add(&l, "]");
    return buf;
}
