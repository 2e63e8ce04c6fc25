"""Files and directories."""

from __future__ import annotations

from playrail.settings.content import content_root
from playrail.tools.toolset import Toolset
from playrail.toolsets.files.changed_files import remove_file, write_file
from playrail.toolsets.files.effects import FILE
from playrail.toolsets.files.tools import list_directory, read_file, search_in_files, tail_file

toolset = Toolset(
    name="files",
    content=content_root(),
    tools=(list_directory, read_file, tail_file, search_in_files, write_file, remove_file),
    kinds=(FILE,),
)
