"""Commands, processes, services, journals, packages and containers on a host."""

from __future__ import annotations

from playrail.codes.code import Code

COMMAND_NOT_FOUND = Code(
    "command_not_found",
    "There is no such program on the server.",
    "Check the program's name; it is not installed on the server or not in the search path.",
)
COMMAND_FAILED = Code(
    "command_failed",
    "The command ran and ended with another exit status than 0, or by a signal.",
    "data.hosts has its stdout and stderr.",
)
COMMAND_TIMED_OUT = Code(
    "command_timed_out",
    "The command did not end within its time.",
    "What it did until then is done. Choose a greater timeout_s only if it needs more time.",
)
PROCESS_NOT_FOUND = Code(
    "process_not_found",
    "There is no such process.",
    "get_process_tree, or manage_process with action list, tells names and numbers.",
)
PROTECTED_PROCESS = Code(
    "protected_process",
    "The process is protected: the server, or the way to it, depends on it.",
    "Do not look for another way: this process is protected on purpose.",
)
PROCESS_NOT_ENDED = Code(
    "process_not_ended",
    "The signal was sent, and the process is still there.",
    "It may need more time (wait_s) or ignore the signal; KILL cannot be ignored.",
)
NO_SYSTEMD = Code(
    "no_systemd",
    "The server does not run systemd.",
    "get_process_tree tells what runs, list_directory of /etc/init.d what may be started; where "
    "OpenRC starts services, list_units and check_service_status tell of them.",
)
SERVICE_NOT_FOUND = Code(
    "service_not_found",
    "There is no such unit on the server.",
    "Check the unit's name; list_units with a part of it as `name` tells which there are.",
)
SERVICE_FAILED = Code(
    "service_failed",
    "The unit did not do what it was told, or did not stay up.",
    "get_journal_logs of this unit says why.",
)
SERVICE_NOT_ACTIVE = Code(
    "service_not_active",
    "The unit is not active, so there is nothing to reload.",
    "Use the action start, which reads the configuration as well.",
)
SERVICE_NOT_STOPPED = Code(
    "service_not_stopped",
    "The unit was stopped, and runs again or still.",
    "Another unit may have started it; get_journal_logs of this unit tells when.",
)
SERVICE_NOT_RELOADABLE = Code(
    "service_not_reloadable",
    "The unit's file does not say how to reload it.",
    "Use the action restart, which reads the configuration as well.",
)
SERVICE_NOT_ENABLED = Code(
    "service_not_enabled",
    "The unit will not be started at boot.",
    "Its unit file needs [Install] with WantedBy=, or a timer or socket.",
)
SERVICE_NOT_DISABLED = Code(
    "service_not_disabled",
    "The unit will still be started at boot.",
    "Another link to it may enable it; list_directory of /etc/systemd/system shows them.",
)
SETTING_NOT_FOUND = Code(
    "setting_not_found",
    "The server's kernel has no such setting.",
    "get_sysctl with the beginning of a name, as net.ipv4, lists the settings that begin so.",
)
NO_JOURNAL = Code(
    "no_journal",
    "The server keeps no journal.",
    "Logs are then files, mostly below /var/log; read_file reads them.",
)
SEARCH_UNSUPPORTED = Code(
    "search_unsupported",
    "The server's journal cannot be searched for a text.",
    "Read a unit's newest entries with get_journal_logs instead.",
)
JOURNAL_TIMED_OUT = Code(
    "journal_timed_out",
    "Time was over before an entry was found in this host's journal; there may be some.",
    "Ask for a shorter time or for a single unit.",
    retryable=True,
)
PACKAGE_MANAGER_BUSY = Code(
    "package_manager_busy",
    "Another process holds the lock of the server's package manager.",
    "Another package run is under way on the server; try again in some minutes, which "
    "unattended upgrades take.",
    retryable=True,
)
PACKAGE_NOT_FOUND = Code(
    "package_not_found",
    "There is no such package in the host's package lists.",
    "Check the package's name; distributions name the same thing differently.",
)
VERSION_NOT_FOUND = Code(
    "version_not_found",
    "There is no such version of this package in the host's package lists.",
    "execute_command with `apt-cache policy NAME` shows which there are; or leave version out.",
)
PACKAGE_HELD = Code(
    "package_held",
    "A package is on hold, so it was left as it is.",
    "Somebody put it on hold on purpose (`apt-mark showhold`); ask before it is released.",
)
REMOVAL_NEEDED = Code(
    "removal_needed",
    "Other packages would have to be removed for it; nothing was changed.",
    "Remove what it conflicts with first, with state absent, if that is meant.",
)
ESSENTIAL_PACKAGE = Code(
    "essential_package",
    "The system cannot do without this package; nothing was removed.",
    "Do not look for another way: without it this server could not be operated any more.",
)
PACKAGES_UNFINISHED = Code(
    "packages_unfinished",
    "Packages on this host were left unfinished, since before this call.",
    "execute_command with `dpkg --configure -a` lets it finish; `dpkg --audit` names the packages.",
)
DEPENDENCY_CONFLICT = Code(
    "dependency_conflict",
    "Its dependencies cannot be met on this host.",
    "Another version, or update_system first, may help.",
)
REPOSITORY_UNREACHABLE = Code(
    "repository_unreachable",
    "The host could not fetch from its package repositories.",
    "If it stays so, the operator has to look at the host's network and its list of repositories.",
    retryable=True,
)
PACKAGE_FAILED = Code(
    "package_failed",
    "The package manager did not finish its work, or did something else.",
    "execute_command with `dpkg --audit` tells what is not finished, `dpkg --configure -a` "
    "tries it again.",
)
UPGRADE_FAILED = Code(
    "upgrade_failed",
    "The upgrade did not finish.",
    f"The report has what was upgraded before. {PACKAGE_FAILED.hint}",
)
UNSUPPORTED_OS = Code(
    "unsupported_os",
    "The host's system is none that Playrail knows how to do this on.",
    "Nothing was changed. Do not retry; the operator can use its own package manager.",
)
NO_DOCKER = Code(
    "no_docker",
    "Docker is not installed on this host, or its engine does not answer.",
    "Use another server, or ask the operator to install Docker there, or to start it.",
)
DOCKER_UNAVAILABLE = Code(
    "docker_unavailable",
    "Docker is installed on this host but does not answer.",
    "manage_service with name docker and action status says whether its daemon runs.",
    retryable=True,
)
DOCKER_FAILED = Code("docker_failed", "Docker could not do it.", "The message is Docker's own.")
PODMAN_SILENT = Code(
    "podman_silent",
    "Podman is installed on this host, but cannot be asked.",
    "The operator can start podman.socket there.",
    retryable=True,
)
CONTAINER_NOT_FOUND = Code(
    "container_not_found",
    "There is no such container on this host; it may have been removed, and its log with it.",
    "list_docker_containers tells the names of those that there are.",
)
CONTAINER_NOT_RUNNING = Code(
    "container_not_running",
    "The container does not run, so there is nothing to measure.",
    "list_docker_containers tells each one's state; get_docker_logs may say why it ended.",
)
LOG_NOT_KEPT = Code(
    "log_not_kept",
    "Docker keeps nothing of what this container writes.",
    "Look where its log driver sends it, or ask the operator for the driver local or json-file.",
)
