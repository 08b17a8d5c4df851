/*
 * UTF-8 and escaping. Nothing that a terminal would obey passes: C0 and C1 controls, DEL, and the bidirectional and
 * other invisible format characters, with which a name can pretend to be another.
 */
#include "base/text.h"

#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

size_t adk__utf8_sequence(const unsigned char *data, size_t size)
{
    unsigned char lead;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t length;

    if (size == 0)
        return 0;
    lead = data[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0xe0)
        low = 0xa0; /* no overlong forms, */
    else if (lead == 0xed)
        high = 0x9f; /* no surrogates, */
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f; /* nothing above U+10FFFF */
    if (size < length || data[1] < low || data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

bool adk__utf8_valid(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t at = 0;

    while (at < size) {
        size_t length;
        uint64_t eight;

        while (size - at >= sizeof(eight)) { /* most text is ASCII */
            memcpy(&eight, bytes + at, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) != 0)
                break;
            at += sizeof(eight);
        }
        if (at == size)
            break;
        length = adk__utf8_sequence(bytes + at, size - at);

        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

static uint32_t decode(const unsigned char *data, size_t length)
{
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = data[0] & lead_mask[length];

    for (size_t i = 1; i < length; i++)
        point = point << 6 | (data[i] & 0x3fu);
    return point;
}

/* Unicode's general categories Cf, Zl and Zp: invisible, or changing how their neighbours are shown. */
static const struct {
    uint32_t first;
    uint32_t last;
} format_characters[] = {
    {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
    {0x890, 0x891},     {0x8e2, 0x8e2},     {0x180e, 0x180e},   {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd},
    {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0001, 0xe007f},
};

static bool is_harmless(uint32_t point)
{
    if (point < 0x20 || (point >= 0x7f && point < 0xa0))
        return false;
    for (size_t i = 0; i < ADK_COUNT(format_characters); i++) {
        if (point >= format_characters[i].first && point <= format_characters[i].last)
            return false;
    }
    return true;
}

static int append_hex(adk__buf *buf, const unsigned char *data, size_t size)
{
    int failed = 0;

    for (size_t i = 0; !failed && i < size; i++)
        failed = adk__buf_printf(buf, "\\x%02x", data[i]);
    return failed;
}

int adk__text_append_escaped(adk__buf *buf, const void *data, size_t size, size_t shown)
{
    const unsigned char *at = data;
    size_t left = size;
    int failed = 0;

    while (left > 0 && !failed) {
        size_t length = adk__utf8_sequence(at, left);
        size_t step = length == 0 ? 1 : length;

        if (size - left + step > shown)
            return adk__buf_append(buf, "…", sizeof("…") - 1);
        if (length > 0 && is_harmless(decode(at, length)))
            failed = adk__buf_append(buf, at, length);
        else
            failed = append_hex(buf, at, step);
        at += step;
        left -= step;
    }
    return failed;
}
