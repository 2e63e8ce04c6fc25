"""What is kept of Ansible's own words when it cannot read an inventory."""

from __future__ import annotations

from playrail.ansible.inventory.notes import own_words

SAID = """[WARNING]: Deprecation warnings can be disabled by setting \
`deprecation_warnings=False` in ansible.cfg.
[WARNING]: Error in vault password file loading (prod): the script ended with 3
[ERROR]: Vault password client script returned non-zero (3)
"""


def test_advice_about_output_is_no_reason() -> None:
    assert own_words(SAID) == (
        "Vault password client script returned non-zero (3) "
        "Error in vault password file loading (prod): the script ended with 3"
    )
