#include "ike/codec/payloads.h"
#include "ike/codec/proposal.h"

// Bytes of one SPI of the protocol in a Delete payload; 0 with ERR_OK is the IKE SA itself.
static err_t delete_spi_len(uint8_t protocol, uint8_t *len)
{
    if (protocol != PROTO_IKE && protocol != PROTO_AH && protocol != PROTO_ESP) return ERR_SYNTAX;
    // rfc7296 3.11 MUST: SPI size zero for IKE, four for AH and ESP
    *len = protocol == PROTO_IKE ? 0 : 4;
    return ERR_OK;
}

err_t delete_read(span_t body, struct delete_payload *out)
{
    rd_t r = rd_from(body);
    uint8_t protocol = rd_u8(&r), spi_len = rd_u8(&r), want = 0;
    uint16_t n = rd_u16(&r);
    span_t spis = rd_rest(&r);
    TRY(rd_done(&r));
    TRY(delete_spi_len(protocol, &want));
    if (spi_len != want || spis.len != (size_t)n * spi_len) return ERR_SYNTAX;
    if (spi_len == 0 && n != 0) return ERR_SYNTAX;
    if (n > DELETE_SPIS_MAX) return ERR_LIMIT;
    *out = (struct delete_payload){.protocol = protocol, .spi_len = spi_len, .n = n};
    r = rd_from(spis);
    for (unsigned i = 0; i < n; i++) out->spi[i] = rd_u32(&r);
    return rd_done(&r);
}

void delete_write(wr_t *w, const struct delete_payload *d)
{
    wr_u8(w, d->protocol);
    wr_u8(w, d->spi_len);
    wr_u16(w, (uint16_t)d->n);
    for (unsigned i = 0; i < d->n; i++) wr_u32(w, d->spi[i]);
}
