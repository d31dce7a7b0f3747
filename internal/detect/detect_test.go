package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

func library(t testing.TB) []*policy.Rule {
	t.Helper()
	rules, err := policy.LoadLibrary(policies.Behavior(), "policies/behavior")
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func ids(found []*model.Finding) (list []string) {
	for _, f := range found {
		if f.Active() {
			list = append(list, f.Rule.ID)
		}
	}
	slices.Sort(list)
	return list
}

func connects(to string) behavior.Fact {
	address := netip.MustParseAddrPort(to)
	o := behavior.Observation{Kind: behavior.Connect, Program: behavior.File{Path: "/bin/web", Layer: behavior.InImage}, Peer: behavior.Peer{Address: address.Addr(), Port: address.Port(), Protocol: "tcp"}}
	return o.Fact()
}

// Every kind of fact can be judged by every rule: none of them is unknown, or reads
// what is not there.
func TestEveryKindIsJudged(t *testing.T) {
	d := New(library(t), nil, nil)
	for _, kind := range behavior.Kinds {
		o := behavior.Observation{Kind: kind, Program: behavior.File{Path: "/bin/web", Layer: behavior.InImage}, Name: "none", Peer: behavior.Peer{Protocol: "tcp", Port: 1, Address: netip.MustParseAddr("10.0.0.1")}}
		found, unknown := d.Judge(Context{Name: "web"}, o.Fact())
		for _, u := range unknown {
			t.Errorf("%s: %s: %s", kind, u.Rule.ID, u.Reason)
		}
		if kind == behavior.Mount || kind == behavior.Sensitive { // of which any is of note
			continue
		}
		if len(found) > 0 {
			t.Errorf("%s: %v", kind, ids(found))
		}
	}
}

func TestScopes(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1": "loopback", "::1": "loopback", "169.254.169.254": "link-local", "fe80::1": "link-local", "10.1.2.3": "private", "fd00::1": "private",
		"100.64.0.1": "private", "100.128.0.1": "public", "203.0.113.9": "public", "2001:db8::1": "public",
	} {
		if got := scopeOf(&behavior.Peer{Address: netip.MustParseAddr(address)}); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
	for _, p := range []struct {
		behavior.Peer
		want string
	}{{behavior.Peer{}, ""}, {behavior.Peer{Name: behavior.Many}, "many"}, {behavior.Peer{Name: "db"}, "name"}, {behavior.Peer{Workload: "Deployment/shop/db"}, "workload"}} {
		if got := scopeOf(&p.Peer); got != p.want {
			t.Errorf("%+v is %q, want %q", p.Peer, got, p.want)
		}
	}
}

// What many facts fold into is judged once, and so are they.
func TestFoldsAreJudgedOnce(t *testing.T) {
	d := New(library(t), nil, nil)
	var w Watched
	alerts := 0
	for port := range 1000 {
		for _, f := range w.Add(connects(fmt.Sprintf("10.0.0.1:%d", 20000+port))) {
			found, _ := d.Judge(Context{Name: "web"}, f)
			if slices.Contains(ids(found), "connect-many") {
				alerts++
			}
		}
	}
	if alerts != 1 {
		t.Errorf("a scan of 1,000 ports is %d alerts, want 1", alerts)
	}
}

func TestExceptionsHold(t *testing.T) {
	rules := library(t)
	x := policy.NewExceptions(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "none", rules)
	file := &tree.File{Name: "x.yaml", Text: `{apiVersion: ullage.dev/v1alpha1, kind: Exceptions, exceptions: [
		{rules: [connect-metadata-service], reason: r, owner: o, expires: 2026-12-31, match: {namespaces: [ops]}}]}`}
	for doc := range tree.Parse(file) {
		if err := x.Load(doc.Root.Seal(), file); err != nil {
			t.Fatal(err)
		}
	}
	d := New(rules, nil, x)
	for namespace, want := range map[string]int{"ops": 0, "shop": 1} {
		found, _ := d.Judge(Context{Namespace: namespace, Name: "web"}, connects("169.254.169.254:80"))
		if got := ids(found); len(got) != want {
			t.Errorf("in %s: %v", namespace, got)
		}
	}
}

// Settings replace parameters.
func TestSettingsHold(t *testing.T) {
	set := tree.MapOf(tree.Entry("addresses", []string{"10.0.0.7"}))
	d := New(library(t), map[string]*tree.Node{"connect-metadata-service": set.Seal()}, nil)
	for to, want := range map[string]bool{"169.254.169.254:80": false, "10.0.0.7:80": true} {
		found, _ := d.Judge(Context{Name: "web"}, connects(to))
		if got := slices.Contains(ids(found), "connect-metadata-service"); got != want {
			t.Errorf("%s: %t, want %t", to, got, want)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	d := New(library(b), nil, nil)
	facts := make([]behavior.Fact, 1000)
	for i := range facts {
		facts[i] = connects(fmt.Sprintf("10.0.%d.%d:443", i/250, i%250))
	}
	for i := 0; b.Loop(); i++ {
		d.Judge(Context{Name: "web"}, facts[i%len(facts)])
	}
}
