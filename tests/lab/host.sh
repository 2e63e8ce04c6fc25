# Runs inside a started host, after a few assignments: name, user, client_key, ca_key, password.
# Lets the lab's keys in and nobody else; safe to run again.
set -eu

home=$(getent passwd "$user" | cut -d: -f6)
install -d -m 700 -o "$user" -g "$user" "$home/.ssh"
printf '%s\n' "$client_key" >"$home/.ssh/authorized_keys"
chown "$user:$user" "$home/.ssh/authorized_keys"
chmod 600 "$home/.ssh/authorized_keys"

config=/etc/ssh/sshd_config.d/20-playrail-lab-host.conf
case $name in
deb13)
    # Tests offer wrong keys and passwords on purpose: no penalties for that.
    printf '%s\n' 'PermitRootLogin no' 'PasswordAuthentication yes' \
        'PerSourcePenalties no' >$config
    printf '%s:%s\n' "$user" "$password" | chpasswd
    ;;
deb12)
    printf '%s\n' "$ca_key" >/etc/ssh/playrail-lab-ca.pub
    printf '%s\n' 'PermitRootLogin prohibit-password' 'PasswordAuthentication no' \
        'TrustedUserCAKeys /etc/ssh/playrail-lab-ca.pub' >$config
    ;;
*)
    printf '%s\n' 'PermitRootLogin prohibit-password' 'PasswordAuthentication no' >$config
    ;;
esac
systemctl reload-or-restart ssh.service

if [ "$name" = deb12 ]; then
    systemctl start docker.service
    docker image inspect hello:1 >/dev/null 2>&1 ||
        docker import /usr/local/lib/playrail-lab-hello.tar hello:1 >/dev/null
    if [ "$(docker inspect -f '{{.State.Running}}' hello 2>/dev/null)" != true ]; then
        docker rm -f hello >/dev/null 2>&1 || true
        docker run -d --name hello --restart always -p 8080:80 hello:1 /hello.sh >/dev/null
    fi
fi
