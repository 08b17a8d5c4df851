/*
 * Sources, binary or text, on their way to the compiler, and the reasons for which they are refused. Used where modules
 * are compiled: in this process, and in the helper program.
 */
#ifndef ADK_WASM_SOURCE_H
#define ADK_WASM_SOURCE_H

#include "adk_engine.h"

#include <adk/bytes.h>
#include <adk/error.h>
#include <adk/result.h>

#include "base/buf.h"
#include "base/interrupt.h"

/** How every refusal of the compiler begins. */
#define ADK__COMPILE_FAILED "failed to compile WASM module: "

/** Why a module was refused. */
typedef struct adk__refusal {
    adk_reason reason; /* ADK_REASON_NONE: it was not */
    bool nomem;        /* there was no memory for all of the message: nothing to be shown to anybody */
    bool needs_memory; /* refused, because its tables' least sizes are beyond any budget */
    bool out_of_time;  /* nor was it compiled, because it took too long when it was last tried */
    adk__buf message;
} adk__refusal;
#define ADK__REFUSAL_INIT                                                     \
    {                                                                         \
        ADK_REASON_NONE, false, false, false, ADK__BUF_INIT((size_t)16 << 10) \
    }

/** Sets a refusal. */
void adk__refuse(adk__refusal *refusal, adk_reason reason, const char *format, ...) ADK_PRINTF(3, 4);

/** Sets a refusal with the text of the engine's error behind `what`. Takes `error`; a panic is compiler_failed. */
void adk__refuse_with_error(adk__refusal *refusal, adk_reason reason, const char *what, wasmtime_error_t *error);

/** What a source of a flavour (wasm/engine.h) may have: no guest's has more than ADK_CODE_MAX_BYTES. */
uint64_t adk__source_max_bytes(uint32_t flavour);

/** Refuses what is empty or too large to be looked at. */
void adk__source_check_size(adk_bytes code, uint32_t flavour, adk__refusal *refusal);

/** Whether it is a binary module or component rather than text. */
bool adk__source_is_binary(adk_bytes code);

/**
 * The binary of a source, or a refusal. Where the source is text, *text owns the binary and the caller deletes it; else it
 * is left alone.
 */
void adk__source_to_binary(adk_bytes code, uint32_t flavour, adk__refusal *refusal, wasm_byte_vec_t *text,
                           adk_bytes *ret_binary);

/**
 * Text above this is assembled where modules are compiled, since the assembler cannot be stopped either: it looks labels up
 * one by one, and 60 KB of branches out of deep nesting take it 130 ms.
 */
#define ADK__TEXT_IN_PLACE_MAX ((size_t)16 << 10)

/** A source, looked over before it is compiled. */
typedef struct adk__source {
    adk_bytes code;       /* the binary; or text that is too long to be assembled here */
    wasm_byte_vec_t text; /* owns the binary of short text */
    uint64_t work_ns;     /* what compiling takes at most; UINT64_MAX: unknown */
} adk__source;

/** Looks a source over; quick, however large it is. The caller frees *ret_source, also after a refusal. */
void adk__source_look(adk_bytes code, adk__refusal *refusal, adk__source *ret_source);
void adk__source_free(adk__source *source);

/**
 * Says in a refusal why the compiler did not take a binary, or fails where that was the machine's fault. Takes `error`.
 * Validates the binary many times over, until the interrupt says stop.
 */
ADK_MUST_USE int adk__source_explain(adk_bytes binary, adk__interrupt *interrupt, adk__refusal *refusal,
                                     wasmtime_error_t *error, adk_error **ret_error);

/** What goes to the compiler: the binary itself, or with its bulk instructions split up. */
typedef struct adk__split {
    adk_bytes binary;
    wasm_byte_vec_t rewritten; /* owns `binary` where data is not NULL */
    adk_engine_split how;
} adk__split;

/** Splits a binary up, or refuses it, as adk__source_explain() does. The caller frees *ret_split, also after a failure. */
ADK_MUST_USE int adk__source_split(adk_bytes binary, adk__interrupt *interrupt, adk__refusal *refusal,
                                   adk__split *ret_split, adk_error **ret_error);
void adk__split_free(adk__split *split);

/**
 * As adk__source_explain() where `split` was not taken: in terms of `binary`, which is compiled once more for that. What
 * is refused only since it was rewritten, is the compiler's failure.
 */
ADK_MUST_USE int adk__split_explain(const wasm_engine_t *engine, const adk__split *split, adk_bytes binary,
                                    adk__interrupt *interrupt, adk__refusal *refusal, wasmtime_error_t *error,
                                    adk_error **ret_error);

#endif
