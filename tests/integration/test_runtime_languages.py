"""What programs in Python, JavaScript and TypeScript find, and how they end."""
import json
import os
import unittest

import adk
import runtimes


class Python(runtimes.Case):
    RUNTIMES = ("python",)

    def py(self, text, *arguments, **more):
        return self.go("script.py", text, *arguments, **more)

    def test_the_world_it_sees(self):
        text = """
import json, os, sys
print(json.dumps({"name": __name__, "file": __file__, "argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(),
                  "tree": sorted(os.listdir("/")), "stdin": sys.stdin.read(), "path": sys.path[0],
                  "encoding": [sys.stdin.encoding, sys.stdout.encoding, open("/in/data").encoding],
                  "data": open("in/data").read(), "main": sys.modules["__main__"].__dict__ is globals(),
                  "site": "site" in sys.modules, "isolated": sys.flags.isolated,
                  "names": sorted(name for name in globals() if not name.startswith("__"))}))
"""
        done = self.py(text, "one", "zw\u00f6lf", "", "-x", stdin="\u20ac\n".encode(), options=[
            "-i", "-", "-e", "WHO=Ada", "-e", "PYTHONPATH=/nowhere", "--file", "/in/data=" + self.file("data", "d\u00fc")])
        self.assertEqual(json.loads(done.stdout), {
            "name": "__main__", "file": "/script.py", "argv": ["script.py", "one", "zw\u00f6lf", "", "-x"],
            "env": {"WHO": "Ada", "PYTHONPATH": "/nowhere"}, "cwd": "/", "tree": ["in"], "stdin": "\u20ac\n", "path": "/",
            "encoding": ["utf-8", "utf-8", "UTF-8"], "data": "d\u00fc", "main": True, "site": False, "isolated": 1,
            "names": ["json", "os", "sys"]})

    def test_code_on_the_command_line_and_from_standard_input(self):
        for arguments, more in ((("-c", "import sys; print(sys.argv, len(sys.stdin.read())); 1/0", "x"), {}),):
            done = self.ran("run", "-l", "python", *arguments, env=self.env, **more)
            self.assertEqual((done.status, done.stdout), (1, b"['-c', 'x'] 0\n"), str(done))
            self.assertEqual(done.stderr.decode().splitlines()[:3], [
                "Traceback (most recent call last):", '  File "<script>", line 1, in <module>',
                "    import sys; print(sys.argv, len(sys.stdin.read())); 1/0"])
        done = self.ran("run", "-l", "python", "-", "y", env=self.env, stdin=b"import sys; print(sys.argv)")
        self.assertEqual((done.status, done.stdout), (0, b"['-', 'y']\n"), str(done))

    def test_the_report(self):
        report = self.report_for("a.py", "print(1)")
        self.assertEqual((report["backend"], report["language"], report["exit_code"], report["stdout"], report["stderr"]),
                         ("python", "python", 0, "1\n", ""))
        self.assertEqual((report["limits"]["memory_limit_bytes"], report["limits"]["timeout_ns"]), (256 << 20, 60 * 10**9))

    def test_an_uncaught_error(self):
        done = self.py("import sys\ndef f(x):\n    return 1 // x\n\nprint('before')\ntry:\n    f(0)\nexcept ZeroDivisionError"
                       " as e:\n    raise ValueError('\u00fc') from e\n", status=1)
        self.assertEqual(done.stdout, b"before\n")
        self.assertEqual(done.stderr.decode(), """Traceback (most recent call last):
  File "script.py", line 7, in <module>
    f(0)
  File "script.py", line 3, in f
    return 1 // x
           ~~^^~~
ZeroDivisionError: integer division or modulo by zero

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "script.py", line 9, in <module>
    raise ValueError('\u00fc') from e
ValueError: \u00fc
""")

    def test_a_syntax_error(self):
        done = self.py("x = 1\nif x\n    pass\n", status=1)
        self.assertEqual((done.stdout, done.stderr.decode()), (b"", """  File "script.py", line 2
    if x
        ^
SyntaxError: expected ':'
"""))
        self.assertIn(b"source code string cannot contain null bytes", self.py(b"x = '\0'\n", status=1).stderr)
        self.assertEqual(self.py("# -*- coding: latin-1 -*-\nprint(ascii('\u00fc'))\n".encode("latin-1")).stdout, b"'\\xfc'\n")
        self.assertEqual(self.py(b"\xef\xbb\xbfprint(1)\r\n").stdout, b"1\n")

    def test_how_it_exits(self):
        for text, status, told in (
                ("sys.exit()", 0, ""), ("sys.exit(None)", 0, ""), ("sys.exit(0)", 0, ""), ("sys.exit(3)", 3, ""),
                ("sys.exit(True)", 1, ""), ("sys.exit('a word')", 1, "a word\n"), ("sys.exit(1.5)", 1, "1.5\n"),
                ("sys.exit([1])", 1, "[1]\n"), ("raise SystemExit(4)", 4, ""), ("exit_ = type('E', (SystemExit,), {}); raise exit_(5)", 5, ""),
                ("import os; os._exit(6)", 6, ""), ("raise KeyboardInterrupt", 130, None), ("raise BaseException('x')", 1, None),
                ("import atexit; atexit.register(print, 'end'); sys.exit(7)", 7, "")):
            with self.subTest(text=text):
                done = self.py("import sys\n" + text, status=status)
                if told is not None:
                    self.assertEqual(done.stderr.decode(), told)
        for value, code in ((-1, 2**32 - 1), (256, 256), (2**31, 2**31), (2**32 + 9, 9), (2**80, 2**32 - 1)):
            self.assertEqual(self.report_for("a.py", "import sys; sys.exit(%d)" % value)["exit_code"], code)

    def test_everything_is_flushed(self):
        text = """
import atexit, sys
class Late:
    def __del__(self):
        print("finalized")
class Cycle:
    def __init__(self):
        self.me, self.file = self, open("/cycle", "w")
        self.file.write("cycle")
atexit.register(print, "at exit")
late = Late()
left = open("/left", "w")
left.write("left open")
kept = Cycle()
sys.stdout.write("no newline")
sys.stderr.write("err")
%s
"""
        for end, status in (("", 0), ("sys.exit(3)", 3), ("1/0", 1)):
            with self.subTest(end=end):
                out = os.path.join(self.directory, "out%d" % status)
                done = self.py(text % end, status=status, options=["--out", "/=" + out + "/"])
                self.assertEqual(done.stdout, b"no newlineat exit\nfinalized\n")
                self.assertTrue(done.stderr.startswith(b"err"))
                self.assertEqual(sorted(os.listdir(out)), ["cycle", "left"], "nothing of ours is in the tree")
                with open(os.path.join(out, "left"), encoding="ascii") as left, open(os.path.join(out, "cycle"), encoding="ascii") as cycle:
                    self.assertEqual((left.read(), cycle.read()), ("left open", "cycle"))

    def test_ends_of_unusual_worlds(self):
        for text, expected in (("""
class Late:
    def __del__(self, print=print): print("finalized")
late = Late()
del __loader__, __spec__, __doc__
""", "finalized\n"), ("import sys, io\nprint('said', end='')\nsys.stdout = io.StringIO()\nprint('unheard')", "said"),
                               ("import sys\nprint('said')\nsys.stdout = None", "said\n"),
                               ("import sys\nprint('said')\ndel sys.stdout", "said\n"),
                               ("import sys\nprint('said')\nsys.stdout.close()", "said\n"),
                               ("import sys\nsys.modules['random'] = None\nprint('said')", "said\n")):
            with self.subTest(text[:40]):
                self.assertEqual(self.said("a.py", text), expected)

    def test_a_long_program(self):
        text = "x = 0\n" + "x += 1 # " + "-" * 100 + "\n"
        self.assertEqual(self.said("a.py", text + "#" * 300000 + "\nprint(x)\n" + "#" * 65536), "1\n")

    def test_output_before_a_timeout(self):
        report = self.report_for("a.py", "print('said')\nwhile True: pass", options=["-t", "5s"], outcome="timed_out")
        self.assertEqual((report["stdout"], report["phase"]), ("said\n", "run"))
        self.assertEqual(report["limits"]["timeout_ns"], 5 * 10**9)

    def test_its_own_hook(self):
        done = self.py("import sys\ndef hook(kind, error, trace):\n    print('hook', kind.__name__, error, trace.tb_lineno,"
                       " trace.tb_next)\nsys.excepthook = hook\n1/0\n", status=1)
        self.assertEqual((done.stdout, done.stderr), (b"hook ZeroDivisionError division by zero 5 None\n", b""))
        done = self.py("import sys\ndef hook(*a):\n    raise KeyError('k')\nsys.excepthook = hook\n1/0\n", status=1)
        told = done.stderr.decode()
        self.assertTrue(told.startswith("Error in sys.excepthook:\nTraceback"), told)
        self.assertIn("\nOriginal exception was:\nTraceback (most recent call last):\n  File \"script.py\", line 5", told)

    def test_modules_of_its_own(self):
        tree = os.path.join(self.directory, "tree")
        os.makedirs(os.path.join(tree, "package"))
        for name, text in (("helper.py", "def f():\n    raise KeyError('k')\n"), ("package/__init__.py", "x = 5\n")):
            with open(os.path.join(tree, name), "w", encoding="ascii") as file:
                file.write(text)
        out = os.path.join(self.directory, "out")
        done = self.py("import package, helper\nprint(package.x)\nhelper.f()\n", status=1,
                       options=["--file", "/=" + tree, "--out", "/=" + out + "/"])
        self.assertEqual(done.stdout, b"5\n")
        self.assertIn('File "/helper.py", line 2, in f\n    raise KeyError(\'k\')\n', done.stderr.decode())
        self.assertEqual(sorted(os.listdir(out)), ["helper.py", "package"])

    def test_common_modules(self):
        text = """
import json, re, math, datetime, collections, io, sys, random, itertools, functools, dataclasses, typing, pathlib, csv, hashlib
@dataclasses.dataclass
class P:
    x: int
    y: typing.Optional[int] = None
print(json.loads(json.dumps({"a": [1, None, 2.5]})), re.sub(r"(\\w)\\d", r"\\1", "a1b2"), math.isclose(math.pi, 3.14159265, rel_tol=1e-8),
      datetime.date(2024, 2, 29).isoformat(), collections.Counter("abca")["a"], P(1), functools.reduce(int.__add__, range(5)),
      list(itertools.islice(itertools.count(), 3)), pathlib.PurePath("/a/b").name, next(csv.reader(["1,2"])),
      hashlib.sha256(b"x").hexdigest()[:8], io.StringIO("q").read(), 0 <= random.random() < 1)
"""
        self.assertEqual(self.py(text).stdout.decode(), "{'a': [1, None, 2.5]} ab True 2024-02-29 2 P(x=1, y=None) 10 [0, 1, 2] b "
                         "['1', '2'] 2d711642 q True\n")

    def test_chance(self):
        text = "import random, os; print(random.random(), os.urandom(4).hex())"
        first, second = (self.py(text).stdout.split() for _ in range(2))
        self.assertTrue(set(first).isdisjoint(second))
        seeded = [self.py(text + "; import time; print(time.time())", options=["--seed", "7", "--clock", "2024-01-01T00:00:00Z"]).stdout
                  for _ in range(2)]
        self.assertEqual(seeded[0], seeded[1])

    def test_recursion_is_an_exception(self):
        """Each of these goes through C code on every level; all of them were traps before the interpreter had a larger stack."""
        text = """
import functools, json, copy, re, sys
class A:
    def __repr__(self): return repr(self)
    def __getattr__(self, name): return getattr(self, name + "x")
    def __eq__(self, other): return [self] == [A()]
    def __lt__(self, other): return sorted([A(), A()])
    def __str__(self): return f"{self}"
    def __call__(self): return list(map(lambda x: self(), [1]))
class Meta(type):
    def __call__(cls): return cls()
class Made(metaclass=Meta): pass
def plain(n=0): return plain(n + 1)
def code(): eval("code()")
def key(x): return min([1, 2], key=key)
def replace(m): return re.sub("a", replace, "a")
def reduce(): return functools.reduce(lambda a, b: reduce(), [1, 2, 3])
def generate(): return sum(generate() for _ in range(2))
@functools.lru_cache(None)
def cached(n): return cached(n + 1)
deep = []
for _ in range(100000): deep = [deep]
calls = {"plain": plain, "repr": lambda: repr(A()), "attr": lambda: A().x, "eq": lambda: A() == 1, "lt": lambda: A() < A(),
         "str": lambda: str(A()), "call": lambda: A()(), "meta": Made, "code": code, "key": lambda: key(1),
         "replace": lambda: replace(0), "reduce": reduce, "generate": generate, "cached": lambda: cached(0),
         "dumps": lambda: json.dumps(deep), "loads": lambda: json.loads("[" * 100000), "show": lambda: repr(deep),
         "copy": lambda: copy.deepcopy(deep), "compile": lambda: eval("+".join("1" * 5000)), "re": lambda: re.compile("(" * 5000 + ")" * 5000)}
for name, call in calls.items():
    try:
        call()
    except RecursionError:
        print(name, "RecursionError")
    else:
        print(name, "fine")
def depth(n): return n and 1 + depth(n - 1)
print(depth(900), len(json.dumps(functools.reduce(lambda a, _: [a], range(300), []))))
"""
        told = self.py(text, options=["-t", "120s"]).stdout.decode().splitlines()
        self.assertEqual(told[-1], "900 602")
        self.assertEqual([line for line in told[:-1] if not line.endswith(" RecursionError")], [])
        done = self.py("def f(): f()\nf()\n", status=1)
        self.assertIn(b"[Previous line repeated 99", done.stderr)
        self.assertIn(b"RecursionError: maximum recursion depth exceeded\n", done.stderr)

    def test_memory_is_an_exception(self):
        done = self.py("try:\n    x = bytearray(1 << 30)\nexcept MemoryError:\n    print('caught')\nx = [0] * (1 << 28)\n", status=1)
        self.assertEqual(done.stdout, b"caught\n")
        self.assertIn(b'  File "script.py", line 5', done.stderr)
        self.assertTrue(done.stderr.endswith(b"MemoryError\n"), done.stderr)
        report = self.report_for("a.py", "l = []\nwhile True: l.append('x' * 100000)\n", options=["-m", "32MiB"])
        self.assertEqual(report["exit_code"], 1)
        self.assertIn("MemoryError", report["stderr"])
        self.assertGreater(report["usage"]["memory_denied"], 0)
        self.assertEqual(self.report_for("a.py", "1", options=["-m", "8MiB"], outcome="memory_limit")["exit_code"], None)


class JavaScript(runtimes.Case):
    RUNTIMES = ("javascript",)

    def js(self, text, *arguments, **more):
        return self.go("script.js", text, *arguments, **more)

    def test_the_world_it_sees(self):
        text = """
const file = std.open("/in/data", "r");
console.log(JSON.stringify({args: scriptArgs, who: std.getenv("WHO"), env: std.getenviron(), cwd: os.getcwd()[0],
    tree: os.readdir("/")[0].sort(), input: std.in.readAsString(), data: file.readAsString(), self: this === globalThis}));
sloppy = 5;
var shared = sloppy + 1;
console.log(globalThis.shared, typeof require, Object.keys(globalThis).includes("__adk_start"));
"""
        done = self.js(text, "one", "zw\u00f6lf", "", stdin="\u20ac\n".encode(), options=[
            "-i", "-", "-e", "WHO=Ada", "--file", "/in/data=" + self.file("data", "d\u00fc")])
        first, second = done.stdout.decode().splitlines()
        self.assertEqual(json.loads(first), {
            "args": ["script.js", "one", "zw\u00f6lf", ""], "who": "Ada", "env": {"WHO": "Ada"}, "cwd": "/",
            "tree": [".", "..", "in", "script.js"], "input": "\u20ac\n", "data": "d\u00fc", "self": True})
        self.assertEqual((second, done.stderr), ("6 undefined false", b""))

    def test_the_report(self):
        report = self.report_for("a.js", "console.log(1)")
        self.assertEqual((report["backend"], report["language"], report["exit_code"], report["stdout"], report["stderr"]),
                         ("javascript", "javascript", 0, "1\n", ""))
        self.assertEqual(report["limits"]["memory_limit_bytes"], 128 << 20)

    def test_modules(self):
        tree = os.path.join(self.directory, "tree")
        os.makedirs(tree)
        with open(os.path.join(tree, "lib.mjs"), "w", encoding="ascii") as file:
            file.write("export const x = 7;\nexport default () => { throw new RangeError('deep'); };\n")
        out = os.path.join(self.directory, "out")
        options = ["--file", "/=" + tree, "--out", "/=" + out + "/"]
        done = self.go("main.mjs", "import fail, {x} from './lib.mjs';\nimport * as std from 'qjs:std';\nconst y = await x;\n"
                       "console.log(y, this, typeof std.exit);\nfail();\n", options=options, status=1)
        self.assertEqual(done.stdout, b"7 undefined function\n")
        self.assertEqual(done.stderr.decode().splitlines()[:2], ["RangeError: deep", "    at default (lib.mjs:2:34)"])
        self.assertEqual(os.listdir(out), ["lib.mjs"], "nothing of ours is in the tree")
        self.assertEqual(self.said("plain.js", "import {x} from './lib.mjs';\nconsole.log(x)", options=options[:2]), "7\n")
        self.assertEqual(self.said("wait.js", "console.log(await 5)"), "5\n")
        self.assertEqual(self.said("dynamic.js", "import('./lib.mjs').then((m) => console.log(m.x))", options=options[:2]), "7\n")
        self.assertEqual(self.said("words.js", "// import export await\nvar s = 'import';\nconsole.log(this === globalThis)"), "true\n")

    def test_its_own_file_may_be_in_the_tree(self):
        tree = os.path.join(self.directory, "tree")
        os.makedirs(tree)
        for content, name in (("console.log('same')", "script.js"), ("other", "/.adk/script.js")):
            with open(os.path.join(tree, "script.js"), "w", encoding="ascii") as file:
                file.write(content)
            out = os.path.join(self.directory, "out" + content[-2])
            done = self.go("script.js", "console.log('same')", options=["--file", "/=" + tree, "--out", "/=" + out + "/"])
            self.assertEqual(done.stdout, b"same\n")
            with open(os.path.join(out, "script.js"), encoding="ascii") as file:
                self.assertEqual(file.read(), content)
            self.assertEqual(os.listdir(out), ["script.js"])

    def test_uncaught_errors(self):
        done = self.js("console.log('before');\nfunction f() {\n    throw new TypeError('oops');\n}\nf();\n", status=1)
        self.assertEqual((done.stdout, done.stderr.decode()), (
            b"before\n", "TypeError: oops\n    at f (script.js:3:15)\n    at <eval> (script.js:5:1)\n"))
        for text, told in (("throw {code: 5}", "Uncaught { code: 5 }\n"), ("throw 'word'", "Uncaught 'word'\n"),
                           ("throw null", "Uncaught null\n"), ("throw new (class Own extends Error {})('m')", "Error: m\n    at Own (script.js:1:1)\n    at <eval> (script.js:1:10)\n"),
                           ("let a = ;", "SyntaxError: unexpected token in expression: ';'\n    at script.js:1:"),
                           ("throw {get x() { throw 1; }}", "Uncaught { x: [Getter] }\n")):
            with self.subTest(text=text):
                self.assertTrue(self.js(text, status=1).stderr.decode().startswith(told), (text, self.js(text, status=1).stderr))
        for text in ("Promise.reject(new Error('lost'))", "(async () => { await 1; throw new Error('lost'); })()"):
            done = self.js(text, status=1)
            self.assertRegex(done.stderr, rb"lost\n    at <\w+> \(script.js:1:\d+\)\n")
            self.assertNotIn(b"/.adk/", done.stderr)

    def test_how_it_exits(self):
        for text, code in (("std.exit(3)", 3), ("std.exit(0)", 0), ("", 0), ("setTimeout(() => std.exit(4), 1)", 4), ("std.exit(300)", 300)):
            self.assertEqual(self.report_for("a.js", text)["exit_code"], code)

    def test_promises_and_timers_run_to_the_end(self):
        text = """
setTimeout(() => console.log("timer"), 5);
queueMicrotask(() => console.log("microtask"));
Promise.resolve().then(() => console.log("then")).then(() => setTimeout(() => console.log("last"), 10));
(async () => { for (let i = 0; i < 2; i++) { await null; console.log("async", i); } })();
const id = setInterval(() => { console.log("interval"); clearInterval(id); }, 1);
console.log("first");
"""
        lines = self.said("a.js", text).splitlines()
        self.assertEqual((lines[0], lines[-1]), ("first", "last"))
        self.assertEqual(sorted(lines[1:-1]), ["async 0", "async 1", "interval", "microtask", "then", "timer"])

    def test_a_script_ends_when_nothing_is_left(self):
        """Most end at once; whatever could still have something to come is waited for."""
        for text, expected in (("std.out.puts('no line')", "no line"), ("", ""), ("1;", ""),
                               ("globalThis['set' + 'Time' + 'out'](() => print('late'), 5)", "late\n"),
                               ("(async () => { await null; print('late'); })()", "late\n"),
                               ("os['sleep' + 'Async'](5).finally(() => print('late'))", "late\n"),
                               ("(0, eval)('set' + 'Timeout(() => print(\"late\"), 5)')", "late\n"),
                               ("var p = new Promise((done) => { globalThis.done = done; }); p.finally(() => print('late')); done()",
                                "late\n"),
                               ("globalThis['queueMicro' + 'task'](() => print('late'))", "late\n"),
                               ("const r = new FinalizationRegistry((v) => print(v)); r.register({}, 42); print('end')", "end\n42\n"),
                               ("Array.prototype.some = String.prototype.includes = Array.prototype.forEach = () => { throw 1; };", ""),
                               ("print('x'.repeat(20000).length)", "20000\n"), ("print(1);" * 2000, "1\n" * 2000)):
            with self.subTest(text[:40]):
                self.assertEqual(self.said("a.js", text), expected)

    def test_console(self):
        text = """
console.log("%s is %d, %i%%, %j", "x", 5, 7.9, {a: 1}, "more");
console.log({a: 1, "b-c": [1, "two", null, undefined], f() {}}, {[Symbol("s")]: 1n}, -0, "top 'q'", ["it's"]);
console.log(new Map([["k", {v: [new Set([1])]}]]), new Date(0), /x/gi, class A {}, Symbol("t"), new Uint8Array(2), [,1], Object.create(null));
const c = {}; c.self = c; console.log(c, {a: {b: {c: {d: {e: {f: 1}}}}}}, new (class P { constructor() { this.x = 1; } })());
console.log(Array.from({length: 120}, (_, i) => i).length, [[], {}], true, new Error("shown").message);
console.group("in"); console.info("deep"); console.groupEnd(); console.debug("out"); console.count(); console.count();
console.error("err", {x: 1}); console.warn("warn"); console.assert(1 === 2, "assertion"); console.log();
"""
        done = self.js(text)
        self.assertEqual(done.stdout.decode().splitlines(), [
            'x is 5, 7%, {"a":1} more',
            "{ a: 1, 'b-c': [ 1, 'two', null, undefined ], f: [Function: f] } { [Symbol(s)]: 1n } -0 top 'q' [ 'it\\'s' ]",
            "Map(1) { 'k' => { v: [ Set(1) { 1 } ] } } 1970-01-01T00:00:00.000Z /x/gi [class A] Symbol(t) Uint8Array(2) [ 0, 0 ] "
            "[ <empty>, 1 ] [Object: null prototype] {}",
            "{ self: [Circular] } { a: { b: { c: { d: { e: [Object] } } } } } P { x: 1 }",
            "120 [ [], {} ] true shown", "in", "  deep", "out", "default: 1", "default: 2", ""])
        self.assertEqual(done.stderr.decode(), "err { x: 1 }\nwarn\nAssertion failed: assertion\n")

    def test_chance(self):
        text = "console.log([1, 2, 3, 4].map(Math.random).join())"
        seen = {self.said("a.js", text) for _ in range(4)}
        self.assertEqual(len(seen), 4)
        seeded = ["--clock", "2024-01-01T00:00:00Z", "--seed"]
        one, same, other = (self.said("a.js", text, options=[*seeded, seed]) for seed in ("1", "1", "2"))
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)
        text = """
const buckets = new Array(10).fill(0);
for (let i = 0; i < 100000; i++) { const r = Math.random(); if (!(r >= 0 && r < 1)) throw r; buckets[Math.floor(r * 10)]++; }
console.log(Math.min(...buckets) > 9000 && Math.max(...buckets) < 11000);
"""
        self.assertEqual(self.said("a.js", text), "true\n")

    def test_output_before_a_timeout(self):
        report = self.report_for("a.js", "console.log('said'); for (;;);", options=["-t", "3s"], outcome="timed_out")
        self.assertEqual((report["stdout"], report["phase"]), ("said\n", "run"))

    def test_endless_recursion_is_an_error(self):
        """As it was published this interpreter does not look at its stack: the manifest's edits have it do so at each call."""
        text = """
function f() { return f() + 1; }
function replaced() { return "a".replace(/a/, replaced); }
function mapped() { return [1].map(mapped); }
function wide(a, b, c, d) { let x = a, y = b, z = c; return wide(x, y, z, d) + 1; }
const self = {get x() { return this.x; }, toString() { return "" + this; }, toJSON() { return JSON.stringify(self); }};
class A { constructor() { new A(); } }
const proxy = new Proxy({}, {get(target, key, receiver) { return receiver[key]; }});
const iterable = {[Symbol.iterator]() { return [...iterable]; }};
function* generate() { yield* generate(); }
globalThis.again = () => (0, eval)("again()");
globalThis.large = new Function(Array.from({length: 3000}, (_, i) => "var v" + i + " = 1;").join("") + "return large() + 1");
const tries = {f, replaced, mapped, wide, getter: () => self.x, string: () => "" + self, json: () => JSON.stringify(self),
    construct: () => new A(), proxy: () => proxy.x, iterate: () => [...iterable], generate: () => [...generate()], again, large,
    sort: function sort() { return [1, 2].sort(sort); }, apply: function g() { return g.apply(null, []); }};
for (const [name, go] of Object.entries(tries)) {
    try {
        go();
        console.log(name, "ended");
    } catch (error) {
        if (!(error instanceof RangeError && error.message === "Maximum call stack size exceeded"))
            console.log(name, error);
    }
}
const depth = (n) => n === 0 ? 0 : 1 + depth(n - 1);
const list = [];
for (let i = 0; i < 100000; i++)
    list.push({i});
console.log(depth(1800), list.every((one, i) => one.i === i));
"""
        self.assertEqual(self.said("a.js", text), "1800 true\n")
        done = self.js("function f() {\n    return f() + 1;\n}\nf();\n", status=1)
        self.assertTrue(done.stderr.startswith(b"RangeError: Maximum call stack size exceeded\n    at f (script.js:2:"), done.stderr)

    def test_deep_data_is_a_typed_trap(self):
        for text in ("let a = []; for (let i = 0; i < 100000; i++) a = [a]; JSON.stringify(a);", "JSON.parse('['.repeat(100000));"):
            self.assertEqual(self.report_for("a.js", text, outcome="trapped")["trap"]["kind"], "stack_overflow")

    def test_memory(self):
        report = self.report_for("a.js", "const a = []; for (;;) a.push('x'.repeat(100000) + a.length)", options=["-m", "32MiB"])
        self.assertEqual(report["exit_code"], 1)
        self.assertGreater(report["usage"]["memory_denied"], 0)


class TypeScript(runtimes.Case):
    RUNTIMES = ("javascript", "typescript")

    def test_types_are_stripped(self):
        text = """
import type { Foo } from "./nowhere";
interface P { x: number; y?: string }
enum Color { Red, Green = "g" }
abstract class A<T extends object> {
    constructor(private readonly v: T, public n = 1) {}
    get(): T { return this.v as T; }
    abstract f(): void;
}
class B extends A<P> { override f(): void {} }
function id<T>(x: T): T { return x; }
type X = { [K in keyof P]: P[K] };
declare const nowhere: number;
const p: P = { x: id<number>(1)! };
console.log(new B(p).get(), Color.Red, Color.Green, (p satisfies P).x, <any>p, p?.y ?? "none", scriptArgs);
"""
        done = self.go("script.ts", text, "a")
        self.assertEqual((done.stdout, done.stderr), (b"{ x: 1 } 0 g 1 { x: 1 } none [ 'script.ts', 'a' ]\n", b""))

    def test_errors_point_to_the_original_lines(self):
        done = self.go("script.ts", "interface A {\n  x: number\n}\n\nfunction f(a: A): never {\n  throw new Error(`${a.x}`);\n}\n"
                       "const a: A = { x: 1 };\nf(a);\n", status=1)
        self.assertRegex(done.stderr.decode(), r"^Error: 1\n    at f \(script.ts:6:\d+\)\n    at <eval> \(script.ts:9:\d+\)\n$")
        done = self.go("script.ts", "let a: number = 1;\nlet b: = 5;\n", status=1)
        self.assertEqual(done.stderr.decode(), "SyntaxError: Unexpected token\n    at script.ts:2:8\n")

    def test_code_that_is_nested_too_deep(self):
        done = self.go("script.ts", "const x = %s1%s;\n" % ("[" * 1000, "]" * 1000), status=1)
        self.assertEqual(done.stderr, b"RangeError: the code is nested too deep for its types to be stripped\n    at script.ts\n")

    def test_modules(self):
        text = "import * as std from 'qjs:std';\nconst x: number = await Promise.resolve(5);\nconsole.log(x, typeof std.exit);\nexport {};\n"
        for name in ("main.ts", "main.mts"):
            self.assertEqual(self.said(name, text), "5 function\n")

    def test_the_report(self):
        report = self.report_for("a.ts", "const x: number = 1; console.log(x)")
        self.assertEqual((report["backend"], report["language"], report["stdout"]), ("typescript", "typescript", "1\n"))
        out = os.path.join(self.directory, "out")
        self.go("a.ts", "const x: number = 1;", options=["--out", "/=" + out + "/"])
        self.assertEqual(os.listdir(out), [], "nothing of ours is in the tree")


# The driver is the same, and so are nearly all the ways through it: some of each kind.
ColdPython = runtimes.cold(
    Python, "test_the_world_it_sees", "test_the_report", "test_an_uncaught_error", "test_everything_is_flushed", "test_chance",
    "test_output_before_a_timeout", "test_memory_is_an_exception")
ColdJavaScript = runtimes.cold(
    JavaScript, "test_the_world_it_sees", "test_the_report", "test_uncaught_errors", "test_how_it_exits", "test_chance",
    "test_endless_recursion_is_an_error", "test_memory")
ColdTypeScript = runtimes.cold(TypeScript, "test_types_are_stripped", "test_the_report")


if __name__ == "__main__":
    adk.main()
