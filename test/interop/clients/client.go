// strongSwan's Go package (govici): the same steps as the other clients here, a line for each.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/strongswan/govici/vici"
)

type wanted struct {
	Child   string `vici:"child"`
	Ike     string `vici:"ike"`
	Timeout int    `vici:"timeout"`
}

type pool struct {
	Addrs string   `vici:"addrs"`
	DNS   []string `vici:"dns"`
}

func must(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func message(v interface{}) *vici.Message {
	m, err := vici.MarshalMessage(v)
	must(err)
	return m
}

func section(name string, v interface{}) *vici.Message {
	m := vici.NewMessage()
	must(m.Set(name, v))
	return m
}

func main() {
	s, err := vici.NewSession(vici.WithSocketPath(os.Args[1]))
	must(err)
	defer s.Close()
	version, err := s.CommandRequest("version", nil)
	must(err)
	fmt.Println("daemon", version.Get("daemon"))

	log, err := s.StreamedCommandRequest("initiate", "control-log", message(wanted{Child: "net-net", Timeout: 10000}))
	must(err)
	fmt.Println("initiate", map[bool]string{true: "yes", false: "without a log"}[len(log) > 1])

	sas, err := s.StreamedCommandRequest("list-sas", "list-sa", nil)
	must(err)
	var names []string
	for _, sa := range sas {
		for _, name := range sa.Keys() {
			if name != "success" {
				names = append(names, name)
			}
		}
	}
	fmt.Println("sas", strings.Join(names, " "))

	_, err = s.CommandRequest("load-pool", section("home", message(pool{"10.9.0.0/24", []string{"10.9.0.1", "10.9.0.2"}})))
	must(err)
	fmt.Println("pool 1")
	pools, err := s.CommandRequest("get-pools", nil)
	must(err)
	fmt.Println("size", pools.Get("home").(*vici.Message).Get("size"))

	_, err = s.CommandRequest("load-conn", section("x", section("remote_addrs", []string{"10.0.0.0/40"})))
	fmt.Println("mistake", err)

	events := make(chan vici.Event, 16)
	s.NotifyEvents(events)
	must(s.Subscribe("child-updown"))
	_, err = s.StreamedCommandRequest("terminate", "control-log", message(wanted{Ike: "sites", Timeout: 5000}))
	must(err)
	event := <-events
	fmt.Println("event", event.Name, strings.Join(event.Message.Keys(), " "))
	fmt.Println("terminate yes")
}
