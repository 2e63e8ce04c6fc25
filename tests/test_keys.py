"""Private keys and credentials are known in whatever form programs keep them; plain words
are not taken for them.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from playrail.safe_text.key_material import key_in

LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDPLAINfooBARbaz123"
KINDS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "ANY ", "ENCRYPTED COSIGN ")
BODY = "Q2FuYXJ5" * 8


def pem(kind: str = "", body: str = BODY) -> str:
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n{body}\n-----END {kind}PRIVATE KEY-----\n"


NUMBERS = "MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ"
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{NUMBERS * 30}\n-----END CERTIFICATE-----\n"
HEADED = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0102\n\n" + BODY
TOKEN = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
WIREGUARD = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="


def encoded(text: str, width: int = 0) -> str:
    whole = base64.b64encode(text.encode()).decode()
    return (
        "\n    ".join(whole[at : at + width] for at in range(0, len(whole), width))
        if width
        else whole
    )


DOCKER = '{"auths":{"https://registry.example":{"auth":"dXNlcjpwYXNz"}}}'
KEYS = {
    **{f"pem {kind}": pem(kind) for kind in KINDS},
    "behind certificates": CERTIFICATE * 9 + pem(),
    "encrypted the old way": pem("RSA ", HEADED),
    "windows": pem().replace("\n", "\r\n"),
    "in yaml": "tls:\n  key: |\n" + "".join(f"    {line}\n" for line in pem("EC ").splitlines()),
    "in yaml, one line": f'key: "{pem()}"'.replace("\n", "\\n"),
    "in json": '{"private_key": "' + pem().replace("\n", "\\n") + '"}',
    "in json twice": '"{\\"private_key\\": \\"' + pem().replace("\n", "\\\\n") + '\\"}"',
    "in an environment file": f'KEY="{pem("RSA ")}"',
    "commented out": "".join(f"# {line}\n" for line in pem().splitlines()),
    "in a program": "'" + pem().strip().replace("\n", "' +\n  '") + "'",
    "joined by blanks": pem().replace("\n", " "),
    "only its first line": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "only its numbers": f"{LINE}\n",
    "numbers of pkcs1": "MIIEpAIBAAKCAQEAz7kDvG0qkDl3hT8uXbYw5Q9p\n",
    "numbers of ec": "MHcCAQEEIAkDvG0qkDl3hT8uXbYw5Q9pAkDvG0qkDl3hT8uXbYw5Qo\n",
    "numbers of ec in pkcs8": "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n",
    "numbers of ed25519": "MC4CAQAwBQYDK2VwBCIEIAkDvG0qkDl3hT8uXbYw5Q9p\n",
    "numbers of openssh": "  b3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n",
    "base64": f"tls.key: {encoded(pem())}\n",
    "base64 of a chain": f"tls: {encoded(CERTIFICATE + pem())}\n",
    "base64 in lines": f"content: !!binary |\n    {encoded('x' + pem('EC '), 76)}\n",
    "base64 in short lines": encoded("xy" + pem("RSA "), 13),
    "kubeconfig": f"users:\n- name: a\n  user:\n    client-key-data: {encoded(pem('RSA '))}\n",
    "kubeconfig in json": '{"client-key-data":"' + encoded("x" * 60) + '"}',
    "putty": "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nAAAA\n",
    "putty 2": "PuTTY-User-Key-File-2: ssh-rsa\r\nEncryption: aes256-cbc\r\n",
    "ssh2": f'---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "a"\n{BODY}\n---- END SSH2',
    "age": (
        "# created: 2026\n# public key: "
        "age1xyz\nAGE-SECRET-KEY-1QQPQKCHGFDEWSAZXCVBNMJKLPOIUYTREWQ\n"
    ),
    "pgp": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{BODY}\n",
    "openvpn": f"<tls-auth>\n-----BEGIN OpenVPN Static key V1-----\n{'0a' * 16}\n",
    "wireguard": f"[Interface]\nPrivateKey = {WIREGUARD}\n",
    "wireguard, shared": f"PresharedKey={WIREGUARD}\n",
    "wireguard in json": f'{{"private_key": "{WIREGUARD}"}}',
    "service account": '{"type": "service_account", "private_key": "'
    + pem().replace("\n", "\\n")
    + '"}',
    "cloud login": (
        '{"client_secret": "x", "refresh_token": "1//0abcdefgh", "type": "authorized_user"}'
    ),
    "aws": (
        f"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {TOKEN}\n"
    ),
    "aws in the environment": f"export AWS_SECRET_ACCESS_KEY='{TOKEN}'\n",
    "aws in json": f'{{"SecretAccessKey": "{TOKEN}"}}',
    "docker": '{"auths": {"registry.example": {"auth": "dXNlcjpwYXNz"}}}',
    "netrc": "# mine\nmachine example.org\n  login ann\n  password s3cret\n",
    "shadow": "root:$y$j9T$abcdefghij$klmnopqrstuvwxyz:19000:0:99999:7:::\n",
    "shadow, locked": "ann:!$6$abcdefgh$ijklmnopqrstuv:19000:0:99999:7:::\n",
    "gshadow": "wheel:$6$abcdefgh$ijklmnopqrstuv:ann:ann,bob\n",
    "web key": '{"kty": "EC", "crv": "P-256", "x": "abc", "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4"}',
    "dnssec": "Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: abc=\n",
    "tsig": (
        'key "rndc-key" {\n  algorithm hmac-sha256;\n  secret "OdPTYVqhNqOVw8MNJHxkbw6Jm5o=";\n};\n'
    ),
    "utf-16, big end first": pem().encode("utf-16-be").decode("latin-1"),
    "utf-16": ("\ufeff" + pem("RSA ")).encode("utf-16-le").decode("latin-1"),
    "numbers, encrypted": "MIIFHDBWBgkqhkiG9w0BBQ0wSTAxBgkqhkiG9w0BBQwwJAQQ\n",
    "numbers, ed25519 encrypted": "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBBc\n",
    "pkcs12 in base64": "keystore: MIIJqQIBAzCCCV8GCSqGSIb3DQEHAaCCCVAEgglMMIIJSDCC\n",
    "told by openssl": (
        "RSA Private-Key: (2048 bit)\nprivateExponent:\n    00:cf:2c:02:0d:7e:8a:28:01\n"
    ),
    "told by openssl, curve": "Private-Key: (256 bit)\npriv:\n    1f:cf:2c:02:0d:7e:8a:28:01\n",
    "wireguard in netplan": f"tunnels:\n  wg0:\n    mode: wireguard\n    key: {WIREGUARD}\n",
    "ceph": "[client.admin]\n\tkey = AQBvaBFZAAAAABAA9VHgwCg3rWn8fMaX8KL01A==\n",
    "docker of old": (
        '{"https://index.docker.io/v1/": {"auth": "dXNlcjpwYXNz", "email": "a@b.example"}}'
    ),
    "docker in kubernetes": f".dockerconfigjson: {encoded(DOCKER)}\n",
    "netrc for all": "default login anonymous password s3cret\n",
    "htpasswd": "ann:$apr1$abcdefgh$ijklmnopqrstuvwxyz0123\n",
    "htpasswd, bcrypt": "ann:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n",
    "cloud-init": f"users:\n- name: ann\n  hashed_passwd: $6$rounds=4096$abcdefgh${'k' * 86}\n",
    "preseed": f"d-i passwd/root-password-crypted password $y$j9T$abcdefghij${'k' * 43}\n",
}
OTHERS = {
    "a certificate": CERTIFICATE,
    "a request": "-----BEGIN CERTIFICATE REQUEST-----\nMIIC\n-----END CERTIFICATE REQUEST-----\n",
    "a public key": f"-----BEGIN PUBLIC KEY-----\n{BODY}\n-----END PUBLIC KEY-----\n",
    "a public key of rsa": "-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEAz7kDvG0qkDl3hT8uXbYw5Q9p\n",
    "numbers of a public key": "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAz7kDvG0qkDl3hT8u\n",
    "numbers of a short public key": "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbL\n",
    "an ssh public key": (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE a@b\n"
    ),
    "a public pgp key": f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{BODY}\n",
    "a sentence": (
        "A key begins with the line -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE "
        "KEY-----.\n"
    ),
    "a search for keys": (
        "grep -rl -e '-----BEGIN OPENSSH PRIVATE KEY-----' /etc "
        "/home/somebody/projects/of/his/own\n"
    ),
    "words about keys": (
        "The BEGIN PRIVATE KEY marker; PuTTY-User-Key-File-3 is PuTTY's; AGE-SECRET-KEY-1 is "
        "age's.\n"
    ),
    "a certificate in base64": f"client-certificate-data: {encoded(CERTIFICATE)}\n",
    "a path of a key": (
        "ssl_certificate_key /etc/ssl/private/site.key;\nPrivateKeyFile = /etc/wireguard/key\n"
    ),
    "a public wireguard key": f"[Peer]\nPublicKey = {WIREGUARD}\nAllowedIPs = 10.0.0.2/32\n",
    "passwd": "root:x:0:0:root:/root:/bin/bash\nann:*:1000:1000::/home/ann:/bin/sh\n",
    "settings": (
        "password = \nsecret_key_base: <%= ENV['SECRET'] %>\nmachine learning needs no password\n"
    ),
    "docker without logins": '{"auths": {}, "credsStore": "pass"}',
    "a vault": "$ANSIBLE_VAULT;1.1;AES256\n6162636465666768\n",
    "age's recipient": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n",
    "a shell's words": "echo $1 $2 $$ \"$5$6\"; sed 's/$6$/x/'; awk '{print $1$2$3}' $y\n",
    "a form of a hash": (
        "crypt(3) makes $6$salt$hash of it; $2y$05$ is of bcrypt, $apr1$ of Apache\n"
    ),
    "a certificate's bytes": base64.b64decode(NUMBERS).decode("latin-1"),
    "hashes of files": f"{'0a1b2c3d' * 8}  ./usr/share/doc/x\nsecret key: none\n",
}


@pytest.mark.parametrize("case", KEYS)
def test_a_key_is_known(case: str) -> None:
    coding = "latin-1" if case.startswith("utf-16") else "utf-8"
    assert key_in(KEYS[case].encode(coding)) is not None


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_key_is_not_taken_for_one(case: str) -> None:
    coding = "latin-1" if case.endswith("bytes") else "utf-8"
    assert key_in(OTHERS[case].encode(coding)) is None


@pytest.mark.parametrize("algorithm", ["RSA", "EC", "ED25519"])
@pytest.mark.parametrize("secret", [[], ["-passout", "pass:x"]], ids=["plain", "encrypted"])
def test_keys_in_bytes_are_known(algorithm: str, secret: list[str]) -> None:
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if algorithm == "EC" else []
    made = ["openssl", "genpkey", "-quiet", "-algorithm", algorithm, *curve, "-outform", "PEM"]
    key = subprocess.run(made, check=True, capture_output=True).stdout
    form = ["openssl", "pkcs8", "-topk8", "-outform", "DER", *(secret or ["-nocrypt"])]
    assert key_in(subprocess.run(form, input=key, check=True, capture_output=True).stdout)
    told = ["openssl", "pkey", "-pubout", "-outform", "DER"]
    assert key_in(subprocess.run(told, input=key, check=True, capture_output=True).stdout) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize("form", ["PEM", "PKCS8", "RFC4716"])
def test_real_keys_are_known_whole_and_in_part(tmp_path: Path, kind: str, form: str) -> None:
    words = [
        "ssh-keygen",
        "-q",
        "-t",
        kind,
        "-m",
        form,
        "-N",
        "",
        "-C",
        "",
        "-f",
        str(tmp_path / "key"),
    ]
    subprocess.run(words, check=True, capture_output=True)
    private, public = ((tmp_path / name).read_bytes() for name in ("key", "key.pub"))
    assert key_in(private) is not None
    assert key_in(private.split(b"\n", 1)[1]) is not None  # without the line that begins it
    assert key_in(public) is None


@pytest.mark.parametrize(
    "piece",
    [
        b'"auths": {',
        b'"kty":',
        b"<RSAKeyValue>",
        b"-----BEGIN ",
        b"a:$6$",
        b"machine password ",
        b"\n",
        b" ",
        b"M",
        b"\\n",
        b"\\",
        b"-",
        b"#",
    ],
)
def test_no_content_takes_longer_than_its_length(piece: bytes) -> None:
    """It ends at all: what grew with the square would take hours."""
    key_in(b"begin $ key secret private" + piece * (500_000 // len(piece)))
