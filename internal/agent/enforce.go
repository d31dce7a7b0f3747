package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// defaultPins is where what outlasts an agent is pinned.
const defaultPins = "/sys/fs/bpf/ullage"

// whose tells the sensor what a pod belongs to, as far as the API server said.
func (a *agent) whose(podUID string) (namespace, workload string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	pod := a.places.byUID[podUID]
	if pod == nil {
		return "", ""
	}
	if a.places.pods.Unjoined(pod.Key.Namespace, pod.Key.Name) != "" {
		return pod.Key.Namespace, ""
	}
	joined := a.places.pods.Join(behavior.New(behavior.Subject{Namespace: pod.Key.Namespace, Kind: behavior.KindPod, Name: pod.Key.Name, Container: "any"}))
	s := joined.Behavior.Subject
	return s.Namespace, s.Kind + "/" + s.Name
}

// lookAtGlass tells when somebody broke the glass, or mended it.
func (a *agent) lookAtGlass() {
	if a.policies == nil {
		return
	}
	g, err := a.kernel.Glass()
	if err != nil {
		a.failed("whether the glass is broken cannot be read", err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if g.Changes == a.glass.Changes {
		return
	}
	a.glass = g
	a.figures.Alerts++
	if g.Broken.IsZero() {
		a.log.Warn("alert", "deed", "break-glass was ended: policies deny again", "user", g.User, "reason", g.Reason, "at", g.Changed)
	} else {
		a.log.Warn("alert", "deed", "break-glass: nothing is denied on this node until it is ended", "user", g.User, "reason", g.Reason, "at", g.Broken)
	}
}

// glassCommand is ullage-agent break-glass.
func glassCommand(_ context.Context, args []string, stdout, _ io.Writer) (int, error) {
	var pins, reason string
	flags := pflag.NewFlagSet("break-glass", pflag.ContinueOnError)
	flags.StringVar(&pins, "pins", defaultPins, "directory in which the agent pins what it enforces by")
	flags.StringVar(&reason, "reason", "", "why, for the record")
	what := "status"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		what, args = args[0], args[1:]
	}
	if err := parse(flags, args, stdout, "Let all pass on this machine that policies deny (on), end that (off), or say how it is (status).\n"+
		"What would be denied is an alert meanwhile. It holds at once, whether or not the agent runs.\n\n"+
		"Exit code: 0 done, and of status: policies deny; 1 of status: nothing is denied, 2 usage, or nothing is enforced here."); err != nil {
		return exitUsage, err
	}
	switch what {
	case "on", "off":
		if what == "on" && reason == "" {
			return exitUsage, errors.New("break-glass on needs --reason: it is recorded with it")
		}
		if err := sensor.BreakGlass(pins, what == "on", reason); err != nil {
			return exitUsage, err
		}
	case "status":
	default:
		return exitUsage, fmt.Errorf("break-glass %q is none of on, off, status", what)
	}
	g, err := sensor.ReadGlass(pins)
	if err != nil {
		return exitUsage, err
	}
	fmt.Fprintln(stdout, printable(glassText(&g)))
	if what == "status" && !g.Broken.IsZero() {
		return exitBroken, nil
	}
	return exitClean, nil
}

func glassText(g *sensor.Glass) string {
	if g.Broken.IsZero() {
		return "policies deny"
	}
	return fmt.Sprintf("nothing is denied since %s, by user %d: %s", g.Broken.UTC().Format(time.RFC3339), g.User, g.Reason)
}

// detachCommand is ullage-agent detach.
func detachCommand(_ context.Context, args []string, stdout, _ io.Writer) (int, error) {
	var pins string
	flags := pflag.NewFlagSet("detach", pflag.ContinueOnError)
	flags.StringVar(&pins, "pins", defaultPins, "directory in which agents pin what outlasts them")
	if err := parse(flags, args, stdout, "Take away what an agent left in the kernel: from then on nothing is seen or denied.\n\nExit code: 0 nothing is left, 2 usage, or it cannot be taken away."); err != nil {
		return exitUsage, err
	}
	if os.Geteuid() != 0 {
		return exitUsage, errors.New("only root may take away what agents left: run it as root")
	}
	n, err := sensor.Detach(pins)
	if err != nil {
		return exitUsage, err
	}
	if n == 0 {
		fmt.Fprintln(stdout, "nothing was left at", pins)
	} else {
		fmt.Fprintln(stdout, "detached what was left at", pins)
	}
	return exitClean, nil
}
