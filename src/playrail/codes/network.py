"""What a host meets when it looks for other hosts."""

from __future__ import annotations

from playrail.codes.code import Code

NOT_CONNECTED = Code(
    "not_connected",
    "The server could not connect to the address.",
    "check_port with this address tells how the connection failed, check_dns what the name means.",
)
NO_TLS = Code(
    "no_tls",
    "What listens at the address does not speak TLS.",
    "Check the port: check_port tells which process listens there; check_http reads plain HTTP.",
)
NO_CERTIFICATE = Code(
    "no_certificate",
    "The file holds no certificate in PEM or DER.",
    "list_directory shows what lies beside it; a private key is no certificate.",
)
NO_HTTP_ANSWER = Code(
    "no_http_answer",
    "The server connected to the address, but no answer came that is HTTP.",
    "check_port tells which process listens there, get_journal_logs what it says.",
)
PROTECTED_ADDRESS = Code(
    "protected_address",
    "The address gives away the server's own credentials, and is protected.",
    "Do not look for another way: this address is protected on purpose.",
)
