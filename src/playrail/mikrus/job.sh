# Runs one job on a server, or looks after it: see jobs.py, which puts the assignments before it,
# and sends it without its comments. POSIX sh with coreutils or busybox. Reads nothing from
# standard input: this text may come from there.
#
# $root/started/ID   a directory whose making is the decision that this very request runs the work
# $root/jobs/ID      part.*  what was sent; cmd, in  what to run; pid.N, out, err; exit.CODE
#                    once it has ended
# $root/kept/SHA256  pieces of input that many jobs have in common
#
# Facts that must hold on a full disk are told by names (pid.N, exit.CODE), not by contents.

umask 077
LC_ALL=C
export LC_ALL PATH
jobs=$root/jobs started=$root/started kept=$root/kept
job=$jobs/$id work=$jobs/$id/work.$$

tell() {
    printf '\n[playrail %s %s]\n' "$id" "$*"
}

encoded() {
    base64 | tr -d '\n'
}

# The next $1 bytes of the open file 3. (dd reads a regular file without reading ahead, which head
# does not promise.)
take() {
    if [ "$1" -gt 0 ]; then dd bs="$1" count=1 <&3; fi
}

sweep() {
    for old in $forget; do rm -rf "${jobs:?}/$old"; done
    find "$jobs" "$started" -mindepth 1 -maxdepth 1 -mmin +1440 | while read -r old; do
        is_alive "$jobs/${old##*/}" || rm -rf "$old"
    done
    find "$jobs" -mindepth 2 -maxdepth 2 -name 'exit.*' -mmin +75 |
      while read -r old; do rm -rf "${old%/*}"; done
    if [ -n "$new" ]; then
        find "$kept" -type f -mtime +30 -exec rm -f {} \;
        ls -t "$kept" | tail -n "+$most_kept" | while read -r old; do rm -f "${kept:?}/$old"; done
    fi
} >/dev/null 2>&1

keep_new() {
    # shellcheck disable=SC2086  # a list of words
    set -- $new
    while [ $# -gt 0 ]; do
        take "$2" >"$kept/.$1.$$" && mv "$kept/.$1.$$" "$kept/$1" || return 1
        shift 2
    done
}

# Every wanted piece that is not there as it should be, read from the disk and not believed.
missing() {
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086
    have=$(cd "$kept" && touch -c $wanted && sha256sum $wanted 2>/dev/null)
    for piece in $wanted; do
        case $have in
        *"$piece  $piece"*) ;;
        *) rm -f "$kept/$piece" && printf ' %s' "$piece" ;;
        esac
    done
}

unpack_input() {
    count=0
    for size in $inline; do
        take "$size" >"$work/$count" || return 1
        count=$((count + 1))
    done
    take "$tail" >"$work/tail" || return 1
    cat <&3 >"$work/in" || return 1
    if [ -n "$order" ]; then
        # shellcheck disable=SC2086
        (cd "$kept" && for piece in $order; do
            case $piece in
            @*) printf '%s\n' "$work/${piece#@}" ;;
            *) printf '%s\n' "$piece" ;;
            esac
        done | xargs cat) >"$work/all" && encoded <"$work/all" >>"$work/in" || return 1
    fi
    cat "$work/tail" >>"$work/in"
}

# Returns 0 when the work has been started, by whomever; 3 when this has told what is to be sent;
# otherwise why not.
prepare() {
    mkdir -p "$jobs" "$started" "$kept" "$work" || return 1
    sweep
    printf %s "$part" | base64 -d >"$work/part" &&
      mv "$work/part" "$job/part.$upload.$number" || return 1
    if [ "$number" -lt "$parts" ]; then
        rm -rf "$work"
        tell stored >&4
        return 3
    fi
    set -- "$job/part.$upload".*
    if [ $# -ne "$parts" ]; then
        [ ! -d "$started/$id" ] || return 0
        tell incomplete >&4
        return 3
    fi
    cat "$@" | gzip -dc >"$work/blob" && exec 3<"$work/blob" || return 1
    take "$command" >"$work/cmd" && keep_new || return 1
    lacking=$(missing)
    if [ -n "$lacking" ]; then
        tell "need$lacking" >&4
        drop
        return 3
    fi
    unpack_input || return 1
    exec 3<&-
    if ! mkdir "$started/$id"; then
        [ -d "$started/$id" ] && rm -rf "$work"
        return
    fi
    if : >"$job/open" && mv "$work/in" "$work/cmd" "$job" && start; then
        rm -rf "$work" "$job"/part.*
    else
        rmdir "$started/$id"
        return 1
    fi
}

# Removes what was sent, unless the work was started meanwhile: by a request of the same job that
# came twice.
drop() {
    if [ ! -d "$started/$id" ]; then rm -rf "$job"; fi
}

# A shell lets what it starts in the background ignore SIGINT and SIGQUIT; env can undo that.
start() {
    apart=setsid defaults=
    command -v setsid >/dev/null || apart=nohup
    env --default-signal=INT true 2>/dev/null &&
      defaults='--default-signal=INT --default-signal=QUIT'
    cd "$home" || cd / || return 1
    # shellcheck disable=SC2016,SC2086  # it is the started shell that expands; a list of words
    $apart env -i $defaults HOME="$home" USER=root LOGNAME=root SHELL=/bin/sh PATH="$PATH" \
      LANG=C.UTF-8 LC_ALL=C.UTF-8 \
        sh -c '
            : >"$1/pid.$$"
            umask 022
            exec <"$1/in" >"$1/out" 2>"$1/err"
            rm -f "$1/in"
            sh "$1/cmd"
            code=$?
            rm -f "$1/cmd"
            touch "$1/open"
            mv "$1/open" "$1/exit.$code"
        ' playrail "$job" </dev/null >/dev/null 2>&1 4>&- &
}

# Tells the exit code, how long both outputs are, and from byte $from of both compressed ones
# after each other. Processes that the work left behind may still write: what counts is how long
# the outputs were when first told of.
tell_done() {
    out=${out:-$(($(wc -c <"$job/out")))} err=${err:-$(($(wc -c <"$job/err")))}
    printf '\n[playrail %s done %s %s %s ' "$id" "$1" "$out" "$err"
    {
        head -c "$out" "$job/out" | gzip -nc
        head -c "$err" "$job/err" | gzip -nc
    } | tail -c "+$((from + 1))" | head -c "$most" | encoded
    printf ']\n'
}

# Whether the work of the job with the directory $1 still runs.
is_alive() {
    set -- "$1" "$1"/pid.*
    tr '\0' '\n' 2>/dev/null <"/proc/${2##*.}/cmdline" | grep -qxF "$1"
}

# Waits for the end of the work, for a while.
settle() {
    tick=0
    while :; do
        set -- "$job"/pid.*
        pid=${1##*.}
        if [ "$pid" != '*' ] && [ ! -d "/proc/$pid" ]; then tick=$ticks; fi
        set -- "$job"/exit.*
        if [ -e "$1" ]; then
            tell_done "${1##*.}"
            return
        fi
        if [ "$tick" -ge "$ticks" ] || [ ! -d "$job" ]; then break; fi
        tick=$((tick + 1))
        if [ "$tick" -le 20 ]; then sleep 0.1; else sleep 0.5; fi
    done
    if is_alive "$job"; then tell running; else tell lost; fi
}

main() {
    exec </dev/null 4>&1
    if [ "$part" ] && [ ! -d "$started/$id" ]; then
        why=$(prepare 2>&1)
        result=$?
        if [ "$result" -eq 3 ]; then return; fi
        # When another request of the job started it, what this one missed does not matter.
        if [ "$result" -ne 0 ] && [ ! -d "$started/$id" ]; then
            drop
            tell failed "$(printf '%s' "$why" | tail -c 400 | encoded)"
            return
        fi
    fi
    settle
}

main
exit
