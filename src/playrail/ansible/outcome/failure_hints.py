"""What to do next, per code of a failure on a host."""

from __future__ import annotations

from collections.abc import Mapping

RETRYABLE = frozenset({"package_manager_busy", "stale_file"})
"""Codes after which the same call may work later, whatever the words. Of a connection, the
words decide.
"""

HINTS: Mapping[str, str] = {
    "host_unreachable": (
        "Try again in a while; if it stays so, the operator has to look at the server."
    ),
    "connection_lost": (
        "Look whether the server is up, and what state it is in, before you call again."
    ),
    "auth_failed": (
        "Do not retry; the operator has to mend the user, key or password of this server in "
        "the settings."
    ),
    "connection_misconfigured": (
        "Do not retry; the operator has to mend how Playrail's machine connects: ssh's "
        "configuration, its arguments in "
        "the inventory or ansible.cfg, or what is missing there."
    ),
    "no_shell": (
        "Do not retry; the operator has to give this user a login shell that runs commands, "
        "whose start-up files "
        "(.bashrc) do not end it, or name another user."
    ),
    "result_unreadable": (
        "Try once more; if it stays so, the operator should look what ends or disturbs "
        "programs on the server: memory, "
        "a limit, or a login that prints text (.bashrc)."
    ),
    "task_timed_out": "The operator can raise task_timeout of ansible.cfg; ask for less at a time.",
    "server_misconfigured": (
        "Do not retry; the operator has to mend what the inventory or the settings say of this "
        "server."
    ),
    "host_key_changed": (
        "Do not retry: either the server was installed anew or something stands in between. "
        "The operator has to "
        "compare the new key and, if it is right, remove the old one with `ssh-keygen -R`."
    ),
    "host_key_unknown": (
        "The operator has to verify the server's key and add it to the known_hosts file "
        "(`ssh-keyscan` shows it)."
    ),
    "no_python": (
        "Do not retry; the operator has to install the package python3 there, or mend "
        "ansible_python_interpreter where "
        "the inventory names another one."
    ),
    "become_failed": (
        "Do not retry; the operator has to mend the sudo password or the sudo rule for this user."
    ),
    "no_temporary_directory": (
        "The user's home directory on the server is missing, read-only or full; the operator "
        "has to look, or set "
        "another remote_tmp in ansible.cfg."
    ),
    "not_found": (
        "Look with list_directory at the directory above for the right name; write_file with "
        "parents=true makes "
        "directories that are missing."
    ),
    "link_loop": "The link leads to itself; list_directory shows where links point to.",
    "name_too_long": (
        "Choose a shorter name; with backup=true the copy's name is some 30 bytes longer."
    ),
    "immutable_file": (
        "Do not look for another way: somebody set this flag on purpose; the operator can take "
        "it away with chattr."
    ),
    "file_busy": (
        "A running program or the system uses it; write a new file beside it, or try again later."
    ),
    "stale_file": "It lies on another server, which replaced it; try again.",
    "io_error": (
        "The kernel could not read or write it: a broken disk or mount, or no file that can be "
        "read so."
    ),
    "file_too_large": "The file system takes no larger file; choose another place.",
    "directory_not_empty": "Something else lies in it; list_directory shows what.",
    "not_a_link": (
        "link_to makes or changes symbolic links only; remove_file removes what is there, if "
        "that is wanted."
    ),
    "would_lose_bytes": (
        "Keep them in content. Where an answer cannot show them, ask the person you work for "
        "whether the whole file is "
        "to be replaced; replace_all=true does so, and a preview tells what is lost."
    ),
    "hard_linked": (
        "Pass hard_links: keep writes the file for all its names, break gives this name a file "
        "of its own."
    ),
    "permission_denied": (
        "The user that Ansible logs in as may not do this; another path or the operator can help."
    ),
    "not_a_directory": "A part of the path is a file; read_file reads files.",
    "is_a_directory": "Name a file in it; list_directory shows what is there.",
    "not_a_file": "Only regular files can be read and written, not devices, sockets or pipes.",
    "binary_file": "Only text can be read.",
    "protected_path": "Do not look for another way: this place is protected on purpose.",
    "unsupported_path": "Choose another directory; read_file reads single files of the kernel.",
    "changed_meanwhile": (
        "Read the file again, look what has changed, and write with the sha256 of what you "
        "then saw."
    ),
    "mounted_file": (
        "Write the file that is mounted there, at its own path; that may be on another server."
    ),
    "owner_not_found": "Choose a user and group that exist on the server.",
    "read_only_file_system": (
        "Nothing can be written there; choose another place or ask the operator."
    ),
    "disk_full": "Free some space first; analyze_disk shows what takes it.",
    "service_not_found": (
        "Check the unit's name; list_directory of /lib/systemd/system and of "
        "/etc/systemd/system shows "
        "units by their files."
    ),
    "no_systemd": "This server does not run systemd, so its services cannot be managed this way.",
    "no_journal": "Logs are then files, mostly below /var/log; read_file reads them.",
    "search_unsupported": "Read a unit's newest entries with get_journal_logs instead.",
    "process_not_found": (
        "get_process_tree, or manage_process with action list, tells names and numbers."
    ),
    "protected_process": "Do not look for another way: this process is protected on purpose.",
    "package_manager_busy": (
        "Another package run is under way on the server; try again in a few minutes."
    ),
    "package_not_found": "Check the package's name, or update the package lists first.",
    "essential_package": (
        "Do not look for another way: without it this server could not be operated any more."
    ),
    "unsupported_os": "Do not retry; this server's system has no package manager that can do this.",
    "no_docker": (
        "No Docker engine answers on this server: it is not installed, not running, or not for "
        "this user."
    ),
    "missing_on_host": "The operator has to install what is missing on the server.",
    "collection_missing": (
        "The operator has to install Playrail's extra `full`, which brings Ansible's collections."
    ),
    "command_not_found": (
        "Check the program's name; it is not installed on the server or not in the search path."
    ),
    "invalid_argument": "Mend the arguments and call again; the tool's input schema has the rules.",
    "exec_failed": (
        "Nothing was run: mikr.us could not prepare it. Look with get_server_stats, or try again."
    ),
    "task_failed": "The message is Ansible's own; look at the host's state before you call again.",
}
