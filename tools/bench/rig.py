"""What the measurements share: processes that never outlive the bench, their CPU time, the mock cloud."""

import atexit
import glob
import json
import os
import signal
import socket
import statistics
import subprocess
import time
import urllib.request

WORK = "/tmp/simplescalevm-bench.%d" % os.getpid()
STARTED = []


def start(command, **options):
    """A process that ends with the bench, come what may."""
    process = subprocess.Popen(command, **options)
    STARTED.append(process)
    return process


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process in STARTED:
        STARTED.remove(process)


def stop_all():
    for process in list(STARTED):
        stop(process)
    subprocess.run(["rm", "-rf", WORK], check=False)


os.makedirs(WORK, exist_ok=True)
atexit.register(stop_all)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: exit(1))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, holds, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.02)
    raise SystemExit("bench: %s never came" % what)


def cpu_seconds(pid):
    """User and system time of all threads, as the kernel's scheduler counts it, to the nanosecond."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        try:
            with open(path) as file:
                total += int(file.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def resident_mb(pid):
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def median(values):
    return statistics.median(values)


class Cloud:
    """A mock cloud of its own process."""

    def __init__(self, program, **settings):
        settings = {"port": 0, "replica-port": 0, "build-time": 0, "boot-time": 0, "delete-time": 0, **settings}
        arguments = [word for name, value in settings.items() for word in ("--" + name, str(value))]
        self.process = start([program, *arguments], stdout=subprocess.PIPE, text=True)
        self.environment = {}
        self.base = None
        while self.base is None:
            line = self.process.stdout.readline()
            if line.startswith("# control API: "):
                self.base = line.split(": ", 1)[1].strip()
            elif line.startswith("export "):
                name, value = line[7:].strip().split("=", 1)
                self.environment[name] = value.strip("'")
            elif not line:
                raise SystemExit("bench: the mock cloud did not start")
        self.offset = None

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + "/" + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def add(self, count, network=None, name="old"):
        body = {"count": count, "name": name, "metadata": {"group": "scaled"}, "booted": True}
        if network:
            body["network"] = network
        return self.call("POST", "servers", body)["ids"]

    def servers(self):
        return self.call("GET", "servers")["servers"]

    def clock_ms(self, wall):
        """The cloud's own clock at a moment of this machine's wall clock, to a millisecond."""
        if self.offset is None:
            tries = []
            for _ in range(9):
                before = time.time()
                now_ms = self.call("GET", "log?since=1000000000")["now_ms"]
                after = time.time()
                tries.append((after - before, (before + after) * 500 - now_ms))
            self.offset = min(tries)[1]
        return wall * 1000 - self.offset

    def log(self, query):
        return self.call("GET", "log?" + query)["log"]

    def close(self):
        stop(self.process)


class Daemon:
    """The daemon, with a pool on that cloud."""

    def __init__(self, program, cloud, **settings):
        self.port = free_port()
        environment = {
            **cloud.environment,
            "APP_HOST": "127.0.0.1",
            "APP_PORT": self.port,
            "LOG_LEVEL": "warn",
            **settings,
        }
        environment = {name: str(value) for name, value in environment.items()}
        self.started = time.time()
        self.process = start([program], env=environment, cwd=WORK, stderr=subprocess.DEVNULL)

    def status(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/status" % self.port, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    def wait_serving(self, count):
        def all_serve():
            status = self.status() or {}
            return (status.get("summary", {}).get("by_state", {}).get("serving") or 0) >= count

        wait_for("%d serving replicas" % count, all_serve, 120)

    def close(self):
        stop(self.process)


NGINX = """
daemon off; pid {work}/nginx-{port}.pid; error_log /dev/null; worker_processes 1; worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
  log_format moments '$msec $request_time $server_addr $status $remote_port';
  access_log {log}; keepalive_timeout 300; keepalive_requests 100000000; proxy_connect_timeout 600; proxy_read_timeout 600;
  map $server_addr $is_dead {{ default 0; "~{dead}" 1; }}
  server {{
    listen 0.0.0.0:{port} backlog=16384;
    # nginx cannot hear 127.0.0.0/8 alone.
    if ($server_addr !~ "^127[.]") {{ return 444; }}
    location / {{
      default_type application/json;
      if ($is_dead) {{ rewrite ^ /dead last; }}
      return 200 '{{"capacity": 1, "termination": false}}';
    }}
    location = /dead {{ internal; proxy_pass http://127.0.0.1:{silent}; }}
    location = /requests {{ access_log off; stub_status; }}
  }}
}}
"""


class Nginx:
    """Answers as a replica on every address of 127/8; the dead ones accept and are silent."""

    def __init__(self, dead="^$", log="off"):
        self.port = free_port()
        self.silent = socket.socket()
        self.silent.bind(("127.0.0.1", 0))
        self.silent.listen(1)
        self.log = "%s/access-%d.log" % (WORK, self.port) if log == "on" else None
        path = "%s/nginx-%d.conf" % (WORK, self.port)
        with open(path, "w") as file:
            file.write(
                NGINX.format(
                    work=WORK,
                    port=self.port,
                    dead=dead,
                    silent=self.silent.getsockname()[1],
                    log=self.log + " moments" if self.log else "off",
                )
            )
        self.process = start(["nginx", "-p", WORK, "-c", path], stderr=subprocess.DEVNULL)
        wait_for("nginx", lambda: self.requests() is not None)

    def requests(self):
        """How many have been answered, this one not counted."""
        try:
            url = "http://127.0.0.1:%d/requests" % self.port
            with urllib.request.urlopen(url, timeout=10) as answer:
                return int(answer.read().split()[9])
        except OSError:
            return None

    def close(self):
        stop(self.process)
        self.silent.close()
