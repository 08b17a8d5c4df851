"""File operations and the clock call of WASI: ours against wasmtime's own, the same module, interleaved in one run.

The guest times itself, so neither process start nor compilation counts. wasmtime runs from its package for Python with a
directory on tmpfs; ours runs by the command. Prints one JSON line an operation: medians, and the ratio.
"""

import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import wasmtime

OPERATIONS = ["open_write_close", "readdir_1000", "write_64mib", "read_64mib", "clock_time_get"]
ROUNDS = 7


def theirs(engine, module, operation):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as work:
        root = pathlib.Path(work, "root")
        root.mkdir()
        out = pathlib.Path(work, "out")
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        store = wasmtime.Store(engine)
        config = wasmtime.WasiConfig()
        config.argv = ["ops", operation]
        config.preopen_dir(str(root), "/")
        config.stdout_file = str(out)
        store.set_wasi(config)
        instance = linker.instantiate(store, module)
        try:
            instance.exports(store)["_start"](store)
        except wasmtime.ExitTrap as stop:
            if stop.code != 0:
                raise
        return int(out.read_text())


def ours(command, guest, operation):
    done = subprocess.run([command, "run", "-m", "256MiB", "-t", "60s", guest, operation], capture_output=True, text=True,
                          check=True)
    return int(done.stdout)


def main():
    command, guest = sys.argv[1:]
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, guest)
    for operation in OPERATIONS:
        mine, other = [], []
        for _ in range(ROUNDS):
            mine.append(ours(command, guest, operation))
            other.append(theirs(engine, module, operation))
        a, b = statistics.median(mine), statistics.median(other)
        print(json.dumps({"bench": "wasi_" + operation, "ns_per_op": a, "ns_min_max": [min(mine), max(mine)],
                          "wasmtime_ns_per_op": b, "wasmtime_ns_min_max": [min(other), max(other)],
                          "times_faster": round(b / a, 2)}), flush=True)


if __name__ == "__main__":
    main()
