"""What a host's name or address may be in arguments."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from playrail.tools.fields import HostName
from playrail.toolsets.network_checks import DnsQuestion

NAME = TypeAdapter(HostName)
ZONES = ["fe80::1%softdog", "fe80::1%25softdog", "::1%lo", "localhost%lo"]


@pytest.mark.parametrize("name", ["db.example.org", "192.0.2.7", "fe80::1", "::1", "bücher.de"])
def test_names_and_addresses(name: str) -> None:
    assert NAME.validate_python(name) == name


@pytest.mark.parametrize("name", [*ZONES, "-v", "", "a b", "a/b", "a\n", "x" * 254])
def test_what_is_none(name: str) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(name)


@pytest.mark.parametrize("address", [*ZONES, "example.org", "1.2.3", ""])
def test_a_name_server_is_an_address_without_a_zone(address: str) -> None:
    with pytest.raises(ValidationError):
        DnsQuestion.model_validate({"server": "a", "name": "example.org", "nameserver": address})
