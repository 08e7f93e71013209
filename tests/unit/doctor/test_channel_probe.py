"""The doctor says whether jobs reach conda's channels."""

import http.server
import subprocess
import threading

import pytest

from snakemake_executor_plugin_hutchbatch.doctor import channel_probe


class Channel(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200 if self.path == "/good/noarch/repodata.json" else 403)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    with http.server.HTTPServer(("127.0.0.1", 0), Channel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_job_says_what_each_channel_answers(url):
    closed = "http://127.0.0.1:1/closed"
    channels = [f"{url}/good", f"{url}/private", closed]
    command = channel_probe.command(channels)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    found = list(channel_probe.findings(channels, ["read", *done.stdout.splitlines()]))
    assert [each.level for each in found] == ["ok", "warning", "problem"]
    assert "answers 403: it needs a login" in found[1].text
    assert "do not reach" in found[2].text
    assert "refused" in found[2].text


def test_without_channels_nothing_is_asked_and_without_an_answer_nothing_is_claimed():
    assert channel_probe.command([]) == ""
    (unknown,) = channel_probe.findings(["https://c"], ["read"])
    assert unknown.level == "warning"
    assert "not known" in unknown.text
