"""Code, PKCE and rotation against an authorisation server that is none of ours.

    python3 tests/outside/oauth_checks.py MODULES CARGO...

MODULES is a `node_modules` with `oidc-provider`, CARGO the command that runs the connectors' tests,
`cargo test -p passerelle-banks` when absent.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox import free_port, wait_for

CARGO = ["cargo", "test", "--quiet", "--locked", "-p", "passerelle-banks", "--test", "it", "foreign_oauth::"]


def main(modules, *cargo):
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        # Modules are looked for beside the script that imports them.
        script = Path(folder) / "foreign_bank.mjs"
        script.write_text((Path(__file__).parent / "foreign_bank.mjs").read_text())
        (Path(folder) / "node_modules").symlink_to(Path(modules).resolve())
        server = subprocess.Popen(["node", script, str(port)], stderr=subprocess.DEVNULL)
        try:
            base = f"http://127.0.0.1:{port}"
            wait_for(base + "/")
            told = os.environ | {"OUTSIDE_OAUTH": base}
            return subprocess.run(list(cargo) or CARGO, env=told).returncode
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
