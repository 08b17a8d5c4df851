"""Runs one program: what the interpreter is started with.

The host stops it where it opens /.adk/run, once it is warm, and lets it go on in a fork for each run; or that file is there
from the beginning. The program is in that file; in /.adk/words are, each with a NUL behind it, a seed that this interpreter
does not need, marks, the number of the program's arguments, those, and its environment.

Where the marks have an `s`, that program is the first of a session: each begins where the one before has ended, in the same
module. The host is told the exit status by the name under which the file is opened again, and that returns with the next
program. An `n` says that this process is a new one, whose random numbers must be its own.

What comes before the first read is done once for many runs; for what comes after it each of them waits.
"""
import builtins
import gc
import io
import os
import sys

DIRECTORY = "/.adk"
IO_BASE = io.IOBase.__mro__[1]
PIECE = 65536
IMMORTAL = 0x3fffffff if sys.version_info < (3, 14) else 0x50000000  # of 32 bits: Include/refcount.h
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
    file = os.open(DIRECTORY + "/" + name, os.O_RDONLY)
    data = os.read(file, PIECE)
    if len(data) == PIECE:
        pieces = [data]
        while pieces[-1]:
            pieces.append(os.read(file, PIECE))
        data = b"".join(pieces)
    os.close(file)
    return data


def read_words():
    """Marks, arguments, environment."""
    _, marks, count, *words = read("words").split(b"\0")[:-1]
    return marks, words[:int(count)], words[int(count):]


def tidy():
    """The tree is the program's own: nothing of ours stays in it."""
    try:
        os.unlink(DIRECTORY + "/run")
        os.unlink(DIRECTORY + "/words")
        os.rmdir(DIRECTORY)
    except OSError:
        pass


def set_streams():
    """UTF-8, and each line is written when it ends: a program that is stopped has said what it said."""
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8")


def set_world(arguments, environment):
    """What one program is given; returns what it is called."""
    sys.argv = [os.fsdecode(word) for word in arguments] or [""]
    for word in environment:
        key, _, value = word.partition(b"=")
        os.environb[key] = value
    return sys.argv[0] if sys.argv[0] not in ("", "-", "-c") else "<script>"


def new_main():
    """The module of a program that is not there yet."""
    main = type(sys)("__main__")
    main.__builtins__ = builtins
    main.__loader__ = Source(b"")
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
    files = [thing for thing in gc.get_objects() if isinstance(thing, IO_BASE)]
    if files:
        files.sort(key=lambda file: not isinstance(file, io.TextIOWrapper))
    for file in (*files, sys.__stdout__, sys.__stderr__):
        try:
            if not file.closed and file.writable():
                file.flush()
        except Exception:
            pass


def finish(status, main):
    """What the interpreter does at its end, as far as it can be seen: exit functions run, finalizers run, files are flushed."""
    try:
        if "atexit" in sys.modules and sys.modules["atexit"]._ncallbacks() > 0:
            sys.modules["atexit"]._run_exitfuncs()
    except BaseException:
        pass
    try:
        stdout = getattr(sys, "stdout", None)
        if stdout is not None and not stdout.closed:
            stdout.flush()
    except Exception:
        status = status or 120
    try:
        flush_files()
        names = main.__dict__
        has_own = names.keys() - GIVEN
        if has_own:
            own = [name for name in names if name not in GIVEN]
            for is_private in (True, False):
                for name in own:
                    if name.startswith("_") == is_private:
                        names[name] = None
        gc.enable()
        if gc.collect() > 0 or has_own:
            flush_files()
    except BaseException:
        pass
    os._exit(status if status < 1 << 31 else status - (1 << 32))


class Unseeded(type(sys)):
    """
    A module with a generator of random numbers that are the same in all forks of an image. Whoever asks one of these for
    anything gets modules that have been seeded: that takes longer than most programs, which ask for nothing.
    """
    modules = []

    def __getattribute__(self, name):
        for module in Unseeded.modules:
            module.__class__ = type(sys)
        seed()
        return getattr(self, name)


def seed():
    for name in ("random", "numpy.random"):
        module = sys.modules.get(name)
        try:
            if type(module) is type(sys):
                module.seed(int.from_bytes(os.urandom(32), "little") if name == "random" else None)
        except Exception:
            pass


def unseed():
    Unseeded.modules = [sys.modules[name] for name in ("random", "numpy.random", "numpy.random.mtrand") if name in sys.modules]
    for module in Unseeded.modules:
        module.__class__ = Unseeded


SOURCES = {}


def call(code, marks, arguments, environment):
    """One program of a session; returns its exit status."""
    global FILENAME, LOADER
    os.environ.clear()
    FILENAME = set_world(arguments, environment)
    if b"n" in marks and SOURCES: # a fork: what was before may hold a part of a generator
        seed()
    tidy()
    if FILENAME == "<script>":
        FILENAME = "<script %d>" % (len(SOURCES) + 1)
    LOADER = MAIN.__loader__ = SOURCES[FILENAME] = Source(code)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    status = run(code, FILENAME, MAIN)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            status = status or 120
    return status


def keep_session(code, words):
    """Each program ends where the next begins."""
    status = call(code, *words)
    while True:
        code = read("run/%d" % status)
        status = call(code, *read_words())


def warm_up():
    """What programs do is done once here, so that in them it is not done for the first time."""
    stdout = sys.stdout
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", line_buffering=True)
    code = b"""
import json, re
class Point:
    def __init__(self, x): self.x = x
    def __repr__(self): return f"Point({self.x})"
def total(values, *more, **named): return sum(values) + len(more)
points = {str(i): Point(i * 6.5) for i in range(3)}
try:
    for name, point in sorted(points.items()): print(name, point, 6 * 7, "%5.1f" % point.x, end=" ")
    raise ValueError(name)
except ValueError as error:
    print(re.sub("a+", "b", str(error)), total([1, 2], 3), json.dumps([error.args, None, True]), (lambda x: x[1:2])([1, 2]))
with open("/.adk/driver.py") as file: [line.strip() for line in file][:1]
"""
    for _ in range(3):
        run(code, "<script>", new_main())
    sys.stdout = stdout
    flush_files()


def pin():
    """
    What is there when the image is warm is there for good: its reference counts become those of what is immortal, and no
    longer change, so that forks share the pages they are in. All of it is kept, for the host does that by address.
    """
    found = {id(thing): thing for thing in gc.get_objects()}
    fresh = list(found.values())
    while fresh:
        fresh = [thing for thing in {id(other): other for other in gc.get_referents(*fresh)}.values() if id(thing) not in found]
        found.update((id(thing), thing) for thing in fresh)
    words = bytearray(IMMORTAL.to_bytes(4, "little"))
    for address in found:
        words += address.to_bytes(4, "little")
    with io.FileIO(DIRECTORY + "/pins", "w") as file:
        file.write(words)
    return found


set_streams()
os.environ.clear()
sys.path.insert(0, "/")
sys.dont_write_bytecode = True
if WARM:
    warm_up()
MAIN = new_main()
LOADER = MAIN.__loader__
GIVEN = {*MAIN.__dict__, "__file__"}
os.unlink(DIRECTORY + "/driver.py")
unseed()
gc.collect()
if WARM:
    PINNED = pin()
gc.freeze()
CODE = read("run")
WORDS = read_words()
if b"s" in WORDS[0]:
    keep_session(CODE, WORDS)
FILENAME = set_world(*WORDS[1:])
tidy()
LOADER.code = CODE
if FILENAME != "<script>":
    MAIN.__file__ = FILENAME if FILENAME.startswith("/") else "/" + FILENAME
finish(run(CODE, FILENAME, MAIN), MAIN)
