"""Prints the comparison: of the JSON lines that scripts/bench has gathered, per figure and contender, the median of the
rounds, the least and the most, and how many times better ours is; then what must hold, and whether it does.

A ratio is taken within each round, where both were measured one after the other; shown is the median of these. Where a
program gives the best of several tries (threads, CPU-bound guests: what else the machine does can only make those worse),
what must hold is judged by the best of all rounds.
"""

import collections
import json
import os
import statistics
import sys

OURS = ["ours, prepared", "ours"]

TITLES = {
    "hello": "hello world (text): a whole run",
    "threads_1": "hello world, 1 thread",
    "threads_2": "hello world, 2 threads",
    "threads_4": "hello world, 4 threads",
    "machine_1": "the machine itself, 1 thread",
    "machine_2": "the machine itself, 2 threads",
    "machine_4": "the machine itself, 4 threads",
    "threads_cpu_1": "hello world, CPU time of a run, 1 thread",
    "threads_cpu_2": "the same, 2 threads",
    "threads_cpu_4": "the same, 4 threads",
    "hello_c": "hello world (C): a whole run",
    "echo_1m": "echo of 1 MiB",
    "files_10": "10 files of 4 KiB in, 10 out",
    "first_run_cold": "first run of a module (C hello): compiled",
    "first_run_disk": "the same: from the disk cache",
    "first_run_cached": "the same: in the memory cache",
    "first_run_prepared": "the same: prepared",
    "distinct_1000": "1,000 distinct modules in turn: a run",
    "limit_sleep": "sleep of 3 s, limit 300 ms: back after",
    "limit_loop": "endless loop, limit 300 ms: back after",
    "memory_per_module": "memory per idle prepared module",
    "memory_per_run": "memory per concurrent run",
    "cpu_hash": "SHA-256 of 8 MiB",
    "cpu_sieve": "sieve of 8,000,000",
    "cpu_matrix": "8 products of 240 x 240 matrices",
    "cpu_recursion": "recursion",
    "cpu_core": "CoreMark-like integer work",
}


def load(path):
    """{figure: {contender: {round: value}}}, and {figure: unit}."""
    values = collections.defaultdict(lambda: collections.defaultdict(dict))
    units = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            values[entry["figure"]][entry["contender"]][entry["round"]] = entry["value"]
            units[entry["figure"]] = entry["unit"]
    return values, units


def ratio(values, over, under):
    """The median of the ratios of those rounds that have both; None where none has. Each is (figure, contender)."""
    a = values[over[0]].get(over[1], {})
    b = values[under[0]].get(under[1], {})
    both = [a[i] / b[i] for i in a if b.get(i)]
    return statistics.median(both) if both else None


def best(values, over, under):
    """The ratio of the best of all rounds: the most of what is counted per second, the least of times."""
    a = values[over[0]].get(over[1], {}).values()
    b = values[under[0]].get(under[1], {}).values()
    if not a or not b:
        return None
    pick = max if over[0].startswith(("threads_", "machine_")) else min
    return pick(a) / pick(b)


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_figures(values, units):
    print(f"{'':42} {'median':>10} {'least':>10} {'most':>10} {'':6} ours is better by")
    for figure, title in TITLES.items():
        contenders = values.get(figure)
        if not contenders:
            continue
        print(title)
        mine = next((name for name in OURS if name in contenders), None)
        for name, rounds in contenders.items():
            times = None
            if mine is not None and name != mine:
                pair = ((figure, name), (figure, mine))
                times = ratio(values, *(reversed(pair) if units[figure] == "runs/s" else pair))
            text = "" if times is None else f"x {short(times)}"
            found = rounds.values()
            print(f"    {name:38} {short(statistics.median(found)):>10} {short(min(found)):>10} {short(max(found)):>10}"
                  f" {units[figure]:6} {text}".rstrip())


def print_claims(values):
    """What must hold: name, the measure, its bound. A measure over parts that are missing is not judged."""
    original = "adk-sandbox 0.8.0"

    def against(peer, figure, mine):
        return ratio(values, (figure, peer), (figure, mine))

    def throughput(peer):
        return ratio(values, ("threads_2", "ours"), ("threads_2", peer))

    claims = [
        ("2 threads against 1", best(values, ("threads_2", "ours"), ("threads_1", "ours")), ">=", 1.9),
        ("the same of loops that use nothing but registers",
         best(values, ("machine_2", "loops in registers"), ("machine_1", "loops in registers")), ">=", 1.9),
        ("4 threads against 2", best(values, ("threads_4", "ours"), ("threads_2", "ours")), ">=", 1.0),
        ("hello world, cached, against the original", against(original, "hello", "ours, cached"), ">=", 200),
        ("hello world, prepared, against the original", against(original, "hello", "ours, prepared"), ">=", 200),
        ("hello world on 2 threads against the original's", throughput(original), ">=", 200),
        ("hello world, cached, against wasmtime", against("wasmtime", "hello", "ours, cached"), ">=", 15),
        ("hello world, prepared, against wasmtime", against("wasmtime", "hello", "ours, prepared"), ">=", 15),
        ("hello world on 2 threads against wasmtime's", throughput("wasmtime"), ">=", 15),
    ]
    for kind in ("hash", "sieve", "matrix", "recursion", "core"):
        claims.append((f"{TITLES['cpu_' + kind]}: time against the engine alone",
                       best(values, ("cpu_" + kind, "ours"), ("cpu_" + kind, "engine alone")), "<=", 1.05))
    back = values["limit_sleep"].get("ours", {}).values()
    claims.append(("sleep of 3 s under 300 ms: back after, ms", statistics.median(back) if back else None, "<=", 302))
    print("\nWhat must hold")
    for name, measure, sign, bound in claims:
        if measure is None:
            verdict = "not measured"
        else:
            holds = measure >= bound if sign == ">=" else measure <= bound
            verdict = "holds" if holds else "DOES NOT HOLD"
        shown = "-" if measure is None else f"{measure:.2f}" if measure < 100 else f"{measure:.1f}"
        print(f"    {name:66} {shown:>8}  {sign} {bound:<6} {verdict}")


def main():
    values, units = load(sys.argv[1])
    print(f"\n{len(os.sched_getaffinity(0))} CPUs; load {sys.argv[2]} when it began, {os.getloadavg()[0]:.1f} at the end")
    print_figures(values, units)
    print_claims(values)


if __name__ == "__main__":
    main()
