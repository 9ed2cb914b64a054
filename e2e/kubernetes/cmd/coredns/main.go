// Package main is CoreDNS with only those plugins that a cluster's DNS needs,
// so that it shares nearly all of its packages with Kubernetes' own build.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
)

// The order in which a query passes through the plugins, as in CoreDNS' own plugin.cfg.
var order = []string{"ready", "health", "errors", "cache", "loadbalance", "kubernetes"}

func main() {
	dnsserver.Directives = order
	coremain.Run()
}
