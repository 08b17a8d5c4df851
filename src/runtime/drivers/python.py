"""Runs one program: what the interpreter is started with.

The host stops it where it opens /.adk/run, once it is warm, and lets it go on in a fork for each run; or that file is there
from the beginning. The program is in that file, its arguments in /.adk/args and its environment in /.adk/env, each word
with a NUL behind it. The first argument is a seed that this interpreter does not need.

Where there is a file /.adk/session, that program is the first of a session: each begins where the one before has ended, in
the same module. The host is told the exit status by the name under which the file is opened again, and that returns with
the next program. A file /.adk/forked says that this process is a new one, whose random numbers must be its own.
"""
import builtins
import gc
import io
import os
import sys

DIRECTORY = "/.adk"
IO_BASE = io.IOBase.__mro__[1]
WARM = not os.path.exists(DIRECTORY + "/run") and "ADK_ONCE" not in os.environ

if WARM:
    import atexit, collections, csv, dataclasses, datetime, functools, hashlib, itertools, json, linecache, math, pathlib, \
        random, re, string, textwrap, time, traceback, typing


class Source:
    """The loader of the program: where tracebacks look for its lines."""

    def __init__(self, code):
        self.code = code

    def get_source(self, name):
        return io.TextIOWrapper(io.BytesIO(self.code), "utf-8", "replace").read()


def read(name):
    with io.FileIO(DIRECTORY + "/" + name) as file:
        return file.readall()


def words(data):
    return data.split(b"\0")[:-1]


def take_mark(name):
    """Whether the host has left this mark, which is then gone."""
    try:
        os.unlink(DIRECTORY + "/" + name)
        return True
    except OSError:
        return False


def tidy():
    """The tree is the program's own: nothing of ours stays in it."""
    for name in ("run", "args", "env", "driver.py"):
        try:
            os.unlink(DIRECTORY + "/" + name)
        except OSError:
            pass
    try:
        os.rmdir(DIRECTORY)
    except OSError:
        pass


def set_streams():
    """UTF-8, and each line is written when it ends: a program that is stopped has said what it said."""
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8")


def set_world(arguments, environment):
    name = os.fsdecode(arguments[0]) if arguments else ""
    sys.argv = [os.fsdecode(word) for word in arguments] or [""]
    os.environ.clear()
    for word in environment:
        key, _, value = word.partition(b"=")
        os.environb[key] = value
    if sys.path[:1] != ["/"]:
        sys.path.insert(0, "/")
    sys.dont_write_bytecode = True
    return name if name not in ("", "-", "-c") else "<script>"


def new_main(filename, code):
    main = type(sys)("__main__")
    main.__builtins__ = builtins
    main.__loader__ = Source(code)
    if filename != "<script>":
        main.__file__ = filename if filename.startswith("/") else "/" + filename
    sys.modules["__main__"] = main
    return main


def print_error(kind, error, trace):
    """As the interpreter does, which cannot show lines of a program that lies in no file."""
    import linecache
    import traceback
    for name, source in (SOURCES or {FILENAME: LOADER}).items():
        lines = source.get_source(name).splitlines(True)
        linecache.cache[name] = (len(lines), None, lines, name)
    traceback.print_exception(kind, error, trace)


def tell(error):
    """Shows an error that nobody caught, through sys.excepthook."""
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
    sys.last_exc = sys.last_value = error
    sys.last_type, sys.last_traceback = type(error), error.__traceback__
    try:
        try:
            sys.stdout.flush()
        except Exception:
            pass
        hook = sys.excepthook
        if hook is sys.__excepthook__:
            hook = print_error
        hook(type(error), error, error.__traceback__)
    except SystemExit as other:
        return exit_code(other)
    except BaseException as other:
        try:
            sys.stderr.write("Error in sys.excepthook:\n")
            print_error(type(other), other, other.__traceback__ and other.__traceback__.tb_next)
            sys.stderr.write("\nOriginal exception was:\n")
            print_error(type(error), error, error.__traceback__)
        except BaseException:
            os.write(2, type(error).__name__.encode() + b"\n")
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def exit_code(error):
    """The status for a SystemExit: 32 bits of an integer; anything else is printed."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xffffffff if -1 << 63 <= code < 1 << 63 else 0xffffffff
    try:
        sys.stdout.flush()
    except Exception:
        pass
    try:
        sys.stderr.write(str(code) + "\n")
    except Exception:
        pass
    return 1


def run(code, filename, main):
    try:
        exec(compile(code, filename, "exec", dont_inherit=True), main.__dict__)
        return 0
    except SystemExit as error:
        return exit_code(error)
    except BaseException as error:
        return tell(error)


def flush_files():
    """Whatever was left open; text before what it is written through, since a collection takes them in any order."""
    files = [thing for thing in gc.get_objects() if isinstance(thing, IO_BASE)] + [sys.stdout, sys.stderr]
    for file in sorted(files, key=lambda file: not isinstance(file, io.TextIOWrapper)):
        try:
            if not file.closed and file.writable():
                file.flush()
        except Exception:
            pass


def finish(status, main):
    """What the interpreter does at its end, as far as it can be seen: exit functions run, finalizers run, files are flushed."""
    try:
        if "atexit" in sys.modules:
            sys.modules["atexit"]._run_exitfuncs()
    except BaseException:
        pass
    try:
        sys.stdout.flush()
    except Exception:
        status = status or 120
    try:
        flush_files()
        names = main.__dict__
        for own in (True, False):
            for name in list(names):
                if name != "__builtins__" and name.startswith("_") == own:
                    names[name] = None
        gc.enable()
        gc.collect()
        flush_files()
    except BaseException:
        pass
    os._exit(status if status < 1 << 31 else status - (1 << 32))


def seed():
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            sys.modules[name].seed()


SOURCES = {}


def call(name):
    """One program of a session; returns its exit status."""
    global CODE, FILENAME, LOADER
    with io.FileIO(DIRECTORY + "/" + name) as file:
        CODE = file.readall()
    forked = take_mark("forked")
    FILENAME = set_world(words(read("args"))[1:], words(read("env")))
    if forked:
        seed()
    take_mark("session")
    tidy()
    if FILENAME == "<script>":
        FILENAME = "<script %d>" % (len(SOURCES) + 1)
    LOADER = MAIN.__loader__ = SOURCES[FILENAME] = Source(CODE)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    status = run(CODE, FILENAME, MAIN)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            status = status or 120
    return status


def keep_session():
    """Each program ends where the next begins."""
    status = call("run")
    while True:
        status = call("run/%d" % status)


set_streams()
gc.collect()
gc.freeze()
CODE = read("run")
if take_mark("session"):
    MAIN = new_main("<script>", CODE)
    keep_session()
ARGUMENTS = words(read("args"))[1:]
FILENAME = set_world(ARGUMENTS, words(read("env")))
seed()
tidy()
MAIN = new_main(FILENAME, CODE)
LOADER = MAIN.__loader__
finish(run(CODE, FILENAME, MAIN), MAIN)
