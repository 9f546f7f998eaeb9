// handlers.h - what the rows of step.c call, grouped by the file they live in.
#pragma once

#include "ike/exchange/step.h"

typedef err_t handler(struct turn *t);
typedef err_t asker(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why);

// sa_init.c - IKE_SA_INIT (RFC 7296 1.2)
asker sa_init_ask;
handler sa_init_on_request, sa_init_on_response, sa_init_on_notify;
// intermediate.c - IKE_INTERMEDIATE (RFC 9242, 9370, 9867)
asker intermediate_ask;
handler intermediate_on_request, intermediate_on_response, intermediate_on_nod;
// auth.c - IKE_AUTH (1.2, 2.15)
asker auth_ask;
err_t auth_prepare(struct ike_sa *sa, struct task *t, struct why *why);
handler auth_on_request, auth_on_giving_up, auth_on_response, auth_on_nod, auth_on_refusal;
// eap.c - ... by EAP (2.16)
handler eap_on_wish, eap_on_response, eap_on_proof, eap_on_request, eap_on_answer;
// child.c - CREATE_CHILD_SA for another child SA (1.3.1)
asker child_ask;
handler child_on_request, child_on_response, child_on_refusal;
// rekey_child.c - ... that takes the place of an old one (1.3.3, 2.8)
asker rekey_child_ask;
handler rekey_child_on_request, rekey_child_on_response, rekey_child_on_refusal;
// rekey_ike.c - ... and for the IKE SA itself (1.3.2, 2.18)
asker rekey_ike_ask;
handler rekey_ike_on_request, rekey_ike_on_response, rekey_ike_on_refusal;
// followup.c - IKE_FOLLOWUP_KE (RFC 9370)
asker followup_ask;
handler followup_on_request, followup_on_response, followup_on_refusal;
// info.c - INFORMATIONAL: dead-peer detection, notifies (1.4, 2.4); not now (2.25)
asker probe_ask;
handler info_on_request, probe_on_response, not_now_on_request;
// mobike.c - INFORMATIONAL: other addresses (RFC 4555)
asker mobike_move_ask, mobike_where_ask, mobike_addresses_ask;
handler mobike_move_on_response, mobike_where_on_response, mobike_addresses_on_response;
// redirect.c - INFORMATIONAL: another gateway (RFC 5685)
asker redirect_ask;
handler redirect_on_response;
// delete.c - INFORMATIONAL: DELETE (1.4.1)
asker delete_child_ask, delete_ike_ask;
handler delete_on_request, delete_child_on_response, delete_ike_on_response;
