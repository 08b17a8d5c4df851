/*
 * What the tests share: cmocka with what it needs, making backends and requests, looking at results, and what this
 * process holds (descriptors, threads, mappings, memory).
 */
#ifndef ADK_TESTS_SUPPORT_H
#define ADK_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <adk/sandbox.h>

#define MS     UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

#define BYTES(literal) adk_bytes_make((literal), sizeof(literal) - 1)

/* ---- the machine -------------------------------------------------------------------------------------------------- */

/** Adds a report to the file that ADK_TEST_REPORTS names, if it does: integration/test_schema.py looks at all of them. */
void adk_test_keep_report(const char *report);

/** Whether the tests run under valgrind, which dies of a guest's trap: it takes the engine's signals for its own. */
bool adk_test_under_valgrind(void);

/** Whether a sanitizer slows the tests down and fills shadow memory. */
bool adk_test_sanitized(void);

/** Whether it is the thread sanitizer. */
bool adk_test_under_tsan(void);

/** Skips the test at hand under valgrind, because a guest will trap in it. */
#define SKIP_TRAPS_UNDER_VALGRIND()                                                     \
    do {                                                                                \
        if (adk_test_under_valgrind()) {                                                \
            print_message("skipped: valgrind does not survive the signal of a trap\n"); \
            skip();                                                                     \
        }                                                                               \
    } while (0)

/** CLOCK_MONOTONIC. */
uint64_t adk_test_now_ns(void);
void adk_test_sleep_ns(uint64_t ns);

/** How late a run may come back on a loaded machine. */
uint64_t adk_test_slack_ns(void);

typedef struct adk_test_census {
    unsigned descriptors;
    unsigned threads;
    unsigned mappings;
    uint64_t resident_bytes;
} adk_test_census;

adk_test_census adk_test_count(void);

/* ---- running ------------------------------------------------------------------------------------------------------ */

/** Options that obey ADK_TEST_SLOTS. */
adk_wasm_options adk_test_options(void);

/** Whether the tests' backends run their guests in processes of their own (ADK_TEST_ARMOURED=1 in the environment). */
bool adk_test_armoured(void);

/** Where they do, and only there: makes sure that these options, which name host functions, are refused for that. */
bool adk_test_refuses_host_functions(const adk_wasm_options *options);

/** A backend with these options; the test fails where there is none. */
adk_backend *adk_test_backend(void);
adk_backend *adk_test_backend_with(const adk_wasm_options *options);

/** Group setup and teardown: *state is a backend. */
int adk_test_setup(void **state);
int adk_test_teardown(void **state);

/** A request for this WAT text that has plenty of time. */
adk_request adk_test_request(const char *wat);

/** Runs it; the test fails where the call does. */
adk_result *adk_test_execute(adk_backend *backend, const adk_request *request, adk_cancel *cancel);

/** Compiles WAT text ahead, so that a deadline that follows is the guest's own and not the compiler's. */
void adk_test_compile(adk_backend *backend, const char *wat);

/** Runs WAT text with nothing else set. */
adk_result *adk_test_run(adk_backend *backend, const char *wat);

/** Fails, and says what the result was, unless its outcome is this one. */
void adk_test_expect(const adk_result *result, adk_outcome outcome);

/** Runs WAT text and frees the result, after having checked its outcome. */
void adk_test_run_expect(adk_backend *backend, const char *wat, adk_outcome outcome);
void adk_test_run_exits(adk_backend *backend, const char *wat, uint32_t exit_code);
void adk_test_run_traps(adk_backend *backend, const char *wat, const char *kind);

/** As above for a module that is rejected: its reason, and a part of its message. */
void adk_test_run_rejected(adk_backend *backend, adk_bytes code, adk_reason reason, const char *part);

adk_usage adk_test_usage(const adk_result *result);

bool adk_test_bytes_are(adk_bytes bytes, const char *text);
bool adk_test_bytes_have(adk_bytes bytes, const char *part);
#define assert_bytes_are(bytes, text)                                                                \
    do {                                                                                             \
        adk_bytes bytes_ = (bytes);                                                                  \
        if (!adk_test_bytes_are(bytes_, (text)))                                                     \
            fail_msg("\"%.*s\" is not \"%s\"", (int)bytes_.size, (const char *)bytes_.data, (text)); \
    } while (0)
#define assert_bytes_have(bytes, part)                                                               \
    do {                                                                                             \
        adk_bytes bytes_ = (bytes);                                                                  \
        if (!adk_test_bytes_have(bytes_, (part)))                                                    \
            fail_msg("\"%.*s\" has no \"%s\"", (int)bytes_.size, (const char *)bytes_.data, (part)); \
    } while (0)

/** Assembles WAT text; the caller frees ret->data with free(). */
adk_bytes adk_test_assemble(const char *wat);

/* ---- guests ------------------------------------------------------------------------------------------------------- */

#define WASI          "wasi_snapshot_preview1"
#define IMPORT_WRITE  "(import \"" WASI "\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
#define IMPORT_READ   "(import \"" WASI "\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))"
#define IMPORT_EXIT   "(import \"" WASI "\" \"proc_exit\" (func $exit (param i32)))"
#define IMPORT_POLL   "(import \"" WASI "\" \"poll_oneoff\" (func $poll (param i32 i32 i32 i32) (result i32)))"
#define IMPORT_RANDOM "(import \"" WASI "\" \"random_get\" (func $random (param i32 i32) (result i32)))"
#define IMPORT_CLOCK  "(import \"" WASI "\" \"clock_time_get\" (func $clock (param i32 i64 i32) (result i32)))"

#define START "(func $start (export \"_start\") "
#define LOOP  "(loop $again br $again)"

#define GUEST_EMPTY       "(module " START "))"
#define GUEST_LOOP        "(module " START LOOP "))"
#define GUEST_UNREACHABLE "(module " START "unreachable))"

/** Writes `text` (`size` bytes of it, as the guest's source names them) to a descriptor, once. */
#define GUEST_WRITES(fd, text, size)                                                                         \
    "(module " IMPORT_WRITE "(memory (export \"memory\") 1)"                                                 \
    "(data (i32.const 0) \"\\10\\00\\00\\00" size "\\00\\00\\00\") (data (i32.const 16) \"" text "\")" START \
    "(drop (call $write (i32.const " fd ") (i32.const 0) (i32.const 1) (i32.const 8)))))"

#define GUEST_HELLO GUEST_WRITES("1", "hello, world\\0a", "\\0d")

/** Sleeps this many nanoseconds by the monotonic clock. */
#define GUEST_SLEEPS(ns)                                                                               \
    "(module " IMPORT_POLL "(memory (export \"memory\") 1)"                                            \
    "(data (i32.const 16) \"\\01\\00\\00\\00\")" START "(i64.store (i32.const 24) (i64.const " ns "))" \
    "(drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"

#define GUEST_EXITS(code) "(module " IMPORT_EXIT START "(call $exit (i32.const " code "))))"

#endif
