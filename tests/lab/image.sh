#!/bin/sh
# Runs inside a plain Debian container and turns it into one of the lab's images.
# The arguments are what to add, in order: "bare" (systemd and sshd, no Python), "python",
# "engine" (Docker), "shells" (fish, csh and a Polish locale), "rust" (sudo in Rust), "busybox"
# (no systemd, and busybox's tools in place of GNU's).
# The base may be the public image or a fresh bootstrap: what comes out is the same.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

prepare_apt() {
    echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/playrail-lab
    rm -f /etc/apt/apt.conf.d/docker-* /etc/dpkg/dpkg.cfg.d/docker*
    if [ -s /playrail-lab/debian.sources ]; then
        rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
        cp /playrail-lab/debian.sources /etc/apt/sources.list.d/debian.sources
    fi
    cp /playrail-lab/apt.conf /etc/apt/apt.conf.d/90playrail-lab
    apt-get update -q
    apt-get upgrade -yq
}

add() {
    apt-get install -yq --no-install-recommends "$@"
}

set_up_sshd() {
    # Nothing that slows a login down, nor a wrong password.
    sed -i '/pam_motd/d; /pam_mail/d' /etc/pam.d/sshd
    sed -i '/pam_unix.so/s/$/ nodelay/' /etc/pam.d/common-auth
    echo 'LANG=C.UTF-8' >/etc/default/locale
    mkdir -p /etc/systemd/system/ssh.service.d
    # Keys of its own for every host: they are made when a host first starts.
    cat >/etc/systemd/system/ssh.service.d/playrail-lab.conf <<'UNIT'
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
UNIT
    cat >/etc/ssh/sshd_config.d/10-playrail-lab.conf <<'CONFIG'
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 200:30:400
CONFIG
}

add_bare() {
    prepare_apt
    add ca-certificates
    if [ -d /playrail-lab/ca ]; then
        cp /playrail-lab/ca/*.crt /usr/local/share/ca-certificates/
        update-ca-certificates >/dev/null
    fi
    add systemd systemd-sysv dbus openssh-server sudo iproute2 procps curl less
    set_up_sshd
    # No background run of apt may hold its lock while a test uses it.
    rm -f /etc/systemd/system/timers.target.wants/apt-daily*.timer
    useradd --create-home --shell /bin/bash --groups sudo ops
}

add_engine() {
    add docker.io busybox-static
    root=$(mktemp -d)
    mkdir -p "$root/bin" "$root/www" "$root/tmp" "$root/etc"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for name in sh sleep date echo httpd cat ls ps; do ln -s busybox "$root/bin/$name"; done
    cp /playrail-lab/hello.sh "$root/hello.sh"
    chmod 755 "$root/hello.sh"
    echo 'hello from the lab' >"$root/www/index.html"
    tar -C "$root" -cf /usr/local/lib/playrail-lab-hello.tar .
    rm -rf "$root"
}

add_shells() {
    add locales fish csh
    localedef -i pl_PL -f UTF-8 pl_PL.UTF-8
}

add_busybox() {
    add busybox-static openrc rpm sysvinit-core
    tools='coreutils dash diffutils findutils grep gzip hostname iproute2 mount procps sed tar'
    # shellcheck disable=SC2086
    paths=$(dpkg -L $tools util-linux | grep -E '/s?bin/[^/]+$')
    dpkg --purge --force-depends --force-remove-protected \
        systemd libsystemd-shared procps iproute2
    for path in $paths; do
        if busybox --list | busybox grep -qFx "${path##*/}"; then
            busybox ln -sf /bin/busybox "$path"
        else
            busybox rm -f "$path"
        fi
    done
    # What the packages left there would tell of a system that runs.
    rm -rf /run/openrc /run/systemd /run/initctl
}

finish() {
    apt-get clean
    rm -rf /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /var/log/journal/*
    rm -rf /usr/sbin/policy-rc.d /playrail-lab
    : >/etc/machine-id # empty: systemd makes a new one, and asks no first-boot questions
}

printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # no service starts during the build
chmod 755 /usr/sbin/policy-rc.d
for part in "$@"; do
    case $part in
    bare) add_bare ;;
    python) add python3 python3-apt python3-requests ;;
    engine) add_engine ;;
    shells) add_shells ;;
    rust) add sudo-rs ;;
    busybox) add_busybox ;;
    *) echo "image.sh: unknown part $part" >&2 && exit 2 ;;
    esac
done
finish
