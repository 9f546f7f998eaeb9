# strongSwan's Perl module: the same steps as the other clients here, a line for each.
use strict;
use warnings;
use IO::Socket::UNIX;
use Vici::Message;
use Vici::Session;

sub message { return Vici::Message->new({@_}) }

my $vici = Vici::Session->new(IO::Socket::UNIX->new($ARGV[0]));
print "daemon ", $vici->version()->hash()->{daemon}, "\n";

my ($up, $why) = $vici->initiate(message(child => 'net-net', timeout => '10000'));
print "initiate ", $up ? 'yes' : $why, "\n";

print "sas ", join(' ', map { keys %{ $_->hash() } } @{ $vici->list_sas() }), "\n";
print "pool ", ($vici->load_pool(message(home => { addrs => '10.9.0.0/24', dns => ['10.9.0.1', '10.9.0.2'] })))[0], "\n";
print "size ", $vici->get_pools()->hash()->{home}{size}, "\n";

my ($loaded, $mistake) = $vici->load_conn(message(x => { remote_addrs => ['10.0.0.0/40'] }));
print "mistake $mistake\n";

my ($down) = $vici->terminate(message(ike => 'sites', timeout => '5000'));
print "terminate ", $down ? 'yes' : 'no', "\n";
