#include "core/json_text.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

/* What may not stand in a string as it is: its escape, or NULL. DEL and what is above stand for themselves. */
static const char *escape_of(unsigned char c, char room[8])
{
    static const char digits[] = "0123456789ABCDEF";

    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        memcpy(room, "\\u00", 4);
        room[4] = digits[c >> 4];
        room[5] = digits[c & 15];
        room[6] = '\0';
        return room;
    }
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* Room is made once, for a string of nothing but plain characters; what must be escaped makes its own. */
static int append_string(adk__buf *buf, const char *text, size_t size)
{
    size_t at = 0;
    int failed = size > SIZE_MAX / 2 ? -EFBIG : adk__buf_reserve(buf, buf->size + size + 3);

    if (failed)
        return failed;
    buf->data[buf->size++] = '"';
    while (at < size) {
        size_t begin = at;
        char room[8];
        const char *escape;

        while (at < size && is_plain((unsigned char)text[at]))
            at++;
        failed = adk__buf_append(buf, text + begin, at - begin);
        if (failed || at == size)
            break;
        escape = escape_of((unsigned char)text[at++], room);
        failed = adk__buf_append(buf, escape, strlen(escape));
        if (failed)
            break;
    }
    return failed ? failed : adk__buf_append(buf, "\"", 1);
}

static int append_integer(adk__buf *buf, json_int_t value)
{
    char digits[24];
    size_t at = sizeof(digits);
    unsigned long long rest = value < 0 ? -(unsigned long long)value : (unsigned long long)value;

    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        digits[--at] = '-';
    return adk__buf_append(buf, digits + at, sizeof(digits) - at);
}

static int append_real(adk__buf *buf, const json_t *json)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY);
    int failed = text == NULL ? -ENOMEM : adk__buf_append(buf, text, strlen(text));

    free(text);
    return failed;
}

static int append_array(adk__buf *buf, const json_t *array)
{
    int failed = adk__buf_append(buf, "[", 1);

    for (size_t i = 0; !failed && i < json_array_size(array); i++) {
        if (i > 0)
            failed = adk__buf_append(buf, ",", 1);
        if (!failed)
            failed = adk__json_append(buf, json_array_get(array, i));
    }
    return failed ? failed : adk__buf_append(buf, "]", 1);
}

/* A key with its colon, and a comma before it if it is not the first. Keys are short, so this is mostly one copy. */
static int append_key(adk__buf *buf, const char *key, bool first)
{
    size_t size = 0;
    int failed;
    uint8_t *to;

    while (is_plain((unsigned char)key[size]))
        size++;
    failed = adk__buf_reserve(buf, buf->size + size + 4);
    if (failed)
        return failed;
    if (!first)
        buf->data[buf->size++] = ',';
    if (key[size] != '\0') {
        failed = append_string(buf, key, size + strlen(key + size));
        return failed ? failed : adk__buf_append(buf, ":", 1);
    }
    to = buf->data + buf->size;
    *to++ = '"';
    memcpy(to, key, size);
    to[size] = '"';
    to[size + 1] = ':';
    buf->size += size + 3;
    return 0;
}

static int append_object(adk__buf *buf, const json_t *given)
{
    json_t *object = (json_t *)(uintptr_t)given; /* jansson's iterators are not const; nothing is changed */
    void *at = json_object_iter(object);
    int failed = adk__buf_append(buf, "{", 1);

    for (bool first = true; !failed && at != NULL; first = false) {
        failed = append_key(buf, json_object_iter_key(at), first);
        if (!failed)
            failed = adk__json_append(buf, json_object_iter_value(at));
        at = json_object_iter_next(object, at);
    }
    return failed ? failed : adk__buf_append(buf, "}", 1);
}

int adk__json_append(adk__buf *buf, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return append_object(buf, json);
    case JSON_ARRAY:
        return append_array(buf, json);
    case JSON_STRING:
        return append_string(buf, json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return append_integer(buf, json_integer_value(json));
    case JSON_REAL:
        return append_real(buf, json);
    case JSON_TRUE:
        return adk__buf_append(buf, "true", 4);
    case JSON_FALSE:
        return adk__buf_append(buf, "false", 5);
    case JSON_NULL:
        return adk__buf_append(buf, "null", 4);
    default:
        return -ENOMEM; /* cannot be */
    }
}

/* ---- without a tree ----------------------------------------------------------------------------------------------- */

static void begin_value(adk__json_out *out)
{
    if (out->comma && out->failed == 0)
        out->failed = adk__buf_append(&out->buf, ",", 1);
    out->comma = true;
}

void adk__json_open(adk__json_out *out, char bracket)
{
    begin_value(out);
    if (out->failed == 0)
        out->failed = adk__buf_append(&out->buf, &bracket, 1);
    out->comma = false;
}

void adk__json_close(adk__json_out *out, char bracket)
{
    if (out->failed == 0)
        out->failed = adk__buf_append(&out->buf, &bracket, 1);
    out->comma = true;
}

void adk__json_key(adk__json_out *out, const char *key)
{
    if (out->failed == 0)
        out->failed = append_key(&out->buf, key, !out->comma);
    out->comma = false;
}

void adk__json_put_text(adk__json_out *out, adk_bytes text)
{
    begin_value(out);
    if (out->failed == 0)
        out->failed = append_string(&out->buf, text.data, text.size);
}

void adk__json_put_number(adk__json_out *out, json_int_t number)
{
    begin_value(out);
    if (out->failed == 0)
        out->failed = append_integer(&out->buf, number);
}

void adk__json_put_tree(adk__json_out *out, const json_t *json)
{
    begin_value(out);
    if (out->failed == 0)
        out->failed = json == NULL ? -ENOMEM : adk__json_append(&out->buf, json);
}

void adk__json_put_json(adk__json_out *out, adk_bytes json)
{
    begin_value(out);
    if (out->failed == 0)
        out->failed = adk__buf_append(&out->buf, json.data, json.size);
}

/* What it writes is the text and a NUL, in whose place the second quote comes. */
void adk__json_put_base64(adk__json_out *out, adk_bytes bytes)
{
    size_t size = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    adk__buf *buf = &out->buf;

    begin_value(out);
    if (out->failed == 0)
        out->failed = adk__buf_reserve(buf, buf->size + size + 1);
    if (out->failed != 0)
        return;
    buf->data[buf->size] = '"';
    (void)sodium_bin2base64((char *)buf->data + buf->size + 1, size, bytes.data, bytes.size,
                            sodium_base64_VARIANT_ORIGINAL);
    buf->size += size + 1;
    buf->data[buf->size - 1] = '"';
}
