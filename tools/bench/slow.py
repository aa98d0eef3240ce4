#!/usr/bin/env python3
"""What a slow cloud costs: how soon the daemon acts while requests take long or hang.

    tools/bench/slow.py --cloud MOCK_CLOUD [before=OLD_PROGRAM] now=PROGRAM
"""

import argparse
import os
import time

from rig import WORK, Cloud, Daemon, stop_all, wait_for
from times import change, first_after, holder, index

SETTINGS = {"PROBE_INTERVAL": 1, "SCALING_INTERVAL": 30, "OPENSTACK_TIMEOUT": 30, "REPLICA_API_TIMEOUT": 1}


def pool(options, program, replicas, floor, **settings):
    cloud = Cloud(options.cloud, **{"floating-ips": 1})
    cloud.add(replicas, network="internal")
    settings = {**SETTINGS, "OPENSTACK_NETWORK": "internal", **settings}
    daemon = Daemon(program, cloud, REPLICA_MIN_AVAILABLE_RESOURCES=floor, **settings)
    daemon.wait_serving(replicas)
    time.sleep(2)
    return cloud, daemon


def end(cloud, daemon):
    daemon.close()
    cloud.close()


def deletions(options, program, fault, replicas=100, **settings):
    """All report termination at once: seconds to the last DELETE and to the POST for their replacement."""
    cloud, daemon = pool(options, program, replicas, replicas, **settings)
    fault(cloud)
    since = index(cloud)
    start = cloud.clock_ms(time.time())
    for server in cloud.servers():
        cloud.call("PUT", "servers/" + server["id"], {"termination": True})
    query = "service=nova&method=DELETE&path=/servers/&since=%d" % since
    wait_for("%d deletions" % replicas, lambda: len({e["path"] for e in cloud.log(query)}) >= replicas - 1, options.patience)
    last = max(e["at_ms"] for e in cloud.log(query))
    post = first_after(cloud, "service=nova&method=POST&path=/servers", since, options.patience)
    end(cloud, daemon)
    return (last - start) / 1000, (post - start) / 1000


def finished_holders(options, program, seconds, holders=50):
    """So many holders of addresses report termination, while each request takes its time: seconds to the POST for their
    replacement, the last PUT and the last DELETE."""
    cloud = Cloud(options.cloud, **{"floating-ips": holders})
    cloud.add(4 * holders, network="internal")
    settings = {**SETTINGS, "OPENSTACK_NETWORK": "internal", "EXTERNAL_ADDRESS_MANAGEMENT": "true"}
    daemon = Daemon(program, cloud, REPLICA_MIN_AVAILABLE_RESOURCES=4 * holders, **settings)
    daemon.wait_serving(4 * holders)
    wait_for("addresses", lambda: len([s for s in cloud.servers() if s["floating"]]) == holders, 120)
    # A list later the ports of standbys are known.
    time.sleep(SETTINGS["SCALING_INTERVAL"] + 5)
    ids = [server["id"] for server in cloud.servers() if server["floating"]]
    for service in ("nova", "neutron"):
        rule(service=service, delay=seconds)(cloud)
    since = index(cloud)
    start = cloud.clock_ms(time.time())
    for server in ids:
        cloud.call("PUT", "servers/" + server, {"termination": True})
    post = first_after(cloud, "service=nova&method=POST&path=/servers", since, options.patience)

    def all_of(query):
        def is_done():
            return len({entry["path"] for entry in cloud.log(query)}) >= holders

        wait_for("%d of %s" % (holders, query), is_done, options.patience)
        return max(entry["at_ms"] for entry in cloud.log(query))

    put = all_of("service=neutron&method=PUT&since=%d" % since)
    last = all_of("service=nova&method=DELETE&path=/servers/&since=%d" % since)
    end(cloud, daemon)
    return tuple((moment - start) / 1000 for moment in (post, put, last))


def failover(options, program, fault):
    """The holder of an address is refused: seconds until the PUT that moves the address."""
    cloud, daemon = pool(options, program, 3, 3, EXTERNAL_ADDRESS_MANAGEMENT="true", REPLICA_FAILURE_THRESHOLD=2)
    wait_for("an address that is held", lambda: holder(cloud) is not None)
    time.sleep(3)
    fault(cloud)
    since = index(cloud)
    start = change(cloud, holder(cloud)["id"], {"behaviour": "refuse"})
    moved = first_after(cloud, "service=neutron&method=PUT", since, options.patience)
    end(cloud, daemon)
    return ((moved - start) / 1000,)


def rule(**fields):
    return lambda cloud: cloud.call("POST", "faults", fields)


def rows():
    deletes = {"service": "nova", "method": "DELETE", "path": "/servers/"}
    lists = {"service": "nova", "method": "GET", "path": "/servers/detail"}
    neutron = {"service": "neutron"}
    yield "100 terminations, 0.3 s a DELETE: last DELETE, POST", lambda o, p: deletions(o, p, rule(**deletes, delay=0.3))
    yield "the same, 2 s a DELETE", lambda o, p: deletions(o, p, rule(**deletes, delay=2))
    yield "20 terminations, one DELETE hangs", lambda o, p: deletions(o, p, rule(**deletes, hang=True, times=1), 20)
    yield "20 terminations, Neutron hangs", lambda o, p: deletions(
        o, p, rule(**neutron, hang=True), 20, EXTERNAL_ADDRESS_MANAGEMENT="true")
    for seconds in (0.3, 2):
        yield "50 of 200 replicas, holders of addresses, end, %g s a request: POST, PUT, DELETE" % seconds, (
            lambda o, p, s=seconds: finished_holders(o, p, s))
    for seconds in (0, 3, 8, 20):
        yield "address leaves a dead holder, lists take %d s" % seconds, lambda o, p, s=seconds: failover(
            o, p, rule(**lists, delay=s) if s else lambda cloud: None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cloud", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--patience", type=int, default=120, help="seconds after which something never comes")
    parser.add_argument("programs", nargs="+")
    options = parser.parse_args()
    programs = [word.split("=", 1) for word in options.programs]
    for name, row in rows():
        if options.only not in name:
            continue
        for label, program in programs:
            try:
                told = ", ".join("%.1f s" % figure for figure in row(options, program))
            except SystemExit as never:
                told = "never: %s" % never
                stop_all()
                os.makedirs(WORK, exist_ok=True)
            print("%-80s %-8s %s" % (name, label, told), flush=True)


if __name__ == "__main__":
    main()
