/*
 * What models are told: descriptions and JSON Schemas. What depends on the backend and the operator is put in; the rest is
 * text.
 */
#include <inttypes.h>
#include <string.h>

#include <adk/version.h>

#include "core/error.h"
#include "tool/tool.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define MIB           ((uint64_t)1 << 20)

static const char output_schema[] =
    "{\"type\":\"object\",\"description\":\"How the run ended. Further keys may come.\","
    "\"required\":[\"report\",\"status\",\"outcome\",\"exit_code\",\"stdout\",\"stderr\",\"truncated\",\"files\"],"
    "\"properties\":{"
    "\"report\":{\"const\":1},"
    "\"status\":{\"enum\":[\"success\",\"timeout\",\"memory_exceeded\",\"error\"],"
    "\"description\":\"success: the program ended by itself, with whatever exit code\"},"
    "\"outcome\":{\"enum\":[\"exited\",\"trapped\",\"timed_out\",\"memory_limit\",\"fuel_exhausted\","
    "\"output_limit\",\"cancelled\",\"rejected\",\"signaled\",null],\"description\":\"null: nothing was run\"},"
    "\"exit_code\":{\"type\":[\"integer\",\"null\"]},"
    "\"message\":{\"type\":[\"string\",\"null\"],\"description\":\"what went wrong\"},"
    "\"hint\":{\"type\":[\"string\",\"null\"],\"description\":\"what might help\"},"
    "\"stdout\":{\"type\":\"string\",\"description\":\"its beginning, where truncated\"},"
    "\"stderr\":{\"type\":\"string\"},"
    "\"stdout_tail\":{\"type\":\"string\",\"description\":\"its end, where truncated\"},"
    "\"stderr_tail\":{\"type\":\"string\"},"
    "\"stdout_encoding\":{\"const\":\"base64\",\"description\":\"there only where it is not text\"},"
    "\"stderr_encoding\":{\"const\":\"base64\"},"
    "\"bytes\":{\"type\":\"object\",\"description\":\"written in all, by stream\"},"
    "\"truncated\":{\"type\":\"object\",\"properties\":"
    "{\"stdout\":{\"type\":\"boolean\"},\"stderr\":{\"type\":\"boolean\"}}},"
    "\"handle\":{\"type\":[\"string\",\"null\"],\"description\":\"for sandbox_read\"},"
    "\"session\":{\"type\":\"object\",\"description\":\"of a call that named one\",\"properties\":"
    "{\"name\":{\"type\":\"string\"},\"open\":{\"type\":\"boolean\"},\"end\":{\"type\":[\"string\",\"null\"]}}},"
    "\"duration_ms\":{\"type\":\"integer\"},"
    "\"usage\":{\"type\":[\"object\",\"null\"]},"
    "\"limits\":{\"type\":[\"object\",\"null\"],\"description\":\"those in force; timeout_clamped, memory_clamped: "
    "more was asked for than is allowed\"},"
    "\"files\":{\"type\":\"array\",\"description\":\"the files that `outputs` named\",\"items\":{\"type\":\"object\","
    "\"required\":[\"path\",\"size\",\"content\",\"encoding\",\"truncated\"],\"properties\":{"
    "\"path\":{\"type\":\"string\"},\"size\":{\"type\":\"integer\"},\"content\":{\"type\":\"string\"},"
    "\"encoding\":{\"enum\":[\"utf-8\",\"base64\"]},\"truncated\":{\"type\":\"boolean\"},"
    "\"media_type\":{\"type\":\"string\"},"
    "\"image\":{\"type\":\"integer\",\"description\":\"its number among the images of this answer\"}}}}}}";

static const char read_input_schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"handle\"],\"properties\":{"
    "\"handle\":{\"type\":\"string\",\"description\":\"from the answer of the run\"},"
    "\"stream\":{\"type\":\"string\",\"enum\":[\"stdout\",\"stderr\"],\"description\":\"this, or `file`\"},"
    "\"file\":{\"type\":\"string\",\"description\":\"a path from `files` in the answer\"},"
    "\"offset\":{\"type\":\"integer\",\"minimum\":0,\"default\":0,\"description\":\"first byte to read\"},"
    "\"size\":{\"type\":\"integer\",\"minimum\":4,\"maximum\":65536,\"default\":16384,"
    "\"description\":\"bytes to read\"}}}";

static const char read_output_schema[] =
    "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{"
    "\"status\":{\"enum\":[\"success\",\"error\"]},"
    "\"message\":{\"type\":\"string\",\"description\":\"what went wrong\"},"
    "\"content\":{\"type\":\"string\"},"
    "\"encoding\":{\"enum\":[\"utf-8\",\"base64\"]},"
    "\"offset\":{\"type\":\"integer\"},"
    "\"size\":{\"type\":\"integer\",\"description\":\"bytes in content\"},"
    "\"total_bytes\":{\"type\":\"integer\"},"
    "\"next_offset\":{\"type\":[\"integer\",\"null\"],\"description\":\"where to read on; null at the end\"},"
    "\"dropped_bytes\":{\"type\":\"integer\",\"description\":\"missing before next_offset: too much was written\"}}}";

static const char fixed_properties[] =
    "{\"args\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
    "\"description\":\"arguments that follow the program's name\"},"
    "\"env\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},"
    "\"description\":\"the whole environment\"},"
    "\"stdin\":{\"type\":\"string\",\"description\":\"standard input; default: empty\"},"
    "\"files\":{\"type\":\"array\",\"description\":\"files that the program finds\",\"items\":{\"type\":\"object\","
    "\"additionalProperties\":false,\"required\":[\"path\",\"content\"],\"properties\":{"
    "\"path\":{\"type\":\"string\",\"description\":\"for example /data/in.csv\"},"
    "\"content\":{\"type\":\"string\"},"
    "\"encoding\":{\"type\":\"string\",\"enum\":[\"text\",\"utf-8\",\"base64\"],\"default\":\"text\"}}}},"
    "\"outputs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":"
    "\"files that come back, in every outcome: paths, or patterns with *, ? and **; for example /out/*\"}}";

static const char session_input_schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"action\"],\"properties\":{"
    "\"action\":{\"type\":\"string\",\"enum\":[\"list\",\"close\",\"fork\"]},"
    "\"session\":{\"type\":\"string\",\"description\":\"for close and fork: its name\"},"
    "\"as\":{\"type\":\"string\",\"description\":\"for fork: the name of the new session\"}}}";

static const char session_output_schema[] = "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{"
                                            "\"status\":{\"enum\":[\"success\",\"error\"]},"
                                            "\"message\":{\"type\":\"string\",\"description\":\"what went wrong\"},"
                                            "\"sessions\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}";

static json_t *parse(const char *text)
{
    return json_loads(text, 0, NULL);
}

static int set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value);
}

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* The languages the backend can run, as they are listed elsewhere. */
static json_t *languages_json(const adk_tool *tool)
{
    json_t *list = json_array();
    const char *at = tool->languages;

    while (*at != '\0') {
        size_t size = strcspn(at, ",");

        if (json_array_append_new(list, json_stringn(at, size)) != 0) {
            json_decref(list);
            return NULL;
        }
        at += size;
        at += strspn(at, ", ");
    }
    return list;
}

static int set_language(json_t *properties, const adk_tool *tool)
{
    json_t *language = json_object();

    return set(language, "type", json_string("string")) | set(language, "enum", languages_json(tool)) |
           set(language, "description", json_string("what the code is written in")) |
           set(properties, "language", language);
}

static int set_code(json_t *properties, const adk_tool *tool)
{
    bool wasm = (tool->capabilities.languages >> ADK_LANGUAGE_WASM & 1) != 0;
    int failed = set(
        properties, "code",
        json_pack("{ssss}", "type", "string", "description",
                  wasm ? "the program; WebAssembly as text (WAT), or as a binary module in base64" : "the program"));

    failed |= set(properties, "code_encoding",
                  json_pack("{sss[ss]ssss}", "type", "string", "enum", "text", "base64", "default", "text",
                            "description", "how `code` is written"));
    if (tool->modules_fd >= 0)
        failed |= set(properties, "module",
                      json_pack("{ssss}", "type", "string", "description",
                                "instead of `code`, for language wasm: the name of a module that is installed here; "
                                "sandbox_capabilities lists them"));
    return failed;
}

static int set_limits(json_t *properties, const adk_tool *tool)
{
    const adk_tool_options *o = &tool->options;
    uint64_t memory = o->memory_default_bytes;
    json_t *timeout = json_object();
    json_t *limit = json_object();
    int failed = set(timeout, "type", json_string("integer")) | set(timeout, "minimum", integer(1)) |
                 set(timeout, "maximum", integer(o->timeout_max_ns / NS_PER_SECOND)) |
                 set(timeout, "default", integer(o->timeout_default_ns / NS_PER_SECOND)) |
                 set(timeout, "description", json_string("deadline of the whole run; more is clamped"));

    failed |= set(limit, "type", json_string("integer")) | set(limit, "minimum", integer(1)) |
              set(limit, "maximum", integer(o->memory_max_bytes / MIB)) |
              set(limit, "default", integer((memory == 0 ? ADK_MEMORY_LIMIT_DEFAULT_BYTES : memory) / MIB)) |
              set(limit, "description", json_string("MiB for memory and files together; more is clamped"));
    return failed | set(properties, "timeout_secs", timeout) | set(properties, "memory_limit_mb", limit);
}

static int set_session(json_t *properties, const adk_tool *tool)
{
    if (tool->session_languages == 0)
        return 0;
    return set(
        properties, "session",
        json_pack("{ssss}", "type", "string", "description",
                  "for language python: a name of your choice. Calls with the same name run one after the other in one "
                  "interpreter and find what those before have defined, imported and written to files; without it, "
                  "each call starts afresh"));
}

static json_t *input_schema(const adk_tool *tool)
{
    json_t *schema = json_object();
    json_t *properties = json_object();
    json_t *fixed = parse(fixed_properties);
    bool needs_code = tool->modules_fd < 0;
    int failed = fixed == NULL;

    failed |= set_language(properties, tool) | set_code(properties, tool);
    failed |= json_object_update(properties, fixed);
    failed |= set_limits(properties, tool) | set_session(properties, tool);
    json_decref(fixed);
    failed |=
        set(schema, "type", json_string("object")) | set(schema, "additionalProperties", json_false()) |
        set(schema, "required", needs_code ? json_pack("[ss]", "language", "code") : json_pack("[s]", "language")) |
        set(schema, "properties", properties);
    if (failed) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

static json_t *output_schema_of(const adk_tool *tool)
{
    json_t *schema = parse(output_schema);

    if (tool->session_languages == 0)
        (void)json_object_del(json_object_get(schema, "properties"), "session");
    return schema;
}

/* One object, of which it takes the schemas; NULL where anything is missing. */
static json_t *tool_json(const char *name, const char *title, json_t *description, json_t *input, json_t *output)
{
    json_t *tool = json_object();

    if (set(tool, "name", json_string(name)) | set(tool, "title", json_string(title)) |
        set(tool, "description", description) | set(tool, "inputSchema", input) | set(tool, "outputSchema", output)) {
        json_decref(tool);
        return NULL;
    }
    return tool;
}

json_t *adk__tool_schema(const adk_tool *tool)
{
    json_t *description = json_sprintf(
        "Runs a program in a sandbox without network and without access to this machine's files, and "
        "reports how it ended, with its output. Can run: %s. Each run starts afresh%s: what it needs goes in "
        "as `files`, what shall come back is named in `outputs`. Long output is shown with its head and "
        "tail; sandbox_read gives the rest by the answer's `handle`.",
        tool->languages, tool->session_languages == 0 ? "" : ", unless it names a `session`");

    return tool_json(ADK_TOOL_NAME_CSTR, "Run code in a sandbox", description, input_schema(tool),
                     output_schema_of(tool));
}

json_t *adk__tool_read_schema(void)
{
    json_t *description =
        json_string("Reads more of the output, or of a file, of an earlier sandbox_exec, by the handle in its answer. "
                    "Results are kept for a while only.");

    return tool_json(ADK_TOOL_READ_NAME_CSTR, "Read on in a result", description, parse(read_input_schema),
                     parse(read_output_schema));
}

json_t *adk__tool_session_schema(void)
{
    json_t *description = json_string(
        "Lists the sessions that sandbox_exec has opened, closes one, or forks one: the fork begins with the same "
        "state under a name of its own, and both go on independently. Sessions that are not used end after a "
        "while.");

    return tool_json(ADK_TOOL_SESSION_NAME_CSTR, "Sessions of the sandbox", description, parse(session_input_schema),
                     parse(session_output_schema));
}

json_t *adk__tool_capabilities_schema(void)
{
    return tool_json(ADK_TOOL_CAPABILITIES_NAME_CSTR, "What the sandbox can do",
                     json_string("Says which languages and modules sandbox_exec can run, and its limits."),
                     parse("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}"),
                     parse("{\"type\":\"object\",\"required\":[\"languages\",\"limits\"]}"));
}

/* ---- capabilities ------------------------------------------------------------------------------------------------- */

static json_t *enforced_json(uint32_t bits)
{
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {
        {ADK_ENFORCES_TIMEOUT, "timeout"},         {ADK_ENFORCES_MEMORY, "memory"},
        {ADK_ENFORCES_NETWORK, "network"},         {ADK_ENFORCES_FILE_READ, "file_read"},
        {ADK_ENFORCES_FILE_WRITE, "file_write"},   {ADK_ENFORCES_ENVIRONMENT, "environment"},
        {ADK_ENFORCES_OUTPUT, "output"},           {ADK_ENFORCES_FUEL, "fuel"},
        {ADK_ENFORCES_DETERMINISM, "determinism"}, {ADK_ENFORCES_FILES, "files"},
    };
    json_t *list = json_array();

    for (size_t i = 0; i < ADK_COUNT(words); i++) {
        if ((bits & words[i].bit) != 0 && json_array_append_new(list, json_string(words[i].word)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *ceilings_json(const adk_tool_options *o)
{
    json_t *json = json_object();
    uint64_t memory = o->memory_default_bytes == 0 ? ADK_MEMORY_LIMIT_DEFAULT_BYTES : o->memory_default_bytes;

    if (set(json, "timeout_secs_default", integer(o->timeout_default_ns / NS_PER_SECOND)) |
        set(json, "timeout_secs_max", integer(o->timeout_max_ns / NS_PER_SECOND)) |
        set(json, "memory_limit_mb_default", integer(memory / MIB)) |
        set(json, "memory_limit_mb_max", integer(o->memory_max_bytes / MIB)) |
        set(json, "output_limit_bytes", integer(o->output_limit_bytes)) |
        set(json, "files_max_bytes", integer(o->files_max_bytes)) |
        set(json, "arguments_max_bytes", integer(o->arguments_max_bytes)) |
        set(json, "arguments_max_values", integer(ADK_TOOL_VALUES_MAX)) |
        set(json, "arguments_max_depth", integer(ADK_TOOL_DEPTH_MAX)) |
        set(json, "shown_bytes", integer(o->shown_bytes)) |
        set(json, "shown_files_bytes", integer(o->shown_files_bytes)) | set(json, "kept", integer(o->kept)) |
        set(json, "kept_bytes", integer(o->kept_bytes))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *adk__tool_capabilities(const adk_tool *tool)
{
    json_t *json = json_object();

    if (set(json, "version", json_string(adk_version_cstr())) |
        set(json, "backend", adk__report_text(adk_bytes_from_cstr(adk_backend_name_cstr(tool->backend)))) |
        set(json, "isolation", adk__report_text(adk_bytes_from_cstr(tool->capabilities.isolation_cstr))) |
        set(json, "languages", languages_json(tool)) |
        set(json, "enforces", enforced_json(tool->capabilities.enforced)) |
        set(json, "limits", ceilings_json(&tool->options)) | set(json, "modules", adk__tool_list_modules(tool))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* ---- as text ------------------------------------------------------------------------------------------------------ */

static int put(json_t *json, char **ret_text_cstr, adk_error **ret_error)
{
    int failed = json == NULL ? adk__fail_nomem(ret_error) : adk__report_dump(json, ret_text_cstr, ret_error);

    json_decref(json);
    return failed;
}

int adk_tool_schema(const adk_tool *tool, char **ret_text_cstr, adk_error **ret_error)
{
    return put(adk__tool_schema(tool), ret_text_cstr, ret_error);
}

int adk_tool_read_schema(const adk_tool *tool, char **ret_text_cstr, adk_error **ret_error)
{
    (void)tool;
    return put(adk__tool_read_schema(), ret_text_cstr, ret_error);
}

int adk_tool_session_schema(const adk_tool *tool, char **ret_text_cstr, adk_error **ret_error)
{
    (void)tool;
    return put(adk__tool_session_schema(), ret_text_cstr, ret_error);
}

int adk_tool_capabilities(const adk_tool *tool, char **ret_text_cstr, adk_error **ret_error)
{
    return put(adk__tool_capabilities(tool), ret_text_cstr, ret_error);
}
