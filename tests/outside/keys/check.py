"""Our reading of secrets and our KMS signatures, against `moto` and `cryptography`.

    python check.py COMMAND…

COMMAND is `keys` (an example of passerelle-aws), already built.
"""

import hashlib
import json
import os
import subprocess
import sys
import urllib.request

import boto3
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from moto.server import ThreadedMotoServer

TEXT = "-----BEGIN CERTIFICATE-----\nMIIB \u00e9\n-----END CERTIFICATE-----\n"


def main() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_REGION": "eu-west-3",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    os.environ.update(environment)
    secret = boto3.client("secretsmanager").create_secret(Name="qwac", SecretString=TEXT)["ARN"]
    binary = boto3.client("secretsmanager").create_secret(Name="bytes", SecretBinary=b"\x00")["ARN"]
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/banks/qseal", Value=TEXT, Type="SecureString")
    parameter = ssm.get_parameter(Name="/banks/qseal")["Parameter"]["ARN"]
    kms = boto3.client("kms")
    key = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    public_key = serialization.load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])

    # From here on moto checks signatures and policies: the caller may do what the template lets it do.
    iam = boto3.client("iam")
    iam.create_user(UserName="function")
    allowed = [
        {
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter"],
            "Resource": "*",
        },
        {"Effect": "Allow", "Action": "kms:Sign", "Resource": "*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_user_policy(UserName="function", PolicyName="banks", PolicyDocument=policy)
    pair = iam.create_access_key(UserName="function")["AccessKey"]
    environment["AWS_ACCESS_KEY_ID"] = pair["AccessKeyId"]
    environment["AWS_SECRET_ACCESS_KEY"] = pair["SecretAccessKey"]
    address = f"http://{host}:{port}/moto-api/reset-auth"
    plain = {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(address, data=b"0", headers=plain, method="POST"))

    missing = secret.replace(":secret:qwac", ":secret:nothing")
    command = [*sys.argv[1:], key, secret, parameter, binary, missing, "arn:aws:s3:::bucket"]
    forged = {**environment, "AWS_SECRET_ACCESS_KEY": "another"}
    refused = subprocess.run(command, env=forged, capture_output=True, check=False)
    assert refused.returncode != 0, "moto does not check signatures"
    asked = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    answers = json.loads(asked.stdout)

    assert answers[secret] == TEXT, answers[secret]
    assert answers[parameter] == TEXT, answers[parameter]
    assert "NotATextSecret" in answers[binary], answers[binary]
    assert "ResourceNotFoundException" in answers[missing], answers[missing]
    assert "ARN" in answers["arn:aws:s3:::bucket"]
    for name, hash_ in [("sha-256", hashes.SHA256()), ("sha-512", hashes.SHA512())]:
        # We send a digest and say so; moto takes it for the message all the same and digests it.
        digest = hashlib.new(name.replace("-", ""), b"message").digest()
        # Raises unless it verifies.
        public_key.verify(bytes.fromhex(answers[name]), digest, padding.PKCS1v15(), hash_)
    server.stop()
    print("secret, parameter and two signatures: as expected; three refusals named")


if __name__ == "__main__":
    main()
