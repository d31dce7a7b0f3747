// Package enforce says what containers may run and whom they may connect to, and what
// becomes of the rest: policies that people write, compiled to what a kernel decides by,
// which is addresses, ports and whole paths. What cannot be decided so, and what a
// sensor has no means for, is refused when a policy is read, and never turned into
// something else.
package enforce

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// Version is the apiVersion of files of policies.
const Version = "ullage.dev/v1alpha1"

// Mode says what becomes of what a policy does not allow.
type Mode string

// The modes, from the mildest.
const (
	Observe Mode = "observe" // it is seen, as all is
	Alert   Mode = "alert"   // it is an alert
	Enforce Mode = "enforce" // it fails, before it has an effect, and is an alert
	Kill    Mode = "kill"    // the process is killed, before the first instruction of what it began, and it is an alert
)

// Modes are all modes, from the mildest.
var Modes = []Mode{Observe, Alert, Enforce, Kill}

// Only says which programs may run.
type Only string

// What may run.
const (
	Image    Only = "image"    // what the image holds, unchanged
	Approved Only = "approved" // what the profiles of the policy name, from where they have it
)

// Policies are those of one file.
type Policies struct {
	All  []*Policy
	Said []string // what they do not decide, for people
}

// Policy is about some containers. Of several that fit one, the first counts.
type Policy struct {
	Name string
	// Of each of these that is not empty, one pattern must fit.
	Namespaces    []string // of the pod
	Workloads     []string // KIND/NAME
	Containers    []string // name, or id where there is none
	ControlGroups []string // path in the unified tree, with all below it
	// Strict says that what is not known counts as not allowed: a container whose workload
	// is not known falls under the policy, and a program of which the kernel cannot tell
	// where it comes from is not of the image. Else it is allowed, and an alert.
	Strict bool

	Executions Executions
	Egress     Egress
}

// Executions say what may run.
type Executions struct {
	Mode    Mode
	Only    Only
	Allowed []Executable
}

// Executable is a program that may run.
type Executable struct {
	Path  string
	Layer behavior.Layer // "" for any
}

// Egress says whom may be connected to, and where datagrams may be sent.
type Egress struct {
	Mode    Mode
	Allowed []Peer
}

// Peer is an address or a network that may be connected to.
type Peer struct {
	Network  netip.Prefix
	Protocol string // tcp or udp, "" for any
	Port     uint16 // 0 for any
}

// Number is what the kernel knows a policy by. It is made of all that the policy says,
// so that another content is another policy.
func (p *Policy) Number() uint32 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", *p))
	return max(1, binary.BigEndian.Uint32(sum[:])) // 0 is none
}

// Target is a container, as far as it is known.
type Target struct {
	Namespace string
	Workload  string // KIND/NAME, "" when it is not known
	Container string // its name, or its id
	// ControlGroup is the path of its group in the unified tree.
	ControlGroup string
}

// For finds the policy of a container, nil when there is none. known says that it is
// the container's whatever else comes to light of it: false where a policy may be
// meant, and what says so is not known yet. Then the policy that is returned is that
// which counts meanwhile.
func (p *Policies) For(t Target) (found *Policy, known bool) {
	known = true
	for _, policy := range p.All {
		switch fits, decided := policy.fits(&t); {
		case !decided:
			known = false
			if policy.Strict {
				return policy, false
			}
		case fits:
			return policy, known
		}
	}
	return nil, known
}

func (p *Policy) fits(t *Target) (fits, decided bool) {
	if !p.within(t.ControlGroup) || !anyOf(p.Namespaces, t.Namespace) || !anyOf(p.Containers, t.Container) {
		return false, true
	}
	if len(p.Workloads) > 0 && t.Workload == "" {
		return false, t.Namespace == "" // what is in no pod has no workload
	}
	return anyOf(p.Workloads, t.Workload), true
}

func (p *Policy) within(path string) bool {
	return len(p.ControlGroups) == 0 || slices.ContainsFunc(p.ControlGroups, func(group string) bool {
		return path == group || strings.HasPrefix(path, group+"/")
	})
}

// Beside reports whether a control group is none of those that the policy of a number is
// about.
func (p *Policies) Beside(number uint32, path string) bool {
	i := slices.IndexFunc(p.All, func(p *Policy) bool { return p.Number() == number })
	return i < 0 || !p.All[i].within(path)
}

func anyOf(patterns []string, value string) bool {
	return len(patterns) == 0 || value != "" && slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, value)
		return ok && err == nil
	})
}

// Means are what a sensor of a tier can do about what is not allowed.
type Means struct {
	Tier           behavior.Tier
	DenyExecution  bool // it fails with EPERM
	KillExecution  bool // the process is killed before its first instruction
	DenyConnection bool // likewise, TCP and UDP
}

// Check refuses policies for which there are no means.
func (p *Policies) Check(m Means) error {
	var errs []error
	for _, policy := range p.All {
		refuse := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("policy %s: %s", policy.Name, fmt.Sprintf(format, args...)))
		}
		switch mode := policy.Executions.Mode; {
		case mode == Enforce && !m.DenyExecution:
			refuse("executions cannot be denied here: the sensor runs by %s, and only a kernel that takes BPF programs as security hooks (LSM) can; "+
				"use mode: kill, which ends the process before its first instruction, or such a kernel", m.Tier)
		case mode == Kill && !m.KillExecution:
			refuse("this kernel lets no program of the sensor kill what was run")
		}
		switch mode := policy.Egress.Mode; {
		case mode == Kill:
			refuse("of egress there is no mode kill: use enforce, by which the connection fails")
		case mode == Enforce && !m.DenyConnection:
			refuse("connections cannot be denied here: the kernel refuses the programs of control groups that would")
		}
	}
	return errors.Join(errs...)
}

// Denies reports whether something may be denied, or killed, by a policy.
func (p *Policies) Denies() bool {
	return slices.ContainsFunc(p.All, func(p *Policy) bool {
		return p.Executions.Mode == Enforce || p.Executions.Mode == Kill || p.Egress.Mode == Enforce
	})
}
