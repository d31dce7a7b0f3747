package trim

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

var everyKind = behavior.KindsOf(behavior.Kinds...)

// did is a profile of a container that was watched for a day.
func did(t *testing.T, change func(*behavior.Interval), facts ...behavior.Fact) *behavior.Profile {
	t.Helper()
	at := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	b := behavior.New(behavior.Subject{Kind: behavior.KindContainer, Name: "web"})
	for _, f := range facts {
		b.Observe(f, behavior.SeenAt(behavior.At(at), "web", ""))
	}
	i := behavior.Interval{Replica: "web", Session: "s", From: behavior.At(at), To: behavior.At(at.Add(time.Hour)), Tier: behavior.TierTracing, Kinds: everyKind, Whole: true}
	if change != nil {
		change(&i)
	}
	b.Coverage.Watch(i)
	p, err := behavior.NewProfile([]*behavior.Behavior{b}, behavior.Options{Enough: behavior.Enough{Days: 1, Runs: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fact(k behavior.Kind, name string, user behavior.User, origin behavior.Origin) behavior.Fact {
	f := behavior.Fact{Kind: k, Phase: behavior.Steady, Origin: origin, Outcome: behavior.Allowed, Name: name}
	f.Program.Path, f.Program.User = "/bin/web", user
	if k == behavior.Syscall {
		f.Program = behavior.Program{File: behavior.File{Path: behavior.Many}}
	}
	return f
}

func calls(names ...string) (facts []behavior.Fact) {
	for _, name := range names {
		facts = append(facts, fact(behavior.Syscall, name, "", behavior.Entrypoint))
	}
	return facts
}

func capability(name string, user behavior.User) behavior.Fact {
	return fact(behavior.Capability, name, user, behavior.Entrypoint)
}

func runs(user behavior.User) behavior.Fact {
	return fact(behavior.Execute, "", user, behavior.Entrypoint)
}

func TestWhatIsTakenAndLeft(t *testing.T) {
	usual := Grant{Capabilities: usualCapabilities, NewPrivileges: true}
	dropped := calls("read", "socket")
	for _, c := range []struct {
		name    string
		profile *behavior.Profile
		before  Grant
		lacking string
		taken   []Dimension
		left    string
	}{
		{"all", did(t, nil, append(dropped, runs(behavior.Root), capability("CHOWN", behavior.Root))...), usual, "", []Dimension{Capabilities, Privileges, SystemCalls}, ""},
		{"nothing that is there", did(t, nil, append(dropped, runs(behavior.Root))...), Grant{Calls: filterOf(map[string]bool{"read": true, "socket": true}, true)}, "", nil, ""},
		{"privileged", did(t, nil, dropped...), Grant{Privileged: true}, "it is privileged", nil, ""},
		{"with losses", did(t, func(i *behavior.Interval) { i.Lost = 1 }, dropped...), usual, "1 observations were lost", nil, ""},
		{"calls not looked for", did(t, func(i *behavior.Interval) { i.Kinds = behavior.KindsOf(behavior.Execute, behavior.Capability) }, runs(behavior.Root)), usual, "", []Dimension{Capabilities, Privileges}, "did not look for system calls"},
		{"nothing looked for is known", did(t, func(i *behavior.Interval) { i.Kinds = 0 }, runs(behavior.Root)), usual, "", nil, "did not look for capabilities"},
		{"a call without a name", did(t, nil, append(calls("read", "1024"), runs(behavior.Root))...), usual, "", []Dimension{Capabilities, Privileges}, "no name: 1024"},
		{"two users", did(t, nil, append(dropped, runs(behavior.Root), runs(behavior.Other))...), usual, "", []Dimension{Capabilities, SystemCalls}, "both as root and as another user"},
		{"another user with capabilities", did(t, nil, append(dropped, runs(behavior.Other), capability("NET_RAW", behavior.Other))...), usual, "", []Dimension{Capabilities, SystemCalls}, "file capabilities"},
		{"another user", did(t, nil, append(dropped, runs(behavior.Other))...), usual, "", []Dimension{Capabilities, Privileges, SystemCalls}, ""},
		{"a filter that denies what the runtime needs", did(t, nil, append(dropped, runs(behavior.Root))...), Grant{Calls: &Filter{Allowed: map[string]bool{"read": true, "socket": true}}}, "", nil, "denies what a narrower one needs"},
	} {
		plan, err := Make(c.profile, c.before)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var taken []Dimension
		for _, cut := range plan.Cuts {
			taken = append(taken, cut.What)
		}
		left := ""
		for _, l := range plan.Left {
			left += l.Why + "; "
		}
		if !strings.HasPrefix(plan.Lacking, c.lacking) || (c.lacking == "") != (plan.Lacking == "") || !slices.Equal(taken, c.taken) || !strings.Contains(left, c.left) || (c.left == "") != (left == "") {
			t.Errorf("%s: lacking %q, taken %v, left %q; want %q, %v, %q", c.name, plan.Lacking, taken, left, c.lacking, c.taken, c.left)
		}
	}
}

func TestTooLittleIsRefused(t *testing.T) {
	b := behavior.New(behavior.Subject{Kind: "CronJob", Namespace: "shop", Name: "report", Container: "report"})
	b.Coverage.Watch(behavior.Interval{Replica: "a", Run: "1", Session: "s", From: 1, To: 60, Kinds: everyKind, Whole: true, Ended: true})
	p, err := behavior.NewProfile([]*behavior.Behavior{b}, behavior.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Make(p, Grant{Capabilities: usualCapabilities, NewPrivileges: true})
	if err != nil || !strings.Contains(plan.Lacking, "1 run, and 3 are needed") || len(plan.Cuts) > 0 || !slices.Equal(plan.After.Capabilities, usualCapabilities) {
		t.Errorf("%+v %v", plan, err)
	}
}

// What people did in a container is not needed; what a probe did is.
func TestPeopleAreNotNeeded(t *testing.T) {
	p := did(t, nil, runs(behavior.Root), fact(behavior.Capability, "NET_RAW", behavior.Root, behavior.Exec), fact(behavior.Capability, "SYS_PTRACE", behavior.Root, behavior.Debug),
		fact(behavior.Capability, "KILL", behavior.Root, behavior.Probe))
	plan, err := Make(p, Grant{Capabilities: []string{"KILL", "NET_RAW", "SYS_PTRACE"}})
	if err != nil || !slices.Equal(plan.After.Capabilities, []string{"KILL"}) {
		t.Errorf("%v %v", plan.After.Capabilities, err)
	}
}

// Whatever was used is allowed by what is left, nothing is allowed that was not
// before, and no act becomes possible.
func TestTrimIsSafeAndNarrower(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := append([]string{"read", "write", "socket", "mount", "x86:read", "x86:socketcall", "arm:_llseek", "bpf", "7"}, startCalls...)
	cut := 0
	for range 3000 {
		before := Grant{NewPrivileges: r.IntN(2) == 0}
		for _, c := range allCapabilities {
			if r.IntN(2) == 0 {
				before.Capabilities = append(before.Capabilities, c)
			}
		}
		switch r.IntN(3) {
		case 0:
			before.Calls = runtimeDefault(&before)
		case 1:
			before.Calls = &Filter{Allowed: map[string]bool{}, ABIs: []string{"x86"}}
			for _, name := range names {
				if _, bare := abiOf(name); r.IntN(8) > 0 {
					before.Calls.Allowed[bare] = true
				}
			}
		}
		var facts []behavior.Fact
		for range r.IntN(20) {
			f := calls(names[r.IntN(len(names))])[0]
			if r.IntN(3) == 0 {
				f = capability(allCapabilities[r.IntN(len(allCapabilities))], behavior.Root)
			}
			if before.Allows(f) == behavior.Yes {
				facts = append(facts, f)
			}
		}
		facts = append(facts, runs([]behavior.User{behavior.Root, behavior.Other}[r.IntN(2)]))
		plan, err := Make(did(t, nil, facts...), before)
		if err != nil {
			t.Fatal(err)
		}
		cut += len(plan.Cuts)
		for _, f := range facts {
			if plan.After.Allows(f) == behavior.No {
				t.Fatalf("%s was used and is denied by %+v", f, plan.After)
			}
		}
		for _, name := range slices.Concat(names, []string{"ptrace", "keyctl", "chdir"}) {
			if plan.After.May(name) && !before.May(name) {
				t.Fatalf("%s was not allowed before, by %+v", name, before.Calls)
			}
		}
		for _, a := range plan.Remain {
			if !a.Possible(&before) {
				t.Fatalf("%q becomes possible", a.Name)
			}
		}
		if len(plan.Remain) > len(plan.Possible) || plan.After.NewPrivileges && !before.NewPrivileges {
			t.Fatalf("%+v", plan)
		}
	}
	if cut < 3000 {
		t.Errorf("%d cuts: the test shows little", cut)
	}
}

func TestGrantOfManifest(t *testing.T) {
	for _, c := range []struct {
		pod, container string
		want           Grant
		denies         string // a call
	}{
		{"{}", "{name: web}", Grant{Capabilities: usualCapabilities, NewPrivileges: true}, ""},
		{"{}", "{name: web, securityContext: {privileged: true}}", Grant{Privileged: true, Capabilities: allCapabilities, NewPrivileges: true}, ""},
		{"{}", "{name: web, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [CAP_NET_BIND_SERVICE, chown]}}}", Grant{Capabilities: []string{"CHOWN", "NET_BIND_SERVICE"}}, ""},
		{"{}", "{name: web, securityContext: {capabilities: {add: [ALL]}}}", Grant{Capabilities: allCapabilities, NewPrivileges: true}, ""},
		{"{}", "{name: web, securityContext: {capabilities: {drop: [NET_RAW, MKNOD]}}}", Grant{Capabilities: slices.DeleteFunc(slices.Clone(usualCapabilities), func(c string) bool { return c == "NET_RAW" || c == "MKNOD" }), NewPrivileges: true}, ""},
		{"{seccompProfile: {type: RuntimeDefault}}", "{name: web}", Grant{Capabilities: usualCapabilities, NewPrivileges: true}, "mount"},
		{"{seccompProfile: {type: RuntimeDefault}}", "{name: web, securityContext: {seccompProfile: {type: Unconfined}}}", Grant{Capabilities: usualCapabilities, NewPrivileges: true}, ""},
	} {
		text := "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {securityContext: " + c.pod + ", containers: [" + c.container + "]}\n"
		var o *model.Object
		for d := range tree.Parse(&tree.File{Name: "pod.yaml", Text: text}) {
			var err error
			if o, err = model.NewObject(d.Root, &model.Source{File: d.File}, "", "default"); err != nil {
				t.Fatal(err)
			}
		}
		pod := o.Pods()[0]
		g := GrantOf(pod, pod.Spec.Get("containers").At(0))
		if !slices.Equal(g.Capabilities, c.want.Capabilities) || g.NewPrivileges != c.want.NewPrivileges || g.Privileged != c.want.Privileged || (g.Calls == nil) != (c.denies == "") || c.denies != "" && g.May(c.denies) || !g.May("read") {
			t.Errorf("%s: %+v", text, g)
		}
	}
}

// A profile that is written is read as the same filter.
func TestSeccompRoundTrip(t *testing.T) {
	f := filterOf(map[string]bool{"read": true, "x86:open": true, "arm:write": true}, true)
	text, err := json.Marshal(f.Seccomp())
	if err != nil {
		t.Fatal(err)
	}
	var s Seccomp
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if got := s.Filter(); !slices.Equal(got.names(), f.names()) || !slices.Equal(got.ABIs, []string{"arm", "x86"}) {
		t.Errorf("%+v", got)
	}
	for action, open := range map[string]bool{"SCMP_ACT_ALLOW": true, "SCMP_ACT_LOG": true, "SCMP_ACT_KILL_PROCESS": false, "SCMP_ACT_ERRNO": false} {
		if got := (&Seccomp{DefaultAction: action}).Filter(); (got == nil) != open {
			t.Errorf("%s: %+v", action, got)
		}
	}
}

// Every act names capabilities and calls that there are.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	everything := Grant{Capabilities: allCapabilities, NewPrivileges: true}
	for _, a := range Acts {
		if seen[a.Name] || a.Gain == "" || len(a.ways) == 0 {
			t.Errorf("%+v", a)
		}
		seen[a.Name] = true
		if !a.Possible(&everything) || a.Possible(&Grant{Calls: &Filter{}}) {
			t.Errorf("%q: possible to nobody, or to whom may nothing", a.Name)
		}
	}
	for call, names := range usuallyDenied {
		for _, name := range strings.Fields(names) {
			if !slices.Contains(allCapabilities, name) {
				t.Errorf("%s: there is no capability %s", call, name)
			}
		}
	}
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte(`{"ociVersion":"1.0.2","process":{"capabilities":{"bounding":["CAP_KILL"]}},"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}}}`))
	f.Add([]byte(`{"ociVersion":"1","process":{"capabilities":null},"linux":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := ReadBundle(text)
		if err != nil {
			return
		}
		g := b.Grant()
		out, err := b.Apply(&g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadBundle(out); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	})
}
