#!/bin/bash
# The units on a real systemd, booted in a container: `tests/processes/booted.sh [SUITE] [DIR]`, as root.
#
# Needs debootstrap and systemd-nspawn (Debian: debootstrap, systemd-container), Debian's packages and PyPI; takes two
# to three minutes and 600 MB in DIR, which it keeps if it was named. Not part of `pytest`: not every machine may boot
# containers. Prints a line a check, and ends with 1 if one failed.
set -euo pipefail

suite=${1:-trixie}
source=$(cd "$(dirname "$0")/../.." && pwd)
if [ $# -gt 1 ]; then
    root=$2
    mkdir -p "$root"
else
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
fi

if [ ! -x "$root/usr/bin/systemctl" ]; then
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,python3,python3-venv,curl,ca-certificates,procps "$suite" "$root" >"$root.log" 2>&1 \
        || { tail -5 "$root.log"; exit 1; }
fi

# The project, into an environment inside; what is downloaded is downloaded outside, where pip knows its index.
mkdir -p "$root/wheels" "$root/etc/gwproxy"
rm -f "$root"/wheels/gwproxy-*.whl
version=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python3 -m venv "$root/tools"
pip=("$root/tools/bin/pip" --quiet --disable-pip-version-check)
(cd "$source" && git archive HEAD) | (mkdir -p "$root/src" && tar x -C "$root/src")
"${pip[@]}" wheel --no-deps -w "$root/wheels" "$root/src" >/dev/null 2>&1
"${pip[@]}" download --only-binary=:all: --python-version "$version" -d "$root/wheels" "$(echo "$root"/wheels/gwproxy-*.whl)[embedded]" >/dev/null 2>&1
[ -x "$root/opt/gwproxy/bin/pip" ] || chroot "$root" python3 -m venv /opt/gwproxy
chroot "$root" /opt/gwproxy/bin/pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    --no-index --find-links /wheels --force-reinstall 'gwproxy[embedded]'
ln -sf /opt/gwproxy/bin/gwproxy "$root/usr/bin/gwproxy"

# What the page on systemd says: the units, the user, the file.
cp "$source"/systemd/gwproxy.service "$source"/systemd/gwproxy.socket "$root/etc/systemd/system/"
cp "$source"/systemd/*sysusers* "$root/usr/lib/sysusers.d/gwproxy.conf"
cp "$source"/systemd/*tmpfiles* "$root/usr/lib/tmpfiles.d/gwproxy.conf"
cat >"$root/etc/gwproxy/routes.toml" <<'FILE'
[gateway]
listen = ["127.0.0.1:8080"]
workers = 2
[[routes]]
path = "/"
respond = { status = 200, body = "one\n" }
[[routes]]
path = "/limited"
respond = { status = 204 }
limit = { requests = 3, window = "600s" }
FILE

cat >"$root/check.sh" <<'CHECK'
#!/bin/bash
failed=0
told() {
    if [ "$2" = "$3" ]; then echo "ok    $1"; else echo "FAIL  $1: wanted '$2', got '$3'"; failed=1; fi
}
ask() { curl -s -m 5 "http://127.0.0.1:8080$1"; }
# Five requests, each on a connection of its own, so that both workers have some.
limited() { for _ in 1 2 3 4 5; do curl -s -m 5 -o /dev/null -w '%{http_code} ' http://127.0.0.1:8080/limited; done; }
pid() { systemctl show -P MainPID gwproxy; }

systemctl start gwproxy
told "start waits until workers serve" one "$(ask /)"
told "it runs as its own user" gwproxy "$(ps -o user= -p "$(pid)")"
first=$(pid)
told "its workers count in a server of its own" "204 204 204 429 429 " "$(limited)"

sed -i 's/one/two/' /etc/gwproxy/routes.toml
systemctl reload gwproxy
told "reload waits, and the new file is served" two "$(ask /)"
told "by the same process" "$first" "$(pid)"

echo 'bogus = 1' >>/etc/gwproxy/routes.toml
systemctl reload gwproxy
told "a bad file changes nothing" two "$(ask /)"
systemctl status gwproxy | grep -q 'reload refused' && found=yes || found=no
told "and status says why" yes "$found"
sed -i '/bogus/d' /etc/gwproxy/routes.toml
systemctl reload gwproxy

# Asked without a pause while it restarts: the listener is kept by systemd.
asked() { n=0; lost=0; until [ -e /done ]; do n=$((n + 1)); [ "$(ask /)" = two ] || lost=$((lost + 1)); done; echo "$lost" >/lost; echo "$n" >/asked; }
asked &
systemctl restart gwproxy
systemctl restart gwproxy
touch /done
wait
told "two restarts lose none of $(cat /asked) requests" 0 "$(cat /lost)"
[ "$(pid)" != "$first" ] && found=yes || found=no
told "and are restarts" yes "$found"

second=$(pid)
told "a restart forgets what it counted" "204 204 204 429 429 " "$(limited)"
told "status is told to root" serving "$(gwproxy status --json | grep -o '"state": "serving"' | tail -1 | cut -d'"' -f4)"
gwproxy upgrade && found=yes || found=no
told "root may upgrade it" yes "$found"
told "upgrade keeps the process" "$second" "$(pid)"
told "and serves" two "$(ask /)"
told "and knows what it has counted" "429 429 429 429 429 " "$(limited)"

kill -STOP "$(pid)"
for _ in $(seq 60); do
    sleep 1
    [ "$(pid)" != "$second" ] && [ "$(pid)" != 0 ] && [ "$(ask /)" = two ] && break
done
[ "$(pid)" != "$second" ] && found=yes || found=no
told "the watchdog replaces a supervisor that stands still" yes "$found"
told "which then serves" two "$(ask /)"

systemctl stop gwproxy
told "stop is a clean end" success "$(systemctl show -P Result gwproxy)"
told "and leaves no worker" "" "$(pgrep -f gwproxy.runtime.child)"
told "and no server" "" "$(pgrep -f 'valkey-server|redis-server')"
echo "exposure $(systemd-analyze security --no-pager gwproxy.service 2>&1 | grep -o 'exposure level.*: [0-9.]*' | grep -o '[0-9.]*$')"
echo "$(systemctl --version | head -1)"
echo "done $failed"
CHECK
chmod +x "$root/check.sh"
rm -f "$root/done" "$root/lost" "$root/asked" "$root/result"
cat >"$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
After=basic.target dbus.service
[Service]
Type=oneshot
ExecStart=/bin/bash -c '/check.sh >/result 2>&1'
ExecStopPost=/usr/bin/systemctl poweroff --no-block
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../check.service "$root/etc/systemd/system/multi-user.target.wants/check.service"

SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout 300 \
    systemd-nspawn --quiet --register=no --keep-unit --private-network -D "$root" -b </dev/null >"$root.boot" 2>&1 || true
cat "$root/result" 2>/dev/null || { echo "it did not boot:"; tail -20 "$root.boot"; exit 1; }
grep -q '^done 0$' "$root/result"
