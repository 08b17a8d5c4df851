/*
 * Fuzzes what the command does with texts that others have written: values of options, command lines, names in messages,
 * guest output on its way to a terminal, and names of files on their way to the host. The first byte says which.
 *
 * What must hold: values survive the way to text and back; nothing that a terminal obeys is shown; and nothing outside
 * the directory that was named is touched, whatever names came back and whatever lies about in it. All of the host that
 * is touched is in a directory of its own below /tmp.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/beneath.h"
#include "cli/escape.h"
#include "cli/notes.h"
#include "cli/options.h"
#include "cli/run_files.h"
#include "cli/run_outputs.h"
#include "cli/values.h"
#include "support.h"

#define ARGUMENTS_MAX 16
#define FILES_MAX     8

/* ---- values ------------------------------------------------------------------------------------------------------- */

static void check_figures(uint64_t number)
{
    char text[CLI_FIGURE_SIZE];
    uint64_t back = 0;

    fuzz_require(cli_duration_from_text(cli_duration_to_text(number, text), &back) == NULL && back == number,
                 "a duration survives the way to text");
    fuzz_require(cli_size_from_text(cli_size_to_text(number, text), &back) == NULL && back == number,
                 "a size survives the way to text");
    fuzz_require(cli_duration_from_text(cli_duration_to_short_text(number, text), &back) == NULL && back <= number &&
                     number - back <= number / 100,
                 "a short duration is rounded down, and by little");
}

static void fuzz_values(const char *text)
{
    const uint64_t untouched = UINT64_C(0x5A5A5A5A5A5A5A5A);
    uint64_t value[4] = {untouched, untouched, untouched, untouched};
    const char *wrong[4] = {cli_number_from_text(text, &value[0]), cli_duration_from_text(text, &value[1]),
                            cli_size_from_text(text, &value[2]), cli_time_from_text(text, &value[3])};

    for (int i = 0; i < 4; i++) {
        fuzz_require(wrong[i] == NULL || wrong[i][0] != '\0', "what is wrong is said");
        fuzz_require(wrong[i] == NULL || value[i] == untouched, "nothing is written for what is wrong");
        if (wrong[i] == NULL)
            check_figures(value[i]);
    }
    fuzz_require(wrong[3] != NULL || value[3] <= INT64_MAX, "clocks end");
    fuzz_require(wrong[0] != NULL || (wrong[2] == NULL && value[2] == value[0]), "a number is a size");
}

/* ---- command lines ------------------------------------------------------------------------------------------------ */

struct settings {
    bool flag;
    const char *text;
    struct cli_list list;
    struct cli_figure number, duration, size, time;
};

static const char *check_text(const char *text)
{
    return text[0] == 'x' ? "begins with x" : NULL;
}

static const struct cli_option options[] = {
    {'f', "flag", NULL, CLI_FLAG, offsetof(struct settings, flag), 0, 0, NULL, .ends_options = false, .help = "a flag"},
    {'t', "text", "TEXT", CLI_TEXT, offsetof(struct settings, text), 0, 0, check_text, .ends_options = false,
     .help = "a text"},
    {'l', "list", "TEXT", CLI_LIST, offsetof(struct settings, list), 0, 0, cli_run_check_out, .ends_options = false,
     .help = "texts"},
    {'n', "number", "N", CLI_NUMBER, offsetof(struct settings, number), 1, 100, NULL, .ends_options = false,
     .help = "a number"},
    {'d', "duration", "TIME", CLI_DURATION, offsetof(struct settings, duration), 0, 0, NULL, .ends_options = false,
     .help = "a duration"},
    {'s', "size", "SIZE", CLI_SIZE, offsetof(struct settings, size), 1, 0, NULL, .ends_options = false,
     .help = "a size"},
    {'\0', "time", "TIME", CLI_TIME, offsetof(struct settings, time), 0, 0, NULL, .ends_options = true,
     .help = "a time, and the end"}};

static const struct cli_option_table table = {"fuzz", options, sizeof(options) / sizeof(options[0])};

static bool is_shown(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    }
    return adk__utf8_valid(text, strlen(text));
}

static void fuzz_options(char **argv, int argc)
{
    struct settings settings = {0};
    adk_error *error = NULL;
    int first = -1;
    int status = cli_options_parse(&table, argc, argv, &settings, &first, &error);
    bool has_flag = cli_options_have_flag(&table, argc, argv, "flag");

    if (status == ADK_OK) {
        fuzz_require(first >= 0 && first <= argc, "the first argument is one");
        fuzz_require(has_flag || !settings.flag, "a flag that is read is also found");
        fuzz_require(!settings.number.given || (settings.number.value >= 1 && settings.number.value <= 100), "bounds");
        fuzz_require(settings.text == NULL || check_text(settings.text) == NULL, "texts are checked");
    } else {
        fuzz_require(status == ADK_E_INVALID, "what is wrong is the user's");
        fuzz_check_error(status, error);
        fuzz_require(is_shown(adk_error_message_cstr(error)), "the message can be shown");
    }
    for (size_t i = 0; i < settings.list.count; i++)
        (void)cli_pair_of(settings.list.items[i]);
    cli_list_free(&settings.list);
    adk_error_free(error);
}

/* ---- what is shown ------------------------------------------------------------------------------------------------ */

static void fuzz_names(adk_bytes bytes)
{
    static const char *const names[] = {"timeout", "memory", "file", "out"};
    struct cli_notes notes = {0};
    struct cli_name name;
    struct cli_text text;
    char word[64] = "";

    fuzz_require(is_shown(cli_name(bytes, &name)) && strlen(name.text) <= CLI_NAME_MAX + 3, "a name can be shown");
    fuzz_require(is_shown(cli_text(bytes, &text)) && strlen(text.text) <= CLI_TEXT_MAX + 3, "a text can be shown");
    if (bytes.size > 0)
        memcpy(word, bytes.data, bytes.size < sizeof(word) - 1 ? bytes.size : sizeof(word) - 1);
    (void)cli_nearest_name(word, names, 4);
    for (size_t i = 0; i < bytes.size % 20; i++)
        cli_note(&notes, "of \"%s\"", name.text);
    cli_notes_free(&notes);
}

/* Appends what is shown of `bytes` to `shown` of that size, `room` at a time; returns the new size. */
static size_t show(struct cli_visible *visible, adk_bytes bytes, char *shown, size_t size, size_t room)
{
    while (bytes.size > 0)
        size += cli_visible_fill(visible, &bytes, shown + size, room);
    return size;
}

/* A stream in two parts is shown as it is in one; and nothing in it is obeyed. */
static void fuzz_visible(fuzz_input in)
{
    static char shown[2][64 << 10];
    struct cli_visible visible[2] = {0};
    size_t sizes[2] = {0};
    size_t room = CLI_VISIBLE_ROOM + fuzz_take(&in, 1);
    adk_bytes whole = {in.data, in.size < 4096 ? in.size : 4096};
    size_t cut = whole.size == 0 ? 0 : fuzz_take(&in, 1) % whole.size;

    sizes[0] = show(&visible[0], whole, shown[0], 0, 4096);
    sizes[1] = show(&visible[1], adk_bytes_make(whole.data, cut), shown[1], 0, room);
    sizes[1] =
        show(&visible[1], adk_bytes_make((const char *)whole.data + cut, whole.size - cut), shown[1], sizes[1], room);
    for (int i = 0; i < 2; i++)
        sizes[i] += cli_visible_finish(&visible[i], shown[i] + sizes[i]);
    fuzz_require(sizes[0] == sizes[1] && memcmp(shown[0], shown[1], sizes[0]) == 0, "parts are shown as the whole is");
    fuzz_require(adk__utf8_valid(shown[0], sizes[0]), "what is shown is text");
    for (size_t i = 0; i < sizes[0]; i++) {
        unsigned char c = (unsigned char)shown[0][i];
        bool pair = c == '\r' && i + 1 < sizes[0] && shown[0][i + 1] == '\n';

        fuzz_require(pair || c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f), "nothing is obeyed");
        fuzz_require(c != 0xC2 || (unsigned char)shown[0][i + 1] >= 0xA0, "no C1 control");
    }
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static char host[] = "/tmp/adk-fuzz-cli-XXXXXX";

/* The path of a name in the directory, in one of two places that are used in turn. */
static const char *in_host(const char *name)
{
    static char paths[2][128];
    static unsigned turn;

    turn = 1 - turn;
    (void)snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", host, name);
    return paths[turn];
}

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    return where->level == 0 ? 0 : remove(path);
}

static void empty_host(void)
{
    (void)nftw(host, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void remove_host(void)
{
    empty_host();
    (void)rmdir(host);
}

static void write_file(const char *name)
{
    FILE *file = fopen(in_host(name), "w");

    fuzz_require(file != NULL && fputs("secret", file) >= 0 && fclose(file) == 0, "a file");
}

/* The directory of outputs has links out of it, a FIFO, a file and a directory; beside it is what nobody may touch. */
static void make_host(void)
{
    static const char *const directories[] = {"out", "out/d", "beside"};
    static const char *const links[][2] = {
        {"../beside", "out/link"}, {"../beside/secret", "out/a"}, {"../../beside", "out/d/link"}, {"beside", "link"}};

    if (access(host, F_OK) != 0) { /* the template is no directory */
        fuzz_require(mkdtemp(host) != NULL, "a directory");
        (void)atexit(remove_host);
    }
    empty_host();
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        fuzz_require(mkdir(in_host(directories[i]), 0700) == 0, "a directory");
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        fuzz_require(symlink(links[i][0], in_host(links[i][1])) == 0, "a link");
    fuzz_require(mkfifo(in_host("out/fifo"), 0600) == 0, "a FIFO");
    write_file("beside/secret");
    write_file("out/file");
}

static int check_entry(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    static const char *const known[] = {"", "/beside", "/beside/secret", "/link", "/out", "/new"};
    const char *name = path + strlen(host);
    bool is_known = strncmp(name, "/out/", 5) == 0 || strncmp(name, "/new/", 5) == 0;

    (void)info;
    (void)flag;
    (void)where;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        is_known = is_known || strcmp(name, known[i]) == 0;
    fuzz_require(is_known, "nothing is made outside");
    fuzz_require(strstr(name, ".adk-sandbox-") == NULL, "no temporary file is left");
    return 0;
}

static void check_host(void)
{
    char content[16] = "";
    FILE *file = fopen(in_host("beside/secret"), "r");

    fuzz_require(file != NULL && fread(content, 1, sizeof(content), file) == 6 && memcmp(content, "secret", 6) == 0,
                 "what lies outside is not written");
    (void)fclose(file);
    fuzz_require(nftw(host, check_entry, 8, FTW_PHYS) == 0, "the directory can be read");
}

static adk_bytes take_path(fuzz_input *in)
{
    static const char *const paths[] = {
        "/a",      "/d/x",       "/link/x", "/d/link/x", "/file", "/fifo", "/new",    "/../x",
        "/d/..",   "/d/../../x", "/",       "//x",       "/x/",   "x",     "/d/./x",  "",
        "/file/x", "/d",         "/link",   "/a/b/c",    "/..",   "/...",  "/d//x",   "/new/../../x",
        "/d/link", "/d/new/x",   "/.",      "/x/y/z",    "/\xff", "/d\0x", "/fifo/x", "/link/secret"};
    uint8_t sort = (uint8_t)fuzz_take(in, 1);

    return sort < 224 ? adk_bytes_from_cstr(paths[sort % 32]) : fuzz_take_bytes(in, sort & 31U);
}

static void fuzz_save(fuzz_input in)
{
    static const char *const texts[][2] = {{"/", "out"},   {"**", "out/"},   {"d", "out"},         {"d", "new/"},
                                           {"a", "out/a"}, {"file", "out/"}, {"file", "new"},      {"*", "new"},
                                           {"x", "new"},   {"/d/", "out/d"}, {"fifo", "out/fifo"}, {"link", "link"},
                                           {"x", "out/."}, {"d/x", "out/x"}, {"/", "link"},        {"a", "new/b"}};
    char pairs[2][160];
    const char *items[2] = {pairs[0], pairs[1]};
    struct cli_list outs = {items, 2};
    adk_file_out files[FILES_MAX] = {0};
    struct cli_files back = {files, fuzz_take(&in, 1) % (FILES_MAX + 1), fuzz_take(&in, 1) % 2 == 0};
    struct cli_notes notes = {0};
    adk_error *error = NULL;
    int status;

    make_host();
    for (int i = 0; i < 2; i++) {
        const char *const *text = texts[fuzz_take(&in, 1) % 16];

        (void)snprintf(pairs[i], sizeof(pairs[i]), "%s=%s", text[0], in_host(text[1]));
    }
    for (size_t i = 0; i < back.count; i++) {
        uint8_t how = (uint8_t)fuzz_take(&in, 1);

        files[i].path = take_path(&in);
        files[i].type = 1 + (adk_file_type)(how & 3) % 3;
        files[i].output = i > 0 && files[i - 1].output == 1 ? 1 : how >> 7;
        files[i].content = fuzz_take_bytes(&in, how >> 2 & 7);
        files[i].size_bytes = files[i].content.size + (how >> 6 & 1);
        files[i].truncated = how >> 6 & 1;
    }
    status = cli_files_save(&outs, &back, &notes, &error);
    fuzz_require(status == ADK_OK || status == ADK_E_SYSTEM, "what cannot be written is the system's");
    if (status != ADK_OK)
        fuzz_check_error(status, error);
    adk_error_free(error);
    cli_notes_free(&notes);
    check_host();
}

/* ---- all ---------------------------------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    uint64_t sort = fuzz_take(&in, 1) % 8;
    char *text = malloc(in.size + 1);
    char *argv[ARGUMENTS_MAX];
    int argc = 0;

    fuzz_require(text != NULL, "memory");
    if (in.size > 0)
        memcpy(text, in.data, in.size);
    text[in.size] = '\0';
    for (size_t at = 0; at < in.size && argc < ARGUMENTS_MAX; at += strlen(text + at) + 1)
        argv[argc++] = text + at;
    if (sort < 2)
        fuzz_values(text);
    else if (sort < 4)
        fuzz_options(argv, argc);
    else if (sort == 4)
        fuzz_names(adk_bytes_make(in.data, in.size));
    else if (sort == 5)
        fuzz_visible(in);
    else
        fuzz_save(in);
    free(text);
    return 0;
}
