"""How soon the daemon acts: from a replica's changed answer to the request on the wire, and from a holder's
death to the move of its address."""

import random
import subprocess
import threading
import time

from rig import Cloud, Daemon, median, quantile, wait_for

# So long each answer of Nova takes, that there is something to count in.
API_ANSWER = 0.1


def summary(values, bound):
    return {
        "trials": len(values),
        "median_s": median(values),
        "p99_s": quantile(values, 0.99),
        "max_s": max(values),
        "bound_s": bound,
        "p99_of_bound": quantile(values, 0.99) / bound,
    }


def first_after(cloud, query, since, patience=30):
    """The first request like this with an index of at least `since`."""
    found = []

    def there():
        found[:] = cloud.log("%s&since=%d" % (query, since))
        return bool(found)

    wait_for(query, there, patience)
    return found[0]["at_ms"]


def index(cloud):
    return cloud.call("GET", "log?since=1000000000")["next"]


def change(cloud, server, body):
    """Changes a replica's answer; returns when, on the cloud's clock."""
    before = cloud.clock_ms(time.time())
    cloud.call("PUT", "servers/" + server, body)
    after = cloud.clock_ms(time.time())
    return (before + after) / 2


def reaction_trials(options, program, trials, interval, creations, deletions):
    cloud = Cloud(options.cloud)
    cloud.add(4)
    daemon = Daemon(program, cloud, PROBE_INTERVAL=interval, REPLICA_MIN_AVAILABLE_RESOURCES=4)
    daemon.wait_serving(4)
    time.sleep(1.5)
    cloud.call("POST", "faults", {"service": "nova", "delay_after": API_ANSWER})
    for _ in range(trials):
        # Lists on demand are a second apart: what is measured is a pool that was quiet for so long.
        time.sleep(1.2 + random.random() * interval)
        free = [s for s in cloud.servers() if s["vm_state"] == "active" and s["capacity"] == 1]
        victim = random.choice(free)["id"]
        since = index(cloud)
        began = change(cloud, victim, {"capacity": 0})
        creations.append((first_after(cloud, "service=nova&method=POST&path=/servers", since) - began) / 1000)
        time.sleep(1.2 + random.random() * interval)
        since = index(cloud)
        began = change(cloud, victim, {"termination": True})
        deletions.append((first_after(cloud, "service=nova&method=DELETE", since) - began) / 1000)
    daemon.close()
    cloud.close()


def reaction(options, program, trials, interval=0.5, lanes=5):
    """Several small clouds at a time, each with its own daemon."""
    creations, deletions = [], []
    each = (options, program, max(1, trials // lanes), interval, creations, deletions)
    threads = [threading.Thread(target=reaction_trials, args=each) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bound = interval + 2 * API_ANSWER
    return {
        "probe_interval_s": interval,
        "api_answer_s": API_ANSWER,
        "creation": summary(creations, bound),
        "deletion": summary(deletions, bound),
    }


def drop(address, port, command):
    rule = ["INPUT", "-d", address, "-p", "tcp", "--dport", str(port), "-j", "DROP"]
    subprocess.run(["iptables", command, *rule], check=True)


def failover_trials(options, program, how, trials, settings, times):
    cloud = Cloud(options.cloud, **{"floating-ips": 1})
    port = int(cloud.environment["REPLICA_API_PORT"])
    cloud.add(3, network="internal")
    daemon = Daemon(
        program,
        cloud,
        EXTERNAL_ADDRESS_MANAGEMENT="true",
        OPENSTACK_NETWORK="internal",
        **settings,
    )
    wait_for("an address that is held", lambda: holder(cloud) is not None)
    for _ in range(trials):
        daemon.wait_serving(3)
        # Long enough for the ports of the standbys to be known, as they are in a pool at rest.
        time.sleep(1.5 + random.random() * float(settings.get("PROBE_INTERVAL", 5)))
        victim = holder(cloud)
        since = index(cloud)
        if how == "black-holed":
            began = cloud.clock_ms(time.time())
            drop(victim["addresses"][0], port, "-I")
        else:
            mode = {"refused": "refuse", "hung": "silent"}[how]
            began = change(cloud, victim["id"], {"behaviour": mode})
        moved = first_after(cloud, "service=neutron&method=PUT", since, 90)
        times.append((moved - began) / 1000)
        if how == "black-holed":
            drop(victim["addresses"][0], port, "-D")
        else:
            change(cloud, victim["id"], {"behaviour": "normal"})
    daemon.close()
    cloud.close()


def holder(cloud):
    return next((s for s in cloud.servers() if s["floating"]), None)


def failover(options, program, how, trials, settings, lanes=3):
    times = []
    each = (options, program, how, max(1, trials // lanes), settings, times)
    threads = [threading.Thread(target=failover_trials, args=each) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"how": how, "settings": settings, "trials": len(times), "median_s": median(times), "max_s": max(times)}
