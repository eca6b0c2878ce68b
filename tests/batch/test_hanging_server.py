"""A server that takes a job and says nothing more is given up at the limit, whatever it is asked meanwhile."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batch import comfy_client
from batch.comfy_client import ComfyClient, ServerHangs

LONGEST = 20


class Hanging(BaseHTTPRequestHandler):
    """Shakes hands (RFC 6455), takes the prompt, and answers nothing until it was given up."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/ws"):
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            self.end_headers()
        else:
            self.server.asked.append(self.path)
        self.server.given_up.wait(LONGEST)
        self.close_connection = True

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"prompt_id": "1", "node_errors": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_the_question_for_the_queue_does_not_outlast_the_limit(monkeypatch):
    monkeypatch.setattr(comfy_client, "QUEUE_SECONDS", 0.1)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hanging) as server:
        server.given_up, server.asked = threading.Event(), []
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def run():
            with pytest.raises(ServerHangs, match="no progress for 1 s"):
                ComfyClient(f"http://127.0.0.1:{server.server_port}").run({}, step_limit=1)
            server.given_up.set()

        client = threading.Thread(target=run, daemon=True)
        client.start()
        given_up = server.given_up.wait(LONGEST / 2)
        server.given_up.set()
        client.join()
        server.shutdown()
    assert "/queue" in server.asked, "the server was asked while it hung"
    assert given_up, "it was given up while the question was open"
