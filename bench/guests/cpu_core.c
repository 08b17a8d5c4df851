/*
 * CPU-bound, the mix that CoreMark has (not its code): a linked list that is searched and sorted, a matrix of 16-bit
 * integers, a state machine over text that looks for numbers, and a CRC-16 over all results. Prints the CRC.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ITEMS  256
#define N      24
#define ROUNDS 2000

typedef struct item {
    struct item *next;
    int16_t value;
    int16_t rank;
} item;

static item items[ITEMS];
static int16_t left[N][N];
static int16_t right[N][N];
static int32_t product[N][N];
static const char text[] =
    "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,+0.6e-12,"
    "T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^";

static uint16_t crc16(uint16_t crc, uint32_t value)
{
    for (int bit = 0; bit < 32; bit++) {
        uint16_t carry = (uint16_t)((value >> bit ^ crc) & 1);

        crc = (uint16_t)(crc >> 1);
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

static item *merge(item *a, item *b)
{
    item head = {0};
    item *last = &head;

    while (a != NULL && b != NULL) {
        item **less = a->value < b->value || (a->value == b->value && a->rank <= b->rank) ? &a : &b;

        last->next = *less;
        last = *less;
        *less = last->next;
    }
    last->next = a != NULL ? a : b;
    return head.next;
}

static item *sort(item *list)
{
    item *slow = list;
    item *half;

    if (list == NULL || list->next == NULL)
        return list;
    for (item *fast = list->next; fast != NULL && fast->next != NULL; fast = fast->next->next)
        slow = slow->next;
    half = slow->next;
    slow->next = NULL;
    return merge(sort(list), sort(half));
}

static uint16_t list_work(uint16_t crc, unsigned seed)
{
    item *list = NULL;
    int found = 0;

    for (int i = 0; i < ITEMS; i++) {
        seed = seed * 1103515245u + 12345u;
        items[i].value = (int16_t)(seed >> 16);
        items[i].rank = (int16_t)i;
        items[i].next = list;
        list = &items[i];
    }
    for (const item *at = list; at != NULL; at = at->next)
        found += at->value % 7 == 3;
    list = sort(list);
    for (const item *at = list; at != NULL; at = at->next)
        found = found * 31 + at->rank;
    return crc16(crc, (uint32_t)found);
}

static uint16_t matrix_work(uint16_t crc, int seed)
{
    int32_t sum = 0;

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            left[i][j] = (int16_t)(seed + i * j);
            right[i][j] = (int16_t)(seed ^ (i + j));
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            int32_t cell = 0;

            for (int k = 0; k < N; k++)
                cell += (left[i][k] * right[k][j] >> 2 & 0xf) * (left[i][k] * right[k][j] >> 5 & 0x7f);
            product[i][j] = cell;
            sum += cell > sum ? 10 : cell;
        }
    }
    return crc16(crc, (uint32_t)sum);
}

enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, INVALID, STATES };

static enum state step(enum state state, char c)
{
    int is_digit = c >= '0' && c <= '9';

    switch (state) {
    case START:
        return is_digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : INVALID;
    case SIGN:
        return is_digit ? INTEGER : c == '.' ? FRACTION : INVALID;
    case INTEGER:
        return is_digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case FRACTION:
        return is_digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case EXPONENT:
        return c == '+' || c == '-' ? EXPONENT_SIGN : INVALID;
    case EXPONENT_SIGN:
    case SCIENTIFIC:
        return is_digit ? SCIENTIFIC : INVALID;
    default:
        return INVALID;
    }
}

static uint16_t state_work(uint16_t crc, int seed)
{
    uint32_t counts[STATES] = {0};
    enum state state = START;

    for (int times = 0; times < 4; times++) {
        for (size_t i = 0; i < sizeof(text) - 1; i++) {
            char c = (int)i % 37 == seed % 37 ? 'x' : text[i];

            if (c == ',') {
                counts[state]++;
                state = START;
            } else {
                state = step(state, c);
            }
        }
    }
    for (int i = 0; i < STATES; i++)
        crc = crc16(crc, counts[i]);
    return crc;
}

int main(void)
{
    uint16_t crc = 0;

    for (int i = 0; i < ROUNDS; i++) {
        crc = list_work(crc, (unsigned)i + crc);
        crc = matrix_work(crc, i + crc);
        crc = state_work(crc, i);
    }
    printf("%04x\n", crc);
    return 0;
}
