// simaka.h - what EAP-SIM, EAP-AKA and EAP-AKA' have in common: names, fast reauthentication,
// notifications and errors. Inside eap/ only.
#pragma once

#include "eap/method.h"
#include "eap/sim_attr.h"
#include "eap/sim_store.h"
#include "eap/usim.h"

#define SIM_CHALLENGES 3U
#define SIM_VERSIONS_LEN_MAX 64U // bytes of AT_VERSION_LIST; there is one version
#define AKA_SEEN_MAX 3072U       // bytes of AKA-Identity packets: three requests, and answers
#define SIM_NETWORK_MAX 128U     // bytes of AT_KDF_INPUT

// AT_NOTIFICATION
#define SIM_SUCCESS 0x8000U // S bit: it does not mean failure
#define SIM_BEFORE 0x4000U  // P bit: nobody has proved anything yet
#define SIM_GENERAL_FAILURE SIM_BEFORE

// AT_CLIENT_ERROR_CODE
enum sim_error { SIM_UNABLE, SIM_NO_VERSION, SIM_FEW_CHALLENGES, SIM_NOT_FRESH };

// What a name may be, each being less than the one before it.
enum sim_ask { SIM_ASK_NOTHING, SIM_ASK_ANY, SIM_ASK_FULL, SIM_ASK_PERMANENT };

struct simaka {
    enum {
        SA_NEW,
        SA_ASKED,      // names are talked about
        SA_CHALLENGED, // server
        SA_AGAIN,      // server: a fast reauthentication is under way
        SA_PROVED,
        SA_TELLS, // server: with success, as the peer wanted
        SA_REFUSED
    } at;
    enum sim_ask asked;
    bool again;      // the name in force is one for fast reauthentication; later: it was one
    bool result;     // success is to be told, too
    bool nonce_made; // peer: NONCE_MT
    bool resynced;   // once is enough
    enum sim_error error;
    struct sim_name who, name;    // permanent; and the one that keys are made with
    uint8_t nonce[SIM_NONCE_LEN]; // NONCE_MT, or NONCE_S
    uint8_t versions_len, versions[SIM_VERSIONS_LEN_MAX];
    struct sim_keys keys;
    uint16_t counter;
    uint8_t msk[SIM_MSK_LEN];
    struct sim_memory next; // to be kept when the other side has proved itself
    uint8_t sres[SIM_CHALLENGES * SIM_SRES_LEN];
    uint8_t rand[USIM_RAND_LEN];
    struct usim usim;
    struct usim_made made;
    size_t seen_len;
    uint8_t seen[AKA_SEEN_MAX];
};

typedef err_t simaka_step(struct eap *e, span_t in, wr_t *out);

err_t simaka_ready(struct eap *e); // its memory; ERR_NOMEM
void simaka_end(struct eap *e);
struct sim_owner simaka_owner(const struct eap *e);
const char *simaka_who(const struct eap *e, char buf[ID_TEXT_MAX]); // to be told
void simaka_rewind(wr_t *out); // begins the packet anew, behind its type
// AT_ENCR_DATA of these. ERR_SPACE, ERR_CRYPTO.
err_t simaka_seal(struct eap *e, span_t attrs, wr_t *out);
err_t simaka_mac(struct eap *e, wr_t *out, span_t extra);
err_t simaka_verify(struct eap *e, const struct sim_attrs *a, span_t extra);
void simaka_succeed(struct eap *e); // e->msk
// AKA: what has been said about names, which AT_CHECKCODE is about. ERR_LIMIT.
err_t simaka_seen(struct simaka *m, span_t packet);
err_t simaka_put_checkcode(struct eap *e, wr_t *out);
err_t simaka_check_checkcode(struct eap *e, const struct sim_attrs *a); // ERR_AUTH

// ---- peer: a request. What is wrong with it becomes an EAP-Response of Client-Error.
err_t simaka_answer(struct eap *e, span_t in, wr_t *out, simaka_step *step);
err_t simaka_choose_name(struct eap *e, const struct sim_attrs *a); // by what is asked for
err_t simaka_notified(struct eap *e, span_t in, wr_t *out);
err_t simaka_asked_again(struct eap *e, span_t in, wr_t *out);
err_t simaka_take_names(struct eap *e, const struct sim_attrs *a);
void simaka_peer_proved(struct eap *e); // the server has

// ---- server: a response. What is wrong with it becomes an EAP-Request of Notification.
err_t simaka_serve(struct eap *e, span_t in, wr_t *out, simaka_step *step);
void simaka_put_request(struct eap *e, wr_t *out); // for a name, as m->asked says
enum sim_known { SIM_IS_UNKNOWN, SIM_IS_KNOWN, SIM_IS_AGAIN };
// Whose is AT_IDENTITY? ERR_AUTH: not the one who is to be proved.
err_t simaka_judge_name(struct eap *e, const struct sim_attrs *a, enum sim_known *out);
err_t simaka_put_names(struct eap *e, wr_t *out);
err_t simaka_ask_again(struct eap *e, wr_t *out);
// *full: the peer knows a later counter, and has to prove it in full.
err_t simaka_answered_again(struct eap *e, span_t in, wr_t *out, bool *full);
err_t simaka_server_proved(struct eap *e, const struct sim_attrs *a, wr_t *out); // the peer has
