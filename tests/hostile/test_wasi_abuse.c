/*
 * Calls of WASI with what no compiler would ever produce: counts and pointers that overflow, times that never come,
 * floods, descriptors that were moved, exit codes of every size. Nothing is written where a call fails.
 */
#include "hostile.h"

#define CALLS(imports, body) "(module " imports IMPORT_EXIT "(memory (export \"memory\") 2)" START body "))"

/* errno of preview 1 */
#define SUCCESS "(i32.const 0)"
#define BADF    "(i32.const 8)"
#define FAULT   "(i32.const 21)"
#define INVAL   "(i32.const 28)"

#define IS(call, errno) "(i32.eq " call " " errno ")"

/* ---- poll_oneoff -------------------------------------------------------------------------------------------------- */

#define POLLS(in, out, count) \
    "(call $poll (i32.const " in ") (i32.const " out ") (i32.const " count ") (i32.const 131000))"
#define STORE(at, value)   "(i32.store (i32.const " at ") (i32.const " value "))"
#define STORE64(at, value) "(i64.store (i32.const " at ") (i64.const " value "))"

/* A subscription at 0: `clock` 0 is real time, 1 the monotonic one; `flags` 1 is absolute. */
#define SUBSCRIBES(clock, timeout, flags)                         \
    "(i32.store8 (i32.const 8) (i32.const 0))" STORE("16", clock) \
        STORE64("24", timeout) "(i32.store16 (i32.const 40) (i32.const " flags "))"
#define SLEEPS(clock, timeout, flags, then) \
    CALLS(IMPORT_POLL, SUBSCRIBES(clock, timeout, flags) CHECK("1", IS(POLLS("0", "64", "1"), SUCCESS)) then)
#define IN_100_MS .timeout_ns = 100 * MS, TIMES_OUT_IN(HOST_CALL)

static void test_poll_counts(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"polling nothing", CALLS(IMPORT_POLL, CHECK("1", IS(POLLS("0", "64", "0"), INVAL))), EXITS(0)},
        {"polling 2^32 - 1 subscriptions", CALLS(IMPORT_POLL, CHECK("1", IS(POLLS("0", "64", "-1"), FAULT))), EXITS(0)},
        {"polling 2^31 subscriptions", CALLS(IMPORT_POLL, CHECK("1", IS(POLLS("0", "64", "-2147483648"), FAULT))),
         EXITS(0)},
        {"polling so many that the size overflows to 0", /* 2^32 / 48 and some */
         CALLS(IMPORT_POLL, CHECK("1", IS(POLLS("0", "64", "89478486"), FAULT))), EXITS(0)},
        {"polling with subscriptions over the end",
         CALLS(IMPORT_POLL, CHECK("1", IS(POLLS("131040", "64", "1"), FAULT))), EXITS(0)},
        {"polling with events over the end", CALLS(IMPORT_POLL, CHECK("1", IS(POLLS("0", "131060", "1"), FAULT))),
         EXITS(0)},
        {"polling with a result over the end",
         CALLS(IMPORT_POLL,
               CHECK("1", IS("(call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 131070))", FAULT))),
         EXITS(0)},
        {"polling 10,000 clocks, of which one is near",
         "(module " IMPORT_POLL IMPORT_EXIT "(memory (export \"memory\") 20)" START "(local $i i32)"
         "(loop $l (i32.store offset=16 (i32.mul (local.get $i) (i32.const 48)) (i32.const 1))"
         "(i64.store offset=24 (i32.mul (local.get $i) (i32.const 48)) (i64.const -1))"
         "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))" STORE64(
             "239976", "1000000") /* the 5,000th: 1 ms */
         CHECK("1", IS("(call $poll (i32.const 0) (i32.const 600000) (i32.const 10000) (i32.const 1000000))", SUCCESS))
             CHECK("2", "(i32.eq (i32.load (i32.const 1000000)) (i32.const 1))") "))",
         EXITS(0)},
        {"polling 10,000 clocks, of which none is near",
         "(module " IMPORT_POLL IMPORT_EXIT "(memory (export \"memory\") 20)" START "(local $i i32)"
         "(loop $l (i32.store offset=16 (i32.mul (local.get $i) (i32.const 48)) (i32.const 1))"
         "(i64.store offset=24 (i32.mul (local.get $i) (i32.const 48)) (i64.const -1))"
         "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))"
         "(drop (call $poll (i32.const 0) (i32.const 600000) (i32.const 10000) (i32.const 1000000)))))",
         IN_100_MS},
        {"polling what is no kind of event",
         CALLS(IMPORT_POLL, "(i32.store8 (i32.const 8) (i32.const 77))" CHECK("1", IS(POLLS("0", "64", "1"), INVAL))),
         EXITS(0)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

static void test_poll_clocks(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"2^64 - 1 ns from now", SLEEPS("1", "-1", "0", ""), IN_100_MS},
        {"2^63 ns from now", SLEEPS("1", "-9223372036854775808", "0", ""), IN_100_MS},
        {"2^64 - 1 by real time", SLEEPS("0", "-1", "1", ""), IN_100_MS},
        {"2^64 - 1 by the monotonic clock", SLEEPS("1", "-1", "1", ""), IN_100_MS},
        {"no time at all", SLEEPS("1", "0", "0", ""), EXITS(0)},
        {"1970", SLEEPS("0", "0", "1", ""), EXITS(0)},
        {"a nanosecond after 1970", SLEEPS("0", "1", "1", ""), EXITS(0)},
        {"the beginning of the monotonic clock", SLEEPS("1", "0", "1", ""), EXITS(0)},
        {"the year 2100", SLEEPS("0", "4102444800000000000", "1", ""), IN_100_MS},
        {"a clock that does not exist",
         CALLS(IMPORT_POLL,
               SUBSCRIBES("77", "0", "0") CHECK("1", IS(POLLS("0", "64", "1"), SUCCESS))
                   CHECK("2", "(i32.ne (i32.load16_u (i32.const 72)) (i32.const 0))")), /* the event has the errno */
         EXITS(0)},
        {"flags that do not exist",
         CALLS(IMPORT_POLL, SUBSCRIBES("1", "0", "65535") CHECK("1", IS(POLLS("0", "64", "1"), SUCCESS))), EXITS(0)},
        {"a subscription that overlaps its event",
         CALLS(IMPORT_POLL, SUBSCRIBES("1", "1000", "0") CHECK("1", IS(POLLS("0", "0", "1"), SUCCESS))), EXITS(0)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

#define WRITES(count)   "(call $write (i32.const 1) (i32.const 0) (i32.const " count ") (i32.const 131064))"
#define WRITTEN(count)  "(i32.eq (i32.load (i32.const 131064)) (i32.const " count "))"
#define IOVEC(at, p, n) STORE(at, p) "(i32.store offset=4 (i32.const " at ") (i32.const " n "))"
#define UNTOUCHED       STORE("131064", "77")
#define STILL_UNTOUCHED CHECK("9", WRITTEN("77"))

static void test_iovecs(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"no iovecs", CALLS(IMPORT_WRITE, CHECK("1", IS(WRITES("0"), SUCCESS)) CHECK("2", WRITTEN("0"))), EXITS(0),
         .out = ""},
        {"an empty iovec", CALLS(IMPORT_WRITE, IOVEC("0", "64", "0") CHECK("1", IS(WRITES("1"), SUCCESS))), EXITS(0),
         .out = ""},
        {"an empty iovec behind the end of memory",
         CALLS(IMPORT_WRITE, IOVEC("0", "131073", "0") UNTOUCHED CHECK("1", IS(WRITES("1"), FAULT)) STILL_UNTOUCHED),
         EXITS(0), .out = ""},
        {"an iovec over the end of memory",
         CALLS(IMPORT_WRITE, IOVEC("0", "131070", "3") UNTOUCHED CHECK("1", IS(WRITES("1"), FAULT)) STILL_UNTOUCHED),
         EXITS(0), .out = ""},
        {"an iovec whose end overflows",
         CALLS(IMPORT_WRITE, IOVEC("0", "16", "-1") UNTOUCHED CHECK("1", IS(WRITES("1"), FAULT)) STILL_UNTOUCHED),
         EXITS(0), .out = ""},
        {"a good iovec and a bad: nothing is written",
         CALLS(IMPORT_WRITE, IOVEC("0", "64", "4") IOVEC("8", "-1", "4") UNTOUCHED CHECK("1", IS(WRITES("2"), FAULT))
                                 STILL_UNTOUCHED),
         EXITS(0), .out = ""},
        {"iovecs behind the end of memory",
         CALLS(IMPORT_WRITE, UNTOUCHED CHECK("1", IS("(call $write (i32.const 1) (i32.const 131068) (i32.const 1) "
                                                     "(i32.const 131064))",
                                                     FAULT)) STILL_UNTOUCHED),
         EXITS(0), .out = ""},
        {"2^32 - 1 iovecs",
         CALLS(IMPORT_WRITE, UNTOUCHED CHECK("1", "(i32.ne " WRITES("-1") " (i32.const 0))") STILL_UNTOUCHED), EXITS(0),
         .out = ""},
        {"so many iovecs that their size overflows to 0",
         CALLS(IMPORT_WRITE, UNTOUCHED CHECK("1", "(i32.ne " WRITES("536870912") " (i32.const 0))") STILL_UNTOUCHED),
         EXITS(0), .out = ""},
        {"a result behind the end of memory",
         CALLS(IMPORT_WRITE, IOVEC("0", "64", "4") CHECK("1", IS("(call $write (i32.const 1) (i32.const 0) "
                                                                 "(i32.const 1) (i32.const 131070))",
                                                                 FAULT))),
         EXITS(0), .out = ""},
        {"iovecs that overlap each other and themselves",
         CALLS(IMPORT_WRITE, STORE("64", "0x64636261") IOVEC("0", "64", "4") IOVEC("8", "66", "2")
                                 IOVEC("16", "64", "1") CHECK("1", IS(WRITES("3"), SUCCESS)) CHECK("2", WRITTEN("7"))),
         EXITS(0), .out = "abcdcda"},
        {"a stream that is not for writing",
         CALLS(IMPORT_WRITE, UNTOUCHED CHECK("1", "(i32.ne (call $write (i32.const 0) (i32.const 0) (i32.const 1) "
                                                  "(i32.const 131064)) (i32.const 0))") STILL_UNTOUCHED),
         EXITS(0)},
        {"a descriptor of -1",
         CALLS(IMPORT_WRITE, CHECK("1", IS("(call $write (i32.const -1) (i32.const 0) "
                                           "(i32.const 0) (i32.const 131064))",
                                           BADF))),
         EXITS(0)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* 1,024 iovecs of all of 4 MiB: together 4 GiB, more than the result of a call can say. */
static void test_iovecs_whose_sum_overflows(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"1,024 iovecs of a byte",
         "(module " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 1)" START "(local $i i32)"
         "(i32.store8 (i32.const 60000) (i32.const 120))"
         "(loop $l (i32.store (i32.shl (local.get $i) (i32.const 3)) (i32.const 60000))"
         "(i32.store offset=4 (i32.shl (local.get $i) (i32.const 3)) (i32.const 1))"
         "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))" CHECK(
             "1", IS("(call $write (i32.const 1) (i32.const 0) (i32.const 1024) (i32.const 60004))", SUCCESS)) "))",
         EXITS(0)},
        {"1,024 iovecs of 4 MiB each: the call refuses, or writes no more than it can say",
         "(module " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 128)" START "(local $i i32)"
         "(loop $l (i32.store (i32.shl (local.get $i) (i32.const 3)) (i32.const 65536))"
         "(i32.store offset=4 (i32.shl (local.get $i) (i32.const 3)) (i32.const 4194304))"
         "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))" CHECK(
             "1", IS("(call $write (i32.const 1) (i32.const 0) (i32.const 1024) (i32.const 60004))", INVAL)) "))",
         EXITS(0), .out = ""},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

static void test_floods(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a flood of single bytes",
         "(module " IMPORT_WRITE "(memory (export \"memory\") 1)" START IOVEC(
             "0", "64",
             "1") "(loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) br $l)))",
         .timeout_ns = 200 * MS, .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_RUN,
         .or_phase = ADK_PHASE_HOST_CALL},
        {"a flood of 32 MiB a time",
         "(module " IMPORT_WRITE "(memory (export \"memory\") 600)" START IOVEC(
             "0", "65536", "33554432") "(loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) "
                                       "(i32.const 8))) br $l)))",
         .timeout_ns = 200 * MS, .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_RUN,
         .or_phase = ADK_PHASE_HOST_CALL},
        {"a flood with a limit of a byte",
         "(module " IMPORT_WRITE "(memory (export \"memory\") 1)" START IOVEC(
             "0", "64", "4096") "(loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"
                                "(drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))) br $l)))",
         .output_limit_bytes = 1, .timeout_ns = 200 * MS, .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_RUN,
         .or_phase = ADK_PHASE_HOST_CALL},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* Every byte there is comes back as it was written, and the report, which is text, has it in base64. */
static void test_bytes_that_are_no_text(void **state)
{
    static const adk_hostile_case attack = {
        "bytes that are no text",
        "(module " IMPORT_WRITE "(memory (export \"memory\") 1)" START "(local $i i32)"
        "(loop $l (i32.store8 offset=64 (local.get $i) (local.get $i))"
        "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 256))))" IOVEC(
            "0", "64", "256") "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"
                              "(drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))",
        EXITS(0)};
    adk_hostile *hostile = *state;
    adk_request request = adk_hostile_request(&attack);
    adk_result *result = adk_hostile_execute(hostile->backend, attack.name, &request);
    adk_bytes out = adk_result_stdout(result).head;
    char *report = NULL;

    adk_hostile_expect(&attack, result);
    assert_int_equal(out.size, 256);
    for (size_t i = 0; i < 256; i++)
        assert_int_equal(((const unsigned char *)out.data)[i], i);
    assert_int_equal(adk_report_json(result, NULL, &report, NULL), ADK_OK);
    assert_non_null(strstr(report, "\"stdout_encoding\":\"base64\""));
    assert_non_null(strstr(report, "\"stderr_encoding\":\"base64\""));
    assert_non_null(strstr(report, "\"stdout\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj"));
    adk_free(report);
    adk_result_free(result);
    adk_hostile_unharmed(hostile, attack.name);
}

/* What terminals obey is valid text: in the report it is escaped, in the result it is not. */
static void test_escapes_in_output(void **state)
{
    static const adk_hostile_case attack = {
        "escapes in output", GUEST_WRITES("1", "\\1b]0;x\\07\\00\\c2\\9b31m\\e2\\80\\ae", "\\0e"), EXITS(0)};
    adk_report_options ascii = ADK_REPORT_OPTIONS_INIT;
    adk_hostile *hostile = *state;
    adk_request request = adk_hostile_request(&attack);
    adk_result *result = adk_hostile_execute(hostile->backend, attack.name, &request);
    char *report = NULL;

    adk_hostile_expect(&attack, result);
    assert_int_equal(adk_result_stdout(result).head.size, 14);
    assert_memory_equal(adk_result_stdout(result).head.data,
                        "\x1b]0;x\x07\0\xc2\x9b"
                        "31m\xe2\x80",
                        14);
    adk_result_free(result);
    request.code = adk_bytes_from_cstr(GUEST_WRITES("1", "\\1b]0;x\\07\\00\\c2\\9b31m", "\\0c"));
    result = adk_hostile_execute(hostile->backend, attack.name, &request);
    ascii.flags = ADK_REPORT_ASCII;
    assert_int_equal(adk_report_json(result, &ascii, &report, NULL), ADK_OK);
    for (const char *at = report; *at != '\0'; at++)
        assert_true(*at >= 0x20 && *at < 0x7f);
    assert_non_null(strstr(report, "\\u001B]0;x\\u0007\\u0000\\u009B31m"));
    adk_free(report);
    adk_result_free(result);
    adk_hostile_unharmed(hostile, attack.name);
}

/* ---- descriptors -------------------------------------------------------------------------------------------------- */

#define IMPORT_CLOSE    "(import \"" WASI "\" \"fd_close\" (func $close (param i32) (result i32)))"
#define IMPORT_RENUMBER "(import \"" WASI "\" \"fd_renumber\" (func $renumber (param i32 i32) (result i32)))"
#define CLOSES(fd)      "(call $close (i32.const " fd "))"
#define MOVES(from, to) "(call $renumber (i32.const " from ") (i32.const " to "))"
#define SAYS(text, fd)                                                        \
    STORE("64", text)                                                         \
    IOVEC("0", "64", "2")                                                     \
    "(call $write (i32.const " fd ") (i32.const 0) (i32.const 1) (i32.const " \
    "8))"
#define STREAMS IMPORT_CLOSE IMPORT_RENUMBER IMPORT_WRITE

static void test_standard_descriptors(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"closing standard output, then writing to it",
         CALLS(STREAMS, CHECK("1", IS(CLOSES("1"), SUCCESS)) CHECK("2", IS(SAYS("0x6968", "1"), BADF))), EXITS(0),
         .out = ""},
        {"closing everything twice",
         CALLS(STREAMS, CHECK("1", IS(CLOSES("0"), SUCCESS)) CHECK("2", IS(CLOSES("1"), SUCCESS))
                            CHECK("3", IS(CLOSES("2"), SUCCESS)) CHECK("4", IS(CLOSES("0"), BADF))
                                CHECK("5", IS(CLOSES("1"), BADF)) CHECK("6", IS(CLOSES("2"), BADF))
                                    CHECK("7", IS(CLOSES("-1"), BADF)) CHECK("8", IS(CLOSES("2147483647"), BADF))),
         EXITS(0)},
        {"standard output under another number",
         CALLS(STREAMS, CHECK("1", IS(MOVES("1", "0"), SUCCESS)) CHECK("2", IS(SAYS("0x6968", "0"), SUCCESS))
                            CHECK("3", IS(SAYS("0x6968", "1"), BADF))),
         EXITS(0), .out = "hi"},
        {"standard error in the place of standard output",
         CALLS(STREAMS, CHECK("1", IS(MOVES("2", "1"), SUCCESS)) CHECK("2", IS(SAYS("0x6968", "1"), SUCCESS))),
         EXITS(0), .out = ""},
        {"standard output onto itself",
         CALLS(STREAMS, CHECK("1", IS(MOVES("1", "1"), SUCCESS)) CHECK("2", IS(SAYS("0x6968", "1"), SUCCESS))),
         EXITS(0), .out = "hi"},
        {"a number that is not open",
         CALLS(STREAMS, CHECK("1", "(i32.ne " MOVES("1", "-1") " (i32.const 0))") CHECK("2", IS(MOVES("77", "1"), BADF))
                            CHECK("3", IS(SAYS("0x6968", "1"), SUCCESS))),
         EXITS(0), .out = "hi"},
        {"closing for ever", CALLS(STREAMS, "(loop $l (drop " CLOSES("1") ") (drop " MOVES("2", "1") ") br $l)"),
         .timeout_ns = 100 * MS, .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_RUN,
         .or_phase = ADK_PHASE_HOST_CALL},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- random numbers ----------------------------------------------------------------------------------------------- */

#define RANDOM(at, size) "(call $random (i32.const " at ") (i32.const " size "))"

static void test_random_numbers(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"4 GiB of them",
         CALLS(IMPORT_RANDOM,
               CHECK("1", IS(RANDOM("0", "-1"), FAULT)) CHECK("2", "(i64.eqz (i64.load (i32.const 0)))")),
         EXITS(0)},
        {"over the end",
         CALLS(IMPORT_RANDOM,
               CHECK("1", IS(RANDOM("131071", "2"), FAULT)) CHECK("2", "(i32.eqz (i32.load8_u (i32.const 131071)))")),
         EXITS(0)},
        {"an address that overflows", CALLS(IMPORT_RANDOM, CHECK("1", IS(RANDOM("-1", "2"), FAULT))), EXITS(0)},
        {"none of them", CALLS(IMPORT_RANDOM, CHECK("1", IS(RANDOM("0", "0"), SUCCESS))), EXITS(0)},
        {"all of memory",
         "(module " IMPORT_RANDOM IMPORT_EXIT "(memory (export \"memory\") 512)" START CHECK(
             "1", IS(RANDOM("0", "33554432"), SUCCESS)) CHECK("2", "(i64.ne (i64.load (i32.const 33554424)) "
                                                                   "(i64.const 0))") "))",
         EXITS(0)},
        {"all of memory for ever",
         "(module " IMPORT_RANDOM "(memory (export \"memory\") 1000)" START
         "(loop $l (drop " RANDOM("0", "65536000") ") br $l)))",
         .timeout_ns = 100 * MS, .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_RUN,
         .or_phase = ADK_PHASE_HOST_CALL},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- exit codes --------------------------------------------------------------------------------------------------- */

#define IN_START_SECTION(code) \
    "(module " IMPORT_EXIT "(func $s (call $exit (i32.const " code "))) (start $s)" START LOOP "))"

static void test_exit_codes(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"exit 0", GUEST_EXITS("0"), EXITS(0)},
        {"exit 125", GUEST_EXITS("125"), EXITS(125)},
        {"exit 126", GUEST_EXITS("126"), EXITS(126)},
        {"exit 127", GUEST_EXITS("127"), EXITS(127)},
        {"exit 128", GUEST_EXITS("128"), EXITS(128)},
        {"exit 255", GUEST_EXITS("255"), EXITS(255)},
        {"exit 256", GUEST_EXITS("256"), EXITS(256)},
        {"exit 2^31", GUEST_EXITS("-2147483648"), EXITS(2147483648u)},
        {"exit 2^32 - 1", GUEST_EXITS("-1"), EXITS(4294967295u)},
        {"exit 0 in the start section", IN_START_SECTION("0"), EXITS(0)},
        {"exit 256 in the start section", IN_START_SECTION("256"), EXITS(256)},
        {"exit 2^32 - 1 in the start section", IN_START_SECTION("-1"), EXITS(4294967295u)},
        {"exit in _initialize",
         "(module " IMPORT_EXIT "(func (export \"_initialize\") (call $exit (i32.const 3)))" START LOOP "))", EXITS(3)},
        {"exit at the bottom of deep calls",
         "(module " IMPORT_EXIT "(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) "
         "(i32.const 1)))) (else (call $exit (i32.const 9)))))" START "(call $f (i32.const 1000))))",
         EXITS(9)},
        {"exit through call_indirect",
         "(module (type $t (func (param i32)))" IMPORT_EXIT "(table 1 funcref) (elem (i32.const 0) $exit)" START
         "(call_indirect (type $t) (i32.const 12) (i32.const 0)) unreachable))",
         EXITS(12)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- without memory ----------------------------------------------------------------------------------------------- */

static void test_calls_without_memory(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a write without memory",
         "(module " IMPORT_WRITE IMPORT_EXIT START CHECK(
             "1", IS("(call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))", FAULT)) "))",
         EXITS(0), .out = ""},
        {"a write with a memory under another name",
         "(module " IMPORT_WRITE IMPORT_EXIT "(memory (export \"mem\") 1)" START CHECK(
             "1", IS("(call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))", FAULT)) "))",
         EXITS(0), .out = ""},
        {"a write with a function for a memory",
         "(module " IMPORT_WRITE IMPORT_EXIT "(func (export \"memory\"))" START CHECK(
             "1", IS("(call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))", FAULT)) "))",
         EXITS(0), .out = ""},
        {"random numbers without memory",
         "(module " IMPORT_RANDOM IMPORT_EXIT START CHECK("1", IS(RANDOM("0", "8"), FAULT)) "))", EXITS(0)},
        {"a write to a memory without pages",
         "(module " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 0)" START CHECK(
             "1", IS("(call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))", FAULT)) "))",
         EXITS(0), .out = ""},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poll_counts),
        cmocka_unit_test(test_poll_clocks),
        cmocka_unit_test(test_iovecs),
        cmocka_unit_test(test_iovecs_whose_sum_overflows),
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_escapes_in_output),
        cmocka_unit_test(test_standard_descriptors),
        cmocka_unit_test(test_random_numbers),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_calls_without_memory),
    };

    return cmocka_run_group_tests_name("wasi_abuse", tests, adk_hostile_setup, adk_hostile_teardown);
}
