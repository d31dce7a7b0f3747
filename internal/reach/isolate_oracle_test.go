package reach

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// isolated is a namespace before and after it was isolated, as the oracle sees it.
type isolated struct {
	before, after, alone *oracle // alone has no other policies than those that were made
	s                    *model.Snapshot
	i                    *Isolation
	declared             []*model.Declaration
	pairs                map[[2]model.Key]bool
	whole                bool // the set denies by default itself, and not a policy that there was
}

// What isolate makes opens nothing that was closed, keeps what is declared, and
// closes what is neither declared nor led to from outside.
func TestIsolateAgreesWithOracle(t *testing.T) {
	var opened, kept, closed int
	for seed := range uint64(200) {
		r := &maker{Rand: rand.New(rand.NewPCG(seed, 11)), t: t}
		r.cluster(int(seed % 3))
		if r.chance(2) {
			door := m{"selector": m{"app": "a"}, "type": pick(r, "LoadBalancer", "NodePort"), "ports": []any{m{"port": 80, "targetPort": 8080}}}
			if r.chance(2) {
				door["externalTrafficPolicy"] = "Local"
			}
			if door["type"] == "LoadBalancer" && r.chance(2) {
				door["loadBalancerSourceRanges"] = []string{"203.0.113.0/24"}
				door["allocateLoadBalancerNodePorts"] = r.chance(2)
			}
			r.add("v1", "Service", "door", "n1", nil, door)
		}
		c := &isolated{s: r.snapshot(true)}
		var docs strings.Builder
		for _, ns := range c.s.Namespaces() {
			if index := c.s.Workloads(ns); index != nil {
				for _, w := range index.Workloads {
					docs.WriteString(r.declaration(c.s, w))
				}
			}
		}
		c.declared = declarations(t, docs.String())
		c.i = Isolate(c.s, New(c.s), NewExposure(c.s), c.declared, "n1", nil)
		var made, bare []string
		for _, p := range c.i.Policies {
			made = append(made, p.Text)
		}
		for _, doc := range r.docs {
			if !strings.Contains(doc, "Policy") || strings.Contains(doc, "kind: Service") {
				bare = append(bare, doc)
			}
		}
		c.before, c.after = readOracle(t, r.docs, true), readOracle(t, append(r.docs[:len(r.docs):len(r.docs)], made...), true)
		c.alone = readOracle(t, append(bare, made...), true)
		c.whole = strings.Contains(all(made), "name: default-deny")
		c.pairs = declaredPairs(c.s, c.i, c.declared)
		if len(made) > 0 {
			c.check(t, fmt.Sprintf("seed %d: %s%s\n%s", seed, all(r.docs), all(made), docs.String()), &opened, &kept, &closed)
		}
	}
	if opened < 1000 || kept < 50 || closed < 1000 {
		t.Errorf("%d that may not open, %d to keep, %d to close: the test shows little", opened, kept, closed)
	}
}

func (c *isolated) check(t *testing.T, text string, opened, kept, closed *int) {
	for i, p := range c.before.pods {
		if p.namespace != "n1" || p.spec.HostNetwork {
			continue
		}
		for _, peer := range c.peers() {
			if peer.pod == p {
				continue
			}
			for _, d := range directions {
				for _, port := range append([]int{53}, portNumbers...) {
					protocol := "TCP"
					if port == 53 {
						protocol = "UDP"
					}
					asked := c.wants(p, peer, d, protocol, port)
					ask := func(o *oracle) verdictOf {
						self, other := oEnd{pod: o.pods[i]}, c.in(o, peer)
						if d == Ingress {
							return o.connects(other, self, protocol, port)
						}
						return o.connects(self, other, protocol, port)
					}
					was, is, alone := ask(c.before), ask(c.after), ask(c.alone)
					where := fmt.Sprintf("%s of %s and %s on %s %d", d, p.name, show(peer), protocol, port)
					if asked == No && (!was.may && is.may || !was.must && is.must) {
						t.Fatalf("%s was %v and is %v\n%s", where, was, is, text)
					}
					if asked == No && !was.may {
						*opened++
					}
					if asked == Yes {
						if *kept++; !alone.may {
							t.Fatalf("%s is declared and closed\n%s", where, text)
						}
					}
					if led := d == Ingress && peer.addr.IsValid() && c.led(p); asked == No && !led && c.whole {
						if *closed++; alone.must || alone.may && !c.doubtful(peer) {
							t.Fatalf("%s is %v, and nobody declares it\n%s", where, alone, text)
						}
					}
				}
			}
		}
	}
}

// peers are the pods and addresses that the oracle knows.
func (c *isolated) peers() []oEnd {
	var ends []oEnd
	for _, p := range c.before.pods {
		ends = append(ends, oEnd{pod: p})
	}
	for _, a := range c.before.addresses {
		ends = append(ends, oEnd{addr: a})
	}
	return ends
}

// in finds an end in another oracle of the same objects.
func (c *isolated) in(o *oracle, e oEnd) oEnd {
	for i, p := range c.before.pods {
		if p == e.pod {
			return oEnd{pod: o.pods[i]}
		}
	}
	return e
}

// doubtful peers may be reached whatever policies say, or be in a range.
func (c *isolated) doubtful(e oEnd) bool { return e.pod != nil }

// led reports whether a Service leads to a pod from outside.
func (c *isolated) led(p *oPod) bool {
	for _, s := range c.before.services {
		if c.before.serves(s, p) && s.Spec.Type != "" {
			return true
		}
	}
	return false
}

// wants reports whether a connection is declared, and maybe where that hangs on how
// the port of a Service is translated.
func (c *isolated) wants(p *oPod, peer oEnd, d Direction, protocol string, port int) Answer {
	if peer.pod != nil {
		pair := [2]model.Key{keyOf(p), keyOf(peer.pod)}
		if d == Ingress {
			pair[0], pair[1] = pair[1], pair[0]
		}
		if c.pairs[pair] {
			return Maybe
		}
		return No
	}
	best := No
	for _, w := range c.s.Workloads("n1").Workloads {
		if labelsText(stableLabels(w.Pod)) != labelsText(stableLabels(c.workload(p).Pod)) {
			continue
		}
		for _, declaration := range c.declared {
			if !declaration.Covers(w.Object) {
				continue
			}
			list := declaration.Peers.In
			if d == Egress {
				list = declaration.Peers.Out
			}
			for _, declared := range list {
				if declared.CIDR == "" || !netip.MustParsePrefix(declared.CIDR).Contains(peer.addr) {
					continue
				}
				for _, text := range declared.Ports {
					number, proto, _ := model.SplitPort(text)
					switch {
					case int(number) == port && proto == protocol && port != 80:
						best = Yes
					case best == No:
						best = Maybe // 80 may be the port of a Service
					}
				}
			}
		}
	}
	return best
}

func keyOf(p *oPod) model.Key {
	gk := model.GroupKind{Group: "apps", Kind: p.kind}
	if p.kind == "Pod" {
		gk.Group = ""
	}
	return model.Key{Namespace: p.namespace, GroupKind: gk, Name: p.name}
}

func (c *isolated) workload(p *oPod) model.Workload {
	for _, w := range c.s.Workloads(p.namespace).Workloads {
		if w.Object.Key == keyOf(p) {
			return w
		}
	}
	panic("no workload of " + p.name)
}
