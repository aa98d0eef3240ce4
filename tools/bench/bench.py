#!/usr/bin/env python3
"""Measures the daemon beside HAProxy, and how soon it acts. `make bench` calls it; docs/BENCHMARKS.md says what
the numbers mean.  Usage: bench.py [--quick] --cloud MOCK_CLOUD --out DIRECTORY [--core PROGRAM] NAME=DAEMON..."""

import argparse
import json
import os
import subprocess
import sys
import time

QUICK = {"per_probe": [(200, 1, 1)], "idle": 2, "dead": ["10"], "rounds": 2, "reaction": (2, 2), "failover": (1, 1)}
FULL = {
    "per_probe": [(1000, 6, 6), (8000, 8, 5)],
    "idle": 30,
    "dead": ["0", "10", "50"],
    "rounds": 6,
    "reaction": (100, 5),
    "failover": (9, 3),
    "slow_failover": (6, 6),
}
# Which addresses are dead: a tenth, a half.
PATTERNS = {"0": "^$", "10": "7$", "50": "[13579]$"}
QUICK_SETTINGS = {"PROBE_INTERVAL": 0.5, "REPLICA_API_TIMEOUT": 0.5}
PARTS = ("core", "per_probe", "small", "dead", "reaction", "failover")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cloud", required=True, help="the program mock-cloud")
    parser.add_argument("--out", required=True, help="where the raw numbers go")
    parser.add_argument("--core", help="the program core_speed")
    parser.add_argument("--only", default=",".join(PARTS), help="some of: " + ", ".join(PARTS))
    parser.add_argument("daemons", nargs="+", help="NAME=PROGRAM; the last one is the one that is judged")
    options = parser.parse_args()
    options.daemons = dict(pair.split("=", 1) for pair in options.daemons)
    return options


def in_a_network_of_its_own():
    """Nothing of the bench is seen from outside, and packets may be dropped in it."""
    if os.environ.get("BENCH_NETWORK") == "own":
        return
    os.environ["BENCH_NETWORK"] = "own"
    script = 'ip link set lo up && ulimit -n "$(ulimit -Hn)" && exec "$@"'
    os.execvp("unshare", ["unshare", "-n", "sh", "-c", script, "bench", sys.executable, *sys.argv])


def row(what, measured, goal="", ratio=""):
    print("  %-58s %16s %10s  %s" % (what, measured, ratio, goal), flush=True)


def heading(text):
    print("\n%s  (load %.1f)" % (text, os.getloadavg()[0]), flush=True)


def keep(options, name, result):
    path = "%s/%s.json" % (options.out, name)
    with open(path, "w") as file:
        json.dump({"at": time.time(), "load": os.getloadavg(), "result": result}, file, indent=1)


def run_core(options, plan):
    if options.core:
        heading("The pure core")
        print(subprocess.run([options.core], check=True, capture_output=True, text=True).stdout.rstrip())


def run_per_probe(options, plan):
    import cost

    for count, seconds, runs in plan["per_probe"]:
        result = cost.per_probe(options, count, seconds, runs)
        keep(options, "per-probe-%d" % count, result)
        heading("CPU per probe, %d replicas at 2,000 a second, median and mean of %d windows" % (count, runs))
        for title, summary in (("", result["quiet"]), (", scraped and looked at each second", result["scraped"])):
            for name, cost_of in summary.items():
                text = "%s%s (%.0f/s)" % (name, title, cost_of["rate"])
                goal = "goal: 0.60" if name == list(options.daemons)[-1] else ""
                values = "%.1f us, %.1f us" % (cost_of["us_per_probe"], cost_of["us_overall"])
                row(text, values, goal, "%.2f" % cost_of["ratio"])
        for name, memory in result["resident_mb"].items():
            goal = "goal: 12 MB at 1,000" if name in options.daemons and count == 1000 else ""
            row("resident: " + name, "%.1f MB" % memory, goal)


def run_small(options, plan):
    import cost

    heading("Small: 100 replicas, default settings")
    for name, program in options.daemons.items():
        result = cost.idle(options, program, plan["idle"])
        keep(options, "small-" + name, result)
        row(name + ": binary", "%.2f MB" % result["binary_mb"], "goal: 5 MB")
        row(name + ": idle", "%.2f %%" % result["idle_core_percent"], "goal: 0.50 % of a core")
        row(name + ": first list to first probe", "%.0f ms" % result["list_to_first_probe_ms"], "goal: 50 ms")
        row(name + ": start to first probe", "%.0f ms" % result["start_to_first_probe_ms"])


def run_dead(options, plan):
    import cost

    heading("1,000 replicas of which some accept and are silent; timeout 1 s")
    for name, program in options.daemons.items():
        base = None
        for part in plan["dead"]:
            result = cost.dead(options, program, part, PATTERNS[part], plan["rounds"])
            keep(options, "dead-%s-%s" % (name, part), result)
            base = base or result["last_living_ms"] or 1
            ratio = "%.2f" % (result["last_living_ms"] / base)
            row("%s: %s %% dead: last living answer" % (name, part), "%.0f ms" % result["last_living_ms"], "goal: 1.20", ratio)
            if part != "0":
                of_timeout = result["round_ms"] / result["timeout"] / 1000
                row("%s: %s %% dead: whole round" % (name, part), "%.0f ms" % result["round_ms"], "goal: 1.20 x timeout", "%.2f" % of_timeout)


def run_reaction(options, plan):
    import times

    trials, lanes = plan["reaction"]
    heading("Reaction, in parts of PROBE_INTERVAL (0.5 s) + two API answers (0.1 s each)")
    for name, program in options.daemons.items():
        result = times.reaction(options, program, trials, lanes=lanes)
        keep(options, "reaction-" + name, result)
        for what, wire in (("creation", "no free slot -> POST"), ("deletion", "termination -> DELETE")):
            found = result[what]
            text = "%s: %s, %d trials: median, p99" % (name, wire, found["trials"])
            values = "%.2f s, %.2f s" % (found["median_s"], found["p99_s"])
            row(text, values, "goal: 1.00", "%.2f" % found["p99_of_bound"])


def run_failover(options, plan):
    import times

    for title, settings, goal in (
        ("PROBE_INTERVAL=0.5 REPLICA_API_TIMEOUT=0.5", QUICK_SETTINGS, "goal: 3 s"),
        ("default settings", {}, ""),
    ):
        if plan is QUICK and not settings:
            continue
        trials, lanes = plan["failover" if settings else "slow_failover"]
        heading("Failover, %s: median, longest" % title)
        for name, program in options.daemons.items():
            for how in ("refused", "hung", "black-holed"):
                result = times.failover(options, program, how, trials, settings, lanes)
                keep(options, "failover-%s-%s-%s" % (name, how, "quick" if settings else "default"), result)
                values = "%.2f s, %.2f s" % (result["median_s"], result["max_s"])
                row("%s: holder %s, %d trials" % (name, how, result["trials"]), values, goal)


def main():
    options = arguments()
    in_a_network_of_its_own()
    os.makedirs(options.out, exist_ok=True)
    plan = QUICK if options.quick else FULL
    runs = {"core": run_core, "per_probe": run_per_probe, "small": run_small}
    runs |= {"dead": run_dead, "reaction": run_reaction, "failover": run_failover}
    for part in options.only.split(","):
        runs[part](options, plan)
    print("\nRaw numbers: %s" % options.out)


if __name__ == "__main__":
    main()
