// err.h - the one error type. Every function that can fail returns err_t.
#pragma once

// X(symbol, what a human reads). Order is free; values never leave the process.
#define ERR_LIST(X)                                       \
    X(OK, "ok")                                           \
    X(SHORT, "input ends too early")                      \
    X(TRAILING, "bytes left over")                        \
    X(SYNTAX, "malformed input")                          \
    X(RANGE, "value out of range")                        \
    X(SPACE, "buffer full")                               \
    X(NOMEM, "out of memory")                             \
    X(LIMIT, "a safety limit was reached")                \
    X(NOTFOUND, "no such entry")                          \
    X(EXISTS, "entry exists already")                     \
    X(REPLAY, "sequence number already seen or too old")  \
    X(AUTH, "authentication failed")                      \
    X(EXHAUSTED, "sequence number space used up")         \
    X(STATE, "not allowed in this state")                 \
    X(UNSUPPORTED, "not supported")                       \
    X(ALGORITHM, "unknown algorithm or wrong key length") \
    X(NOCHOICE, "no acceptable proposal")                 \
    X(CRITICAL, "unknown critical payload")               \
    X(TIMEOUT, "no answer in time")                       \
    X(PERMISSION, "permission denied")                    \
    X(AGAIN, "nothing to do now")                         \
    X(CLOSED, "the other side has closed")                \
    X(SYSTEM, "system call failed")                       \
    X(CRYPTO, "cryptographic library failed")

#define MUST_USE [[nodiscard]]

// MUST_USE on the type: no err_t can be dropped anywhere without a warning.
typedef enum MUST_USE err {
#define X(name, text) ERR_##name,
    ERR_LIST(X)
#undef X
} err_t;

// The text of an error class, for the end of a sentence. Static storage.
const char *err_text(err_t e);

// The only macro with control flow: leave the function with the error.
#define TRY(expr)                                \
    do {                                         \
        err_t try_err_ = (expr);                 \
        if (try_err_ != ERR_OK) return try_err_; \
    } while (0)

// A deliberate drop of an error, with the reason beside it as a comment.
#define IGNORE(expr)             \
    do {                         \
        err_t ignored_ = (expr); \
        (void)ignored_;          \
    } while (0)

// Runs the type's cleanup function when the variable leaves its scope:
//     AUTO(text) struct text t = {0};     // text_done(&t) at the end
#define AUTO(type) __attribute__((cleanup(type##_done)))

// The sentence for people, made where the facts are. The caller owns it; it is always terminated.
struct why {
    char text[256];
};

// Writes the sentence (truncated at 255 bytes) and returns e, so that a function can end with
// `return why_not(w, ERR_RANGE, "prefix /%u is longer than 32", n);`. w may be NULL.
err_t why_not(struct why *w, err_t e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
