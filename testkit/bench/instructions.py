#!/usr/bin/env python3
"""Counts user-space instructions per request with callgrind: the proxy's full job, a refusal, and a bare pass-through.

    instructions.py BINARIES [--check]

BINARIES is the folder of igny8-proxy, igny8-core and passthrough. Counting begins when a program is warm and ends before
it stops, over REQUESTS requests on one connection. Counts hardly depend on how busy the machine is. With --check the exit
code is 1 when a bound of BOUNDS is broken; which bounds hold follows from the folder's name, `release` or `debug`.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARM, REQUESTS = 300, 2000
# As ratios to the bare pass-through of the same build, in the same run. The release build is what is promised; the build
# that tests use lacks its link-time optimisation, so its bounds only catch what makes a request dearer.
BOUNDS = {
    "release": {"job": 1.15, "full": 1.60, "refused": 0.50},
    "debug": {"job": 1.20, "full": 1.62, "refused": 0.50},
}
ROUNDS = 3

LIMITS = """
[default]
rate = "1000000/s"
burst = 1000000
[address]
rate = "1000000/s"
burst = 1000000
[cold]
rate = "1000000/s"
burst = 1000000
[scope.auth]
rate = "1000000/s"
burst = 1000000
[scope.webhooks]
rate = "1000000/s"
burst = 1000000
"""

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        default_type application/json;
        return 200 '{{"things": [1, 2, 3], "next": null, "padding": "{padding}"}}';
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port, process):
    """A connection to a program that is starting; its end is told with what it printed."""
    for _ in range(600):
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
            time.sleep(0.1)
    raise SystemExit(f"{process.args} does not listen on {port}")


def exchange(connection, request):
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split(b" ", 2)[1]), body


class Bench:
    """Core and an upstream for real; the programs under test are started by `measure`."""

    def __init__(self, binaries, folder):
        self.binaries, self.folder, self.processes = binaries, folder, []
        self.public, self.ops, self.core, self.internal, self.app = (free_port() for _ in range(5))
        for name in ("secrets", "keys", "db", "config"):
            (folder / name).mkdir(mode=0o700)
        (folder / "secrets/edge_app").write_text("ab" * 32 + "\n")
        (folder / "secrets/internal_token").write_text("cd" * 32 + "\n")
        (folder / "limits.toml").write_text(LIMITS)
        text = (ROOT / "config/proxy.toml").read_text()
        text = text.replace("0.0.0.0:8080", f"127.0.0.1:{self.public}")
        for old, new in zip((8081, 8082, 8083, 8084), (self.ops, self.core, self.internal, self.app)):
            text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
        text = text.replace("var/secrets", f"{folder}/secrets").replace("config/limits.toml", f"{folder}/limits.toml")
        text = text.replace("threads = 0", "threads = 1")
        (folder / "proxy.toml").write_text(text)
        # The job that peers are compared by: verify, throttle, delete a cookie, replace the account's field, forward.
        # None of them logs it, signs it or tells clients their limits there.
        job = text.replace('access_log = "stdout"', 'access_log = "off"')
        job = job.replace("rate_limit_fields = true", "rate_limit_fields = false")
        job = re.sub(r"(?m)^fields = .*$", 'fields = ["account"]', re.sub(r"(?m)^edge_secret_file = .*$", "", job))
        (folder / "job.toml").write_text(job)

    def start(self, *command, **options):
        process = subprocess.Popen([str(part) for part in command], **options)
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.wait(timeout=30)

    def serve_core(self):
        """Starts core and signs one account up; gives its access token."""
        environment = dict(
            os.environ,
            IGNY8_CORE__LISTEN__PUBLIC=f"127.0.0.1:{self.core}",
            IGNY8_CORE__LISTEN__INTERNAL=f"127.0.0.1:{self.internal}",
            IGNY8_CORE__DATABASE__URL=f"sqlite://{self.folder}/db/igny8.sqlite3",
            IGNY8_CORE__TOKENS__KEYS_DIR=f"{self.folder}/keys",
            IGNY8_CORE__TOKENS__ACCESS_TTL_SECONDS="3600",
            IGNY8_CORE__INTERNAL__TOKEN_FILE=f"{self.folder}/secrets/internal_token",
            IGNY8_CORE__SIGNUP__PLANS_FILE=str(ROOT / "config/plans.toml"),
        )
        core = [self.binaries / "igny8-core", "--config", ROOT / "config/core.toml"]
        quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
        for command in (["migrate", "up"], ["seed-plans"]):
            subprocess.run([*map(str, core), *command], check=True, **quiet)
        process = self.start(*core, "serve", **quiet)
        connection = connect(self.core, process)
        body = json.dumps({"email": "bench@example.com", "password": "correct-horse-battery-staple-9"})
        status, answer = exchange(
            connection,
            f"POST /api/v1/auth/register/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode(),
        )
        if status != 201:
            raise SystemExit(f"core did not sign the account up: {answer.decode()}")
        return json.loads(answer)["data"]["access"]

    def serve_upstream(self):
        conf = self.folder / "nginx.conf"
        conf.write_text(NGINX.format(folder=self.folder, port=self.app, padding="x" * 160))
        process = self.start("nginx", "-c", conf, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        connect(self.app, process).close()

    def instructions(self, command, environment, request, expected):
        """Instructions of one request, on average."""
        out = self.folder / "callgrind.out"
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", *map(str, command)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )
        try:
            connection = connect(self.public, process)
            wait_until_good(connection, request, expected)
            ask(connection, request, expected, WARM)
            control(process, "on")
            ask(connection, request, expected, REQUESTS)
            control(process, "off")
            connection.close()
        finally:
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=120)
        return int(re.search(r"Collected : (\d+)", told).group(1)) / REQUESTS

    def measure(self, *job):
        return sorted(self.instructions(*job) for _ in range(ROUNDS))[ROUNDS // 2]


def control(process, switch):
    """Switches counting on or off in a program that runs under callgrind."""
    command = ["callgrind_control", "-i", switch, str(process.pid)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_until_good(connection, request, expected):
    """The proxy is not ready before it has core's key set."""
    for _ in range(200):
        if exchange(connection, request)[0] in expected:
            return
        time.sleep(0.1)
    raise SystemExit(f"no answer with {expected}")


def ask(connection, request, expected, count):
    for _ in range(count):
        status, _ = exchange(connection, request)
        if status not in expected:
            raise SystemExit(f"answered {status}, not {expected}")


def request(token):
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"GET /api/v1/things/ HTTP/1.1\r\nHost: localhost\r\n{authorization}"
        "Cookie: sessionid=8w7ecv0sdh2qkmx1u5n3; csrftoken=Zk2Yh1dQn0pXrT7uVb9c; theme=dark\r\n"
        "X-Account-Id: acct-evil\r\nUser-Agent: bench\r\nAccept: application/json\r\n\r\n"
    ).encode()


def main():
    binaries = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(binaries, pathlib.Path(folder))
        try:
            bench.serve_upstream()
            token = bench.serve_core()
            bare = dict(os.environ, LISTEN=f"127.0.0.1:{bench.public}", UPSTREAM=f"127.0.0.1:{bench.app}")
            proxy = [binaries / "igny8-proxy", "serve", "--config", bench.folder / "proxy.toml"]
            job = [binaries / "igny8-proxy", "serve", "--config", bench.folder / "job.toml"]
            refused = request(None).replace(b"sessionid=", b"session=")
            jobs = {
                "bare": ([binaries / "passthrough"], bare, request(token), {200}),
                "job": (job, dict(os.environ), request(token), {200}),
                "full": (proxy, dict(os.environ), request(token), {200}),
                "refused": (proxy, dict(os.environ), refused, {401}),
            }
            counts = {name: bench.measure(*job) for name, job in jobs.items()}
        finally:
            bench.stop()
    broken = 0
    for name, count in counts.items():
        ratio = count / counts["bare"]
        bound = BOUNDS.get(binaries.name, {}).get(name)
        verdict = "" if bound is None else f"  (at most {bound:.2f})"
        print(f"{name:8} {count:9.0f} instructions/request  {ratio:.3f} x bare{verdict}")
        broken += bound is not None and ratio > bound
    if "--check" in sys.argv:
        print(f"{len(counts) - 1 - broken} checks passed")
        if broken:
            print(f"{broken} checks failed")
            sys.exit(1)


if __name__ == "__main__":
    main()
