/*
 * What the hostile battery shares. An attack is a guest, the limits it runs under, and how exactly it must end. After
 * each attack the same is asserted: the process lives, the next run of a harmless guest is right to the byte, and
 * descriptors, threads, mappings and resident memory are what they were.
 */
#ifndef ADK_TESTS_HOSTILE_H
#define ADK_TESTS_HOSTILE_H

#include "shapes.h"
#include "support.h"

#define MIB  ((uint64_t)1 << 20)
#define PAGE ((uint64_t)65536)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/** What the tests of a group share: one backend, whose few slots and cached modules make leaks show soon. */
typedef struct adk_hostile {
    adk_backend *backend;
    adk_test_census before; /**< of the process without a backend */
    adk_test_census idle;   /**< of the process with the backend, warm */
} adk_hostile;

/** One attack: what runs, and how it must end. Zero: the default, or not looked at where the comment says so. */
typedef struct adk_hostile_case {
    const char *name;
    const char *wat; /**< the module as text … */
    adk_bytes code;  /**< … or as bytes */
    uint64_t timeout_ns;
    uint64_t memory_limit_bytes;
    uint64_t output_limit_bytes;
    uint64_t fuel;
    adk_outcome outcome;
    adk_phase phase;
    adk_phase or_phase; /**< for a guest that goes in and out of the host: the other phase it may be found in */
    adk_reason reason;
    uint32_t exit_code;
    const char *trap;         /**< the kind, NULL: none */
    const char *message_part; /**< NULL: not looked at */
    const char *out;          /**< standard output, NULL: not looked at */
    uint64_t denied_at_least;
    uint64_t denied_at_most; /**< looked at where the outcome or the least says that memory was denied */
} adk_hostile_case;

/** Ways to end, as initialisers of an adk_hostile_case. */
#define EXITS(status)       .outcome = ADK_OUTCOME_EXITED, .exit_code = (status)
#define TRAPS_IN(where, is) .outcome = ADK_OUTCOME_TRAPPED, .phase = ADK_PHASE_##where, .trap = (is)
#define TRAPS(is)           TRAPS_IN(RUN, is)
#define TIMES_OUT_IN(where) .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_##where
#define REJECTED(why, part) .outcome = ADK_OUTCOME_REJECTED, .reason = ADK_REASON_##why, .message_part = (part)
#define OVER_MEMORY_IN(where, part) \
    .outcome = ADK_OUTCOME_MEMORY_LIMIT, .phase = ADK_PHASE_##where, .message_part = (part)

/** Group setup and teardown: *state is an adk_hostile. The teardown frees the backend and finds nothing left of it. */
int adk_hostile_setup(void **state);
int adk_hostile_teardown(void **state);

/** As the setup, for a backend with options of the test's own. The caller ends it with adk_hostile_end(). */
void adk_hostile_begin(adk_hostile *hostile, const adk_wasm_options *options);
void adk_hostile_end(adk_hostile *hostile);

/** The request that a case asks for. */
adk_request adk_hostile_request(const adk_hostile_case *attack);

/**
 * Runs a request and looks at what is asserted of every result: it came in time, and its parts do not contradict each
 * other. `name` is for the message of a failure. The caller frees the result.
 */
adk_result *adk_hostile_execute(adk_backend *backend, const char *name, const adk_request *request);

/** Fails unless a result is what the case expects. */
void adk_hostile_expect(const adk_hostile_case *attack, const adk_result *result);

/** NULL, or what is contradictory in a result: outcome, phase, reason, trap, figures. Any thread. */
const char *adk_hostile_contradiction(const adk_result *result);

/** Fails unless a harmless guest runs as ever and the process is what it was. */
void adk_hostile_unharmed(adk_hostile *hostile, const char *name);

/** NULL, or what was wrong with a run of hello world. Any thread. */
const char *adk_hostile_hello(adk_backend *backend);

/** Whether the machine is as it was, for a while: descriptors, threads, mappings, memory. Fails where it is not. */
void adk_hostile_same(const adk_test_census *before, const char *name, unsigned slack, uint64_t slack_bytes);

/** All of it: runs, expects, looks whether all is unharmed. */
void adk_hostile_attack(adk_hostile *hostile, const adk_hostile_case *attack);
/** The same with code that was made, and is freed. */
void adk_hostile_attack_with(adk_hostile *hostile, const adk_hostile_case *attack, adk_shape *code);
void adk_hostile_attacks(adk_hostile *hostile, const adk_hostile_case *attacks, size_t count);

/** splitmix64. */
uint64_t adk_hostile_random(uint64_t *seed);

/** A bit of everything a module can have: imports, memory, table, elements, data, globals, a start section, names.
 *  It writes "hi" and exits with 15. */
#define GUEST_RICH                                                                                                 \
    "(module $rich " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 1 10) (table 4 8 funcref)"              \
    "(global $g (mut i64) (i64.const 5)) (elem (i32.const 1) $a $b) (type $t (func (param i32) (result i32)))"     \
    "(data (i32.const 0) \"\\10\\00\\00\\00\\02\\00\\00\\00\") (data (i32.const 16) \"hi\") (data $p \"passive\")" \
    "(func $a (type $t) (i32.add (local.get 0) (i32.const 1)))"                                                    \
    "(func $b (type $t) (local f64 v128) (block $x (result i32) (br_table $x $x (local.get 0) (i32.const 1))))"    \
    "(func $init (global.set $g (i64.mul (global.get $g) (i64.const 3)))) (start $init)" START                     \
    "(drop (call_indirect (type $t) (i32.const 3) (i32.const 1)))"                                                 \
    "(memory.init $p (i32.const 100) (i32.const 0) (i32.const 7))"                                                 \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                                 \
    "(call $exit (i32.wrap_i64 (global.get $g)))))"

/** Ends the guest with `code` unless the condition (an i32) holds. */
#define CHECK(code, condition) "(if (i32.eqz " condition ") (then (call $exit (i32.const " code "))))"

#endif
