#!/bin/sh
# updown - lets through a packet filter what a child SA carries, for as long as the child SA is up.
#
#     updown = /usr/local/libexec/pavise/updown iptables
#
# For hosts whose chains FORWARD, INPUT and OUTPUT drop what no rule takes. It adds the rules that strongSwan's script _updown
# adds with this argument, and removes them. One thing differs: packets that pass a TUN device have no IPsec policy that
# "-m policy" could match. That they were protected is seen from the device they come from or go to, PAVISE_DEVICE; their
# addresses are those of their SA, or pavise-xfrmd had dropped them. Where the kernel protects, PAVISE_DEVICE is not set,
# and the rules are strongSwan's.
set -eu

if [ "${1:-}" != iptables ]; then
    echo "write 'iptables' behind it; for another packet filter write a script of your own (pavise-iked(8))" >&2
    exit 1
fi

# rule CHAIN in|out SOURCE DESTINATION MATCHES
rule() {
    side=-i
    [ "$2" = in ] || side=-o
    if [ -n "${PAVISE_DEVICE:-}" ]; then
        seen="$side $PAVISE_DEVICE"
        # Marks have devices of their own: pavise0-1 and so on.
        [ -z "${PLUTO_MARK_IN:-}${PLUTO_MARK_OUT:-}" ] || seen=$seen+
    else
        seen="$side $PLUTO_INTERFACE -m policy --dir $2 --pol ipsec --proto $PLUTO_PROTO --reqid $PLUTO_REQID"
    fi
    # shellcheck disable=SC2086 # words of these lists are numbers, and names of devices
    $tables -w "$verb" "$1" -s "$3" -d "$4" $5 $seen -j ACCEPT
}

# rules CHAIN_IN CHAIN_OUT MINE PEERS
rules() {
    rule "$1" in "$4" "$3" "$inbound"
    rule "$2" out "$3" "$4" "$outbound"
}

case $PLUTO_VERB in
up-*) verb=-I ;;
down-*) verb=-D ;;
*) exit 0 ;;
esac
tables=iptables
case $PLUTO_VERB in *-v6) tables=ip6tables ;; esac

inbound="-p $PLUTO_MY_PROTOCOL" outbound="-p $PLUTO_MY_PROTOCOL"
case $PLUTO_MY_PROTOCOL:$PLUTO_MY_PORT in
*:0) ;;
1:*) inbound="$inbound --icmp-type $PLUTO_MY_PORT/$PLUTO_PEER_PORT" outbound=$inbound ;;
58:*) inbound="$inbound --icmpv6-type $PLUTO_MY_PORT/$PLUTO_PEER_PORT" outbound=$inbound ;;
*) inbound="$inbound --dport $PLUTO_MY_PORT" outbound="$outbound --sport $PLUTO_MY_PORT" ;;
esac
case $PLUTO_MY_PROTOCOL:$PLUTO_PEER_PORT in
*:0 | 1:* | 58:*) ;;
*) inbound="$inbound --sport $PLUTO_PEER_PORT" outbound="$outbound --dport $PLUTO_PEER_PORT" ;;
esac

case $PLUTO_VERB in
*-host*) rules INPUT OUTPUT "$PLUTO_ME" "$PLUTO_PEER_CLIENT" ;;
*)
    rules FORWARD FORWARD "$PLUTO_MY_CLIENT" "$PLUTO_PEER_CLIENT"
    if [ -n "${PLUTO_MY_SOURCEIP:-}${PLUTO_HOST_ACCESS:-}" ]; then
        rules INPUT OUTPUT "$PLUTO_MY_CLIENT" "$PLUTO_PEER_CLIENT"
    fi
    ;;
esac
