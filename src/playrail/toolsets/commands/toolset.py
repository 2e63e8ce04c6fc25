"""Programs that the caller names."""

from __future__ import annotations

from playrail.settings.content import content_root
from playrail.tools.toolset import Toolset
from playrail.toolsets.commands.tools import execute_command, execute_on_multiple

toolset = Toolset(
    name="commands",
    content=content_root(),
    tools=(execute_command, execute_on_multiple),
)
