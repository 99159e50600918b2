# The demo desktop, inside of guac-demo-desktop's jail: read by its sh, never run by itself. The
# listening socket is descriptor 3; run.sh puts the line `passwd=` (octal escapes) before this.
# shellcheck shell=sh disable=SC2154
umask 077
# shellcheck disable=SC2059 # the escapes are meant
printf "$passwd" >passwd
Xvnc :1 -inetd -geometry 1280x720 -depth 24 -SecurityTypes VncAuth -PasswordFile "$PWD/passwd" \
    -AlwaysShared -desktop 'Demo desktop' -FrameRate 60 -nolisten tcp -nolisten local -ac \
    -BlacklistThreshold 1000 <&3 2>&1 &
x=$!
exec 3<&-
for _ in $(seq 100); do
    [ -S /tmp/.X11-unix/X1 ] && break
    sleep 0.1
done
xsetroot -solid '#24476b'
mkdir -p .config/openbox
cat >.config/openbox/menu.xml <<'M'
<?xml version="1.0" encoding="UTF-8"?>
<openbox_menu xmlns="http://openbox.org/3.4/menu">
  <menu id="root-menu" label="Demo desktop">
    <item label="Terminal"><action name="Execute"><command>xterm -fa Mono -fs 11</command></action></item>
    <item label="Clock"><action name="Execute"><command>xclock -update 1</command></action></item>
    <item label="Eyes"><action name="Execute"><command>xeyes</command></action></item>
  </menu>
</openbox_menu>
M
cat >.bashrc <<'B'
PS1='\[\e[32m\]demo\[\e[0m\]:\[\e[34m\]\w\[\e[0m\]\$ '
alias ls='ls --color=auto'
printf 'A real X desktop by VNC, recorded while you work.\nThe menu is on the right mouse button.\n\n'
B
openbox --sm-disable </dev/null >/dev/null 2>&1 &
xclock -geometry 150x150-20+20 -update 1 </dev/null >/dev/null 2>&1 &
xterm -fa Mono -fs 11 -geometry 90x28+60+60 -T Terminal </dev/null >/dev/null 2>&1 &
wait $x || :
