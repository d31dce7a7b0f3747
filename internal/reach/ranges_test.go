package reach

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/test/cputime"
)

// blocklist makes a policy that lets pods out but to n ranges and addresses of a
// group.
func blocklist(n int, r *rand.Rand) (text string, ranges []netip.Prefix) {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: a}]}\n" +
		"---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: out, namespace: shop}\n" +
		"spec: {endpointSelector: {}, egress: [{toEntities: [all]}], egressDeny: [{toCIDRSet: [{cidrGroupRef: bad, except: [20.0.0.0/9, 2001:db8:8000::/33]}]}]}\n" +
		"---\napiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: bad}\nspec:\n  externalCIDRs:\n")
	for range n {
		p := randomRange(r)
		ranges = append(ranges, p)
		fmt.Fprintf(&b, "  - %s\n", p)
	}
	return b.String(), ranges
}

func randomRange(r *rand.Rand) netip.Prefix {
	if r.IntN(4) == 0 {
		raw := [16]byte{0x20, 0x01, 0x0d, 0xb8, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
		return netip.PrefixFrom(netip.AddrFrom16(raw), 40+r.IntN(20)).Masked()
	}
	raw := [4]byte{byte(1 + r.IntN(200)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
	return netip.PrefixFrom(netip.AddrFrom4(raw), 18+r.IntN(15)).Masked()
}

func TestLongListOfRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	text, ranges := blocklist(3000, r)
	g := New(model.NewSnapshot(parse(t, text), true))
	web := g.Find(model.Key{Namespace: "shop", GroupKind: model.PodKind, Name: "web"})[0]
	excepted := []netip.Prefix{netip.MustParsePrefix("20.0.0.0/9"), netip.MustParsePrefix("2001:db8:8000::/33")}
	in := func(list []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	var counts [3]int
	ask := func(a netip.Addr) {
		if !a.IsValid() {
			return
		}
		want := Yes
		if in(ranges, a) && !in(excepted, a) {
			want = No
		}
		got := g.Ports(web, g.Address(a)).On(Port{TCP, 80})
		if counts[got]++; got != want {
			t.Fatalf("%s: %s, want %s", a, got, want)
		}
	}
	for _, p := range append(ranges, excepted...) {
		ask(p.Addr())
		ask(p.Addr().Prev())
		ask(lastOf(p))
		ask(lastOf(p).Next())
	}
	if counts[Yes] < 1000 || counts[No] < 1000 {
		t.Errorf("%v: the test shows little", counts)
	}
	if g.addresses.classes > 8 {
		t.Errorf("%d classes of addresses, want those in and out of the list by family, the private ones by themselves", g.addresses.classes)
	}
}

// TestRangeSets compares sets of addresses with lists of prefixes.
func TestRangeSets(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		prefixes := func() (list []netip.Prefix) {
			for range r.IntN(6) {
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(r.IntN(4) * 85), 0, 0, byte(r.Uint32())}), pick(&maker{Rand: r}, 0, 1, 7, 24, 28, 31, 32))
				list = append(list, p.Masked())
			}
			return list
		}
		in := func(list []netip.Prefix, a netip.Addr) bool {
			return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		s, t1 := prefixes(), prefixes()
		left := joined(spansOf(s)).without(joined(spansOf(t1)))
		var written []netip.Prefix
		for _, l := range left {
			written = append(written, between(l.first, l.last)...)
		}
		all, some := true, false
		for _, p := range append(slices.Concat(s, t1), everyAddress[0]) {
			for _, a := range []netip.Addr{p.Addr(), p.Addr().Prev(), lastOf(p), lastOf(p).Next()} {
				if !a.IsValid() {
					continue
				}
				if got, want := in(written, a), in(s, a) && !in(t1, a); got != want {
					t.Fatalf("%v without %v is %v: holds %s: %t, want %t", s, t1, written, a, got, want)
				}
				if in(s, a) {
					all, some = all && in(t1, a), some || in(t1, a)
				}
			}
		}
		want := No
		if some {
			want = Maybe
		}
		if all {
			want = Yes
		}
		if got := joined(spansOf(t1)).covers(joined(spansOf(s))); got != want {
			t.Fatalf("%v covers %v: %s, want %s", t1, s, got, want)
		}
	}
}

// TestTooManyRanges lowers the limits: what is beyond them is not decided, and
// what is within them stays as it is.
func TestTooManyRanges(t *testing.T) {
	for _, limits := range []addressLimits{{ranges: 3, work: 1000, cells: 1000}, {ranges: 1000, work: 7, cells: 1000}, {ranges: 1000, work: 1000, cells: 5}} {
		a := newAddresses()
		a.limits = limits
		one := newBlockPeer(No, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
		many := newBlockPeer(No, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("20.0.0.0/8")}, nil)
		a.add(many)
		a.add(one)
		a.divide()
		if set := a.index[one.key]; !set.known || len(set.within) != 1 {
			t.Errorf("%v: the short list is %v", limits, *set)
		}
		if set := a.index[many.key]; set.known {
			t.Errorf("%v: the long list is known", limits)
		}
		// A policy about the long list.
		out := pod("front", "web", "app: web", "") + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 20.0.0.0/8}}]}]`)
		g := New(model.NewSnapshot(parse(t, out), true))
		b := &builder{Graph: g}
		for _, set := range g.addresses.index {
			forget([]*addressSet{set})
		}
		p := g.policies[0]
		p.rules[Egress][0].parts = nil
		b.resolve(p)
		for d := range g.rows {
			clear(g.rows[d])
		}
		v := g.Ports(0, g.Address(netip.MustParseAddr("20.0.0.1")))
		if got := v.On(Port{TCP, 80}); got != Maybe || v.Why&whyRanges == 0 {
			t.Errorf("what is not known: %s (%s)", got, v.Why)
		}
	}
}

func BenchmarkRanges(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		text, _ := blocklist(n, rand.New(rand.NewPCG(1, 1)))
		s := model.NewSnapshot(parse(b, text), true)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			defer cputime.Report(b)()
			for b.Loop() {
				New(s)
			}
		})
	}
}

func TestUnionOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		in := newInterner()
		var ids []setID
		want := setID(noPorts)
		for range r.IntN(3 * fewSets) {
			first := uint16(r.IntN(100))
			id := in.set(portsFrom(Protocol(r.IntN(3)), first, first+uint16(r.IntN(20))))
			ids, want = append(ids, id, noPorts), in.union(want, id)
		}
		if got := in.unionAll(ids); got != want {
			t.Fatalf("%s, want %s", in.sets[got], in.sets[want])
		}
	}
}
