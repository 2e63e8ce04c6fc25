"""Requests to api.mikr.us: it did not do what it was asked."""

from __future__ import annotations

from playrail.codes.code import Code

API_ERROR = Code("api_error", "Any of the failures below.", "See what the error says.")
API_REJECTED = Code(
    "api_rejected",
    "The API said no; the error holds its own words.",
    "The error quotes the API; understand why it refused before you call again.",
)
API_UNAUTHORIZED = Code(
    "api_unauthorized",
    "The API does not take the key for this server.",
    "The operator has to check this server's `key` and `srv` in the settings: a key belongs to "
    "one server.",
)
RATE_LIMITED = Code(
    "rate_limited",
    "There were too many requests with this key.",
    "Nothing was done. Call again after retry_after_s seconds; all calls for this server count.",
    retryable=True,
)
PACE_UNAVAILABLE = Code(
    "pace_unavailable",
    "The request could not be counted, so it was not sent.",
    "Nothing was sent. The operator has to make the state directory writable and free disk "
    "space there.",
    retryable=True,
)
API_UNAVAILABLE = Code(
    "api_unavailable",
    "The API is out of order for now (5xx).",
    "mikr.us has trouble; try again in some minutes.",
    retryable=True,
)
API_NOT_JSON = Code(
    "api_not_json",
    "Something else than JSON came, such as a web page.",
    "Most likely mikr.us shows a maintenance page, or `api_url` is wrong in the settings. Try "
    "again later.",
    retryable=True,
)
API_TRUNCATED = Code(
    "api_truncated",
    "The answer ended too early.",
    "Try again; if it stays so, something on the way to mikr.us cuts its answers.",
    retryable=True,
)
API_UNEXPECTED = Code(
    "api_unexpected",
    "The API gave an answer that it is not known to give.",
    "The API may have changed, or `api_url` is wrong in the settings; the operator should look.",
)
API_DNS_FAILED = Code(
    "api_dns_failed",
    "The API's name has no address.",
    "Nothing was sent. The operator should check this machine's network and DNS, and `api_url` "
    "in the settings.",
    retryable=True,
)
API_CONNECT_FAILED = Code(
    "api_connect_failed",
    "Nobody took the connection.",
    "Nothing was sent. Try again later; the operator should check this machine's network and "
    "firewall.",
    retryable=True,
)
API_CONNECT_TIMEOUT = Code(
    "api_connect_timeout",
    "Nobody took the connection in time.",
    API_CONNECT_FAILED.hint,
    retryable=True,
)
API_READ_TIMEOUT = Code(
    "api_read_timeout",
    "No answer came in time.",
    "mikr.us is slow; try again later.",
    retryable=True,
)
API_CONNECTION_LOST = Code(
    "api_connection_lost",
    "The connection ended before the answer.",
    "Try again; if it stays so, mikr.us or the network has trouble.",
    retryable=True,
)
API_TLS_FAILED = Code(
    "api_tls_failed",
    "The API's certificate or encryption is wrong.",
    "Nothing was sent. The operator should check this machine's clock and certificates, and "
    "any proxy.",
)
EXEC_FAILED = Code(
    "exec_failed",
    "mikr.us could not prepare the command on the server.",
    "Nothing was run: mikr.us could not prepare it. Look with get_server_stats, or try again.",
)
