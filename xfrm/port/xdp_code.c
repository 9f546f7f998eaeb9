// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// xdp_code.c - written as instructions, so that neither building nor running needs a compiler for
// them. In the registers: 6 the context, 7 the frame, 8 its end, 9 the state.
#include "xfrm/port/xdp_code.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "xfrm/port/xdp_prog.h"

#define ETHER 14 // bytes of an Ethernet header
#define V4 ETHER // where the IP header begins
#define V6 ETHER
#define UDP4 (ETHER + 20) // where what follows the IP header begins
#define UDP6 (ETHER + 40)
#define LEAST (UDP6 + 12) // bytes that an outer packet has at least; shorter ones are the host's
#define FIB ((int16_t) - (8 + (int)sizeof(struct bpf_fib_lookup))) // on the stack
#define KEY ((int16_t)-4)

enum { R0, R1, R2, R3, R4, R5, CTX, FRAME, END, STATE, STACK };

static void emit(struct xdp_code *c, struct bpf_insn i)
{
    if (c->n < XDP_CODE_MAX) c->at[c->n++] = i;
}

static void op(struct xdp_code *c, int code, int dst, int src, int off, int imm)
{
    emit(c, (struct bpf_insn){.code = (uint8_t)code,
                              .dst_reg = (uint8_t)(dst & 15),
                              .src_reg = (uint8_t)(src & 15),
                              .off = (int16_t)off,
                              .imm = imm});
}

static void load(struct xdp_code *c, int size, int dst, int src, int off)
{
    op(c, BPF_LDX | BPF_MEM | size, dst, src, off, 0);
}

static void store(struct xdp_code *c, int size, int off, int src)
{
    op(c, BPF_STX | BPF_MEM | size, STACK, src, off, 0);
}

static void set(struct xdp_code *c, int dst, int value)
{
    op(c, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

static void move(struct xdp_code *c, int dst, int src)
{
    op(c, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void add(struct xdp_code *c, int dst, int value)
{
    op(c, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value);
}

static void map(struct xdp_code *c, int dst, int fd)
{
    op(c, BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, fd);
    op(c, 0, 0, 0, 0, 0);
}

static void call(struct xdp_code *c, int function)
{
    op(c, BPF_JMP | BPF_CALL, 0, 0, 0, function);
}

// The 32-bit value in a register compares like this with k: then it is the host's frame.
static void pass_if(struct xdp_code *c, int compare, int reg, uint32_t k)
{
    c->to_pass[c->passes++] = c->n;
    op(c, BPF_JMP32 | BPF_K | compare, reg, 0, 0, (int)k);
}

static void take_if(struct xdp_code *c, int compare, int reg, uint32_t k)
{
    c->to_take[c->takes++] = c->n;
    op(c, BPF_JMP32 | BPF_K | compare, reg, 0, 0, (int)k);
}

static void pass(struct xdp_code *c)
{
    c->to_pass[c->passes++] = c->n;
    op(c, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

// A jump whose target is the next instruction to be emitted after land().
static uint32_t jump_if(struct xdp_code *c, int compare, int reg, uint32_t k)
{
    op(c, BPF_JMP32 | BPF_K | compare, reg, 0, 0, (int)k);
    return c->n - 1;
}

static void land(struct xdp_code *c, uint32_t jump)
{
    c->at[jump].off = (int16_t)(c->n - jump - 1);
}

// The verifier wants to see that the frame is that long.
static void need(struct xdp_code *c, int bytes)
{
    move(c, R1, FRAME);
    add(c, R1, bytes);
    c->to_pass[c->passes++] = c->n;
    op(c, BPF_JMP | BPF_JGT | BPF_X, R1, END, 0, 0);
}

// ---- the parts of the program ----

static void begin(struct xdp_code *c, const struct xdp_code_conf *conf)
{
    uint32_t mac_head;
    uint16_t mac_tail;
    memcpy(&mac_head, conf->mac, sizeof mac_head);
    memcpy(&mac_tail, conf->mac + sizeof mac_head, sizeof mac_tail);
    move(c, CTX, R1);
    set(c, R1, 0);
    store(c, BPF_W, KEY, R1);
    move(c, R2, STACK);
    add(c, R2, KEY);
    map(c, R1, conf->state_map);
    call(c, BPF_FUNC_map_lookup_elem);
    c->to_pass[c->passes++] = c->n;
    op(c, BPF_JMP | BPF_JEQ | BPF_K, R0, 0, 0, 0);
    move(c, STATE, R0);
    load(c, BPF_W, R1, STATE, offsetof(struct xdp_state, on));
    pass_if(c, BPF_JEQ, R1, 0);
    load(c, BPF_W, FRAME, CTX, offsetof(struct xdp_md, data));
    load(c, BPF_W, END, CTX, offsetof(struct xdp_md, data_end));
    move(c, R1, END);
    op(c, BPF_ALU64 | BPF_SUB | BPF_X, R1, FRAME, 0, 0);
    pass_if(c, BPF_JGT, R1, XDP_FRAME_MAX);
    need(c, conf->inner ? UDP4 : LEAST);
    load(c, BPF_W, R1, FRAME, 0);
    pass_if(c, BPF_JNE, R1, mac_head);
    load(c, BPF_H, R1, FRAME, 4);
    pass_if(c, BPF_JNE, R1, mac_tail);
    load(c, BPF_H, R5, FRAME, 12);
}

// Register 1 holds the next header: ESP, or UDP to our port that begins like ESP.
static void choose_protocol(struct xdp_code *c, const struct xdp_code_conf *conf, int udp)
{
    uint32_t esp = jump_if(c, BPF_JEQ, R1, IPPROTO_ESP);
    if (conf->udp) {
        pass_if(c, BPF_JNE, R1, IPPROTO_UDP);
        load(c, BPF_H, R2, FRAME, udp + 2);
        pass_if(c, BPF_JNE, R2, htons(conf->udp_port));
        // rfc3948 2.2: IKE has four bytes of zero there
        load(c, BPF_W, R2, FRAME, udp + 8);
        pass_if(c, BPF_JEQ, R2, 0);
        if (!conf->esp) {
            uint32_t good = jump_if(c, BPF_JEQ, R1, IPPROTO_UDP);
            land(c, esp);
            pass(c);
            land(c, good);
            return;
        }
    } else {
        pass(c);
    }
    land(c, esp);
}

static void fib_begin(struct xdp_code *c, int family)
{
    set(c, R2, 0);
    for (int at = 0; at < (int)sizeof(struct bpf_fib_lookup); at += 8)
        store(c, BPF_DW, FIB + at, R2);
    set(c, R2, family);
    store(c, BPF_B, FIB + (int)offsetof(struct bpf_fib_lookup, family), R2);
    store(c, BPF_B, FIB + (int)offsetof(struct bpf_fib_lookup, l4_protocol), R1);
    load(c, BPF_W, R2, CTX, offsetof(struct xdp_md, ingress_ifindex));
    store(c, BPF_W, FIB + (int)offsetof(struct bpf_fib_lookup, ifindex), R2);
}

// Addresses, `words` of 32 bits each, from the IP header.
static void fib_addresses(struct xdp_code *c, int from, int words)
{
    for (int i = 0; i < words; i++) {
        load(c, BPF_W, R2, FRAME, from + 4 * i);
        store(c, BPF_W, FIB + (int)offsetof(struct bpf_fib_lookup, ipv6_src) + 4 * i, R2);
        load(c, BPF_W, R2, FRAME, from + 4 * (words + i));
        store(c, BPF_W, FIB + (int)offsetof(struct bpf_fib_lookup, ipv6_dst) + 4 * i, R2);
    }
}

// IPv4 without options, and for the outer side no fragment, since the host puts those together.
static void part_v4(struct xdp_code *c, const struct xdp_code_conf *conf)
{
    load(c, BPF_B, R1, FRAME, V4);
    pass_if(c, BPF_JNE, R1, 0x45);
    if (conf->inner) {
        load(c, BPF_B, R1, FRAME, V4 + 8);
        pass_if(c, BPF_JLE, R1, 1); // the host answers to the sender
        load(c, BPF_B, R1, FRAME, V4 + 9);
    } else {
        load(c, BPF_H, R1, FRAME, V4 + 6);
        op(c, BPF_ALU | BPF_AND | BPF_K, R1, 0, 0, htons(0x3fff));
        pass_if(c, BPF_JNE, R1, 0);
        load(c, BPF_B, R1, FRAME, V4 + 9);
        choose_protocol(c, conf, UDP4);
    }
    fib_begin(c, AF_INET);
    load(c, BPF_B, R2, FRAME, V4 + 1);
    store(c, BPF_B, FIB + (int)offsetof(struct bpf_fib_lookup, tos), R2);
    fib_addresses(c, V4 + 12, 1);
}

static void part_v6(struct xdp_code *c, const struct xdp_code_conf *conf)
{
    if (conf->inner) need(c, UDP6);
    load(c, BPF_B, R1, FRAME, V6 + 6);
    if (conf->inner) {
        load(c, BPF_B, R2, FRAME, V6 + 7);
        pass_if(c, BPF_JLE, R2, 1);
        pass_if(c, BPF_JEQ, R1, IPPROTO_HOPOPTS); // routers, too, have to look at these
    } else {
        choose_protocol(c, conf, UDP6);
    }
    fib_begin(c, AF_INET6);
    fib_addresses(c, V6 + 8, 4);
}

// Outer: is it for an address of this host? Then the kernel would not forward it. Inner: would it
// go into the TUN device?
static void ask_routes(struct xdp_code *c, const struct xdp_code_conf *conf)
{
    move(c, R1, CTX);
    move(c, R2, STACK);
    add(c, R2, FIB);
    set(c, R3, sizeof(struct bpf_fib_lookup));
    set(c, R4, 0);
    call(c, BPF_FUNC_fib_lookup);
    if (!conf->inner) {
        take_if(c, BPF_JEQ, R0, BPF_FIB_LKUP_RET_NOT_FWDED);
        take_if(c, BPF_JEQ, R0, BPF_FIB_LKUP_RET_FWD_DISABLED);
        pass(c);
        return;
    }
    // the TUN device has no neighbours
    uint32_t good = jump_if(c, BPF_JEQ, R0, BPF_FIB_LKUP_RET_NO_NEIGH);
    pass_if(c, BPF_JNE, R0, BPF_FIB_LKUP_RET_SUCCESS);
    land(c, good);
    load(c, BPF_W, R1, STACK, FIB + (int)offsetof(struct bpf_fib_lookup, ifindex));
    load(c, BPF_W, R2, STATE, offsetof(struct xdp_state, tun));
    c->to_pass[c->passes++] = c->n;
    op(c, BPF_JMP32 | BPF_JNE | BPF_X, R1, R2, 0, 0);
}

static void finish(struct xdp_code *c, const struct xdp_code_conf *conf)
{
    for (uint32_t i = 0; i < c->takes; i++) land(c, c->to_take[i]);
    load(c, BPF_W, R2, CTX, offsetof(struct xdp_md, rx_queue_index));
    map(c, R1, conf->queues);
    set(c, R3, XDP_PASS); // where no socket serves the queue
    call(c, BPF_FUNC_redirect_map);
    op(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    for (uint32_t i = 0; i < c->passes; i++) land(c, c->to_pass[i]);
    set(c, R0, XDP_PASS);
    op(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void xdp_code_make(struct xdp_code *code, const struct xdp_code_conf *conf)
{
    *code = (struct xdp_code){.n = 0};
    begin(code, conf);
    uint32_t v6 = jump_if(code, BPF_JEQ, R5, htons(0x86dd));
    pass_if(code, BPF_JNE, R5, htons(0x0800));
    part_v4(code, conf);
    op(code, BPF_JMP | BPF_JA, 0, 0, 0, 0);
    uint32_t over = code->n - 1;
    land(code, v6);
    part_v6(code, conf);
    land(code, over);
    ask_routes(code, conf);
    finish(code, conf);
}
