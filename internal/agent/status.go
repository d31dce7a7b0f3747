package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// Status is what an agent says of itself.
type Status struct {
	Version    int           `json:"version"`
	Node       string        `json:"node"`
	Session    string        `json:"session"`
	Since      time.Time     `json:"since"`
	Tiers      []TierStatus  `json:"tiers"`
	Enforces   bool          `json:"enforces"`    // false: nothing is denied
	Enforced   *Enforced     `json:"enforcement"` // null without policies
	Containers int           `json:"containers"`
	Seen       Counts        `json:"seen"` // since it began
	Lost       sensor.Losses `json:"lost"` // likewise
	Late       uint64        `json:"lateHints"`
	Unnamed    uint64        `json:"unnamed"`
	Store      StoreStatus   `json:"store"`
	Pods       *PodStatus    `json:"pods"` // null without a kubeconfig
	Cost       Cost          `json:"cost"`
}

// Enforced is about policies.
type Enforced struct {
	Policies   int        `json:"policies"`
	Persists   bool       `json:"persists"`    // also when the agent ends as it was told
	Broken     *time.Time `json:"glassBroken"` // null: policies deny
	Reason     string     `json:"glassReason,omitempty"`
	Violations uint64     `json:"violations"` // different ones, since the agent began
	Denied     uint64     `json:"denied"`     // of those
	Unenforced uint64     `json:"unenforced"` // processes that were to be killed and could not be
	Unassigned uint64     `json:"unassigned"` // containers that could not be given their policy
}

// TierStatus is one way to watch.
type TierStatus struct {
	Tier   behavior.Tier `json:"tier"`
	Active bool          `json:"active"`
	Reason string        `json:"reason"`
}

// Counts are figures since the agent began.
type Counts struct {
	Containers uint64 `json:"containers"`
	Facts      uint64 `json:"facts"`
	Alerts     uint64 `json:"alerts"`
}

// StoreStatus is about what is kept.
type StoreStatus struct {
	Dir     string   `json:"directory"`
	Days    []string `json:"days"`
	Bytes   int64    `json:"bytes"`
	Most    int64    `json:"mostBytes"`
	Waiting int      `json:"waiting"` // containers of which something is not written yet
	Unkept  uint64   `json:"unkept"`  // facts for which there was no room
	Errors  uint64   `json:"errors"`
	Last    string   `json:"lastError,omitempty"`
}

// PodStatus is about who says whose containers are.
type PodStatus struct {
	Known  int        `json:"known"`
	Asked  *time.Time `json:"asked"` // null: not yet
	Errors uint64     `json:"errors"`
	Last   string     `json:"lastError,omitempty"`
}

// Cost is what the agent takes.
type Cost struct {
	ResidentBytes int64   `json:"residentBytes"` // 0: not known
	CPUSeconds    float64 `json:"cpuSeconds"`
}

func (a *agent) status() (*Status, error) {
	c, err := a.kernel.Coverage()
	if err != nil {
		return nil, err
	}
	size, err := a.days.Size()
	if err != nil {
		return nil, err
	}
	s := &Status{Version: 1, Node: a.options.Node, Session: c.Session, Since: a.began.UTC(), Lost: c.Lost, Late: c.LateHints, Unnamed: c.Unnamed, Cost: ownCost()}
	for _, t := range a.kernel.Tiers() {
		s.Tiers = append(s.Tiers, TierStatus(t))
	}
	var glass sensor.Glass
	if a.policies != nil {
		if glass, err = a.kernel.Glass(); err != nil {
			return nil, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.policies != nil {
		s.Enforces = a.policies.Denies() && glass.Broken.IsZero()
		s.Enforced = &Enforced{Policies: len(a.policies.All), Persists: a.options.Persist, Reason: glass.Reason,
			Violations: a.figures.Violations, Denied: a.figures.Denied, Unenforced: c.Unenforced, Unassigned: a.figures.Unassigned}
		if !glass.Broken.IsZero() {
			at := glass.Broken.UTC()
			s.Enforced.Broken = &at
		}
	}
	s.Seen = Counts{a.figures.Containers, a.figures.Facts, a.figures.Alerts}
	s.Store = StoreStatus{Dir: a.options.State, Days: a.days.Days(), Bytes: size, Most: a.options.Bytes, Unkept: a.figures.Unkept, Errors: a.figures.StoreErrors, Last: a.figures.LastError}
	for container, w := range a.known {
		if !w.ended && !container.Host {
			s.Containers++
		}
		if len(w.pending) > 0 {
			s.Store.Waiting++
		}
	}
	if a.pods != nil {
		s.Pods = &PodStatus{Known: a.asked.pods, Errors: a.figures.PodErrors, Last: a.asked.err}
		if !a.asked.at.IsZero() {
			at := a.asked.at.UTC()
			s.Pods.Asked = &at
		}
	}
	return s, nil
}

// ownCost is what the process took so far.
func ownCost() (c Cost) {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			c.ResidentBytes = pages * int64(os.Getpagesize())
		}
	}
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
		c.CPUSeconds = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	return c
}

// Complete says whether all that was seen could be kept, and enforced, so far.
func (s *Status) Complete() bool {
	return s.Lost.Total() == 0 && s.Store.Unkept == 0 && (s.Enforced == nil || s.Enforced.Unenforced+s.Enforced.Unassigned == 0)
}

// metrics writes the status in the text format of Prometheus.
func (s *Status) metrics(w io.Writer) {
	one := func(name, kind, help string, value any) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", name, help, name, kind, name, value)
	}
	const lost = "ullage_agent_lost_total"
	one("ullage_agent_containers", "gauge", "Containers that are watched.", s.Containers)
	one("ullage_agent_containers_total", "counter", "Containers that were watched, and the host.", s.Seen.Containers)
	one("ullage_agent_facts_total", "counter", "Different things that were seen.", s.Seen.Facts)
	one("ullage_agent_alerts_total", "counter", "Alerts.", s.Seen.Alerts)
	fmt.Fprintf(w, "# HELP %s Observations for which the kernel had no room.\n# TYPE %s counter\n", lost, lost)
	for _, l := range lossesByKind(&s.Lost) {
		fmt.Fprintf(w, "%s{kind=%q} %d\n", lost, l.kind, l.n)
	}
	one("ullage_agent_late_hints_total", "counter", "Hints for which the ring had no room; nothing is lost by it.", s.Late)
	one("ullage_agent_unnamed_total", "counter", "Processes whose program is not known.", s.Unnamed)
	one("ullage_agent_unkept_total", "counter", "Facts for which the store had no room.", s.Store.Unkept)
	one("ullage_agent_store_bytes", "gauge", "Bytes of the stores.", s.Store.Bytes)
	one("ullage_agent_store_waiting", "gauge", "Containers of which something is not written yet.", s.Store.Waiting)
	one("ullage_agent_errors_total", "counter", "Failures to write, or to ask the sensor.", s.Store.Errors)
	if s.Pods != nil {
		one("ullage_agent_pods", "gauge", "Pods of the node, as the API server said last.", s.Pods.Known)
		one("ullage_agent_pod_errors_total", "counter", "Failures to ask the API server for pods.", s.Pods.Errors)
	}
	if e := s.Enforced; e != nil {
		broken := 0
		if e.Broken != nil {
			broken = 1
		}
		one("ullage_agent_policies", "gauge", "Policies that hold.", e.Policies)
		one("ullage_agent_break_glass", "gauge", "1 while nothing is denied, as somebody broke the glass.", broken)
		one("ullage_agent_violations_total", "counter", "Different things that policies do not allow.", e.Violations)
		one("ullage_agent_denied_total", "counter", "Of those, denied or killed.", e.Denied)
		one("ullage_agent_unenforced_total", "counter", "Processes that were to be killed and could not be, and containers without their policy.", e.Unenforced+e.Unassigned)
	}
	for _, t := range s.Tiers {
		if t.Active {
			fmt.Fprintf(w, "# HELP ullage_agent_tier How it watches.\n# TYPE ullage_agent_tier gauge\nullage_agent_tier{tier=%q} 1\n", t.Tier)
		}
	}
	one("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", s.Cost.ResidentBytes)
	one("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", strconv.FormatFloat(s.Cost.CPUSeconds, 'f', -1, 64))
	one("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", s.Since.Unix())
}

type kindLost struct {
	kind string
	n    uint64
}

// lossesByKind are losses by the names that they have in JSON, so that none is left
// out. An alert that was lost is no fact that was.
func lossesByKind(l *sensor.Losses) (all []kindLost) {
	byKind := map[string]uint64{}
	if text, err := json.Marshal(l); err != nil || json.Unmarshal(text, &byKind) != nil {
		return nil // which a struct of numbers does not come to
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		if kind != "alerts" {
			all = append(all, kindLost{kind, byKind[kind]})
		}
	}
	return all
}

// Text writes the status for people.
func (s *Status) Text(w io.Writer) {
	entry := func(name, text string) { fmt.Fprintf(w, "%-16s %s\n", name, printable(text)) }
	entry("node", s.Node+", watched for "+behavior.Duration(behavior.Moment(time.Since(s.Since).Seconds())))
	for _, t := range s.Tiers {
		state := "not active: "
		if t.Active {
			state = "active: "
		}
		entry("tier "+string(t.Tier), state+t.Reason)
	}
	entry("enforces", s.enforces())
	entry("containers", fmt.Sprintf("%d now; %d facts and %d alerts of %d, with the host", s.Containers, s.Seen.Facts, s.Seen.Alerts, s.Seen.Containers))
	lost := "nothing"
	if s.Lost.Total()+s.Store.Unkept > 0 {
		var parts []string
		for _, l := range append(lossesByKind(&s.Lost), kindLost{"without room in the store", s.Store.Unkept}) {
			if l.n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", l.n, l.kind))
			}
		}
		lost = strings.Join(parts, ", ")
	}
	entry("lost", lost)
	entry("store", fmt.Sprintf("%s: %d days, %d of %d MiB; %d containers wait to be written", s.Store.Dir, len(s.Store.Days), s.Store.Bytes>>20, s.Store.Most>>20, s.Store.Waiting))
	if s.Store.Last != "" {
		entry("", fmt.Sprintf("%d errors, the last one: %s", s.Store.Errors, s.Store.Last))
	}
	switch {
	case s.Pods == nil:
		entry("pods", "kept as themselves: no --kubeconfig says whose they are")
	case s.Pods.Last != "":
		entry("pods", fmt.Sprintf("%d known; %d errors, the last one: %s", s.Pods.Known, s.Pods.Errors, s.Pods.Last))
	default:
		entry("pods", fmt.Sprintf("%d known", s.Pods.Known))
	}
	entry("takes", fmt.Sprintf("%.1f MB of memory, %.2f s of CPU", float64(s.Cost.ResidentBytes)/1e6, s.Cost.CPUSeconds))
}

func (s *Status) enforces() string {
	e := s.Enforced
	switch {
	case e == nil:
		return "nothing: it has no policies (--enforce)"
	case e.Broken != nil:
		return fmt.Sprintf("nothing since %s, as somebody broke the glass: %s; ullage-agent break-glass off ends it", e.Broken.Format(time.RFC3339), e.Reason)
	}
	text := fmt.Sprintf("%d policies; %d violations, %d denied", e.Policies, e.Violations, e.Denied)
	if !s.Enforces {
		text += "; none denies, they alert"
	}
	if e.Unenforced+e.Unassigned > 0 {
		text += fmt.Sprintf("; %d processes could not be killed, %d containers have no policy that should have one", e.Unenforced, e.Unassigned)
	}
	if e.Persists {
		text += "; goes on when the agent ends"
	}
	return text
}

// printable takes from a text what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
