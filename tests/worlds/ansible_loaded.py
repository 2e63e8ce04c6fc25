"""Ansible's loaders in the tests' own process. They can be made ready once only."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig

from playrail.settings.content import collections_root


def load_ansible() -> None:
    """Makes them ready, with the collection of this checkout, where nobody has."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(collections_root())])
