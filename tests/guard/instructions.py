#!/usr/bin/env python3
"""Instructions of a warm run, counted by valgrind's callgrind, against a budget.

usage: instructions.py [--update] [--top N] GUARD_HELLO LIBRARY BUDGET

GUARD_HELLO runs the cases of guard.c, LIBRARY is the static library whose functions are "ours", BUDGET a JSON file with
the instructions of a run: ours, the engine's (the guest's code among it), and the C library's but for the memset() of
the guest's memory, of which callgrind counts every byte. A case fails that takes a tenth more than its budget, in our
own part or in all, in three attempts. --update writes the budget anew.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SLACK = 1.10
SLACK_INSTRUCTIONS = 50  # of what is small a tenth is nothing
ATTEMPTS = 3  # how the engine's tables fall out differs by process, by some hundred instructions: the least counts
SKIP = 77


def skip(why):
    print("skipped:", why)
    sys.exit(SKIP)


def own_functions(library):
    nm = shutil.which("nm") or skip("no nm (Debian: binutils)")
    out = subprocess.run([nm, "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return {base_name(line.split()[2]) for line in out.splitlines() if re.match(r"[0-9a-f]+ [tTwW] ", line)}


def base_name(function):
    """Without what callgrind and the compiler append: 'find'2, fill.isra.0, memcpy@@GLIBC_2.14."""
    return re.sub(r"('\d+|@.*|\.(isra|part|constprop|cold|lto_priv)\b.*)*$", "", function)


def self_costs(path):
    """The label of a dump, and each (object, function) with its own cost."""
    names = {"fn": {}, "ob": {}}
    costs = {}
    label = None
    here = ["", ""]
    skip_line = False

    def resolve(kind, text):
        number, _, name = re.match(r"(\(\d+\))?( ?)(.*)", text).groups()
        if number is None:
            return name
        if name:
            names[kind][number] = name
        return names[kind][number]

    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("desc: Trigger: "):
                found = re.match(r"desc: Trigger: Client Request: (\S+) (\d+)", line)
                label = found and (found.group(1), int(found.group(2)))
            elif line.startswith("fn="):
                here[1] = resolve("fn", line[3:])
            elif line.startswith("ob="):
                here[0] = resolve("ob", line[3:])
            elif line.startswith("cfn="):
                resolve("fn", line[4:])
            elif line.startswith("cob="):
                resolve("ob", line[4:])
            elif line.startswith("calls="):
                skip_line = True  # the next one has the cost of the call, its callees included
            elif re.match(r"[+\-*\d]", line):
                if not skip_line:
                    key = tuple(here)
                    costs[key] = costs.get(key, 0) + int(line.split()[-1])
                skip_line = False
    return label, costs


def share(costs, runs, own):
    """Instructions of a run by whose they are, and of each of our functions."""
    parts = {"ours": 0, "engine": 0, "libc": 0, "memset": 0}
    functions = {}
    for (place, function), cost in costs.items():
        name = base_name(function)
        if "memset" in name:
            part = "memset"
        elif re.search(r"/(libc|ld-linux[^/]*|libpthread|libm)[.-]", place):
            part = "libc"
        elif name in own:
            part = "ours"
        elif name.startswith("guard_") or name in ("check", "is", "main"):
            continue
        else:
            part = "engine"
        parts[part] += cost
        functions[(part, name)] = functions.get((part, name), 0) + cost
    return {part: round(cost / runs) for part, cost in parts.items()}, functions


def measure(program, own):
    valgrind = shutil.which("valgrind") or skip("no valgrind")
    with tempfile.TemporaryDirectory() as directory:
        command = [valgrind, "--tool=callgrind", "--instr-atstart=no", "--fair-sched=yes",
                   "--callgrind-out-file=" + os.path.join(directory, "out"), program]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == SKIP:
            skip(done.stderr.strip().splitlines()[-1])
        if done.returncode != 0:
            print(done.stdout, done.stderr)
            sys.exit("the program failed under valgrind: %d" % done.returncode)
        for name in sorted(os.listdir(directory)):
            label, costs = self_costs(os.path.join(directory, name))
            if label is not None:
                yield label[0], share(costs, label[1], own), label[1]


def is_over(name, part, now, budget):
    most = max(round(budget * SLACK), budget + SLACK_INSTRUCTIONS)
    if now <= most:
        return False
    print("%s: %s takes %d instructions a run, more than %d (a budget of %d)" % (name, part, now, most, budget))
    return True


def look(args, own, seen):
    """Measures once; `seen` keeps the least of each."""
    for name, (parts, functions), runs in measure(args.program, own):
        total = parts["ours"] + parts["engine"] + parts["libc"]
        least = seen.setdefault(name, {"ours": parts["ours"], "total": total})
        least["ours"] = min(least["ours"], parts["ours"])
        least["total"] = min(least["total"], total)
        print("%-9s %6d a run: ours %d, engine %d, libc %d; and memset %d" %
              (name, total, parts["ours"], parts["engine"], parts["libc"], parts["memset"]))
        for (part, function), cost in sorted(functions.items(), key=lambda item: -item[1])[:args.top]:
            print("    %8.1f %-7s %s" % (cost / runs, part, function))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--top", type=int, default=0)
    parser.add_argument("program")
    parser.add_argument("library")
    parser.add_argument("budget")
    args = parser.parse_args()
    if os.environ.get("ADK_GUARD_SKIP"):
        skip(os.environ["ADK_GUARD_SKIP"])
    with open(args.budget, encoding="utf-8") as file:
        budget = json.load(file)
    own = own_functions(args.library)
    over = False
    seen = {}
    for _ in range(ATTEMPTS):
        look(args, own, seen)
        if not args.update and set(seen) != set(budget["instructions"]):
            sys.exit("measured %s, the budget has %s" % (sorted(seen), sorted(budget["instructions"])))
        over = False
        for name in () if args.update else seen:
            for part in ("ours", "total"):
                over |= is_over(name, part, seen[name][part], budget["instructions"][name][part])
        if not over and not args.update:
            break
    if args.update:
        budget["instructions"] = seen
        with open(args.budget, "w", encoding="utf-8") as file:
            json.dump(budget, file, indent=4)
            file.write("\n")
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
