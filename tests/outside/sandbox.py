"""A sandbox bank of one's own, and a person who opens accounts at it: standard library only.

The walk goes by the pages alone, as the sandbox's README describes them, so that it shares nothing
with the connectors it stands beside.
"""

import base64
import hashlib
import json
import re
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass

REDIRECT_URI = "https://outside.example/return"
CLIENT_ID = "PSDFR-ACPR-99999"


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are read, not followed."""

    def redirect_request(self, *_args):
        return None


_opener = urllib.request.build_opener(_Stay)


@dataclass
class Answer:
    status: int
    headers: dict
    text: str

    @property
    def json(self):
        return json.loads(self.text)


def call(method, url, headers=None, form=None, body=None):
    """One request; any status is an answer."""
    headers = dict(headers or {})
    data = None
    if form is not None:
        data = urllib.parse.urlencode(form, doseq=True).encode()
        headers["content-type"] = "application/x-www-form-urlencoded"
    if body is not None:
        data = json.dumps(body).encode()
        headers["content-type"] = "application/json"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        answer = _opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        named = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, named, answer.read().decode())


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url, seconds=60):
    """Until something answers at an address."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call("GET", url)
        except OSError:
            if time.monotonic() > end:
                raise SystemExit(f"nothing answers at {url}") from None
            time.sleep(0.1)


class Sandbox:
    """The program `sandbox-bank` on a free loopback port, ended with the block."""

    def __init__(self, program):
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._program = program

    def __enter__(self):
        self._process = subprocess.Popen([self._program, "--port", str(self.port)])
        wait_for(self.base + "/")
        return self

    def __exit__(self, *_error):
        self._process.terminate()
        self._process.wait()

    def _approve(self, authorize_url, login):
        """From the authorisation address to the code in the return."""
        at_login = call("GET", authorize_url).headers["location"]
        back = self._decide(at_login, login)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)
        if "code" not in query:
            raise SystemExit(f"the bank gave no code: {back}")
        return query["code"][0]

    def _decide(self, at_login, login):
        """From the login page to the return."""
        fields = {"login": login, "password": "sandbox"}
        at_approval = self.base_of(call("POST", at_login, form=fields).headers["location"])
        page = call("GET", at_approval).text
        accounts = re.findall(r'name="account"\s+value="([^"]+)"', page)
        decision = {"decision": "approve", "sca": "123456", "account": accounts}
        return call("POST", at_approval, form=decision).headers["location"]

    def base_of(self, address):
        return urllib.parse.urljoin(self.base, address)

    def _exchange(self, token_url, code, verifier):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "client_id": CLIENT_ID,
            "code_verifier": verifier,
        }
        return call("POST", token_url, form=form).json

    def open_berlin_consent(self, headers=None, door=""):
        """A consent as received: its document."""
        body = {
            "access": {"accounts": [], "balances": [], "transactions": []},
            "recurringIndicator": True,
            "validUntil": "2099-12-31",
            "frequencyPerDay": 4,
            "combinedServiceIndicator": False,
        }
        asked = {
            "x-request-id": str(uuid.uuid4()),
            "psu-ip-address": "192.0.2.10",
            "tpp-redirect-uri": REDIRECT_URI,
        }
        asked.update(headers or {})
        return call("POST", f"{self.base}{door}/v1/consents", headers=asked, body=body).json

    def berlin_access(self, login="camille.martin"):
        """`(consent id, access token)` of the Berlin Group façade."""
        consent = self.open_berlin_consent()["consentId"]
        verifier, challenge = pkce()
        query = urllib.parse.urlencode({
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": f"AIS:{consent}",
            "state": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        })
        code = self._approve(f"{self.base}/authorize?{query}", login)
        return consent, self._exchange(self.base + "/token", code, verifier)["access_token"]

    def redirect_access(self, login):
        """A consent id of the form without tokens: naming it is the access."""
        opened = self.open_berlin_consent(door="/redirect")
        page = opened["_links"]["scaRedirect"]["href"]
        self._decide(self.base_of(page), login)
        return opened["consentId"]

    def stet_access(self, login="camille.martin", version="v1.4"):
        """An access token of the STET façade."""
        verifier, challenge = pkce()
        query = urllib.parse.urlencode({
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": "aisp extended_transaction_history",
            "state": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        })
        base = f"{self.base}/stet/{version}"
        code = self._approve(f"{base}/authorize?{query}", login)
        return self._exchange(base + "/token", code, verifier)["access_token"]


def pkce():
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).decode().rstrip("=")
