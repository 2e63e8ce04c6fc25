"""Programs that stand in for ssh and sudo where no host is needed."""

from __future__ import annotations

SSH = """#!/bin/sh
printf "%s\\n" "$*" >> "{log}"
case "$*" in
*" -O "*hangs*) exec sleep 61 ;;
*" -O "*) exit 0 ;;
*unreachable*) echo "ssh: connect to host unreachable port 22: Connection refused" >&2; exit 255 ;;
*denied*) echo "me@denied: Permission denied (publickey)." >&2; exit 255 ;;
esac
for command; do :; done
echo "Welcome to this host"
exec sh -c "$command"
"""
SUDO = """#!/bin/sh
while test "$1" != -u; do
  test "$1" != -p || prompt=$2
  shift
done
shift 2
for attempt in 1 2; do
  printf %s "$prompt" >&2
  read password
  test "$password" != right || exec "$@"
  echo "Sorry, try again." >&2
done
exit 1
"""
