#!/usr/bin/env python3
# Reports to SimpleScaleVM how many calls this machine can take, and when it may be deleted. The service writes its
# number of calls to STATE/calls, and creates STATE/done after its last call. Arguments: STATE and the port.
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATE, PORT, CAPACITY = Path(sys.argv[1]), int(sys.argv[2]), 3

class Status(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            free = CAPACITY - int((STATE / "calls").read_text())  # no such file: the service is not up yet
            body = json.dumps({"capacity": max(free, 0), "termination": (STATE / "done").exists()}).encode()
        except (OSError, ValueError) as error:
            return self.send_error(503, explain=str(error))  # a failed probe, not termination=true by mistake
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("0.0.0.0", PORT), Status).serve_forever()
