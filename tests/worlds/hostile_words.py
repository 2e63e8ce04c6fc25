"""What a hostile caller or host sends, and a secret that must not get out."""

from __future__ import annotations

CANARY, MARK, TEMPLATE = "CANARY-7f3a", "MARK", "{{ lookup('pipe', 'touch MARK') }}"
