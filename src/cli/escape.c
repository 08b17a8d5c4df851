/*
 * Escaping. Both halves stand on one decoder, which knows three kinds of bytes: a character that may be shown, bytes
 * that may not, and a sequence that is not yet complete.
 */
#include "cli/escape.h"

#include <stdio.h>
#include <string.h>

/* The longest form of one unit: four bytes as \xNN. */
#define UNIT_MAX 16

enum { UTF8_INVALID = -1, UTF8_INCOMPLETE = 0 };

struct utf8_class {
    uint8_t first_least, first_most;   /* the lead bytes of the class */
    uint8_t second_least, second_most; /* narrower than 80..BF against overlong forms, surrogates, above U+10FFFF */
    int size;
};

static const struct utf8_class utf8_classes[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

/* The size of the UTF-8 sequence at `bytes` (size > 0), or UTF8_INVALID, or UTF8_INCOMPLETE: more must come. */
static int utf8_size(const uint8_t *bytes, size_t size)
{
    const struct utf8_class *class = NULL;

    if (bytes[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof(utf8_classes) / sizeof(utf8_classes[0]) && class == NULL; i++) {
        if (bytes[0] >= utf8_classes[i].first_least && bytes[0] <= utf8_classes[i].first_most)
            class = &utf8_classes[i];
    }
    if (class == NULL)
        return UTF8_INVALID;
    for (size_t i = 1; i < (size_t) class->size; i++) {
        uint8_t least = i == 1 ? class->second_least : 0x80;
        uint8_t most = i == 1 ? class->second_most : 0xBF;

        if (i == size)
            return UTF8_INCOMPLETE;
        if (bytes[i] < least || bytes[i] > most)
            return UTF8_INVALID;
    }
    return class->size;
}

static bool is_c0(uint8_t byte)
{
    return byte < 0x20 || byte == 0x7F;
}

static bool is_c1(const uint8_t *sequence, int size)
{
    return size == 2 && sequence[0] == 0xC2 && sequence[1] < 0xA0;
}

/* Characters that are not seen, or change how their neighbours are: a name with them looks like another name. */
static const struct {
    uint32_t first, last;
} misleading[] = {
    {0xAD, 0xAD},     {0x61C, 0x61C},   {0x180E, 0x180E}, {0x200B, 0x200F},   {0x2028, 0x202E},
    {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0001, 0xE007F},
};

/* The character of a valid sequence of `size` bytes. */
static uint32_t code_point(const uint8_t *sequence, int size)
{
    uint32_t point = size == 1 ? sequence[0] : sequence[0] & (0x7Fu >> size);

    for (int i = 1; i < size; i++)
        point = point << 6 | (sequence[i] & 0x3Fu);
    return point;
}

static bool is_misleading(const uint8_t *sequence, int size)
{
    uint32_t point = code_point(sequence, size);

    for (size_t i = 0; i < sizeof(misleading) / sizeof(misleading[0]); i++) {
        if (point >= misleading[i].first && point <= misleading[i].last)
            return true;
    }
    return false;
}

static size_t put_hex(const uint8_t *bytes, size_t size, char *output)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < size; i++) {
        output[4 * i] = '\\';
        output[4 * i + 1] = 'x';
        output[4 * i + 2] = digits[bytes[i] >> 4];
        output[4 * i + 3] = digits[bytes[i] & 15];
    }
    return 4 * size;
}

static size_t put_caret(uint8_t byte, char *output)
{
    output[0] = '^';
    output[1] = (char)(byte ^ 0x40);
    return 2;
}

static size_t put_plain(const uint8_t *bytes, size_t size, char *output)
{
    memcpy(output, bytes, size);
    return size;
}

/* Escapes into `output`, of limit + 4 bytes: at most `limit` bytes, then "..." if that was not all, and a NUL. */
static void escape(adk_bytes bytes, char *output, size_t limit)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    size_t used = 0;

    while (left > 0) {
        char unit[UNIT_MAX];
        int size = utf8_size(at, left);
        size_t taken = size > 0 ? (size_t)size : 1;
        bool shown = size > 0 && !is_c0(at[0]) && !is_c1(at, size) && !is_misleading(at, size);
        size_t written = shown ? put_plain(at, taken, unit) : put_hex(at, taken, unit);

        if (written > limit - used) {
            (void)put_plain((const uint8_t *)"...", 3, output + used);
            used += 3;
            break;
        }
        memcpy(output + used, unit, written);
        used += written;
        at += taken;
        left -= taken;
    }
    output[used] = '\0';
}

const char *cli_name(adk_bytes bytes, struct cli_name *ret_name)
{
    escape(bytes, ret_name->text, CLI_NAME_MAX);
    return ret_name->text;
}

const char *cli_name_cstr(const char *name_cstr, struct cli_name *ret_name)
{
    return cli_name(adk_bytes_from_cstr(name_cstr), ret_name);
}

const char *cli_text(adk_bytes bytes, struct cli_text *ret_text)
{
    escape(bytes, ret_text->text, CLI_TEXT_MAX);
    return ret_text->text;
}

/* One character that is complete, but for CR, which depends on what follows it. */
static size_t put_visible(const uint8_t *bytes, int size, char *output)
{
    if (size == UTF8_INVALID)
        return put_hex(bytes, 1, output);
    if (is_c1(bytes, size))
        return put_hex(bytes, 2, output);
    if (is_c0(bytes[0]) && bytes[0] != '\n' && bytes[0] != '\t')
        return put_caret(bytes[0], output);
    return put_plain(bytes, (size_t)size, output);
}

/* Takes one more byte and writes what can be judged now. */
static size_t feed_byte(struct cli_visible *visible, uint8_t byte, char *output)
{
    size_t written = 0;

    if (visible->held_size == 1 && visible->held[0] == '\r') {
        visible->held_size = 0;
        if (byte == '\n')
            return put_plain((const uint8_t *)"\r\n", 2, output);
        written = put_caret('\r', output);
    }
    visible->held[visible->held_size++] = byte;
    while (visible->held_size > 0) {
        int size = utf8_size(visible->held, visible->held_size);
        size_t taken = size > 0 ? (size_t)size : 1;

        if (size == UTF8_INCOMPLETE || visible->held[0] == '\r')
            break;
        written += put_visible(visible->held, size, output + written);
        visible->held_size -= taken;
        memmove(visible->held, visible->held + taken, visible->held_size);
    }
    return written;
}

size_t cli_visible_fill(struct cli_visible *visible, adk_bytes *input, char *output, size_t output_size)
{
    const uint8_t *at = input->data;
    size_t left = input->size;
    size_t used = 0;

    for (; left > 0 && output_size - used >= CLI_VISIBLE_ROOM; left--)
        used += feed_byte(visible, *at++, output + used);
    *input = adk_bytes_make(at, left);
    return used;
}

size_t cli_visible_finish(struct cli_visible *visible, char *output)
{
    size_t size = visible->held_size;

    visible->held_size = 0;
    if (size == 1 && visible->held[0] == '\r')
        return put_caret('\r', output);
    return put_hex(visible->held, size, output);
}
