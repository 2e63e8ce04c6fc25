"""Files and directories on a host."""

from __future__ import annotations

from playrail.codes.code import Code

NOT_FOUND = Code(
    "not_found",
    "There is no such file or directory.",
    "Look with list_directory at the directory above for the right name; write_file with "
    "parents=true makes directories that are missing.",
)
PERMISSION_DENIED = Code(
    "permission_denied",
    "The user that Ansible logs in as may not do this.",
    "The user that Ansible logs in as may not do this; another path or the operator can help.",
)
NOT_A_DIRECTORY = Code(
    "not_a_directory",
    "A part of the path is no directory.",
    "A part of the path is a file; read_file reads files.",
)
IS_A_DIRECTORY = Code(
    "is_a_directory",
    "The path is a directory.",
    "Name a file in it; list_directory shows what is there.",
)
NOT_A_FILE = Code(
    "not_a_file",
    "The path is no regular file.",
    "Only regular files can be read and written, not devices, sockets or pipes.",
)
NOT_A_LINK = Code(
    "not_a_link",
    "The path is no symbolic link.",
    "link_to makes or changes symbolic links only; remove_file removes what is there, if that "
    "is wanted.",
)
LINK_LOOP = Code(
    "link_loop",
    "A symbolic link leads to itself.",
    "The link leads to itself; list_directory shows where links point to.",
)
TOO_MANY_LINKS = Code(
    "too_many_links",
    "The file has as many names as its file system allows.",
    "The file system allows no further name for this file; write a copy instead.",
)
HARD_LINKED = Code(
    "hard_linked",
    "The file has other names too, which the change would reach.",
    "Pass hard_links: keep writes the file for all its names, break gives this name a file of "
    "its own.",
)
NAME_TOO_LONG = Code(
    "name_too_long",
    "The name is longer than the file system allows.",
    "Choose a shorter name; with backup=true the copy's name is some 30 bytes longer.",
)
BINARY_FILE = Code("binary_file", "The file is not text.", "Only text can be read.")
FILE_TOO_LARGE = Code(
    "file_too_large",
    "The file would be larger than its file system allows.",
    "The file system takes no larger file; choose another place.",
)
DIRECTORY_NOT_EMPTY = Code(
    "directory_not_empty",
    "The directory is not empty.",
    "Something else lies in it; list_directory shows what.",
)
IMMUTABLE_FILE = Code(
    "immutable_file",
    "A flag of the file forbids the change.",
    "Do not look for another way: somebody set this flag on purpose; the operator can take it "
    "away with chattr.",
)
MOUNTED_FILE = Code(
    "mounted_file",
    "Another file is mounted at this path.",
    "Write the file that is mounted there, at its own path; that may be on another server.",
)
FILE_BUSY = Code(
    "file_busy",
    "The file is in use.",
    "A running program or the system uses it; write a new file beside it, or try again later.",
)
STALE_FILE = Code(
    "stale_file",
    "The file lies on another server, which replaced it.",
    "It lies on another server, which replaced it; try again.",
    retryable=True,
)
IO_ERROR = Code(
    "io_error",
    "The kernel could not read or write the file.",
    "The kernel could not read or write it: a broken disk or mount, or no file that can be "
    "read so.",
)
PROTECTED_PATH = Code(
    "protected_path",
    "The path is protected: it holds secrets, or what keeps the server reachable.",
    "Do not look for another way: this place is protected on purpose.",
)
UNSUPPORTED_PATH = Code(
    "unsupported_path",
    "The kernel makes this place up; it cannot be listed, searched or changed as files can.",
    "Choose another directory; read_file reads single files of the kernel.",
)
TOO_LARGE_TO_SHOW = Code(
    "too_large_to_show",
    "The file is too large to be looked through for secrets before it is shown.",
    "read_file and tail_file read parts of it.",
)
CHANGED_MEANWHILE = Code(
    "changed_meanwhile",
    "The file is not the one that the caller saw.",
    "Read the file again, look what has changed, and write with the sha256 of what you then saw.",
)
WOULD_LOSE_BYTES = Code(
    "would_lose_bytes",
    "The change would lose bytes of the file that an answer could not show.",
    "Keep them in content. Where an answer cannot show them, ask the person you work for "
    "whether the whole file is to be replaced; replace_all=true does so, and a preview tells "
    "what is lost.",
)
OWNER_NOT_FOUND = Code(
    "owner_not_found",
    "There is no such user or group on the server.",
    "Choose a user and group that exist on the server.",
)
READ_ONLY_FILE_SYSTEM = Code(
    "read_only_file_system",
    "The file system is mounted read-only.",
    "Nothing can be written there; choose another place or ask the operator.",
)
DISK_FULL = Code(
    "disk_full",
    "No space is left on the server's disk.",
    "Free some space first; analyze_disk shows what takes it.",
)
FILE_SYSTEM_SILENT = Code(
    "file_system_silent",
    "A file system does not answer.",
    "Analyze another path; the operator has to look at what is mounted there.",
    retryable=True,
)
