"""A door in front of several servers: the path says which one is behind it."""

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sandbox import free_port

_HOP = {"connection", "host", "content-length", "transfer-encoding", "keep-alive", "accept-encoding"}


class Door:
    """`roads` are `(prefix, target)`: the first prefix that fits is replaced by its target.

    `change` may amend a good answer's document, `lacking` names headers to add where they lack, `telling`
    gives a header of the answer another value.
    """

    def __init__(self, roads, change=None, lacking=(), telling=None):
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.refused = []
        self.change = change
        door = self

        class Handler(BaseHTTPRequestHandler):
            def _pass(self):
                target = next((t + self.path[len(p):] for p, t in roads if self.path.startswith(p)), None)
                if target is None:
                    self.send_error(404)
                    return
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length) or None
                headers = {n: v for n, v in self.headers.items() if n.lower() not in _HOP}
                for name, value in lacking:
                    headers.setdefault(name, value)
                request = urllib.request.Request(target, body, headers, method=self.command)
                try:
                    answer = urllib.request.urlopen(request, timeout=30)
                except urllib.error.HTTPError as error:
                    answer = error
                with answer:
                    text = answer.read()
                    if answer.status >= 400:
                        door.refused.append(f"{self.command} {self.path}: {text.decode()[:800]}")
                    elif door.change and text:
                        text = json.dumps(door.change(json.loads(text))).encode()
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        if name.lower() not in _HOP:
                            self.send_header(name, (telling or {}).get(name.lower(), value))
                    self.send_header("content-length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = _pass

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error):
        self._server.shutdown()
