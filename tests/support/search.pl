# Searches all that a command can reach for words that it is given backwards (so that it doesn't find itself): every file, and of every
# process its environment, arguments, memory, open files and root. Prints a line `WORD in PLACE` for each find.
use strict; use warnings; no warnings 'recursion';
my @words = map { scalar reverse } @ARGV;
my $pattern = join '|', map { quotemeta } @words;
my %skipped = map { $_ => 1 } qw(/proc /sys);

sub report { my ($text, $place) = @_; my %seen; $seen{$1}++ while $text =~ /($pattern)/g; print "$_ in $place\n" for sort keys %seen }

sub read_all {
    my ($path) = @_;
    open my $file, '<:raw', $path or return;
    my ($kept, $chunk) = ('', '');
    while (sysread $file, $chunk, 1 << 20) { report($kept . $chunk, $path); $kept = substr $chunk, -100 if length $chunk > 100 }
}

sub memory {
    my ($process) = @_;
    open my $maps, '<', "$process/maps" or return;
    open my $memory, '<:raw', "$process/mem" or return;
    while (<$maps>) {
        my ($start, $end) = /^([0-9a-f]+)-([0-9a-f]+) r/ or next;
        next if /\[v(?:var|syscall)/;
        no warnings 'portable';
        my ($at, $last) = (hex $start, hex $end);
        for (; $at < $last; $at += 1 << 20) {
            my $size = $last - $at < 1 << 20 ? $last - $at : 1 << 20;
            sysseek($memory, $at, 0) and sysread($memory, my $chunk, $size) or next;
            report($chunk, "$process/mem");
        }
    }
}

sub walk {
    my ($directory) = @_;
    opendir my $handle, $directory or return;
    for my $name (readdir $handle) {
        next if $name eq '.' or $name eq '..';
        my $path = $directory eq '/' ? "/$name" : "$directory/$name";
        next if $skipped{$path};
        lstat $path;
        if (-l _) { next } elsif (-d _) { walk($path) } elsif (-f _) { read_all($path) }
    }
}

my ($device, $inode) = stat '/';
walk('/');
for my $process (grep { m{/\d+$} and $_ ne "/proc/$$" } glob '/proc/*') {
    read_all("$process/environ"); read_all("$process/cmdline"); memory($process);
    for my $open (glob "$process/fd/*") { read_all($open) if -f $open }
    for my $place ('root', 'cwd') {
        my ($other, $number) = stat "$process/$place/." or next;
        next if $place eq 'root' and $other == $device and $number == $inode;
        $skipped{"$process/$place/$_"} = 1 for qw(proc sys);
        walk("$process/$place") if $place eq 'root';
        read_all("$process/$place/$_") for qw(.docker/config.json kaniko/.docker/config.json tmp/job/key.json tmp/job/secret);
    }
}
