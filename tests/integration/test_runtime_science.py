"""python-science: numpy, pandas, scipy, scikit-learn and matplotlib in programs, and what a larger runtime may not loosen.

Its package is 98 MB and compiles for a minute: this is of the second tier (scripts/test-long), and skipped elsewhere.
"""
import base64
import json
import os
import struct
import sys

import adk
import mcp_client
import runtimes

NAME = "python-science"
CSV = "day,city,rain\n1,Ulm,3.5\n2,Ulm,0\n1,Bonn,1.25\n2,Bonn,2.25\n"
PLOT = """
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(4, 3))
axes.plot([1, 2, 3], [2, 1, 3], label="line")
axes.set_title("Title")
axes.legend()
figure.savefig("/plot.png", dpi=100)
"""


def size_of_png(data):
    """Width and height by its header (PNG, section 11.2.1)."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or data[-8:-4] != b"IEND":
        raise AssertionError("no PNG: %r" % data[:32])
    return struct.unpack(">II", data[16:24])


class Warm(runtimes.Case):
    """One image, many runs."""
    RUNTIMES = (NAME,)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = mcp_client.Raw("--runtime", NAME, env=cls.env)
        cls.addClassCleanup(cls.server.close)
        cls.server.initialize()
        cls.call(cls, "pass")

    def call(self, code, seconds=120, **arguments):
        """The result of a call, its report, and its images."""
        id = self.server.call("sandbox_exec", dict(arguments, language="python", code=code, timeout_secs=seconds))
        message = self.server.answer(id, 10 * adk.PATIENCE)
        result = message["result"]
        return result["structuredContent"], [block for block in result["content"] if block["type"] == "image"]

    def said_by(self, code, **arguments):
        report, _ = self.call(code, **arguments)
        self.assertEqual((report["outcome"], report["exit_code"], report["stderr"]), ("exited", 0, ""), report)
        return report["stdout"]

    def test_numpy(self):
        self.assertEqual(self.said_by("""
import numpy as np
a = np.arange(12).reshape(3, 4)
print(a.sum(), (a @ a.T).trace(), np.linalg.det(np.eye(3) * 2).round(6), np.fft.fft([1, 0, 0, 0]).real.tolist())
"""), "66 506 8.0 [1.0, 1.0, 1.0, 1.0]\n")

    def test_pandas_reads_a_file_that_came_in(self):
        self.assertEqual(json.loads(self.said_by("""
import pandas
frame = pandas.read_csv("/in/rain.csv")
print(frame.groupby("city")["rain"].sum().to_json())
""", files=[{"path": "/in/rain.csv", "content": CSV}])), {"Bonn": 3.5, "Ulm": 3.5})

    def test_a_plot_comes_back_and_nothing_of_ours(self):
        report, images = self.call(PLOT, outputs=["/**"])
        self.assertEqual((report["outcome"], report["stderr"]), ("exited", ""), report)
        self.assertEqual([file["path"] for file in report["files"]], ["/plot.png"])
        self.assertEqual([image["mimeType"] for image in images], ["image/png"])
        self.assertEqual(size_of_png(base64.b64decode(images[0]["data"])), (400, 300))

    def test_scikit_learn_and_scipy(self):
        self.assertEqual(self.said_by("""
import numpy as np
from scipy import optimize
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression
fit = LinearRegression().fit(np.arange(10).reshape(-1, 1), np.arange(10) * 2 + 1)
print(fit.coef_.round(9).tolist(), round(fit.intercept_, 9))
print(KMeans(2, n_init=1, random_state=0).fit([[0.0], [1.0], [10.0], [11.0]]).inertia_)
print(round(optimize.brentq(lambda x: x * x - 2, 0, 2), 9))
try:
    optimize.brentq(lambda x: x * x + 2, 0, 2)
except ValueError as error:
    print(error)
"""), "[2.0] 1.0\n1.0\n1.414213562\nf(a) and f(b) must have different signs\n")

    def test_the_world_is_pythons(self):
        report, _ = self.call("import os, sys\nprint(__name__, sys.argv[1:], sorted(os.listdir('/')), dict(os.environ), "
                              "sys.stdin.read(), sys.version_info[:2])\nsys.exit(70000)", args=["x"], env={"A": "b"}, stdin="in")
        self.assertEqual((report["stdout"], report["exit_code"]),
                         ("__main__ ['x'] ['usr'] {'A': 'b'} in (3, 15)\n", 70000))

    def test_errors(self):
        report, _ = self.call("import numpy as np\nprint('before')\nnp.ones(3) @ np.ones(4)\n")
        self.assertEqual((report["outcome"], report["exit_code"], report["stdout"]), ("exited", 1, "before\n"))
        self.assertIn("line 3, in <module>\n    np.ones(3) @ np.ones(4)\n", report["stderr"])
        self.assertIn("\nValueError: matmul: ", report["stderr"])

    def test_recursion(self):
        self.assertEqual(self.said_by("""
class A:
    def __eq__(self, other):
        return A() == A()
def f():
    return f()
for what in (lambda: A() == A(), f):
    try:
        what()
    except RecursionError:
        print("caught")
"""), "caught\ncaught\n")
        report, _ = self.call("import json\nprint('said', flush=True)\njson.loads('[' * 100000)")
        self.assertEqual((report["outcome"], report["trap"]["kind"], report["stdout"]), ("trapped", "stack_overflow", "said\n"))

    def test_memory(self):
        code = "import numpy as np\ntry:\n    np.ones(10**8)\nexcept MemoryError:\n    print('none')\n"
        self.assertEqual(self.said_by(code), "none\n")
        report, _ = self.call("print(1)", memory_limit_mb=16)
        self.assertEqual(report["outcome"], "memory_limit")

    def test_the_deadline(self):
        report, _ = self.call("import numpy\nprint('said', flush=True)\nwhile True: numpy.ones(1000).sum()", seconds=3)
        self.assertEqual((report["outcome"], report["phase"], report["stdout"]), ("timed_out", "run", "said\n"))

    def test_runs_share_nothing(self):
        code = "import numpy as np, random\nprint(np.random.rand(3).tolist(), random.random(), hasattr(np, 'mark'))\n" \
               "np.mark = 1\nopen('/left', 'w').close()\n"
        outputs = [self.said_by(code) for _ in range(6)]
        self.assertEqual(len({output.partition("]")[0] for output in outputs}), 6, outputs)
        self.assertEqual(len({output.split()[-2] for output in outputs}), 6, outputs)
        self.assertTrue(all(output.endswith(" False\n") for output in outputs), outputs)
        self.assertEqual(self.said_by("import os; print(os.path.exists('/left'))"), "False\n")

    def test_numpy_is_there_already(self):
        code = "import sys\nprint([name in sys.modules for name in ('numpy', 'pandas', 'matplotlib.pyplot', 'sklearn')])"
        self.assertEqual(self.said_by(code), "[True, True, True, False]\n")


class Command(runtimes.Case):
    """Each run with an image of its own, warmed no further than it needs."""
    RUNTIMES = (NAME,)

    def test_a_plot(self):
        out = os.path.join(self.directory, "plot.png")
        self.assertEqual(self.said("plot.py", PLOT, options=("--runtime", NAME, "--out", "/plot.png=" + out)), "")
        with open(out, "rb") as file:
            self.assertEqual(size_of_png(file.read()), (400, 300))

    def test_the_report(self):
        done = self.ran("run", "--json", "--runtime", NAME, "-t", "60s", "--seed", "7", "-c", "import numpy; print(numpy.random.rand())",
                        env=self.env, patience=runtimes.PATIENCE)
        report = self.one_object(done)
        self.assertEqual((report["backend"], report["language"], report["isolation"], report["outcome"]),
                         (NAME, "python", "wasm+process", "exited"), report)
        self.assertEqual((report["usage"]["cache"], report["limits"]["memory_limit_bytes"]), ("disk", 512 << 20))
        again = self.report_for("a.py", "import numpy; print(numpy.random.rand())", options=("--runtime", NAME, "--seed", "7"))
        self.assertEqual(again["stdout"], report["stdout"])

    def test_it_runs_nothing_else(self):
        done = self.ran("run", "--runtime", NAME, "-l", "javascript", "-c", "1", env=self.env)
        self.expect(done, 2)
        self.assertEqual(done.stderr, b'adk-sandbox: run: --runtime: "python-science" does not run javascript\n')
        self.assertIn(b"is no runtime", self.expect(self.ran("run", "--runtime", "cobol", "-c", "1", env=self.env), 2).stderr)

    def test_not_in_process(self):
        done = self.ran("run", "--runtime", NAME, "--isolation", "wasm", "-c", "1", env=self.env)
        self.expect(done, 125)
        self.assertIn(b"in processes of their own only", done.stderr)

    def test_guests_may_no_more_than_before(self):
        """What is loosened is loosened for this runtime's own module: neither size, nor features, nor its import."""
        directory = os.path.join(self.env["HOME"], ".local", "share", "adk-sandbox", "runtimes")
        report = self.one_object(self.ran("run", "--json", os.path.join(directory, "python-science-0.1.0.wasm"), env=self.env))
        self.assertEqual((report["outcome"], report["reason"]), ("rejected", "too_large"))
        for text, reason in (('(module (tag) (func (export "_start") (throw 0)))', "unsupported_feature"),
                             ('(module (import "host" "call" (func (param i32 i32 i32 i32) (result i32))) '
                              '(func (export "_start")))', "missing_import"),
                             ('(module (func (export "_start") (result i32) (i32.const 0)))', "no_entry")):
            with self.subTest(reason=reason):
                report = self.one_object(self.ran("run", "--json", self.file("a.wat", text), env=self.env))
                self.assertEqual((report["outcome"], report["reason"]), ("rejected", reason))

    def test_what_is_installed(self):
        info = self.ran("runtime", "info", NAME, env=self.env, patience=adk.PATIENCE * 5)
        self.expect(info, 0)
        self.assertIn(b"python-stdlib.zip, 53915154 bytes", info.stdout)
        self.assertIn(b"isolation      wasm+process\n", info.stdout)


if __name__ == "__main__":
    if not os.environ.get("ADK_TEST_LONG"):
        print("skipped: its package is large and compiles for a minute: scripts/test-long (ADK_TEST_LONG=1)")
        sys.exit(77)
    adk.main()
