// sa_alg.h - from the kernel's algorithm names and keys to what crypto/sealer.h wants to know.
#pragma once

#include "crypto/sealer.h"
#include "xfrm/xfrm.h"

// Fills in the spec for an ESP or AH SA; its keys borrow from x. In x, names become canonical
// ("aes" is "cbc(aes)") and the truncation of a MAC is filled in, as the kernel shows them
// afterwards. Errors, each with a sentence: ERR_ALGORITHM (unknown name, or an AEAD's ICV),
// ERR_RANGE (length of key or truncation), ERR_SYNTAX (a combination that makes no sense).
err_t sa_alg_spec(struct xfrm_sa *x, struct sealer_spec *spec, struct why *why);
// IPComp: is it an algorithm that we have? ERR_ALGORITHM, ERR_SYNTAX with a sentence.
err_t sa_alg_check_comp(const struct xfrm_sa *x, struct why *why);
// ERR_ALGORITHM with a sentence for algorithms that are weak and must be asked for (struct alg).
err_t sa_alg_refuse_legacy(const struct xfrm_sa *x, struct why *why);
