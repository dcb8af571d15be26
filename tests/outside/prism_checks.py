"""Prism and the official descriptions, on both sides of the connectors.

    python3 tests/outside/prism_checks.py PROGRAM SPECS CARGO...

First Prism plays the bank from the descriptions' own examples and the connectors read it; then it
stands between the connectors and the sandbox bank and refuses whatever the descriptions do not allow,
asked or answered. PROGRAM is a built `sandbox-bank`, `prism` is on the PATH, CARGO is the command that
runs the connectors' tests, `cargo test -p passerelle-banks` when absent.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from door import Door
from sandbox import Sandbox, free_port, wait_for

BERLIN = "berlin-psd2-api_v1.3.11-2021-10-01v1.yaml"
STET = "stet-psd2-api_v1.4.0.47-swagger.yaml"
CARGO = ["cargo", "test", "--quiet", "--locked", "-p", "passerelle-banks", "--test", "it", "outside::"]


@contextlib.contextmanager
def prism(*arguments):
    port = free_port()
    command = ["prism", *map(str, arguments), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/", seconds=120)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


# Demanded of every request by the description; what a seal is worth is checked by `http-signature`.
UNSEALED = [("Signature", "unsealed")]


# Prism's `url` is no loopback address, whatever the description means by it.
PUBLIC = "https://bank.example.com/v1/consents/a"


def moved(document, base, to):
    """The bank's own addresses lead through the door."""
    return json.loads(json.dumps(document).replace(base, to))


def one_page(document):
    """STET's example is a page whose next one is itself: as a whole it has one page."""
    document.get("_links", {}).pop("next", None)
    return document


def read(cargo, what, door, institution, token, consent="", opens=False):
    told = {
        "OUTSIDE_BANK": door.base,
        "OUTSIDE_INSTITUTION": institution,
        "OUTSIDE_TOKEN": token,
        "OUTSIDE_CONSENT": consent,
    } | ({"OUTSIDE_IS_WATCHED": "yes"} if opens else {})
    done = subprocess.run(cargo, env=os.environ | told).returncode == 0
    for refused in door.refused:
        print(f"refused: {refused}")
    sound = done and not door.refused
    print(f"{what}: {'sound' if sound else 'not sound'}", flush=True)
    return sound


def played(cargo, specs):
    """Prism plays the bank."""
    with prism("mock", specs / BERLIN) as bank:
        with Door([("/psd2/", bank + "/"), ("/", bank + "/")]) as door:
            yield read(cargo, "Berlin Group, played by Prism", door, "sandbox-bank", "token", "consent")
    with prism("mock", specs / STET) as bank:
        roads = [("/stet/v1.4/v1/", bank + "/"), ("/stet/v1.4/", bank + "/"), ("/stet/v1/", bank + "/")]
        with Door([*roads, ("/v1/", bank + "/")], one_page, UNSEALED) as door:
            yield read(cargo, "STET, played by Prism", door, "sandbox-bank-stet", "token")


def watched(cargo, specs, program):
    """Prism stands between."""
    with Sandbox(program) as bank:
        consent, token = bank.berlin_access()
        back = Door([("/", bank.base + "/")], telling={"location": PUBLIC})
        with back, prism("proxy", specs / BERLIN, back.base, "--errors") as watch:
            door = Door([("/v1/", watch + "/v1/"), ("/", bank.base + "/")])
            door.change = lambda document: moved(document, bank.base, door.base)
            with door:
                yield read(cargo, "Berlin Group, watched by Prism", door, "sandbox-bank", token, consent, opens=True)
        token = bank.stet_access()
        with prism("proxy", specs / STET, bank.base + "/stet/v1.4", "--errors") as watch:
            roads = [("/stet/v1.4/", watch + "/"), ("/", bank.base + "/")]
            with Door(roads, lacking=UNSEALED) as door:
                yield read(cargo, "STET, watched by Prism", door, "sandbox-bank-stet", token)


def main(program, specs, *cargo):
    specs = Path(specs).resolve()
    if not specs.is_dir():
        print(f"the official descriptions are absent ({specs}): nothing checked")
        return 0
    cargo = list(cargo) or CARGO
    sound = [*played(cargo, specs), *watched(cargo, specs, program)]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
