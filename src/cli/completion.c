/*
 * Completion for bash, zsh and fish, and the same as JSON. All of it follows from the tables: a command or an option that
 * is added there is completed without a change here.
 */
#include "cli/completion.h"

#include <string.h>

#include <adk/version.h>
#include <jansson.h>

#define WORDS_MAX 256

/* What a word stands for, as far as a shell can help with it. */
enum word_kind {
    WORD_NONE,    /* nothing that could be guessed */
    WORD_CHOICE,  /* one of some words */
    WORD_FILE,    /* a file */
    WORD_PAIR,    /* NAME=FILE */
    WORD_COMMAND, /* a subcommand */
};

/* Whether the option may be given more than once. */
static bool repeats(const struct cli_option *option)
{
    return option->type == CLI_LIST;
}

/* Of an option's value. */
static enum word_kind value_kind(const struct cli_option *option)
{
    const char *name = option->value_name;

    if (name == NULL)
        return WORD_NONE;
    if (option->choices != NULL)
        return WORD_CHOICE;
    if (strstr(name, "=HOST") != NULL)
        return WORD_PAIR;
    return strstr(name, "FILE") != NULL || strstr(name, "DIR") != NULL ? WORD_FILE : WORD_NONE;
}

/* Of a command's operands; `ret_words` has the choices, with a space between two. */
static enum word_kind operand_kind(const struct cli_command *command, char *ret_words, size_t size)
{
    const char *operands = command->operands;

    *ret_words = '\0';
    if (operands == NULL)
        return WORD_NONE;
    if (strcmp(operands, "COMMAND") == 0)
        return WORD_COMMAND;
    if (strncmp(operands, "FILE", 4) == 0)
        return WORD_FILE;
    (void)snprintf(ret_words, size, "%s", operands);
    for (char *bar = ret_words; (bar = strchr(bar, '|')) != NULL;)
        *bar = ' ';
    return WORD_CHOICE;
}

static void put_names(const struct cli_command *commands, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : " ", commands[i].name);
}

/* Writes `text` with `before` in front of each character that is one of `special`. */
static void put_escaped(const char *text, const char *special, const char *before, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL)
            (void)fputs(before, out);
        (void)fputc(*text, out);
    }
}

/* ---- bash --------------------------------------------------------------------------------------------------------- */

static const char bash_head[] =
    "# Completion of adk-sandbox for bash, written by `adk-sandbox completion bash`.\n"
    "_adk_sandbox_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$2\"); }\n"
    "_adk_sandbox_files()\n"
    "{\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
    "}\n\n"
    "_adk_sandbox()\n"
    "{\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    COMPREPLY=()\n"
    "    # \"=\" parts words: what stands before it is the option, or one more before, as in -f /data=.\n"
    "    if [[ $word == = ]]; then\n"
    "        word=\n"
    "    elif [[ $before == = ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "        [[ $before == -* ]] || { _adk_sandbox_files \"$word\"; return; }\n"
    "    fi\n";

static void put_bash_value(const struct cli_option *option, FILE *out)
{
    enum word_kind kind = value_kind(option);

    if (option->value_name == NULL)
        return;
    (void)fputs("        ", out);
    if (option->short_name != '\0')
        (void)fprintf(out, "-%c | ", option->short_name);
    (void)fprintf(out, "--%s) ", option->long_name);
    if (kind == WORD_CHOICE)
        (void)fprintf(out, "_adk_sandbox_words \"%s\" \"$word\"; ", option->choices);
    else if (kind == WORD_FILE)
        (void)fputs("_adk_sandbox_files \"$word\"; ", out);
    (void)fputs("return ;;\n", out);
}

static void put_bash_operands(const struct cli_command *commands, size_t count, const struct cli_command *command,
                              FILE *out)
{
    char words[WORDS_MAX];

    switch (operand_kind(command, words, sizeof(words))) {
    case WORD_FILE:
        (void)fputs("        _adk_sandbox_files \"$word\"\n", out);
        break;
    case WORD_CHOICE:
        (void)fprintf(out, "        _adk_sandbox_words \"%s\" \"$word\"\n", words);
        break;
    case WORD_COMMAND:
        (void)fputs("        _adk_sandbox_words \"", out);
        put_names(commands, count, out);
        (void)fputs("\" \"$word\"\n", out);
        break;
    default:
        (void)fputs("        :\n", out);
    }
}

bool cli_complete_bash(const struct cli_command *commands, size_t count, FILE *out)
{
    (void)fputs(bash_head, out);
    (void)fputs("    if ((COMP_CWORD == 1)); then\n        _adk_sandbox_words \"", out);
    put_names(commands, count, out);
    (void)fputs(" --help --version\" \"$word\"\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; i < count; i++) {
        const struct cli_option_table *table = commands[i].table;

        (void)fprintf(out, "    %s)\n", commands[i].name);
        if (table != NULL) {
            (void)fputs("        case $before in\n", out);
            for (size_t j = 0; j < table->count; j++)
                put_bash_value(&table->options[j], out);
            (void)fputs("        esac\n        if [[ $word == -* ]]; then\n            _adk_sandbox_words \"", out);
            for (size_t j = 0; j < table->count; j++)
                (void)fprintf(out, "%s--%s", j == 0 ? "" : " ", table->options[j].long_name);
            (void)fputs("\" \"$word\"\n            return\n        fi\n", out);
        }
        put_bash_operands(commands, count, &commands[i], out);
        (void)fputs("        ;;\n", out);
    }
    (void)fputs("    esac\n}\ncomplete -F _adk_sandbox adk-sandbox\n", out);
    return true;
}

/* ---- zsh ---------------------------------------------------------------------------------------------------------- */

/* A text within single quotes and, in it, within what ends at a bracket or colon. */
static void put_zsh_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)fputs("'\\'", out);
        else if (strchr("[]:\\", *text) != NULL)
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

/* One argument of _arguments: '(-t --timeout)'{-t+,--timeout=}'[help]:TIME:action' */
static void put_zsh_option(const struct cli_option *option, FILE *out)
{
    bool has_value = option->value_name != NULL;
    const char *equals = has_value ? "=" : "";

    (void)fputs("            ", out);
    if (repeats(option))
        (void)fputs("'*'", out);
    if (option->short_name == '\0')
        (void)fprintf(out, "--%s%s'[", option->long_name, equals);
    else if (repeats(option))
        (void)fprintf(out, "{-%c%s,--%s%s}'[", option->short_name, has_value ? "+" : "", option->long_name, equals);
    else
        (void)fprintf(out, "'(-%c --%s)'{-%c%s,--%s%s}'[", option->short_name, option->long_name, option->short_name,
                      has_value ? "+" : "", option->long_name, equals);
    put_zsh_text(option->help, out);
    (void)fputc(']', out);
    if (has_value) {
        (void)fputc(':', out);
        put_zsh_text(option->value_name, out);
        (void)fputc(':', out);
    }
    if (value_kind(option) == WORD_CHOICE)
        (void)fprintf(out, "(%s)", option->choices);
    else if (value_kind(option) == WORD_FILE)
        (void)fputs("_files", out);
    else if (value_kind(option) == WORD_PAIR)
        (void)fputs("{compset -P \"*=\" && _files}", out);
    (void)fputs("' \\\n", out);
}

static void put_zsh_operands(const struct cli_command *commands, size_t count, const struct cli_command *command,
                             FILE *out)
{
    char words[WORDS_MAX];

    switch (operand_kind(command, words, sizeof(words))) {
    case WORD_FILE:
        (void)fputs("            '*:file:_files'\n", out);
        break;
    case WORD_CHOICE:
        (void)fprintf(out, "            '1:word:(%s)'\n", words);
        break;
    case WORD_COMMAND:
        (void)fputs("            '1:command:(", out);
        put_names(commands, count, out);
        (void)fputs(")'\n", out);
        break;
    default:
        (void)fputs("            && return\n", out); /* options alone */
    }
}

bool cli_complete_zsh(const struct cli_command *commands, size_t count, FILE *out)
{
    (void)fputs("#compdef adk-sandbox\n"
                "# Completion of adk-sandbox for zsh, written by `adk-sandbox completion zsh`.\n"
                "_adk_sandbox() {\n"
                "    local -a commands\n"
                "    if ((CURRENT == 2)); then\n"
                "        commands=(\n",
                out);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "            '%s:", commands[i].name);
        put_zsh_text(commands[i].summary, out);
        (void)fputs("'\n", out);
    }
    (void)fputs("        )\n"
                "        _describe -t commands command commands\n"
                "        return\n"
                "    fi\n"
                "    shift words\n"
                "    ((CURRENT--))\n"
                "    case $words[1] in\n",
                out);
    for (size_t i = 0; i < count; i++) {
        const struct cli_option_table *table = commands[i].table;

        /* -A: no options behind the first operand, which are the guest's. */
        (void)fprintf(out, "    %s)\n        _arguments -s -S -A '-*' \\\n", commands[i].name);
        for (size_t j = 0; table != NULL && j < table->count; j++)
            put_zsh_option(&table->options[j], out);
        put_zsh_operands(commands, count, &commands[i], out);
        (void)fputs("        ;;\n", out);
    }
    (void)fputs("    esac\n}\n"
                "if [[ $funcstack[1] == _adk-sandbox ]]; then\n"
                "    _adk_sandbox \"$@\"\n"
                "else\n"
                "    compdef _adk_sandbox adk-sandbox\n"
                "fi\n",
                out);
    return true;
}

/* ---- fish --------------------------------------------------------------------------------------------------------- */

static void put_fish_option(const char *command, const struct cli_option *option, FILE *out)
{
    (void)fprintf(out, "complete -c adk-sandbox -n '__fish_seen_subcommand_from %s'", command);
    if (option->short_name != '\0')
        (void)fprintf(out, " -s %c", option->short_name);
    (void)fprintf(out, " -l %s", option->long_name);
    switch (value_kind(option)) {
    case WORD_FILE:
    case WORD_PAIR: /* fish itself completes what stands behind the "=" */
        (void)fputs(" -r -F", out);
        break;
    case WORD_CHOICE:
        (void)fprintf(out, " -x -a '%s'", option->choices);
        break;
    default:
        if (option->value_name != NULL)
            (void)fputs(" -x", out);
    }
    (void)fputs(" -d '", out);
    put_escaped(option->help, "'\\", "\\", out);
    (void)fputs("'\n", out);
}

static void put_fish_operands(const struct cli_command *commands, size_t count, const struct cli_command *command,
                              FILE *out)
{
    char words[WORDS_MAX];
    enum word_kind kind = operand_kind(command, words, sizeof(words));

    if (kind == WORD_NONE)
        return;
    (void)fprintf(out, "complete -c adk-sandbox -n '__fish_seen_subcommand_from %s' ", command->name);
    if (kind == WORD_FILE) {
        (void)fputs("-F\n", out);
        return;
    }
    (void)fprintf(out, "-a '%s", words);
    if (kind == WORD_COMMAND)
        put_names(commands, count, out);
    (void)fputs("'\n", out);
}

bool cli_complete_fish(const struct cli_command *commands, size_t count, FILE *out)
{
    (void)fputs("# Completion of adk-sandbox for fish, written by `adk-sandbox completion fish`.\n"
                "complete -c adk-sandbox -f\n"
                "complete -c adk-sandbox -n __fish_use_subcommand -s h -l help -d 'show the commands'\n"
                "complete -c adk-sandbox -n __fish_use_subcommand -s V -l version -d 'show the version'\n",
                out);
    for (size_t i = 0; i < count; i++) {
        const struct cli_option_table *table = commands[i].table;

        (void)fprintf(out, "complete -c adk-sandbox -n __fish_use_subcommand -a %s -d '", commands[i].name);
        put_escaped(commands[i].summary, "'\\", "\\", out);
        (void)fputs("'\n", out);
        for (size_t j = 0; table != NULL && j < table->count; j++)
            put_fish_option(commands[i].name, &table->options[j], out);
        put_fish_operands(commands, count, &commands[i], out);
    }
    return true;
}

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

static json_t *option_to_json(const struct cli_option *option)
{
    char letter[] = {option->short_name, '\0'};

    return json_pack("{ss ss? ss? sb ss? ss}", "long", option->long_name, "short", *letter == '\0' ? NULL : letter,
                     "value", option->value_name, "repeats", repeats(option), "choices", option->choices, "help",
                     option->help);
}

static json_t *command_to_json(const struct cli_command *command)
{
    json_t *list = json_array();

    for (size_t i = 0; command->table != NULL && i < command->table->count; i++) {
        if (json_array_append_new(list, option_to_json(&command->table->options[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{ss ss ss? so}", "name", command->name, "summary", command->summary, "operands",
                     command->operands, "options", list);
}

bool cli_complete_json(const struct cli_command *commands, size_t count, FILE *out)
{
    json_t *list = json_array();
    json_t *object = NULL;
    bool complete = true;

    for (size_t i = 0; i < count; i++)
        complete = json_array_append_new(list, command_to_json(&commands[i])) == 0 && complete;
    object = json_pack("{si ss so}", "completion", 1, "version", adk_version_cstr(), "commands", list);
    complete = complete && object != NULL && json_dumpf(object, out, JSON_COMPACT) == 0 && fputc('\n', out) != EOF;
    json_decref(object);
    return complete;
}
