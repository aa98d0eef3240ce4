"""What a probe costs, beside HAProxy's check in the same window; and what the daemon holds."""

import os
import subprocess
import time
import urllib.request

from rig import WORK, Cloud, Daemon, Nginx, cpu_seconds, free_port, median, resident_mb, start, stop, wait_for

HAPROXY = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend idle
  bind 127.0.0.1:{idle}
backend replicas
  option httpchk GET /
"""


def haproxy(addresses, port, interval_ms):
    path = "%s/haproxy-%d.cfg" % (WORK, port)
    with open(path, "w") as file:
        file.write(HAPROXY.format(idle=free_port()))
        for index, address in enumerate(addresses):
            file.write("  server s%d %s:%d check inter %d\n" % (index, address, port, interval_ms))
    return start(["haproxy", "-db", "-q", "-f", path], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def window(parties, seconds):
    """CPU microseconds for each answered request of each party, all in the same window."""
    before = {name: (cpu_seconds(pid), nginx.requests()) for name, (pid, nginx) in parties.items()}
    time.sleep(seconds)
    costs = {}
    for name, (pid, nginx) in parties.items():
        cpu, requests = cpu_seconds(pid), nginx.requests() - 1
        answered = max(1, requests - before[name][1])
        costs[name] = {
            "us": (cpu - before[name][0]) / answered * 1e6,
            "rate": answered / seconds,
        }
    return costs


def scrape(port, until):
    """What a Prometheus and a person who looks do: once a second each."""
    while time.monotonic() < until:
        for path in ("metrics", "status"):
            urllib.request.urlopen("http://127.0.0.1:%d/%s" % (port, path), timeout=10).read()
        time.sleep(1)


def per_probe(options, count, seconds, runs):
    """Every daemon and one HAProxy ask the same addresses at the same rate, at the same time."""
    interval = count / 2000
    cloud = Cloud(options.cloud)
    cloud.add(count)
    addresses = [server["addresses"][0] for server in cloud.servers()]
    servers = {}
    parties = {}
    daemons = {}
    for name, program in options.daemons.items():
        servers[name] = Nginx()
        daemons[name] = Daemon(
            program,
            cloud,
            REPLICA_API_PORT=servers[name].port,
            PROBE_INTERVAL=interval,
            REPLICA_MIN_AVAILABLE_RESOURCES=3,
            SCALING_INTERVAL=30,
        )
        parties[name] = (daemons[name].process.pid, servers[name])
    servers["haproxy"] = Nginx()
    checker = haproxy(addresses, servers["haproxy"].port, int(interval * 1000))
    parties["haproxy"] = (checker.pid, servers["haproxy"])
    for daemon in daemons.values():
        daemon.wait_serving(count)
    time.sleep(2 * interval)
    if checker.poll() is not None:
        raise SystemExit("bench: HAProxy did not start")
    windows = [window(parties, seconds) for _ in range(runs)]
    newest = daemons[list(daemons)[-1]]
    reader = start(["python3", __file__, str(newest.port), str(seconds * runs)])
    scraped = [window(parties, seconds) for _ in range(runs)]
    stop(reader)
    memory = {name: resident_mb(daemon.process.pid) for name, daemon in daemons.items()}
    memory["haproxy"] = resident_mb(checker.pid)
    for process in [checker, *(daemon.process for daemon in daemons.values())]:
        stop(process)
    for nginx in servers.values():
        nginx.close()
    cloud.close()

    def summary(windows):
        return {
            name: {
                "us_per_probe": median([w[name]["us"] for w in windows]),
                # A list of the pool is in few of the windows: the mean has its share.
                "us_overall": sum(w[name]["us"] * w[name]["rate"] for w in windows)
                / sum(w[name]["rate"] for w in windows),
                "ratio": median([w[name]["us"] / w["haproxy"]["us"] for w in windows]),
                "rate": median([w[name]["rate"] for w in windows]),
            }
            for name in parties
        }

    return {
        "replicas": count,
        "quiet": summary(windows),
        "scraped": summary(scraped),
        "resident_mb": memory,
        "windows": windows,
    }


def idle(options, program, seconds):
    """A hundred replicas, default intervals: CPU in parts of a core; and the start to the first probe."""
    cloud = Cloud(options.cloud)
    cloud.add(100)
    nginx = Nginx(log="on")
    daemon = Daemon(program, cloud, REPLICA_API_PORT=nginx.port)
    daemon.wait_serving(100)
    time.sleep(1)
    before = cpu_seconds(daemon.process.pid)
    time.sleep(seconds)
    used = (cpu_seconds(daemon.process.pid) - before) / seconds
    with open(nginx.log) as file:
        first = min(float(line.split()[0]) - float(line.split()[1]) for line in file)
    listed = cloud.log("service=nova&method=GET&path=/servers/detail")[0]["at_ms"]
    after_list = cloud.clock_ms(first) - listed
    result = {
        "idle_core_percent": used * 100,
        "start_to_first_probe_ms": (first - daemon.started) * 1000,
        "list_to_first_probe_ms": after_list,
        "binary_mb": os.path.getsize(program) / 1e6,
    }
    daemon.close()
    nginx.close()
    cloud.close()
    return result


def dead(options, program, part, pattern, rounds):
    """A thousand replicas of which a part accepts and is silent: when the last living one's answer is in,
    and when the round is over."""
    interval, timeout = 4.0, 1.0
    cloud = Cloud(options.cloud)
    cloud.add(1000)
    nginx = Nginx(dead=pattern, log="on")
    daemon = Daemon(
        program,
        cloud,
        REPLICA_API_PORT=nginx.port,
        PROBE_INTERVAL=interval,
        REPLICA_API_TIMEOUT=timeout,
        REPLICA_FAILURE_THRESHOLD=1,
        REPLICA_MIN_AVAILABLE_RESOURCES=3,
    )
    wait_for("a probe", lambda: os.path.getsize(nginx.log) > 0)
    time.sleep(interval * (rounds + 1) - 1)
    daemon.close()
    cloud.close()
    nginx.close()
    exchanges = []
    with open(nginx.log) as file:
        for line in file:
            end, took, _, status, _ = line.split()
            exchanges.append((float(end) - float(took), float(end), status))
    exchanges.sort()
    begin = exchanges[0][0]
    found = []
    for number in range(rounds):
        low = begin + number * interval - 0.5
        mine = [e for e in exchanges if low <= e[0] < low + interval]
        if len(mine) < 1000:
            continue
        first = mine[0][0]
        living = max(e[1] for e in mine if e[2] == "200") - first
        found.append((living, max(e[1] for e in mine) - first))
    return {
        "part": part,
        "timeout": timeout,
        "first_round_ms": [round(1000 * x, 1) for x in found[0]] if found else None,
        "last_living_ms": median([f[0] for f in found[1:]] or [0]) * 1000,
        "round_ms": median([f[1] for f in found[1:]] or [0]) * 1000,
        "rounds": found,
    }


if __name__ == "__main__":
    import sys

    scrape(int(sys.argv[1]), time.monotonic() + float(sys.argv[2]))
