"""What `playrail doctor` says of the secrets of the settings."""

from __future__ import annotations

from collections.abc import Iterator

from playrail.commands.doctor_project import Check
from playrail.safe_text.secrets import is_common
from playrail.settings.settings import Settings


def check_secrets(settings: Settings) -> Iterator[Check]:
    """Warns of passwords that stand in ordinary texts as well."""
    for name, server in settings.servers.items():
        common = [
            kind.replace("_", " ")
            for kind, secret in server.secrets().items()
            if is_common(secret.get_secret_value())
        ]
        if common:
            yield Check(
                name=f"secrets of {name}",
                state="warn",
                found=(
                    f"its {' and '.join(common)} is a common word: anybody guesses it, and "
                    "where records and answers hide it, ordinary words are hidden too"
                ),
                mend="Give the account another password, or a key.",
            )
