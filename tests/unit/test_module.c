/*
 * src/wasm/module: compiling, refusing and loading, without a run around it.
 */
#include "support.h"

#include "wasm/module.h"

struct fixture {
    adk_wasm_options options;
    adk__engines engines;
    adk__interrupt interrupt;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    f->options = adk_test_options();
    f->options.slots = 2;
    f->options.entry_cstr = "_start";
    if (adk__engines_init(&f->engines, &f->options, NULL) != ADK_OK || adk__interrupt_init(&f->interrupt) != 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    adk__interrupt_destroy(&f->interrupt);
    adk__engines_destroy(&f->engines);
    free(f);
    return 0;
}

static adk__module *compile(struct fixture *f, const char *wat, adk__refusal *refusal)
{
    adk__module *module = NULL;

    assert_int_equal(
        adk__module_compile(&f->engines, 0, 0, adk_bytes_from_cstr(wat), &f->interrupt, refusal, &module, NULL),
        ADK_OK);
    return module;
}

static void test_a_module_in_every_shard(void **state)
{
    struct fixture *f = *state;
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk__module *module = compile(f, GUEST_HELLO, &refusal);

    assert_non_null(module);
    assert_int_equal(refusal.reason, ADK_REASON_NONE);
    assert_true(module->has_entry);
    assert_false(module->has_initialize);
    assert_true(module->cost_bytes > 0);
    for (uint32_t i = 0; i < f->engines.shard_count; i++) {
        const wasmtime_instance_pre_t *first = NULL;
        const wasmtime_instance_pre_t *second = NULL;
        adk__shard *shard = NULL;

        assert_int_equal(adk__engines_shard(&f->engines, 0, i, &shard, NULL), ADK_OK);
        assert_int_equal(adk__module_in_shard(module, shard, &first, NULL), ADK_OK);
        assert_int_equal(adk__module_in_shard(module, shard, &second, NULL), ADK_OK);
        assert_non_null(first);
        assert_ptr_equal(first, second);
    }
    (void)adk__module_ref(module);
    adk__module_unref(module);
    adk__module_unref(module);
}

static void test_entries_are_known(void **state)
{
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk__module *module = compile(*state, "(module (func (export \"_initialize\")))", &refusal);

    assert_non_null(module);
    assert_true(module->has_initialize);
    assert_false(module->has_entry);
    adk__module_unref(module);
    adk__module_unref(NULL);
}

static void test_a_refusal_is_a_success_of_the_call(void **state)
{
    adk__refusal refusal = ADK__REFUSAL_INIT;

    assert_null(compile(*state, "(module)", &refusal));
    assert_int_equal(refusal.reason, ADK_REASON_NO_ENTRY);
    assert_true(refusal.message.size > 0);
    adk__buf_free(&refusal.message);
}

/*
 * Finding out which features a module needs ends when the run is due. The refusal is told to everybody who waits for the
 * same module, also to those who have time: it must not name what the module does not need.
 */
static void test_a_refusal_made_in_a_hurry_says_nothing_wrong(void **state)
{
    struct fixture *f = *state;
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk__module *module = NULL;

    adk__interrupt_cancel(&f->interrupt);
    assert_int_equal(adk__module_compile(&f->engines, 0, 0, BYTES("(module (memory 1) (memory 1)" START "))"),
                                         &f->interrupt, &refusal, &module, NULL),
                     ADK_OK);
    assert_null(module);
    assert_false(adk_test_bytes_have(adk_bytes_make(refusal.message.data, refusal.message.size), "threads"));
    assert_false(adk_test_bytes_have(adk_bytes_make(refusal.message.data, refusal.message.size), "gc"));
    adk__buf_free(&refusal.message);
    adk__interrupt_begin(&f->interrupt, ADK__NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_module_in_every_shard),
        cmocka_unit_test(test_entries_are_known),
        cmocka_unit_test(test_a_refusal_is_a_success_of_the_call),
        cmocka_unit_test(test_a_refusal_made_in_a_hurry_says_nothing_wrong),
    };

    return cmocka_run_group_tests_name("module", tests, setup, teardown);
}
