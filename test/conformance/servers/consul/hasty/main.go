// Consul's own agent, but that it looks for roots to forget every second and not every hour (`caRootPruneInterval`, which its tests shorten
// in the same way), so that a rotation can be seen to its end.
package main

import (
	"os"
	"time"
	_ "unsafe"

	_ "github.com/hashicorp/consul/agent/consul"
	"github.com/hashicorp/consul/command/agent"
	"github.com/hashicorp/consul/command/cli"
	mitchellh "github.com/mitchellh/cli"
)

//go:linkname caRootPruneInterval github.com/hashicorp/consul/agent/consul.caRootPruneInterval
var caRootPruneInterval time.Duration

func main() {
	caRootPruneInterval = time.Second
	ui := &cli.BasicUI{BasicUi: mitchellh.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}}
	// As `consul agent …`.
	os.Exit(agent.New(ui).Run(os.Args[2:]))
}
