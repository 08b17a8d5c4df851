/*
 * Code that is always valid, made as trees: value() appends code that leaves one value of a type, statement() code that
 * leaves nothing. So the operand stack is right by construction, and no types need to be tracked but those of locals and
 * labels. Behind a branch validation takes the stack to be whatever is wanted, so a branch is a value of any type. An
 * input that has ended reads as zeros, and 0 is a constant or nothing everywhere: generation ends. `left` bounds the size
 * of a module.
 */
#include <stdlib.h>
#include <string.h>

#include "generated.h"

/*
 * Instructions that take values only: `arity` operands of type `in` each, one result. A prefix 0xFC or 0xFD is followed by
 * the number in LEB128.
 */
typedef struct operation {
    uint8_t prefix, first, last, in, arity, out;
} operation;

static const operation operations[] = {
    {0, 0x6A, 0x78, I32, 2, I32},      {0, 0x46, 0x4F, I32, 2, I32},      {0, 0x45, 0x45, I32, 1, I32},
    {0, 0x67, 0x69, I32, 1, I32},      {0, 0x50, 0x50, I64, 1, I32},      {0, 0x51, 0x5A, I64, 2, I32},
    {0, 0x5B, 0x60, F32, 2, I32},      {0, 0x61, 0x66, F64, 2, I32},      {0, 0xA7, 0xA7, I64, 1, I32},
    {0, 0xA8, 0xA9, F32, 1, I32},      {0, 0xAA, 0xAB, F64, 1, I32},      {0, 0xBC, 0xBC, F32, 1, I32},
    {0, 0xC0, 0xC1, I32, 1, I32},      {0xFC, 0, 1, F32, 1, I32},         {0xFC, 2, 3, F64, 1, I32},
    {0xFD, 0x53, 0x53, V128, 1, I32},  {0xFD, 0x63, 0x64, V128, 1, I32},  {0xFD, 0xA3, 0xA4, V128, 1, I32},
    {0, 0x7C, 0x8A, I64, 2, I64},      {0, 0x79, 0x7B, I64, 1, I64},      {0, 0xAC, 0xAD, I32, 1, I64},
    {0, 0xAE, 0xAF, F32, 1, I64},      {0, 0xB0, 0xB1, F64, 1, I64},      {0, 0xBD, 0xBD, F64, 1, I64},
    {0, 0xC2, 0xC4, I64, 1, I64},      {0xFC, 4, 5, F32, 1, I64},         {0xFC, 6, 7, F64, 1, I64},
    {0, 0x92, 0x98, F32, 2, F32},      {0, 0x8B, 0x91, F32, 1, F32},      {0, 0xB2, 0xB3, I32, 1, F32},
    {0, 0xB4, 0xB5, I64, 1, F32},      {0, 0xB6, 0xB6, F64, 1, F32},      {0, 0xBE, 0xBE, I32, 1, F32},
    {0, 0xA0, 0xA6, F64, 2, F64},      {0, 0x99, 0x9F, F64, 1, F64},      {0, 0xB7, 0xB8, I32, 1, F64},
    {0, 0xB9, 0xBA, I64, 1, F64},      {0, 0xBB, 0xBB, F32, 1, F64},      {0, 0xBF, 0xBF, I64, 1, F64},
    {0xFD, 0x0E, 0x0E, V128, 2, V128}, {0xFD, 0x0F, 0x11, I32, 1, V128},  {0xFD, 0x12, 0x12, I64, 1, V128},
    {0xFD, 0x13, 0x13, F32, 1, V128},  {0xFD, 0x14, 0x14, F64, 1, V128},  {0xFD, 0x23, 0x4C, V128, 2, V128},
    {0xFD, 0x4D, 0x4D, V128, 1, V128}, {0xFD, 0x4E, 0x51, V128, 2, V128}, {0xFD, 0x52, 0x52, V128, 3, V128},
    {0xFD, 0x60, 0x62, V128, 1, V128}, {0xFD, 0x65, 0x66, V128, 2, V128}, {0xFD, 0x67, 0x6A, V128, 1, V128},
    {0xFD, 0x6E, 0x73, V128, 2, V128}, {0xFD, 0x76, 0x79, V128, 2, V128}, {0xFD, 0x7C, 0x81, V128, 1, V128},
    {0xFD, 0x8E, 0x93, V128, 2, V128}, {0xFD, 0x95, 0x99, V128, 2, V128}, {0xFD, 0xB5, 0xBA, V128, 2, V128},
    {0xFD, 0xD5, 0xDF, V128, 2, V128}, {0xFD, 0xE4, 0xEB, V128, 2, V128}, {0xFD, 0xEC, 0xED, V128, 1, V128},
    {0xFD, 0xF0, 0xF7, V128, 2, V128}, {0xFD, 0xF8, 0xFF, V128, 1, V128}};

/* Loads; the store of the same type and width is the number + `to_store`. */
typedef struct access {
    uint8_t prefix, load, store, type, align;
} access;

static const access accesses[] = {{0, 0x28, 0x36, I32, 2}, {0, 0x29, 0x37, I64, 3}, {0, 0x2A, 0x38, F32, 2},
                                  {0, 0x2B, 0x39, F64, 3}, {0, 0x2C, 0x3A, I32, 0}, {0, 0x2F, 0x3B, I32, 1},
                                  {0, 0x31, 0x3C, I64, 0}, {0, 0x32, 0x3D, I64, 1}, {0, 0x35, 0x3E, I64, 2},
                                  {0xFD, 0, 0x0B, V128, 4}};

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

void gen_put(out *o, uint64_t byte)
{
    fuzz_require(o->size < MODULE_MAX, "the module fits");
    o->data[o->size++] = (uint8_t)byte;
}

void gen_put_bytes(out *o, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        gen_put(o, ((const uint8_t *)data)[i]);
}

void gen_put_unsigned(out *o, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        gen_put(o, (value & 0x7F) | 0x80);
    gen_put(o, value);
}

void gen_put_signed(out *o, int64_t value)
{
    for (; value < -64 || value > 63; value >>= 7)
        gen_put(o, ((uint64_t)value & 0x7F) | 0x80);
    gen_put(o, (uint64_t)value & 0x7F);
}

out gen_new_part(void)
{
    out part = {malloc(MODULE_MAX), 0};

    fuzz_require(part.data != NULL, "memory");
    return part;
}

uint32_t gen_take(generator *g, uint32_t below)
{
    return (uint32_t)fuzz_take(&g->in, 1) % below;
}

static void op(generator *g, uint8_t prefix, uint32_t number)
{
    if (prefix != 0)
        gen_put(&g->code, prefix);
    if (prefix != 0)
        gen_put_unsigned(&g->code, number);
    else
        gen_put(&g->code, number);
}

/* An opcode with an index behind it. */
static void op_index(generator *g, uint8_t opcode, uint32_t index)
{
    gen_put(&g->code, opcode);
    gen_put_unsigned(&g->code, index);
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static void value(generator *g, uint8_t type);
static void statement(generator *g);

static void constant_i32(generator *g, int64_t number)
{
    gen_put(&g->code, 0x41);
    gen_put_signed(&g->code, (int32_t)number);
}

void gen_constant(generator *g, uint8_t type)
{
    static const int64_t edges[] = {0,         1,         -1,    INT32_MAX, INT32_MIN,
                                    INT64_MAX, INT64_MIN, 65535, 65536,     0x7FF0000000000001};
    uint32_t sort = gen_take(g, 4);
    int64_t number = sort < 2    ? (int64_t)gen_take(g, 64)
                     : sort == 2 ? edges[gen_take(g, sizeof(edges) / sizeof(edges[0]))]
                                 : (int64_t)fuzz_take(&g->in, 8);

    switch (type) {
    case I32:
        constant_i32(g, number);
        break;
    case I64:
        gen_put(&g->code, 0x42);
        gen_put_signed(&g->code, number);
        break;
    case F32:
    case F64:
        gen_put(&g->code, type == F32 ? 0x43 : 0x44);
        gen_put_bytes(&g->code, &number, type == F32 ? 4 : 8);
        break;
    case V128:
        op(g, 0xFD, 0x0C);
        gen_put_bytes(&g->code, &number, 8);
        gen_put_bytes(&g->code, &number, 8);
        break;
    default: /* a reference: to nothing or to a function */
        if (sort < 1)
            op_index(g, 0xD0, FUNCREF);
        else
            op_index(g, 0xD2, gen_take(g, g->functions_count));
    }
}

/* An address that is in memory more often than not, or what WASI takes for a descriptor, a flag or a length. */
static void pointer(generator *g)
{
    static const int64_t edges[] = {65536, 65535, 65532, 65528, 65537, INT32_MAX, INT32_MIN, -1, -8};

    switch (gen_take(g, 8)) {
    case 0:
    case 1:
        constant_i32(g, gen_take(g, 32));
        break;
    case 2:
    case 3:
        constant_i32(g, NAMES_AT + 16 * gen_take(g, 16));
        break;
    case 4:
        constant_i32(g, BUFFERS_AT + 8 * gen_take(g, 4));
        break;
    case 5:
        constant_i32(g, (int64_t)fuzz_take(&g->in, 2));
        break;
    case 6:
        constant_i32(g, edges[gen_take(g, sizeof(edges) / sizeof(edges[0]))]);
        break;
    default:
        value(g, I32);
    }
}

static void memory_operand(generator *g, uint8_t align)
{
    gen_put_unsigned(&g->code, align == 0 ? 0 : gen_take(g, align + 1U));
    gen_put_unsigned(&g->code, gen_take(g, 16) == 15 ? fuzz_take(&g->in, 4) : gen_take(g, 64));
}

static void load(generator *g, uint8_t type)
{
    const access *a = &accesses[gen_take(g, sizeof(accesses) / sizeof(accesses[0]))];

    for (size_t i = 0; a->type != type; i++)
        a = &accesses[i];
    pointer(g);
    op(g, a->prefix, a->load);
    memory_operand(g, a->align);
}

static void store(generator *g)
{
    const access *a = &accesses[gen_take(g, sizeof(accesses) / sizeof(accesses[0]))];

    pointer(g);
    value(g, a->type);
    op(g, a->prefix, a->store);
    memory_operand(g, a->align);
}

static void operate(generator *g, uint8_t type)
{
    size_t count = sizeof(operations) / sizeof(operations[0]);
    size_t at = gen_take(g, (uint32_t)count);
    const operation *o;

    while (operations[at].out != type)
        at = (at + 1) % count;
    o = &operations[at];
    for (unsigned i = 0; i < o->arity; i++)
        value(g, o->in);
    op(g, o->prefix, o->first + gen_take(g, 1U + o->last - o->first));
}

/* Calls a function, directly or through a table; its results are on the stack then. */
static const signature *call(generator *g)
{
    uint32_t function = gen_take(g, g->functions_count);
    bool indirect = gen_take(g, 4) == 3;
    const signature *s = &g->types[function];

    for (size_t i = 0; i < s->params_count; i++) {
        if (s->params[i] == I32)
            pointer(g);
        else
            value(g, s->params[i]);
    }
    if (!indirect) {
        op_index(g, 0x10, function);
        return s;
    }
    pointer(g);
    op_index(g, 0x11, function); /* its type's index is its own */
    gen_put(&g->code, gen_take(g, TABLES));
    return s;
}

static void drop_results(generator *g, const signature *s)
{
    for (size_t i = 0; i < s->results_count; i++)
        gen_put(&g->code, 0x1A);
}

static void call_value(generator *g, uint8_t type)
{
    const signature *s = call(g);

    if (s->results_count == 1 && s->results[0] == type)
        return;
    drop_results(g, s);
    gen_constant(g, type);
}

/* block, loop or if, of a type or of none. */
static void nested(generator *g, uint8_t type)
{
    static const uint8_t opcodes[] = {0x02, 0x03, 0x04};
    uint8_t opcode = opcodes[gen_take(g, 3)];
    uint32_t count = gen_take(g, 4);
    bool is_if = opcode == 0x04;

    if (is_if)
        value(g, I32);
    gen_put(&g->code, opcode);
    gen_put(&g->code, type);
    g->labels[g->labels_count++] = opcode == 0x03 ? NOTHING : type;
    for (int half = 0; half < (is_if ? 2 : 1); half++) {
        if (half == 1)
            gen_put(&g->code, 0x05);
        for (uint32_t i = 0; i < count; i++)
            statement(g);
        if (type != NOTHING)
            value(g, type);
    }
    g->labels_count--;
    gen_put(&g->code, 0x0B);
}

static void give_back(generator *g)
{
    for (size_t i = 0; i < g->self->results_count; i++)
        value(g, g->self->results[i]);
    gen_put(&g->code, 0x0F);
}

/* Labels are counted from the innermost. */
static uint8_t take_label(generator *g, uint32_t *ret_label)
{
    *ret_label = gen_take(g, g->labels_count);
    return g->labels[g->labels_count - 1 - *ret_label];
}

/* A branch out, or back: a value of whatever type. */
static void branch(generator *g)
{
    uint32_t label;
    uint8_t type;

    if (g->labels_count == 0) {
        give_back(g);
        return;
    }
    type = take_label(g, &label);
    if (type != NOTHING)
        value(g, type);
    if (gen_take(g, 2) == 0) {
        op_index(g, 0x0C, label);
        return;
    }
    value(g, I32); /* br_table: all its labels take the same, so they are the same */
    gen_put(&g->code, 0x0E);
    gen_put_unsigned(&g->code, 2);
    for (int i = 0; i < 3; i++)
        gen_put_unsigned(&g->code, label);
}

static void local(generator *g, uint8_t type)
{
    uint32_t at = gen_take(g, g->locals_count + 1);
    bool tee = gen_take(g, 4) == 3;

    for (uint32_t i = 0; i < g->locals_count; i++, at++) {
        if (g->locals[at % g->locals_count] != type)
            continue;
        if (tee)
            value(g, type);
        op_index(g, tee ? 0x22 : 0x20, at % g->locals_count);
        return;
    }
    gen_constant(g, type);
}

static uint32_t type_index(uint8_t type)
{
    uint32_t i = 0;

    while (number_types[i] != type)
        i++;
    return i;
}

/* What only there is of i32: sizes, growing, questions. */
static void value_i32(generator *g)
{
    switch (gen_take(g, 5)) {
    case 0:
        op_index(g, 0x3F, 0);
        break;
    case 1:
        value(g, I32);
        op_index(g, 0x40, 0);
        break;
    case 2:
        op(g, 0xFC, 0x10);
        gen_put(&g->code, gen_take(g, TABLES));
        break;
    case 3:
        value(g, FUNCREF);
        value(g, I32);
        op(g, 0xFC, 0x0F);
        gen_put(&g->code, gen_take(g, TABLES));
        break;
    default:
        value(g, FUNCREF);
        gen_put(&g->code, 0xD1);
    }
}

static void choose(generator *g, uint8_t type)
{
    value(g, type);
    value(g, type);
    value(g, I32);
    gen_put(&g->code, 0x1C);
    gen_put(&g->code, 1);
    gen_put(&g->code, type);
}

static bool may_go_deeper(generator *g)
{
    if (g->left == 0 || g->depth >= DEPTH_MAX || g->in.size == 0)
        return false;
    g->left--;
    return true;
}

static void value(generator *g, uint8_t type)
{
    uint32_t sort = may_go_deeper(g) ? gen_take(g, 18) : 0;

    g->depth++;
    if (type == FUNCREF && sort >= 8) {
        value(g, I32);
        op_index(g, 0x25, gen_take(g, TABLES));
    } else if (sort == 2 || sort == 3) {
        local(g, type);
    } else if (sort == 4) {
        nested(g, type);
    } else if (sort == 5) {
        call_value(g, type);
    } else if (sort == 6) {
        choose(g, type);
    } else if (sort == 7) {
        branch(g);
    } else if (sort == 8) {
        op_index(g, 0x23, type_index(type) + 5 * gen_take(g, 2));
    } else if (sort == 9 || sort == 10) {
        load(g, type);
    } else if (sort == 11 && type == I32) {
        value_i32(g);
    } else if (sort >= 11) {
        operate(g, type);
    } else {
        gen_constant(g, type);
    }
    g->depth--;
}

/* ---- statements --------------------------------------------------------------------------------------------------- */

static void set_variable(generator *g)
{
    uint32_t at = gen_take(g, g->locals_count + 5);
    bool is_local = at < g->locals_count;

    if (!is_local)
        at -= g->locals_count;
    value(g, is_local ? g->locals[at] : number_types[at]);
    op_index(g, is_local ? 0x21 : 0x24, at);
}

static void branch_if(generator *g)
{
    uint32_t label;
    uint8_t type = take_label(g, &label);

    if (type != NOTHING)
        value(g, type);
    value(g, I32);
    op_index(g, 0x0D, label);
    if (type != NOTHING)
        gen_put(&g->code, 0x1A);
}

/* memory.init, data.drop, memory.copy, memory.fill, table.init, elem.drop, table.copy and table.fill. */
static void bulk(generator *g)
{
    static const uint8_t numbers[] = {0x08, 0x0A, 0x0B, 0x0C, 0x0E, 0x11, 0x09, 0x0D};
    uint8_t number = numbers[gen_take(g, sizeof(numbers))];
    uint32_t table = gen_take(g, TABLES);

    if (number == 0x09 || number == 0x0D) {
        op(g, 0xFC, number);
        gen_put(&g->code, gen_take(g, 3)); /* of each there are three */
        return;
    }
    pointer(g);
    if (number == 0x11)
        value(g, FUNCREF);
    else
        pointer(g);
    pointer(g);
    op(g, 0xFC, number);
    if (number == 0x08 || number == 0x0C)
        gen_put(&g->code, gen_take(g, 3));
    if (number == 0x0A || number == 0x0E)
        gen_put(&g->code, number == 0x0E ? gen_take(g, TABLES) : 0);
    gen_put(&g->code, number < 0x0C ? 0 : table);
}

static void table_set(generator *g)
{
    value(g, I32);
    value(g, FUNCREF);
    op_index(g, 0x26, gen_take(g, TABLES));
}

static void drop_value(generator *g)
{
    value(g, number_types[gen_take(g, 5)]);
    gen_put(&g->code, 0x1A);
}

static void statement(generator *g)
{
    uint32_t sort = may_go_deeper(g) ? gen_take(g, 24) : 0;

    g->depth++;
    if (sort >= 1 && sort <= 3)
        set_variable(g);
    else if (sort >= 4 && sort <= 6)
        store(g);
    else if (sort >= 7 && sort <= 9)
        nested(g, NOTHING);
    else if (sort >= 10 && sort <= 15)
        drop_results(g, call(g));
    else if (sort == 16 || sort == 17)
        branch_if(g);
    else if (sort == 18 || sort == 19)
        bulk(g);
    else if (sort == 20)
        table_set(g);
    else if (sort == 21)
        drop_value(g);
    else if (sort == 22)
        give_back(g);
    else if (sort == 23)
        gen_put(&g->code, gen_take(g, 2)); /* unreachable, nop */
    g->depth--;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

out gen_make_body(generator *g, uint32_t function)
{
    static const uint8_t extra[] = {I32, I32, I64, F32, F64, V128, FUNCREF};
    uint32_t statements = 1 + gen_take(g, 12);

    g->self = &g->types[function];
    g->locals_count = (uint32_t)g->self->params_count;
    memcpy(g->locals, g->self->params, g->locals_count);
    g->code = gen_new_part();
    gen_put_unsigned(&g->code, sizeof(extra));
    for (size_t i = 0; i < sizeof(extra); i++) {
        gen_put(&g->code, 1);
        gen_put(&g->code, extra[i]);
        g->locals[g->locals_count++] = extra[i];
    }
    gen_put(&g->code, 0x02); /* the label that branches out of everything take */
    gen_put(&g->code, NOTHING);
    g->labels[0] = NOTHING;
    g->labels_count = 1;
    for (uint32_t i = 0; i < statements; i++)
        statement(g);
    gen_put(&g->code, 0x0B);
    g->labels_count = 0;
    for (size_t i = 0; i < g->self->results_count; i++)
        value(g, g->self->results[i]);
    gen_put(&g->code, 0x0B);
    return g->code;
}
