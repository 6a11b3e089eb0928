"""A little server that speaks as much of OpenAI's protocol as a test needs, and fails as its URL's first part says.

Run as a program: it prints its port. What it is asked it appends to the file that is its argument, a line each.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOCK = threading.Lock()
SEEN: dict[str, int] = {}
NOW = [0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, body: object, **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.send_header("content-type", "text/html" if isinstance(body, str) else "application/json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        mode = self.path.split("/")[1]
        if mode == "page":
            self.answer(200, "<html>a page</html>")
        elif mode == "absent":
            self.answer(404, {"detail": "Not Found"})
        elif mode == "locked" and self.headers.get("authorization") != "Bearer open":
            self.answer(401, {"error": {"message": "no such key"}})
        else:
            self.answer(
                200,
                {
                    "object": "list",
                    "data": [{"id": "embedded"}, {"id": "other"}, {"id": "adapter"}][: 3 if mode == "named" else 2],
                },
            )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        mode, text = self.path.split("/")[1], json.dumps(body, sort_keys=True)
        with LOCK:
            SEEN[text] = SEEN.get(text, 0) + 1
            times = SEEN[text]
            NOW[0] += 1
            busy = NOW[0]
        try:
            self.fail_or_answer(mode, body, times, busy)
        finally:
            with LOCK:
                NOW[0] -= 1

    def fail_or_answer(self, mode: str, body: dict, times: int, busy: int) -> None:
        if "lora_path" in body:
            self.answer(404, {"detail": "Not Found"})
        elif mode == "down":
            self.answer(503, {"error": {"message": "starting"}}, retry_after="0.01")
        elif (mode == "storm" and busy > 3) or (mode == "busy" and times < 3):
            time.sleep(0.005)
            self.answer(429, {"error": {"message": "too many requests"}}, retry_after="0.01")
        elif mode == "torn" and times < 2:
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
        elif mode == "cut" and times < 2:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
        elif mode == "picky" and body.get("prompt") == "b":
            self.answer(400, {"error": {"message": "not this one"}})
        elif mode == "strict":
            self.answer(400, {"error": {"message": "the prompt is too long", "code": 400}})
        else:
            if mode in ("storm", "slow", "picky"):
                time.sleep(0.02)
            with LOCK, Path(sys.argv[1]).open("a") as log:
                log.write(json.dumps(body) + "\n")
            count = 1 if mode == "single" else body.get("n", 1)
            name = str(body.get("prompt") or body["messages"][-1]["content"])
            texts = [f"{name}:{body['seed']}:{number}" for number in range(count)]
            if "messages" in body:
                choices = [{"message": {"content": text}, "finish_reason": "stop"} for text in texts]
            else:
                choices = [{"text": text, "finish_reason": "length"} for text in texts]
            self.answer(200, {"choices": choices, "usage": {"completion_tokens": 7 * count}})


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
