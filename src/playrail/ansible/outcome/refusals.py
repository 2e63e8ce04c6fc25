"""Why Ansible did not start at all, where that has a remedy of its own."""

from __future__ import annotations

import re

from playrail.errors import AnsibleFailed, PlayrailError

VAULT_REMEDY = (
    "The operator has to name the vault's password: vault_password_file or vault_identity_list "
    "in ansible.cfg, or "
    "ANSIBLE_VAULT_PASSWORD_FILE."
)
_VAULT = re.compile(
    r"no vault secrets|Decryption failed|vault password|attempting to decrypt", re.IGNORECASE
)
_HOME = re.compile(r"Unable to create local directories|/ansible-local-")
_HOME_REMEDY = (
    "Nothing was run. Ansible cannot write to its own directory, ~/.ansible as a rule. The "
    "operator has to start "
    "Playrail with ANSIBLE_HOME set to a directory that it may write to."
)


def refused_by_ansible(
    text: str, *, what: str, otherwise: type[PlayrailError] = AnsibleFailed
) -> PlayrailError:
    """The error for a process of Ansible's that ended with this text before any host was
    asked.
    """
    message = f"{what}: {text}"
    if _HOME.search(text):
        return AnsibleFailed(message, hint=_HOME_REMEDY)
    if _VAULT.search(text):
        return otherwise(message, hint=VAULT_REMEDY)
    return otherwise(message)
