#!/usr/bin/env python3
"""Makes manual pages, in the roff of man(7).

    generate.py command TABLES PAGE.md DATE OUT       the command's page; TABLES is what `adk-sandbox completion json` says
    generate.py library INCLUDE VERSION DATE OUT_DIR  a page for each header, and one for each function that leads there

The command's page is written in a little Markdown. What follows from the tables is taken from them: how each option is
written and its line of help; commands and options that the page does not tell of are there all the same; and what it tells
of an option that does not exist is an error. The library's pages are made of the comments in the headers.
"""
import json
import pathlib
import re
import sys
import textwrap


class Wrong(Exception):
    """The page does not fit the tables."""


# ---- roff ------------------------------------------------------------------------------------------------------------

def plain(text):
    """Text as roff: nothing in it is a command, and nothing needs more than ASCII, which is all that some terminals have."""
    text = text.replace("\u2026", "...")
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    return text.replace("'", "\\(aq").replace("`", "\\(ga")


def line(text):
    """A line of text that does not begin like a request."""
    return "\\&" + text if text.startswith((".", "'")) else text


def inline(text):
    """A paragraph of Markdown: **bold**, *italic*, `code`, [text](link), \\ before a character that is meant itself."""
    out, font = "", "R"
    for token in re.findall(r"\\.|\*\*|\*|`[^`]+`|\[[^\]]+\]\([^)]+\)|.", text, re.S):
        if token == "**" or token == "*":
            wanted = "B" if token == "**" else "I"
            font = "R" if font == wanted else wanted
            out += "\\f" + font
        elif len(token) > 1 and token[0] == "\\":
            out += plain(token[1])
        elif len(token) > 1 and token[0] == "`":
            out += "\\fB" + plain(token[1:-1]) + "\\f" + font
        elif len(token) > 1 and token[0] == "[":
            out += inline(token[1:token.index("](")])
        else:
            out += plain(token)
    if font != "R":
        raise Wrong("emphasis is not closed: %s" % text)
    return out


def paragraph(text):
    """A paragraph, a new line for each sentence."""
    sentences = re.split(r"(?<=[^.][.:;]) +", inline(" ".join(text.split())))
    return [line(part) for words in sentences
            for part in textwrap.wrap(words, 78, break_long_words=False, break_on_hyphens=False)]


def code(text, indent=4):
    lines = [part[indent:] if part[:indent].isspace() else part for part in text.rstrip("\n").split("\n")]
    return [".RS 4", ".EX"] + [line(plain(part)) for part in lines] + [".EE", ".RE"]


def joined(lines):
    """The page: a paragraph that begins beneath a heading needs no mark."""
    kept = [text for before, text in zip([""] + lines, lines) if text != ".PP" or not before.startswith((".SH", ".SS"))]
    return "\n".join(kept) + "\n"


def heading(title, section, date, version, manual):
    return ['.TH "%s" %s "%s" "adk\\-sandbox %s" "%s"' % (title, section, date, version, manual), ".nh", ".ad l"]


# ---- Markdown --------------------------------------------------------------------------------------------------------

def blocks(text):
    """Splits into ("head", level, text), ("item", term, [blocks]), ("code", text), ("text", text)."""
    found = []
    for part in re.split(r"\n{2,}", text.strip("\n")):
        if part.startswith("#"):
            level = len(part) - len(part.lstrip("#"))
            found.append(("head", level, part[level:].strip()))
        elif "\n:   " in part:
            term, body = part.split("\n:   ", 1)
            found.append(("item", term, body))
        elif part.startswith("    "):
            found.append(("code", part))
        else:
            found.append(("text", part))
    return found


def sections(text):
    """The blocks beneath each heading of the first level, in order."""
    parts = {}
    for block in blocks(text[text.index("# "):]):
        if block[0] == "head" and block[1] == 1:
            parts[block[2]] = current = []
        else:
            current.append(block)
    return parts


def render(block):
    kind = block[0]
    if kind == "head":
        return [".SS " + inline(block[2])]
    if kind == "item":
        return [".TP", line(inline(block[1]))] + paragraph(block[2])
    if kind == "code":
        return [".PP"] + code(block[1])
    return [".PP"] + paragraph(block[1])


# ---- the command -----------------------------------------------------------------------------------------------------

def option_term(option):
    dashes = "\\--" + option["long"]
    term = "**-%s**, **%s**" % (option["short"], dashes) if option["short"] else "**%s**" % dashes
    if option["choices"]:
        return term + " " + "|".join("**%s**" % word for word in option["choices"].split())
    if not option["value"]:
        return term
    return term + " " + re.sub(r"[A-Z]+", lambda word: "*%s*" % word.group(0), option["value"])


def sentence(text):
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def escaped(text):
    """What comes from the tables is not Markdown."""
    return re.sub(r"([\\*`\[\]])", r"\\\1", text)


def options_of(command, told):
    """A command's options in the table's order: how each is written, its line of help, what the page tells beyond it."""
    lines = [".SS Options of " + inline("**%s**" % command["name"])]
    for option in command["options"]:
        lines += [".TP", line(inline(option_term(option)))] + paragraph(escaped(sentence(option["help"])))
        if option["long"] in told:
            lines += paragraph(told.pop(option["long"]))
    if told:
        raise Wrong("%s has no option --%s" % (command["name"], ", --".join(told)))
    return lines


def told_of_options(part):
    """The page's words on options: {command: {option: text}}, and what stands before them."""
    told, before, current = {}, [], None
    for block in part:
        if block[0] == "head":
            current = told.setdefault(block[2], {})
        elif current is None:
            before.append(block)
        elif block[0] == "item":
            current[block[1].strip("*\\-")] = block[2]
        else:
            raise Wrong("among the options stands: %s" % block[1])
    return told, before


def synopsis_of(command):
    words = ["**adk-sandbox %s**" % command["name"]]
    if len(command["options"]) > 1:
        words.append(r"\[*OPTION*\]...")
    if command["operands"]:
        words.append("|".join("*%s*" % word if word.isupper() else "**%s**" % word
                              for word in command["operands"].split("|")))
    return " ".join(words)


def command_page(tables, text, date):
    parts = sections(text)
    commands = tables["commands"]
    names = [command["name"] for command in commands]
    told, before_options = told_of_options(parts["OPTIONS"])
    if set(told) - set(names):
        raise Wrong("there is no command %s" % ", ".join(set(told) - set(names)))
    out = ['.\\" Made by docs/man/generate.py of adk-sandbox.1.md and of the command\'s own tables.']
    out += heading("ADK\\-SANDBOX", 1, date, tables["version"], "User Commands")
    for title, part in parts.items():
        out.append('.SH "%s"' % plain(title))
        if title == "SYNOPSIS":
            known = "\n".join(block[1] for block in part)
            extra = [("text", synopsis_of(c)) for c in commands if "**adk-sandbox %s" % c["name"] not in known]
            for number, block in enumerate(part + extra):
                out += ([".br"] if number else []) + paragraph(block[1])
        elif title == "COMMANDS":
            items = {re.match(r"\*\*([a-z]+)\*\*", block[1]).group(1): block for block in part}
            for command in commands:
                out += render(items.pop(command["name"], ("item", "**%s**" % command["name"],
                                                          escaped(sentence(command["summary"])))))
            if items:
                raise Wrong("there is no command %s" % ", ".join(items))
        elif title == "OPTIONS":
            for block in before_options:
                out += render(block)
            for command in commands:
                if command["options"]:
                    out += options_of(command, told.get(command["name"], {}))
        elif title == "NAME":
            out.append(plain(part[0][1]))
        else:
            for block in part:
                out += render(block)
    return joined(out)


# ---- the library -----------------------------------------------------------------------------------------------------

LABELS = ("Ownership", "Threads", "Errors", "Since")


def comment_text(comment):
    """A doc comment without its frame: paragraphs, and code between @code and @endcode."""
    body = re.sub(r"^\s*\* ?", "", comment.strip()[3:-2], flags=re.M)
    return body.strip("\n")


def comment_lines(comment):
    """A doc comment as roff; the four labels as a list."""
    out = []
    for number, part in enumerate(re.split(r"@code\n(.*?)@endcode", comment_text(comment), flags=re.S)):
        if number % 2 == 1:
            out += [".PP"] + code(part, 0)
            continue
        for text in re.split(r"\n\s*\n", part):
            labelled = re.split(r"^(%s): *" % "|".join(LABELS), text, flags=re.M)
            if labelled[0].strip():
                out += [".PP"] + paragraph(labelled[0].replace("*", "\\*"))
            for label, value in zip(labelled[1::2], labelled[2::2]):
                out += [".TP 12", label] + paragraph(value.replace("*", "\\*"))
    return out


def declarations(text):
    """(comment, declaration) of all that has a comment, in order."""
    found = []
    for match in re.finditer(r"(/\*\*.*?\*/)\n((?:ADK_API|typedef|enum|struct|#define|static inline).*?)(?=\n\n|\Z)", text, re.S):
        declaration = match.group(2)
        if declaration.startswith(("ADK_API", "static inline")):
            declaration = re.split(r"\n\{", declaration.split(";")[0])[0]
            declaration = re.sub(r"ADK_(API|MUST_USE|NONNULL\([^)]*\)|PRINTF\([^)]*\))\s*|static inline ", "", declaration)
            declaration = re.sub(r"\s+", " ", declaration).strip() + ";"
        found.append((match.group(1), declaration))
    return found


def name_of(declaration):
    """A function's name, or None."""
    match = re.match(r"[^{#=]*?\b(adk_\w+)\(", declaration)
    return match.group(1) if match and not declaration.startswith("typedef") else None


def wrap(declaration):
    """A function's declaration over lines that fit a page."""
    if len(declaration) <= 72:
        return declaration
    head, rest = declaration.split("(", 1)
    arguments = re.split(r",\s*(?![^(]*\))", rest)
    return head + "(" + (",\n" + " " * (len(head) + 1)).join(arguments)


def header_page(header, version, date):
    """One header's page, and the names of its functions."""
    text = header.read_text(encoding="utf-8")
    intro = re.match(r"/\*\*.*?\*/", text, re.S).group(0)
    summary = re.split(r"\.(\s|$)", " ".join(comment_text(intro).split()), maxsplit=1)[0]
    stem = "adk_" + header.stem
    found = declarations(text[len(intro):])
    functions = [(comment, declaration) for comment, declaration in found if name_of(declaration)]
    names = [name_of(declaration) for _, declaration in functions]
    out = ['.\\" Made by docs/man/generate.py of include/adk/%s.' % header.name]
    out += heading(plain(stem), 3, date, version, "Library Functions")
    out += ['.SH "NAME"', "%s \\- %s" % (", ".join(plain(name) for name in [stem] + names), plain(summary))]
    out += ['.SH "SYNOPSIS"', ".EX", plain("#include <adk/%s>" % header.name)]
    for _, declaration in functions:
        out += [""] + [line(plain(part)) for part in wrap(declaration).split("\n")]
    out += [".EE", '.SH "DESCRIPTION"'] + comment_lines(intro)[1:]
    for comment, declaration in found:
        if not name_of(declaration):
            out += comment_lines(comment) + [".PP"] + code(declaration, 0)
    if functions:
        out.append('.SH "FUNCTIONS"')
    for comment, declaration in functions:
        out += [".SS " + plain(name_of(declaration))] + code(wrap(declaration), 0) + comment_lines(comment)
    out += ['.SH "SEE ALSO"', "\\fBadk\\-sandbox\\fR(1), \\fBadk_sandbox\\fR(3)"]
    return joined(out), names


def library_pages(include, version, date, directory):
    directory.mkdir(parents=True, exist_ok=True)
    headers = sorted(path for path in include.glob("*.h") if path.name != "defs.h")
    pages = {"adk_" + header.stem for header in headers}
    for header in headers:
        text, names = header_page(header, version, date)
        (directory / ("adk_%s.3" % header.stem)).write_text(text, encoding="utf-8")
        for name in set(names) - pages:
            (directory / (name + ".3")).write_text(".so man3/adk_%s.3\n" % header.stem, encoding="utf-8")


def main(kind, *arguments):
    if kind == "command":
        tables, source, date, out = arguments
        text = pathlib.Path(source).read_text(encoding="utf-8")
        page = command_page(json.loads(pathlib.Path(tables).read_text(encoding="utf-8")), text, date)
        pathlib.Path(out).write_text(page, encoding="utf-8")
    else:
        include, version, date, directory = arguments
        library_pages(pathlib.Path(include), version, date, pathlib.Path(directory))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Wrong as wrong:
        sys.exit("generate.py: %s" % wrong)
