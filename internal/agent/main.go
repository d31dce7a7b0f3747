package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/sensor"
)

// Exit codes.
const (
	exitClean      = 0
	exitBroken     = 1
	exitUsage      = 2
	exitIncomplete = 3
)

const usage = `ullage-agent watches the containers of this machine all the time, and keeps what
they do for ullage profile import. It denies nothing but what policies do not allow.

  ullage-agent run          watch until it is told to end (SIGTERM)
  ullage-agent status       how does the agent of this machine do?
  ullage-agent tiers        which ways to watch does this kernel have?
  ullage-agent break-glass  let pass on this machine what policies deny, or end that
  ullage-agent detach       take away what an agent left in the kernel

See docs/agent.md. Each command has --help.
`

// mostMemory is where the garbage collector begins to work harder.
const mostMemory = 44 << 20

// Main is ullage-agent: it takes the arguments and returns the exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	commands := map[string]func(context.Context, []string, io.Writer, io.Writer) (int, error){"run": runCommand, "status": statusCommand, "tiers": tiersCommand,
		"break-glass": glassCommand, "detach": detachCommand}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	command := commands[name]
	switch {
	case name == "--help" || name == "-h" || name == "help":
		fmt.Fprint(stdout, usage)
		return exitClean
	case command == nil:
		fmt.Fprintf(stderr, "ullage-agent: there is no command %q: ullage-agent --help lists them\n", name)
		return exitUsage
	}
	code, err := command(ctx, args[1:], stdout, stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return exitClean
	}
	if err != nil {
		fmt.Fprintln(stderr, "ullage-agent:", printable(err.Error()))
	}
	return code
}

const defaultSocket = "/run/ullage-agent/agent.sock"

// parse reads flags, and refuses arguments.
func parse(flags *pflag.FlagSet, args []string, stdout io.Writer, what string) error {
	flags.Usage = func() {
		fmt.Fprintf(stdout, "Usage: ullage-agent %s [flags]\n\n%s\n\nFlags:\n%s", flags.Name(), what, flags.FlagUsages())
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not expected: see ullage-agent %s --help", flags.Arg(0), flags.Name())
	}
	return nil
}

func runCommand(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	var o Options
	var mib int64
	var format string
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	host, _ := os.Hostname()
	flags.StringVar(&o.State, "state", "/var/lib/ullage-agent", "directory in which it keeps what it saw")
	flags.StringVar(&o.Socket, "socket", defaultSocket, "socket at which it answers ullage-agent status")
	flags.StringVar(&o.Metrics, "metrics", "", "also answer Prometheus at this address of the machine alone, such as 127.0.0.1:9464, or at a socket")
	flags.StringVar(&o.Node, "node", host, "name of this machine in the cluster")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "ask the API server of this file whose the pods of the node are (default: keep pods as themselves)")
	flags.StringVar(&o.Cluster, "cluster", "", "name of the cluster to keep workloads under (default: none, and ullage profile import --cluster adds it)")
	flags.IntVar(&o.Days, "days", 14, "how many days are kept")
	flags.Int64Var(&mib, "most-mib", 256, "how much is kept at most; the oldest day goes first")
	flags.StringSliceVar(&o.Roots, "runtime-root", nil, "a directory with the state of an OCI runtime, beside the usual ones")
	flags.StringVar(&o.Enforce, "enforce", "", "a file of policies on what containers may do; they go on while the agent restarts (docs/enforcement.md)")
	flags.BoolVar(&o.Persist, "persist", false, "what is attached to the kernel goes on when the agent ends, until the next one or ullage-agent detach")
	flags.StringVar(&o.Pins, "pins", defaultPins, "directory in a BPF file system where what outlasts the agent is pinned")
	flags.StringVar(&format, "log", "text", "form of the log on standard error: text, json")
	if err := parse(flags, args, stdout, "Watch the containers of this machine until SIGTERM, and keep what they do. It needs root,\nor the capabilities that deploy/ullage-agent.service gives it."); err != nil {
		return exitUsage, err
	}
	o.Bytes = mib << 20
	var log *slog.Logger
	switch format {
	case "text":
		log = slog.New(slog.NewTextHandler(stderr, nil))
	case "json":
		log = slog.New(slog.NewJSONHandler(stderr, nil))
	default:
		return exitUsage, fmt.Errorf("--log %q is none of text, json", format)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(mostMemory)
	}
	if err := Run(ctx, o, log, ready); err != nil {
		return exitUsage, err
	}
	return exitClean, nil
}

// ready tells systemd, where that began the agent, that it watches.
func ready() {
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		if c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"}); err == nil {
			_, _ = c.Write([]byte("READY=1")) // systemd says that it did not come
			c.Close()
		}
	}
}

func statusCommand(ctx context.Context, args []string, stdout, _ io.Writer) (int, error) {
	var socket, output string
	flags := pflag.NewFlagSet("status", pflag.ContinueOnError)
	flags.StringVar(&socket, "socket", defaultSocket, "socket of the agent")
	flags.StringVarP(&output, "output", "o", "text", "format: text, json")
	if err := parse(flags, args, stdout, "Ask the agent of this machine how it watches, what it does not see and why, and what it lost.\n\nExit code: 0 it runs and lost nothing, 2 usage or it does not run, 3 not all could be kept."); err != nil {
		return exitUsage, err
	}
	if output != "text" && output != "json" {
		return exitUsage, fmt.Errorf("--output %q is none of text, json", output)
	}
	s, err := askStatus(ctx, socket)
	if err != nil {
		return exitUsage, err
	}
	if output == "json" {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		err = e.Encode(s)
	} else {
		s.Text(stdout)
	}
	if err != nil {
		return exitUsage, err
	}
	if !s.Complete() {
		return exitIncomplete, nil
	}
	return exitClean, nil
}

// askStatus asks the agent at a socket.
func askStatus(ctx context.Context, socket string) (*Status, error) {
	ctx, done := context.WithTimeout(ctx, 15*time.Second)
	defer done()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("no agent answers at %s: %w; ullage-agent run starts one, and ullage-agent tiers says what this kernel lets it see", socket, err)
	}
	defer response.Body.Close()
	var s Status
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return nil, fmt.Errorf("the agent answers %s: %s", response.Status, text)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&s); err != nil {
		return nil, fmt.Errorf("the answer at %s makes no sense: %w", socket, err)
	}
	return &s, nil
}

func tiersCommand(_ context.Context, args []string, stdout, _ io.Writer) (int, error) {
	if err := parse(pflag.NewFlagSet("tiers", pflag.ContinueOnError), args, stdout, "Say which ways to watch this kernel has, and why not others. Nothing stays attached.\n\nExit code: 0 there is one, 2 there is none."); err != nil {
		return exitUsage, err
	}
	code := exitUsage
	for _, t := range sensor.Tiers() {
		state := "no "
		if t.Active {
			state, code = "yes", exitClean
		}
		fmt.Fprintf(stdout, "%s  %-11s %s\n", state, t.Tier, printable(t.Reason))
	}
	return code, nil
}
