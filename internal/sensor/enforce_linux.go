//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
)

// Modes and wildcards of enforce.h.
var modes = map[enforce.Mode]uint8{enforce.Observe: 0, enforce.Alert: 1, enforce.Enforce: 2, enforce.Kill: 3}

const (
	originAny = 0xff
	peerBits  = 192
)

// meansOf are what can be done with what the kernel took.
func meansOf(c *accepted) enforce.Means {
	m := enforce.Means{Tier: c.way.tier, KillExecution: true, DenyConnection: true}
	for _, name := range []string{kernelProgOnConnect4, kernelProgOnConnect6, kernelProgOnSendmsg4, kernelProgOnSendmsg6} {
		m.DenyConnection = m.DenyConnection && c.refused[name] == nil
	}
	return m
}

// putPolicies gives the kernel's half the policies. All that a policy says is there before
// it is; members of one that says something else now go over to what it says before the
// old one is taken away. So nobody is without a policy meanwhile.
func (s *Sensor) putPolicies() error {
	policies := s.options.Policies
	if policies == nil {
		return nil
	}
	current, byName := map[uint32]bool{}, map[string]uint32{}
	for _, p := range policies.All {
		number := p.Number()
		if current[number] {
			return fmt.Errorf("policy %s and another one have the same number: change its name", p.Name)
		}
		current[number], byName[p.Name] = true, number
		if err := s.putPolicy(number, p); err != nil {
			return fmt.Errorf("give the kernel policy %s: %w", p.Name, err)
		}
	}
	old := map[uint32]string{}
	if err := each(s.maps.Policies, func(number *uint32, p *kernelPolicy) {
		if !current[*number] {
			old[*number] = text(p.Name[:])
		}
	}); err != nil || len(old) == 0 {
		return err
	}
	return s.replacePolicies(old, byName)
}

func (s *Sensor) putPolicy(number uint32, p *enforce.Policy) error {
	var errs []error
	one := uint8(1)
	for _, x := range p.Executions.Allowed {
		key := kernelExecutable{Program: hashPath(s.reader.seed, x.Path), Policy: number, Origin: originAny}
		if x.Layer != "" {
			key.Origin = originBy(x.Layer)
		}
		errs = append(errs, s.maps.Executables.Put(&key, one))
	}
	for _, x := range p.Egress.Allowed {
		key := peerKey(number, &x)
		errs = append(errs, s.maps.Peers.Put(&key, one))
	}
	k := kernelPolicy{Executions: modes[p.Executions.Mode], Egress: modes[p.Egress.Mode]}
	if p.Executions.Only == enforce.Approved {
		k.Approved = 1
	}
	if p.Strict {
		k.Strict = 1
	}
	for i := range min(len(p.Name), len(k.Name)-1) {
		k.Name[i] = int8(p.Name[i])
	}
	return errors.Join(append(errs, s.maps.Policies.Put(number, &k))...)
}

func originBy(layer behavior.Layer) uint32 {
	for origin, l := range layers {
		if l == layer {
			return uint32(origin)
		}
	}
	return 0
}

func peerKey(policy uint32, p *enforce.Peer) kernelPeer {
	key := kernelPeer{Policy: policy, Port: p.Port, Family: 6, Address: p.Network.Addr().As16(), Bits: peerBits - 128 + uint32(p.Network.Bits())}
	if p.Network.Addr().Is4() {
		key.Family = 4
		key.Bits += 96
	}
	for number, name := range protocols {
		if name == p.Protocol {
			key.Protocol = number
		}
	}
	return key
}

// replacePolicies takes away old ones.
func (s *Sensor) replacePolicies(old map[uint32]string, byName map[string]uint32) error {
	moved := map[uint64]uint32{}
	var programs []kernelExecutable
	var peers []kernelPeer
	err := errors.Join(
		each(s.maps.Members, func(group *uint64, number *uint32) {
			if name, ok := old[*number]; ok {
				moved[*group] = byName[name] // 0: there is none of this name any more
			}
		}),
		each(s.maps.Executables, func(x *kernelExecutable, _ *uint8) {
			if _, ok := old[x.Policy]; ok {
				programs = append(programs, *x)
			}
		}),
		walkTrie(s.maps.Peers, func(p *kernelPeer) {
			if _, ok := old[p.Policy]; ok {
				peers = append(peers, *p)
			}
		}))
	for group, number := range moved {
		if number == 0 {
			err = errors.Join(err, absent(s.maps.Members.Delete(group)))
		} else {
			err = errors.Join(err, s.maps.Members.Put(group, number))
		}
	}
	for number := range old {
		err = errors.Join(err, absent(s.maps.Policies.Delete(number)))
	}
	for i := range programs {
		err = errors.Join(err, absent(s.maps.Executables.Delete(&programs[i])))
	}
	for i := range peers {
		err = errors.Join(err, absent(s.maps.Peers.Delete(&peers[i])))
	}
	return err
}

// absent forgives that something was gone already.
func absent(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// walkTrie reads the keys of a trie, which older kernels do not give in batches.
func walkTrie(m *ebpf.Map, do func(*kernelPeer)) error {
	var key kernelPeer
	var value uint8
	all := m.Iterate()
	for all.Next(&key, &value) {
		do(&key)
	}
	return all.Err()
}

// Assign looks anew which policy each control group has: after something came to light
// of whose they are.
func (s *Sensor) Assign() error {
	if s.options.Policies == nil {
		return nil
	}
	var errs []error
	for id, path := range s.host.groupPaths() {
		errs = append(errs, s.assign(id, path, s.reader.groups.containerOf(id)))
	}
	return errors.Join(errs...)
}

// assign gives a control group its policy. c is the container whose group it is, nil where
// that is not known.
func (s *Sensor) assign(id uint64, path string, c *Container) error {
	policies := s.options.Policies
	if policies == nil {
		return nil
	}
	if c == nil {
		if parsed, ok := parsePath(path); ok && parsed.Path == path {
			parsed.describe(s.options.RuntimeRoots)
			c = &parsed
		}
	}
	target := enforce.Target{ControlGroup: path}
	uid := podUID(filepath.Base(path))
	if c != nil && c.Path != path {
		c = nil // it divides its own group, and what is below inherits
	}
	if c != nil {
		target.Namespace, target.Container, uid = c.Namespace, c.Name, c.PodUID
		if target.Container == "" {
			target.Container = c.ID
		}
	}
	if uid != "" && s.options.Whose != nil {
		if namespace, workload := s.options.Whose(uid); workload != "" {
			target.Namespace, target.Workload = namespace, workload
		}
	}
	policy, _ := policies.For(target)
	var now uint32
	if err := s.maps.Members.Lookup(id, &now); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	switch {
	case policy != nil && policy.Number() != now:
		if err := s.maps.Members.Put(id, policy.Number()); err != nil {
			return fmt.Errorf("give control group %s its policy %s: %w", path, policy.Name, err)
		}
	case policy == nil && now != 0 && (target.Namespace != "" || target.Container != "" && c.Name != "" || policies.Beside(now, path)):
		return absent(s.maps.Members.Delete(id)) // else what gave it knew more, as a hook does
	}
	return nil
}

// policyName is the name of a policy, by the number that a fact has.
func (s *Sensor) policyName(number uint32) string {
	var p kernelPolicy
	if number == 0 || s.maps.Policies.Lookup(number, &p) != nil {
		return ""
	}
	return text(p.Name[:])
}
