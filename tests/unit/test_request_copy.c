/*
 * src/core/request_copy: all of a request, and nothing shared with the original.
 */
#include "support.h"

#include "core/request_copy.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool malloc_fails;

void *__wrap_malloc(size_t size)
{
    return malloc_fails ? NULL : __real_malloc(size);
}

static int on_stream(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    return 0;
}

static void on_phase(void *data, uint32_t phase)
{
    (void)data;
    (void)phase;
}

static void on_trace(void *data, const adk_span *span)
{
    (void)data;
    (void)span;
}

/* Everything has a value of its own, in memory that the test can spoil. */
struct original {
    char text[8][16];
    char host_path[16];
    adk_bytes args[2];
    adk_env env[2];
    adk_file files[2];
    adk_bytes outputs[2];
    adk_request request;
    int data;
};

static void fill(struct original *o)
{
    static const adk_request init = ADK_REQUEST_INIT;
    adk_request *r = &o->request;

    memset(o, 0, sizeof(*o));
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(o->text[i], sizeof(o->text[i]), "text %zu", i);
    (void)snprintf(o->host_path, sizeof(o->host_path), "/host/path");
    *r = init;
    r->language = ADK_LANGUAGE_PYTHON;
    r->output_policy = ADK_OUTPUT_STOP;
    r->flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    r->code = adk_bytes_from_cstr(o->text[0]);
    r->stdin_data = adk_bytes_from_cstr(o->text[1]);
    o->args[0] = adk_bytes_from_cstr(o->text[2]);
    o->args[1] = adk_bytes_make(o->text[2], 0);
    r->args = o->args;
    r->args_count = 2;
    o->env[0] = (adk_env){adk_bytes_from_cstr(o->text[3]), adk_bytes_from_cstr(o->text[4])};
    o->env[1] = (adk_env){adk_bytes_from_cstr(o->text[4]), adk_bytes_make(NULL, 0)};
    r->env = o->env;
    r->env_count = 2;
    r->timeout_ns = 1;
    r->memory_limit_bytes = 2;
    r->output_limit_bytes = 3;
    r->fuel = 4;
    r->random_seed = 5;
    r->clock_start_ns = 6;
    r->on_stdout = on_stream;
    r->on_stderr = on_stream;
    r->stream_data = &o->data;
    r->on_trace = on_trace;
    r->trace_data = &o->text;
    r->on_phase = on_phase;
    r->phase_data = &o->env;
    r->module = (const adk_wasm_module *)(const void *)&o->data;
    o->files[0] = (adk_file){adk_bytes_from_cstr(o->text[5]), adk_bytes_from_cstr(o->text[6]), NULL};
    o->files[1] = (adk_file){adk_bytes_from_cstr(o->text[6]), adk_bytes_make(NULL, 0), o->host_path};
    r->files = o->files;
    r->files_count = 2;
    o->outputs[0] = adk_bytes_from_cstr(o->text[7]);
    o->outputs[1] = adk_bytes_from_cstr(o->text[5]);
    r->outputs = o->outputs;
    r->outputs_count = 2;
    r->outputs_limit_bytes = 7;
}

static void check_scalars(const adk_request *copy, const struct original *o)
{
    assert_int_equal(copy->struct_size, sizeof(adk_request));
    assert_int_equal(copy->language, ADK_LANGUAGE_PYTHON);
    assert_int_equal(copy->output_policy, ADK_OUTPUT_STOP);
    assert_int_equal(copy->flags, ADK_REQUEST_SEED | ADK_REQUEST_CLOCK);
    assert_int_equal(copy->timeout_ns, 1);
    assert_int_equal(copy->memory_limit_bytes, 2);
    assert_int_equal(copy->output_limit_bytes, 3);
    assert_int_equal(copy->fuel, 4);
    assert_int_equal(copy->random_seed, 5);
    assert_int_equal(copy->clock_start_ns, 6);
    assert_int_equal(copy->outputs_limit_bytes, 7);
    assert_true(copy->on_stdout == on_stream && copy->on_stderr == on_stream && copy->on_trace == on_trace);
    assert_ptr_equal(copy->stream_data, &o->data);
    assert_ptr_equal(copy->trace_data, &o->text);
    assert_true(copy->on_phase == on_phase);
    assert_ptr_equal(copy->phase_data, &o->env);
    assert_ptr_equal(copy->module, &o->data);
}

static void test_everything_is_copied(void **state)
{
    struct original *o = malloc(sizeof(*o));
    adk_request *copy = NULL;

    (void)state;
    assert_non_null(o);
    fill(o);
    assert_int_equal(adk__request_copy(&o->request, &copy, NULL), ADK_OK);
    check_scalars(copy, o);
    memset(o, 0xa5, sizeof(*o));
    free(o);
    assert_bytes_are(copy->code, "text 0");
    assert_bytes_are(copy->stdin_data, "text 1");
    assert_int_equal(copy->args_count, 2);
    assert_bytes_are(copy->args[0], "text 2");
    assert_int_equal(copy->args[1].size, 0);
    assert_int_equal(copy->env_count, 2);
    assert_bytes_are(copy->env[0].name, "text 3");
    assert_bytes_are(copy->env[0].value, "text 4");
    assert_bytes_are(copy->env[1].name, "text 4");
    assert_int_equal(copy->env[1].value.size, 0);
    assert_int_equal(copy->files_count, 2);
    assert_bytes_are(copy->files[0].path, "text 5");
    assert_bytes_are(copy->files[0].content, "text 6");
    assert_null(copy->files[0].host_path_cstr);
    assert_bytes_are(copy->files[1].path, "text 6");
    assert_string_equal(copy->files[1].host_path_cstr, "/host/path");
    assert_int_equal(copy->outputs_count, 2);
    assert_bytes_are(copy->outputs[0], "text 7");
    assert_bytes_are(copy->outputs[1], "text 5");
    free(copy);
}

/* A field that is added must be thought of here and in request_copy.c. */
static void test_all_fields_are_known(void **state)
{
    (void)state;
    assert_int_equal(sizeof(adk_request), offsetof(adk_request, phase_data) + sizeof(void *));
    assert_int_equal(sizeof(adk_file), sizeof(adk_bytes) * 2 + sizeof(char *));
    assert_int_equal(sizeof(adk_env), sizeof(adk_bytes) * 2);
}

static void test_nothing_in_it(void **state)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_request *copy = NULL;

    (void)state;
    assert_int_equal(adk__request_copy(&request, &copy, NULL), ADK_OK);
    assert_memory_equal(copy, &request, sizeof(request));
    free(copy);
}

static void test_more_than_memory_is_refused(void **state)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_request *copy = NULL;
    adk_error *error = NULL;

    (void)state;
    request.code = adk_bytes_make("x", SIZE_MAX - 16);
    assert_int_equal(adk__request_copy(&request, &copy, &error), ADK_E_NOMEM);
    request.code.size = 1;
    request.stdin_data = adk_bytes_make("x", SIZE_MAX - sizeof(request));
    assert_int_equal(adk__request_copy(&request, &copy, &error), ADK_E_NOMEM);
    request.stdin_data.size = 1;
    malloc_fails = true;
    assert_int_equal(adk__request_copy(&request, &copy, &error), ADK_E_NOMEM);
    malloc_fails = false;
    assert_null(copy);
    assert_null(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_copied),
        cmocka_unit_test(test_all_fields_are_known),
        cmocka_unit_test(test_nothing_in_it),
        cmocka_unit_test(test_more_than_memory_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
