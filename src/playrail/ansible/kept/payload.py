"""How Ansible sends a module that is written in Python."""

from __future__ import annotations

import re

# A script with a zip archive in base64, which is the last argument of its main function, in
# a line of its own.
ARCHIVE = re.compile(rb"^zip_data='([A-Za-z0-9+/]{1000,}={0,2})',$", re.MULTILINE)
