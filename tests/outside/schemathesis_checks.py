"""Schemathesis against the sandbox bank, from the two official descriptions.

    python3 tests/outside/schemathesis_checks.py PROGRAM SPECS

PROGRAM is a built `sandbox-bank`, SPECS the folder of the official files, `st` on the PATH. What is
left out is named here with its reason; everything else that is found is a failure.
"""

import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from sandbox import Sandbox, call

BERLIN = "berlin-psd2-api_v1.3.11-2021-10-01v1.yaml"
STET = "stet-psd2-api_v1.4.0.47-swagger.yaml"

# Both descriptions give header examples that no HTTP header may hold (a line break, a raw URL), so
# the phase that sends the examples as they stand cannot run.
PHASES = "coverage,fuzzing"

# Where the sandbox answers otherwise than the description says, and why.
DEVIATIONS = '''
import schemathesis

# Optional at every bank: a refusal of the parameter is the standards' own answer.
NOT_OFFERED = ("afterEntryReference", "entryReferenceFrom", "deltaList", "pageIndex", "itemsPerPage")

# What a bank's risk engine may look at: the sandbox has none and reads none of it.
NOT_READ = ("PSU-Geo-Location", "PSU-Device-ID", "PSU-Http-Method")


def is_left_out(parameter):
    name = parameter.get("name") or parameter["$ref"].rsplit("/", 1)[-1]
    return name in NOT_OFFERED + NOT_READ


def amend_stet(operation):
    # STET lists no 400, yet RFC 9110 has nothing else for a header that cannot be read.
    operation["responses"].setdefault("400", {"description": "Bad request."})
    for parameter in operation.get("parameters", []):
        # A seal is demanded where the institution is registered with one, not everywhere.
        if parameter.get("name") in ("Signature", "Digest"):
            parameter["required"] = False
        # Said in words only: it is an address, and an id is not empty.
        if parameter.get("name") == "PSU-IP-Address":
            parameter["format"] = "ipv4"
        if parameter.get("name") == "X-Request-ID":
            parameter["minLength"] = 1


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            kept = [one for one in operation.get("parameters", []) if not is_left_out(one)]
            operation["parameters"] = kept
            if raw_schema.get("swagger"):
                amend_stet(operation)
'''

# What has the right form may still ask for what is not offered, lies in the past, or ends before it
# begins: no schema says so, and a refusal is right.
HAS_A_MEANING = ["--exclude-checks", "positive_data_acceptance"]


def run(folder, spec, url, paths, headers, parameters, options=()):
    config = "".join(f'"{name}" = "{value}"\n' for name, value in parameters.items())
    (folder / "schemathesis.toml").write_text(f"[parameters]\n{config}")
    (folder / "deviations.py").write_text(DEVIATIONS)
    command = ["st", "--config-file", "schemathesis.toml", "run", str(spec), "--url", url]
    command += ["--include-path-regex", paths, "--phases", PHASES, "--checks", "all"]
    command += ["--max-examples", "12", "--seed", "1", "--workers", "2", "--no-color"]
    command += ["--continue-on-failure", "--suppress-health-check", "all", *options]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "deviations", "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment).returncode == 0


def berlin(bank, specs, folder):
    consent, token = bank.berlin_access()
    headers = {"Authorization": f"Bearer {token}", "Consent-ID": consent}
    read = headers | {"X-Request-ID": str(uuid.uuid4()), "PSU-IP-Address": "192.0.2.10"}
    account = call("GET", bank.base + "/v1/accounts", headers=read).json["accounts"][0]["resourceId"]

    # Authorisations by the third party itself belong to the embedded approach, `transactions/{id}` is
    # not offered, and a consent that is ended could not be read any more.
    def sound(paths, *options):
        parameters = {"path.account-id": account} if "accounts" in paths else {"path.consentId": consent}
        return run(folder, specs / BERLIN, bank.base, paths, headers, parameters, options)

    return all([
        sound(r"^/v1/accounts(/\{account-id\}(/balances)?)?$"),
        sound(r"^/v1/accounts/\{account-id\}/transactions$", *HAS_A_MEANING),
        sound(r"^/v1/consents/\{consentId\}(/status)?$", "--exclude-method", "DELETE"),
        sound(r"^/v1/consents$", *HAS_A_MEANING),
    ])


def berlin_cards(bank, specs, folder):
    # The form without tokens is the one that has card accounts.
    base = bank.base + "/redirect"
    headers = {"Consent-ID": bank.redirect_access("quirk-q44")}
    read = headers | {"X-Request-ID": str(uuid.uuid4()), "PSU-IP-Address": "192.0.2.10"}
    card = call("GET", base + "/v1/card-accounts", headers=read).json["cardAccounts"][0]["resourceId"]

    def sound(paths, *options):
        parameters = {"path.account-id": card}
        return run(folder, specs / BERLIN, base, paths, headers, parameters, options)

    return all([
        sound(r"^/v1/card-accounts(/\{account-id\}(/balances)?)?$"),
        sound(r"^/v1/card-accounts/\{account-id\}/transactions$", *HAS_A_MEANING),
    ])


def stet(bank, specs, folder):
    token = bank.stet_access()
    base = bank.base + "/stet/v1.4"
    headers = {"Authorization": f"Bearer {token}"}
    read = headers | {"X-Request-ID": "outside", "PSU-IP-Address": "192.0.2.10"}
    account = call("GET", base + "/accounts", headers=read).json["accounts"][0]["resourceId"]

    # Model A1: the bank asks the person itself, `/consents` is the road of A2.
    def sound(paths, *options):
        parameters = {"path.accountResourceId": account}
        return run(folder, specs / STET, base, paths, headers, parameters, options)

    return all([
        sound(r"^/accounts(/\{accountResourceId\}/balances)?$"),
        sound(r"^/accounts/\{accountResourceId\}/transactions$", *HAS_A_MEANING),
    ])


def main(program, specs):
    specs = Path(specs).resolve()
    if not specs.is_dir():
        print(f"the official descriptions are absent ({specs}): nothing checked")
        return 0
    failed = []
    with Sandbox(program) as bank, tempfile.TemporaryDirectory() as folder:
        for check in (berlin, berlin_cards, stet):
            if not check(bank, specs, Path(folder)):
                failed.append(check.__name__)
    print(f"unexplained failures at: {', '.join(failed)}" if failed else "no unexplained failure")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
