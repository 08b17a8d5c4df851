/*
 * Changes to binary modules that leave most of them modules: the input is split loosely into sections and function
 * bodies, one of them is changed, and all sizes are written anew. What cannot be split is changed as bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define SECTIONS_MAX 32
#define OPTIONS      2 /* bytes before the module (fuzz_choose) */
#define HEADER       (OPTIONS + 8)
#define CODE_SECTION 10

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

typedef struct section {
    uint8_t id;
    const uint8_t *data;
    size_t size;
} section;

typedef struct out {
    uint8_t *data;
    size_t size;
    size_t room;
} out;

static void put(out *o, const void *data, size_t size)
{
    size = size < o->room - o->size ? size : o->room - o->size;
    if (size > 0)
        memcpy(o->data + o->size, data, size);
    o->size += size;
}

static void put_number(out *o, size_t number)
{
    uint8_t byte;

    for (; number >= 0x80; number >>= 7) {
        byte = (uint8_t)(number | 0x80);
        put(o, &byte, 1);
    }
    byte = (uint8_t)number;
    put(o, &byte, 1);
}

/* False where there is no number. */
static bool take_number(fuzz_input *in, size_t *ret_number)
{
    size_t number = 0;

    for (unsigned shift = 0; shift < 35 && in->size > 0; shift += 7) {
        uint8_t byte = (uint8_t)fuzz_take(in, 1);

        number |= (size_t)(byte & 0x7F) << shift;
        *ret_number = number;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static size_t split(fuzz_input in, section sections[SECTIONS_MAX])
{
    size_t count = 0;
    size_t size;

    while (in.size > 1 && count < SECTIONS_MAX) {
        section *s = &sections[count++];

        s->id = (uint8_t)fuzz_take(&in, 1);
        if (!take_number(&in, &size))
            size = in.size;
        s->data = in.data;
        s->size = fuzz_take_bytes(&in, size).size;
    }
    return count;
}

/* Code that leaves the operand stack as it was, wherever it stands. */
static const struct {
    uint8_t size;
    uint8_t code[12];
} snippets[] = {
    {1, {0x01}},                                               /* nop */
    {1, {0x00}},                                               /* unreachable */
    {1, {0x0F}},                                               /* return */
    {2, {0x0C, 0}},                                            /* br 0 */
    {4, {0x41, 1, 0x0D, 0}},                                   /* br_if 0 */
    {5, {0x03, 0x40, 0x0C, 0, 0x0B}},                          /* an endless loop */
    {5, {0x41, 1, 0x40, 0, 0x1A}},                             /* memory.grow */
    {3, {0x3F, 0, 0x1A}},                                      /* memory.size */
    {6, {0x41, 0x7F, 0x28, 2, 0, 0x1A}},                       /* i32.load */
    {7, {0x41, 8, 0x41, 9, 0x36, 2, 0}},                       /* i32.store */
    {9, {0x41, 0, 0x41, 1, 0x41, 0x7F, 0xFC, 0x0B, 0}},        /* memory.fill */
    {10, {0x41, 0, 0x41, 4, 0x41, 8, 0xFC, 0x0A, 0, 0}},       /* memory.copy */
    {2, {0x10, 0}},                                            /* call 0 */
    {2, {0x10, 1}},                                            /* call 1 */
    {11, {0x41, 1, 0x41, 0, 0x41, 1, 0x41, 8, 0x10, 0, 0x1A}}, /* fd_write, where it is the first import */
    {7, {0x41, 0, 0x41, 0, 0x6D, 0x1A, 0x01}},                 /* 0 / 0 */
    {4, {0xD2, 0, 0x1A, 0x01}},                                /* ref.func 0 */
    {8, {0xD0, 0x70, 0x41, 1, 0xFC, 0x0F, 0, 0x1A}}            /* table.grow */
};

static void change_bytes(out *o, const uint8_t *data, size_t size)
{
    size_t room = o->room - o->size;

    if (size > room)
        size = room;
    if (size > 0)
        memcpy(o->data + o->size, data, size);
    if (room > 0)
        o->size += LLVMFuzzerMutate(o->data + o->size, size, room);
}

static void change_body(out *o, const uint8_t *data, size_t size)
{
    size_t at = size > 2 ? 1 + (size_t)rand() % (size - 1) : 0; /* behind the locals of most bodies, before the end */
    size_t which = (size_t)rand() % (sizeof(snippets) / sizeof(snippets[0]));
    uint8_t number = (uint8_t)rand();

    if (size < 2 || rand() % 4 == 0) {
        change_bytes(o, data, size);
        return;
    }
    put(o, data, at);
    switch (rand() % 3) {
    case 0:
        put(o, snippets[which].code, snippets[which].size);
        put(o, data + at, size - at);
        break;
    case 1: /* another opcode, or another immediate */
        put(o, &number, 1);
        put(o, data + at + 1, size - at - 1);
        break;
    default: /* the next number of the same sort: i32.add to i32.sub, local 0 to local 1 */
        number = (uint8_t)(data[at] + (rand() % 2 == 0 ? 1 : -1));
        put(o, &number, 1);
        put(o, data + at + 1, size - at - 1);
    }
}

/* Each body with its size; one of them changed. */
static void change_code(out *o, const section *s)
{
    fuzz_input in = {s->data, s->size};
    size_t count = 0;
    size_t size;
    size_t chosen;

    if (!take_number(&in, &count) || count == 0 || count > 1000) {
        change_bytes(o, s->data, s->size);
        return;
    }
    put_number(o, count);
    chosen = (size_t)rand() % count;
    for (size_t i = 0; i < count && take_number(&in, &size); i++) {
        adk_bytes body = fuzz_take_bytes(&in, size);
        out changed = {malloc(o->room), 0, o->room};

        if (changed.data == NULL)
            return;
        if (i == chosen)
            change_body(&changed, body.data, body.size);
        else
            put(&changed, body.data, body.size);
        put_number(o, changed.size);
        put(o, changed.data, changed.size);
        free(changed.data);
    }
}

static void put_section(out *o, const section *s, bool change)
{
    out content = {malloc(o->room), 0, o->room};

    if (content.data == NULL)
        return;
    if (!change)
        put(&content, s->data, s->size);
    else if (s->id == CODE_SECTION)
        change_code(&content, s);
    else
        change_bytes(&content, s->data, s->size);
    put(o, &s->id, 1);
    put_number(o, content.size);
    put(o, content.data, content.size);
    free(content.data);
}

/* The code more often than anything else. */
static size_t choose_section(const section *sections, size_t count)
{
    for (size_t i = 0; i < count && rand() % 3 != 0; i++) {
        if (sections[i].id == CODE_SECTION)
            return i;
    }
    return (size_t)rand() % count;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    section sections[SECTIONS_MAX];
    size_t count = size > HEADER ? split((fuzz_input){data + HEADER, size - HEADER}, sections) : 0;
    out o = {NULL, 0, max_size};
    size_t chosen;
    int how;

    srand(seed);
    how = rand() % 16;
    if (count == 0 || how == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    if (how == 1) {
        (void)LLVMFuzzerMutate(data, OPTIONS, OPTIONS);
        return size;
    }
    o.data = malloc(max_size);
    if (o.data == NULL)
        return size;
    chosen = choose_section(sections, count);
    put(&o, data, HEADER);
    for (size_t i = 0; i < count; i++) {
        if (i == chosen && how == 2)
            continue;
        put_section(&o, &sections[i], i == chosen && how > 3);
        if (i == chosen && how == 3)
            put_section(&o, &sections[i], true);
    }
    memcpy(data, o.data, o.size);
    free(o.data);
    return o.size;
}
