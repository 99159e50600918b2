#!/usr/bin/perl
# hold.pl run FILE COMMAND...  - run a server so that all it ever starts can be ended again
# hold.pl end FILE [SECONDS]   - end it: TERM and SECONDS of grace for the server (0: none), then KILL
# hold.pl alive FILE           - status 0 while the server runs (a zombie does not)
#
# The holder is a child subreaper: whatever the server leaves behind (a login's tmux, a detached
# shell) becomes its child, so the tree below it is everything, and only what we started. Each pid
# is kept with its start time, so a number that was given to somebody else is never signalled.
# With PART_OWNER=PID in the environment it ends all by itself once that process is gone.
# Only what perl-base has is used: it is on every Debian.
use strict;
use warnings;
use POSIX ();

sub nap { select undef, undef, undef, 0.02 } # Time::HiRes is not in perl-base

# (state, parent, start time) of a process, or nothing.
sub stat_of {
    open(my $f, '<', "/proc/$_[0]/stat") or return;
    my $s = <$f> // return;
    $s =~ s/^.*\) // or return; # the name may hold blanks and brackets
    my @f = split / /, $s;
    return @f[0, 1, 19];
}

sub runs { # pid, start time
    my ($state, undef, $start) = stat_of($_[0]);
    return defined $state && $state !~ /[ZX]/ && $start == $_[1];
}

# All processes below the given one, zombies left out.
sub below {
    my ($top) = @_;
    my (%kids, %state);
    opendir(my $d, '/proc') or die "hold: /proc: $!\n";
    for my $p (grep { /^\d+$/ } readdir $d) {
        my ($state, $parent) = stat_of($p) or next;
        push @{ $kids{$parent} }, $p;
        $state{$p} = $state;
    }
    my @found;
    my @todo = @{ $kids{$top} // [] };
    while (defined(my $p = shift @todo)) {
        push @found, $p if $state{$p} !~ /[ZX]/;
        push @todo, @{ $kids{$p} // [] };
    }
    return @found;
}

sub numbers { # of FILE: holder, its start, server, its start
    open(my $f, '<', $_[0]) or return;
    my @n = split ' ', (<$f> // '');
    return @n == 4 ? @n : ();
}

sub run {
    my ($file, @command) = @_;
    my %prctl = (x86_64 => 157, aarch64 => 167, riscv64 => 167, ppc64le => 171, s390x => 172);
    my $machine = (POSIX::uname())[4];
    my $nr = $prctl{$machine} or die "hold: prctl is not known for $machine\n";
    syscall($nr, 36, 1, 0, 0, 0) == 0 or die "hold: PR_SET_CHILD_SUBREAPER: $!\n";
    POSIX::close($_) for 3 .. 255; # a caller's lock must not live on in a server
    POSIX::setsid();
    $SIG{$_} = 'IGNORE' for qw(HUP INT TERM);
    my $owner = delete $ENV{PART_OWNER};
    my $owner_start = $owner ? (stat_of($owner))[2] : undef;

    my $pid = fork() // die "hold: fork: $!\n";
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(HUP INT TERM);
        exec { $command[0] } @command or print STDERR "hold: $command[0]: $!\n";
        POSIX::_exit(127);
    }
    my ($own, $its) = map { (stat_of($_))[2] } $$, $pid;
    open(my $f, '>', "$file.new") or die "hold: $file: $!\n";
    print $f "$$ $own $pid $its\n";
    close $f;
    rename "$file.new", $file or die "hold: $file: $!\n";

    # In the handler, since perl's waitpid goes on waiting after a signal.
    $SIG{ALRM} = sub {
        kill 'KILL', below($$) if !defined $owner_start || !runs($owner, $owner_start);
        alarm 1;
    };
    alarm 1 if $owner;
    while ((my $dead = waitpid -1, 0) > 0) {
        next if $dead != $pid;
        if (open(my $x, '>', "$file.exit")) { print $x $? >> 8, ' ', $? & 127, "\n" }
    }
}

sub end {
    my ($file, $grace) = @_;
    my ($holder, $holder_start, $server, $server_start) = numbers($file) or return;
    my $until = POSIX::ceil(time + ($grace // 5));
    if ($grace // 5) {
        kill 'TERM', $server if runs($server, $server_start);
        kill 'CONT', $server if runs($server, $server_start);
        nap() while runs($server, $server_start) && time < $until;
    }
    $until = time + 15;
    # Normally the holder reaps and goes by itself. If somebody killed it, the server's own tree.
    while (time < $until) {
        my $held = runs($holder, $holder_start);
        my $serves = runs($server, $server_start);
        last if !$held && !$serves;
        kill 'KILL', below($holder) if $held;
        kill 'KILL', below($server), $server if $serves;
        nap();
    }
    kill 'KILL', $holder if runs($holder, $holder_start);
    die "hold: pid $server does not end\n" if runs($server, $server_start);
    unlink $file, "$file.exit";
}

my ($verb, $file, @rest) = @ARGV;
die "usage: hold.pl run|end|alive FILE ...\n" unless defined $file;
if ($verb eq 'run') { run($file, @rest) }
elsif ($verb eq 'end') { end($file, @rest) }
elsif ($verb eq 'alive') { my @n = numbers($file); exit(@n && runs($n[2], $n[3]) ? 0 : 1) }
else { die "hold: no verb $verb\n" }
