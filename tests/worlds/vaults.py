"""Text in Ansible's vault, as `ansible-vault encrypt` writes it."""

from __future__ import annotations

from ansible.parsing.vault import VaultLib, VaultSecret


def encrypted(text: str, *, password: str, label: str | None = None) -> str:
    made: bytes = VaultLib().encrypt(text, VaultSecret(password.encode()), vault_id=label)
    return made.decode()
