package agent

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// Options say how an agent runs. The zero values of durations and bounds stand for
// the defaults.
type Options struct {
	State   string // directory of what it keeps
	Socket  string // at which it answers ullage-agent status
	Metrics string // address or path at which it answers Prometheus, "" for none
	Node    string // the name of this machine, as the cluster has it
	// Kubeconfig leads to the API server that knows whose the pods of the node are; ""
	// for none: pods are then kept as themselves.
	Kubeconfig string
	Cluster    string // the name under which facts are kept, "" for none
	Days       int    // that are kept
	Bytes      int64  // that are kept, at most
	Roots      []string
	Enforce    string // a file of policies, "" for none
	// Persist says that what is attached to the kernel outlasts the agent, also when it ends
	// as it was told. With policies it outlasts an agent that is killed in any case.
	Persist bool
	Pins    string // directory in a BPF file system, for that

	Flush   time.Duration // between writes of what is new: 5 s
	Refresh time.Duration // between writes of how long was watched: 1 min
	// Patience is for how long facts wait for the API server to say whose they are: 2 min.
	Patience time.Duration
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&o.Flush, 5 * time.Second}, {&o.Refresh, time.Minute}, {&o.Patience, 2 * time.Minute}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
}

func (o *Options) pinned() bool { return o.Persist || o.Enforce != "" }

func (o *Options) check() error {
	switch {
	case o.State == "":
		return errors.New("--state needs a directory")
	case o.Socket == "" || !filepath.IsAbs(o.Socket):
		return fmt.Errorf("--socket %q is not an absolute path", o.Socket)
	case o.Days < 1:
		return fmt.Errorf("--days %d: it begins at 1", o.Days)
	case o.Bytes < 1<<20:
		return errors.New("--most-mib begins at 1")
	case o.pinned() && (!filepath.IsAbs(o.Pins) || filepath.Clean(o.Pins) != o.Pins):
		return fmt.Errorf("--pins %q is not an absolute path", o.Pins)
	case o.Node == "":
		return errors.New("--node needs a name")
	}
	if o.Metrics == "" || strings.HasPrefix(o.Metrics, "/") {
		return nil
	}
	host, _, err := net.SplitHostPort(o.Metrics)
	if err != nil {
		return fmt.Errorf("--metrics %q is neither HOST:PORT nor the path of a socket", o.Metrics)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--metrics %s is no address of this machine alone: use 127.0.0.1 or a socket, and let something that authenticates read it", o.Metrics)
	}
	return nil
}

// daysDir is where the stores of days are.
func daysDir(state string) string { return filepath.Join(state, "days") }
