/*
 * From text to binary, and from the engine's texts to typed reasons.
 */
#include "wasm/source.h"

#include <string.h>

#include "base/text.h"
#include "core/error.h"
#include "core/result.h"
#include "wasm/engine.h"

#define INSTALLED_MAX_BYTES ((uint64_t)256 << 20)

static const char wasm_magic[4] = {'\0', 'a', 's', 'm'};

/* ---- refusals ----------------------------------------------------------------------------------------------------- */

void adk__refuse(adk__refusal *refusal, adk_reason reason, const char *format, ...)
{
    va_list args;

    refusal->reason = reason;
    va_start(args, format);
    if (adk__buf_vprintf(&refusal->message, format, args) != 0)
        refusal->nomem = true;
    va_end(args);
}

/* The text assembler draws the line with an arrow beneath it: of that, its first line and the position are kept. */
static int append_text(adk__buf *message, const wasm_byte_vec_t *text)
{
    static const char arrow[] = "--> <anon>:";
    const char *line = memchr(text->data, '\n', text->size);
    size_t first = line == NULL ? text->size : (size_t)(line - text->data);
    const char *at = line == NULL ? NULL : memmem(line, text->size - first, arrow, sizeof(arrow) - 1);
    size_t digits = 0;
    int failed = adk__text_append_escaped(message, text->data, first, 1024);

    if (failed || at == NULL)
        return failed;
    at += sizeof(arrow) - 1;
    while (at + digits < text->data + text->size && digits < 24 && strchr("0123456789:", at[digits]) != NULL &&
           at[digits] != '\0')
        digits++;
    return adk__buf_printf(message, " (at %.*s)", (int)digits, at);
}

/* A panic of the compiler is not the module's fault alone, but it is the module that is refused. */
void adk__refuse_with_error(adk__refusal *refusal, adk_reason reason, const char *what, wasmtime_error_t *error)
{
    wasm_byte_vec_t text;
    uint8_t trap;

    if (adk_engine_error_kind(error, &trap) == ADK_ENGINE_PANIC)
        reason = ADK_REASON_COMPILER_FAILED;
    adk_engine_error_text(error, &text);
    refusal->reason = reason;
    if (adk__buf_printf(&refusal->message, "%s", what) != 0 || append_text(&refusal->message, &text) != 0)
        refusal->nomem = true;
    wasm_byte_vec_delete(&text);
    wasmtime_error_delete(error);
}

static bool may_go_on(void *interrupt)
{
    return adk__interrupt_check(interrupt) == ADK__INTERRUPT_NONE;
}

static bool is_systems(const wasmtime_error_t *error)
{
    uint8_t trap;

    return adk_engine_error_kind(error, &trap) == ADK_ENGINE_SYSTEM;
}

/* The engine gives text only. */
int adk__source_explain(adk_bytes binary, adk__interrupt *interrupt, adk__refusal *refusal, wasmtime_error_t *error,
                        adk_error **ret_error)
{
    wasm_byte_vec_t names;
    bool valid = false;
    wasmtime_error_t *again;
    adk_engine_survey survey;

    if (is_systems(error))
        return adk__engine_fail(ret_error, ADK_E_SYSTEM, "compile a module", error);
    again = adk_engine_missing_features(binary.data, binary.size, may_go_on, interrupt, &valid, &names);
    if (again != NULL) {
        wasmtime_error_delete(again);
        adk__refuse_with_error(refusal, ADK_REASON_COMPILER_FAILED, ADK__COMPILE_FAILED, error);
        return ADK_OK;
    }
    adk_engine_survey_module(binary.data, binary.size, &survey);
    refusal->needs_memory = valid && survey.table_elements > ADK__TABLE_ELEMENTS_MAX;
    if (names.size > 0) {
        adk__refuse(refusal, ADK_REASON_UNSUPPORTED_FEATURE,
                    ADK__COMPILE_FAILED "it needs %.*s, which is not supported: ", (int)names.size, names.data);
        adk__refuse_with_error(refusal, ADK_REASON_UNSUPPORTED_FEATURE, "", error);
    } else {
        adk__refuse_with_error(refusal, valid ? ADK_REASON_TOO_LARGE : ADK_REASON_MALFORMED, ADK__COMPILE_FAILED,
                               error);
    }
    wasm_byte_vec_delete(&names);
    return ADK_OK;
}

/* ---- bulk instructions -------------------------------------------------------------------------------------------- */

int adk__source_split(adk_bytes binary, adk__interrupt *interrupt, adk__refusal *refusal, adk__split *ret_split,
                      adk_error **ret_error)
{
    wasmtime_error_t *error;

    *ret_split = (adk__split){binary, {0, NULL}, {0, UINT32_MAX, true}};
    error = adk_engine_split_bulk(binary.data, binary.size, &ret_split->rewritten, &ret_split->how);
    if (error != NULL)
        return adk__source_explain(binary, interrupt, refusal, error, ret_error);
    if (ret_split->rewritten.size > 0)
        ret_split->binary = adk_bytes_make(ret_split->rewritten.data, ret_split->rewritten.size);
    return ADK_OK;
}

void adk__split_free(adk__split *split)
{
    if (split->rewritten.data != NULL)
        wasm_byte_vec_delete(&split->rewritten);
}

int adk__split_explain(const wasm_engine_t *engine, const adk__split *split, adk_bytes binary,
                       adk__interrupt *interrupt, adk__refusal *refusal, wasmtime_error_t *error, adk_error **ret_error)
{
    wasmtime_error_t *original;
    wasm_byte_vec_t code;

    if (split->rewritten.size == 0 || is_systems(error))
        return adk__source_explain(binary, interrupt, refusal, error, ret_error);
    original = adk_engine_precompile(engine, binary.data, binary.size, &code);
    if (original != NULL) {
        wasmtime_error_delete(error);
        return adk__source_explain(binary, interrupt, refusal, original, ret_error);
    }
    wasm_byte_vec_delete(&code);
    /* It compiles, but does not fit what instances may have; or it is the rewriting that was wrong. */
    original = adk_engine_precompile(engine, split->binary.data, split->binary.size, &code);
    if (original == NULL) {
        wasm_byte_vec_delete(&code);
        return adk__source_explain(binary, interrupt, refusal, error, ret_error);
    }
    wasmtime_error_delete(original);
    adk__refuse_with_error(refusal, ADK_REASON_COMPILER_FAILED, ADK__COMPILE_FAILED, error);
    return ADK_OK;
}

/* ---- from text to binary ------------------------------------------------------------------------------------------ */

/* Bytes 4 to 7 are version and layer: 1 and 0 for a module; a component's layer is 1 (component model, Binary.md). */
static bool is_component(adk_bytes binary)
{
    const unsigned char *bytes = binary.data;

    return binary.size >= 8 && bytes[6] == 1 && bytes[7] == 0;
}

bool adk__source_is_binary(adk_bytes code)
{
    return code.size >= sizeof(wasm_magic) && memcmp(code.data, wasm_magic, sizeof(wasm_magic)) == 0;
}

uint64_t adk__source_max_bytes(uint32_t flavour)
{
    return (flavour & ADK__FLAVOUR_INSTALLED) != 0 ? INSTALLED_MAX_BYTES : ADK_CODE_MAX_BYTES;
}

void adk__source_check_size(adk_bytes code, uint32_t flavour, adk__refusal *refusal)
{
    uint64_t most = adk__source_max_bytes(flavour);

    if (code.size == 0)
        adk__refuse(refusal, ADK_REASON_MALFORMED, ADK__COMPILE_FAILED "the code is empty");
    else if (code.size > most)
        adk__refuse(refusal, ADK_REASON_TOO_LARGE, ADK__COMPILE_FAILED "the code has %zu bytes, more than %llu",
                    code.size, (unsigned long long)most);
}

static void assemble(adk_bytes code, adk__refusal *refusal, wasm_byte_vec_t *text, adk_bytes *ret_binary)
{
    wasmtime_error_t *error;

    if (!adk__utf8_valid(code.data, code.size)) {
        adk__refuse(refusal, ADK_REASON_MALFORMED,
                    ADK__COMPILE_FAILED "the code is neither a binary module (it does not begin with \\0asm) nor text");
        return;
    }
    error = adk_engine_parse_text(code.data, code.size, text);
    if (error != NULL) {
        adk__refuse_with_error(refusal, ADK_REASON_MALFORMED, ADK__COMPILE_FAILED, error);
        return;
    }
    *ret_binary = adk_bytes_make(text->data, text->size);
    if (text->size > ADK_CODE_MAX_BYTES)
        adk__refuse(refusal, ADK_REASON_TOO_LARGE, ADK__COMPILE_FAILED "the assembled text has more than %llu bytes",
                    (unsigned long long)ADK_CODE_MAX_BYTES);
}

void adk__source_to_binary(adk_bytes code, uint32_t flavour, adk__refusal *refusal, wasm_byte_vec_t *text,
                           adk_bytes *ret_binary)
{
    *ret_binary = code;
    adk__source_check_size(code, flavour, refusal);
    if (refusal->reason == ADK_REASON_NONE && !adk__source_is_binary(code))
        assemble(code, refusal, text, ret_binary);
    if (refusal->reason == ADK_REASON_NONE && is_component(*ret_binary))
        adk__refuse(refusal, ADK_REASON_UNSUPPORTED_FEATURE,
                    ADK__COMPILE_FAILED "it is a component, and the component-model is not supported");
}

void adk__source_look(adk_bytes code, adk__refusal *refusal, adk__source *ret_source)
{
    adk_engine_survey survey;

    memset(ret_source, 0, sizeof(*ret_source));
    ret_source->code = code;
    ret_source->work_ns = UINT64_MAX;
    adk__source_check_size(code, 0, refusal);
    if (refusal->reason != ADK_REASON_NONE || (!adk__source_is_binary(code) && code.size > ADK__TEXT_IN_PLACE_MAX))
        return;
    adk__source_to_binary(code, 0, refusal, &ret_source->text, &ret_source->code);
    if (refusal->reason != ADK_REASON_NONE)
        return;
    adk_engine_survey_module(ret_source->code.data, ret_source->code.size, &survey);
    ret_source->work_ns = survey.work_ns;
}

void adk__source_free(adk__source *source)
{
    if (source->text.data != NULL)
        wasm_byte_vec_delete(&source->text);
}
