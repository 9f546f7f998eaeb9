#include "xfrm/path/bpf.h"

#include "base/order.h"

struct machine {
    uint32_t a, x;
    uint32_t mem[BPF_MEMWORDS];
    span_t packet;
    uint32_t len;
};

// ---- checking ----

static bool alu_known(const struct sock_filter *f)
{
    const uint16_t op = BPF_OP(f->code);
    const bool constant = BPF_SRC(f->code) == BPF_K;
    switch (op) {
    case BPF_DIV:
    case BPF_MOD:
        return !constant || f->k != 0;
    case BPF_LSH:
    case BPF_RSH:
        return !constant || f->k < 32;
    case BPF_NEG:
        return constant;
    default:
        return op == BPF_ADD || op == BPF_SUB || op == BPF_MUL || op == BPF_AND || op == BPF_OR ||
               op == BPF_XOR;
    }
}

static bool load_known(const struct sock_filter *f)
{
    const bool to_x = BPF_CLASS(f->code) == BPF_LDX;
    const uint16_t size = BPF_SIZE(f->code);
    const bool word = size == BPF_W;
    switch (BPF_MODE(f->code)) {
    case BPF_IMM:
    case BPF_LEN:
        return word;
    case BPF_MEM:
        return word && f->k < BPF_MEMWORDS;
    case BPF_MSH:
        return to_x && size == BPF_B;
    case BPF_ABS:
        return !to_x && (word || size == BPF_H || size == BPF_B) && f->k <= INT32_MAX;
    case BPF_IND:
        return !to_x && (word || size == BPF_H || size == BPF_B);
    default:
        return false;
    }
}

// `left`: steps behind this one.
static bool jump_known(const struct sock_filter *f, unsigned left)
{
    switch (BPF_OP(f->code)) {
    case BPF_JA:
        return BPF_SRC(f->code) == BPF_K && f->k < left;
    case BPF_JEQ:
    case BPF_JGT:
    case BPF_JGE:
    case BPF_JSET:
        return f->jt < left && f->jf < left;
    default:
        return false;
    }
}

static bool step_known(const struct sock_filter *f, unsigned left)
{
    if (f->code > UINT8_MAX) return false;
    switch (BPF_CLASS(f->code)) {
    case BPF_LD:
    case BPF_LDX:
        return load_known(f);
    case BPF_ST:
    case BPF_STX:
        return f->code == BPF_CLASS(f->code) && f->k < BPF_MEMWORDS;
    case BPF_ALU:
        return alu_known(f);
    case BPF_JMP:
        return jump_known(f, left);
    case BPF_RET:
        return f->code == (BPF_RET | BPF_K) || f->code == (BPF_RET | BPF_A);
    default:
        return f->code == (BPF_MISC | BPF_TAX) || f->code == (BPF_MISC | BPF_TXA);
    }
}

err_t bpf_check(const struct sock_filter *program, unsigned steps, struct why *why)
{
    if (steps == 0 || steps > BPF_STEPS_MAX)
        return why_not(why, ERR_RANGE, "a filter has from 1 to %d steps, this one %u",
                       BPF_STEPS_MAX, steps);
    for (unsigned i = 0; i < steps; i++) {
        if (step_known(&program[i], steps - i - 1)) continue;
        return why_not(why, ERR_SYNTAX, "the filter's step %u (code 0x%x) is not allowed", i,
                       program[i].code);
    }
    if (BPF_CLASS(program[steps - 1].code) == BPF_RET) return ERR_OK;
    return why_not(why, ERR_SYNTAX, "the filter does not end with a return");
}

// ---- running ----

// False: behind the bytes that are here.
static bool read_packet(const struct machine *m, uint16_t size, uint32_t base, uint32_t offset,
                        uint32_t *out)
{
    const uint32_t want = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
    const uint64_t at = (uint64_t)base + offset;
    if (at + want > m->packet.len) return false;
    const uint8_t *p = m->packet.at + at;
    *out = size == BPF_W ? get32(p) : size == BPF_H ? get16(p) : *p;
    return true;
}

static bool load(const struct machine *m, const struct sock_filter *f, uint32_t *to)
{
    const uint16_t size = BPF_SIZE(f->code);
    switch (BPF_MODE(f->code)) {
    case BPF_IMM:
        *to = f->k;
        return true;
    case BPF_LEN:
        *to = m->len;
        return true;
    case BPF_MEM:
        *to = m->mem[f->k];
        return true;
    case BPF_ABS:
        return read_packet(m, size, 0, f->k, to);
    case BPF_IND:
        return read_packet(m, size, m->x, f->k, to);
    default: // BPF_MSH: the length of an IPv4 header
        if (!read_packet(m, BPF_B, 0, f->k, to)) return false;
        *to = (*to & 0xf) * 4;
        return true;
    }
}

// False: division by zero.
static bool compute(struct machine *m, const struct sock_filter *f)
{
    const uint32_t by = BPF_SRC(f->code) == BPF_X ? m->x : f->k;
    switch (BPF_OP(f->code)) {
    case BPF_ADD:
        m->a += by;
        return true;
    case BPF_SUB:
        m->a -= by;
        return true;
    case BPF_MUL:
        m->a *= by;
        return true;
    case BPF_DIV:
        if (by) m->a /= by;
        return by != 0;
    case BPF_MOD:
        if (by) m->a %= by;
        return by != 0;
    case BPF_AND:
        m->a &= by;
        return true;
    case BPF_OR:
        m->a |= by;
        return true;
    case BPF_XOR:
        m->a ^= by;
        return true;
    case BPF_LSH:
        m->a = by < 32 ? m->a << by : 0;
        return true;
    case BPF_RSH:
        m->a = by < 32 ? m->a >> by : 0;
        return true;
    default:
        m->a = -m->a;
        return true;
    }
}

// How many steps are passed over.
static uint32_t jump(const struct machine *m, const struct sock_filter *f)
{
    const uint32_t with = BPF_SRC(f->code) == BPF_X ? m->x : f->k;
    switch (BPF_OP(f->code)) {
    case BPF_JEQ:
        return m->a == with ? f->jt : f->jf;
    case BPF_JGT:
        return m->a > with ? f->jt : f->jf;
    case BPF_JGE:
        return m->a >= with ? f->jt : f->jf;
    case BPF_JSET:
        return m->a & with ? f->jt : f->jf;
    default:
        return f->k;
    }
}

// What neither loads, jumps nor ends. False: the packet does not match.
static bool act(struct machine *m, const struct sock_filter *f)
{
    switch (BPF_CLASS(f->code)) {
    case BPF_ST:
        m->mem[f->k] = m->a;
        return true;
    case BPF_STX:
        m->mem[f->k] = m->x;
        return true;
    case BPF_ALU:
        return compute(m, f);
    default:
        if (BPF_MISCOP(f->code) == BPF_TAX)
            m->x = m->a;
        else
            m->a = m->x;
        return true;
    }
}

uint32_t bpf_run(const struct sock_filter *program, span_t packet, uint32_t len)
{
    struct machine m = {.packet = packet, .len = len};
    for (const struct sock_filter *f = program;; f++) {
        switch (BPF_CLASS(f->code)) {
        case BPF_RET:
            return BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
        case BPF_LD:
            if (!load(&m, f, &m.a)) return 0;
            break;
        case BPF_LDX:
            if (!load(&m, f, &m.x)) return 0;
            break;
        case BPF_JMP:
            f += jump(&m, f);
            break;
        default:
            if (!act(&m, f)) return 0;
        }
    }
}
