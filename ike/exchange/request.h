// request.h - our side of the exchanges: starting tasks when the window allows, and ending them.
#pragma once

#include "ike/exchange/step.h"

// Queues a task (takes it, whatever happens) and starts it if nothing is under way. When it cannot
// be queued its waiters hear why.
void request_add(struct ike_sa *sa, struct task *t);
// A DELETE_CHILD is about an SPI that exists at the peer only. protocol: enum protocol.
void request_name_spi(struct task *t, uint8_t protocol, uint32_t spi);
// A new task of this kind; ERR_NOMEM has been told to `job` (which may be NULL).
struct task *request_task(enum task_kind kind, struct job *job);
// Starts the next task, if there is one and nothing is under way.
void request_next(struct ike_sa *sa);
// The answer to the request under way was accepted; its task is over.
void request_answered(struct ike_sa *sa, uint32_t id);
// The request under way is sent once more with other content and the same Message ID, 0: only
// IKE_SA_INIT, whose answer is not authenticated.
void request_again(struct ike_sa *sa);

// The task is over: tells those who wait, gives its SPI back, frees it. sentence may be NULL (the
// error's text is told).
void request_end(struct ike_sa *sa, struct task *t, err_t err, const char *sentence);
// All tasks, the one under way included.
void request_end_all(struct ike_sa *sa, err_t err, const char *sentence);
// Tries the task of a refused exchange again after a random while (RFC 7296 2.25); takes it.
// ERR_LIMIT: tried often enough (the task is still the caller's).
err_t request_retry(struct ike_sa *sa, struct task *t);
void offer_drop(struct ike_sa *sa, struct task *t); // what was offered is void
