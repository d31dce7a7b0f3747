package behavior

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// life is what a workload does in a test: the sensor's side of it.
type life struct {
	t         *testing.T
	behaviors map[string]*Behavior
	subject   Subject
}

func newLife(t *testing.T, s Subject) *life { return &life{t, map[string]*Behavior{}, s} }

func (l *life) of(image string) *Behavior {
	if l.behaviors[image] == nil {
		s := l.subject
		s.Image = image
		l.behaviors[image] = New(s)
	}
	return l.behaviors[image]
}

// does has replicas do things from one day to another, each day.
func (l *life) does(image string, from, to int, replicas []string, all ...Observation) {
	b := l.of(image)
	for d := from; d < to; d++ {
		for _, replica := range replicas {
			for i := range all {
				b.Observe(all[i].Fact(), SeenAt(start+Moment(d*day+hour), replica, ""))
			}
			b.Coverage.Watch(Interval{Replica: replica, Session: "s1", From: start + Moment(from*day), To: start + Moment((d+1)*day) - 1, Tier: TierTracing, Whole: true})
		}
	}
}

// run is one run of a job, n days after the start.
func (l *life) run(image string, n int, all ...Observation) {
	b, name := l.of(image), fmt.Sprint("export-", n)
	at := start + Moment(n*day)
	for i := range all {
		b.Observe(all[i].Fact(), SeenAt(at+5, name, name))
	}
	b.Coverage.Watch(Interval{Replica: name, Run: name, Session: "s1", From: at, To: at + 60, Tier: TierTracing, Whole: true, Ended: true})
}

func (l *life) profile(o Options) *Profile {
	l.t.Helper()
	var all []*Behavior
	for _, b := range l.behaviors {
		all = append(all, b)
	}
	p, err := NewProfile(all, o)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func said(deeds []Deed) (lines []string) {
	for i := range deeds {
		lines = append(lines, string(deeds[i].State)+": "+deeds[i].String())
	}
	return lines
}

func wants(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nnot:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func executes(path string) Observation {
	return Observation{Kind: Execute, Origin: Entrypoint, Program: File{path, InImage}, Parent: "/usr/sbin/nginx", User: Other}
}

func connects(program, workload string, port uint16) Observation {
	return Observation{Kind: Connect, Origin: Entrypoint, Program: File{program, InImage}, Peer: Peer{Workload: workload, Address: netip.MustParseAddr("10.0.0.1"), Protocol: "tcp", Port: port}}
}

// server is what every version of the server does.
func server() []Observation {
	return []Observation{
		executes("/usr/sbin/nginx"), connects("/usr/sbin/nginx", "Deployment/shop/db", 5432),
		{Kind: Listen, Phase: Start, Origin: Entrypoint, Program: File{"/usr/sbin/nginx", InImage}, Peer: Peer{Protocol: "tcp", Port: 8080}},
		{Kind: Write, Origin: Entrypoint, Program: File{"/usr/sbin/nginx", InImage}, File: File{"/tmp/nginx-4711081512.tmp", Added}},
		{Kind: Execute, Origin: Probe, Program: File{"/bin/sh", InImage}, Arguments: []string{"sh", "-c", "curl -f localhost:8080"}},
	}
}

// TestLifeOfAServer: learned with one image, rolled out with one more program, rolled
// back, scaled: one difference in all, named when it comes, and none that a person or a
// replica makes.
func TestLifeOfAServer(t *testing.T) {
	l := newLife(t, web(""))
	l.does("sha256:v1", 0, 3, []string{"web-a"}, server()...)
	if p := l.profile(Options{}); p.Lacking != "too little seen: 3 days, and 7 are needed" || p.Deeds[0].State != StateLearning || len(p.Differences()) != 0 {
		t.Errorf("after three days: %q, %v", p.Lacking, said(p.Deeds))
	}
	l.does("sha256:v1", 3, 10, []string{"web-a"}, server()...)
	p := l.profile(Options{Replicas: 1})
	wants(t, "v1", said(p.Differences()))
	if got := p.Summary.Words(); got != "10 of 10 days, 1 of 1 replica, nothing lost" {
		t.Error(got)
	}

	v2 := append(server(), executes("/usr/bin/convert"))
	l.does("sha256:v2", 10, 12, []string{"web-b"}, v2...)
	l.of("sha256:v2").Observe((&Observation{Kind: Execute, Origin: Exec, Program: File{"/bin/bash", InImage}}).Fact(), SeenAt(start+11*day, "web-b", ""))
	p = l.profile(Options{})
	wants(t, "v2", said(p.Differences()), "new: /usr/bin/convert runs, begun by /usr/sbin/nginx")
	wants(t, "by people", said(p.People), ": /bin/bash runs")
	if d := p.Differences()[0]; !d.WithImage || p.Images[d.Images[0]].Digest != "sha256:v2" || len(d.Images) != 1 {
		t.Errorf("%+v", d)
	}

	l.does("sha256:v1", 12, 14, []string{"web-c"}, server()...)
	wants(t, "back at v1", said(l.profile(Options{}).Differences()), "new: /usr/bin/convert runs, begun by /usr/sbin/nginx")
	l.does("sha256:v1", 14, 20, []string{"web-c", "web-d", "web-e", "web-f", "web-g"}, server()...)
	p = l.profile(Options{Replicas: 5})
	wants(t, "five replicas", said(p.Differences()), "new: /usr/bin/convert runs, begun by /usr/sbin/nginx")
	if p.Images[p.Latest()].Digest != "sha256:v1" {
		t.Errorf("the latest image is %s", p.Images[p.Latest()].Digest)
	}

	if n := len(p.Approve(false).Deeds); n != len(p.Deeds)-1 {
		t.Errorf("%d deeds are approved of %d, one of which is new", n, len(p.Deeds))
	}
	approved := p.Approve(true)
	l.does("sha256:v2", 20, 22, []string{"web-h"}, v2...)
	wants(t, "approved", said(l.profile(Options{Approved: approved}).Differences()))
	l.does("sha256:v2", 22, 23, []string{"web-h"}, Observation{Kind: Execute, Origin: Entrypoint, Program: File{"/tmp/x", Added}, Parent: "/usr/sbin/nginx"})
	p = l.profile(Options{Approved: approved})
	wants(t, "dropped", said(p.Differences()), "new: /tmp/x runs, begun by /usr/sbin/nginx")
	if d := p.Differences()[0]; d.WithImage || d.Story() == "" {
		t.Errorf("%+v: %q", d, d.Story())
	}
}

// TestLifeOfAJob: a job is known by its runs. One is too little; a connection that
// the fifth makes is named.
func TestLifeOfAJob(t *testing.T) {
	l := newLife(t, Subject{Namespace: "shop", Kind: "CronJob", Name: "export", Container: "export"})
	job := []Observation{executes("/app/export"), connects("/app/export", "Deployment/shop/db", 5432)}
	l.run("sha256:v1", 0, job...)
	if p := l.profile(Options{}); p.Lacking != "too little seen: 1 run, and 3 are needed" || p.Summary.Words() != "1 run, 1 of 1 day, nothing lost" {
		t.Errorf("%q, %q", p.Lacking, p.Summary.Words())
	}
	for n := 1; n < 4; n++ {
		l.run("sha256:v1", n, job...)
	}
	p := l.profile(Options{})
	wants(t, "four runs", said(p.Differences()))
	if p.Lacking != "" || p.Summary.Words() != "4 runs, 4 of 4 days, nothing lost" {
		t.Errorf("%q, %q", p.Lacking, p.Summary.Words())
	}
	elsewhere := Observation{Kind: Connect, Origin: Entrypoint, Outcome: Denied, Program: File{"/app/export", InImage}, Peer: Peer{Address: netip.MustParseAddr("203.0.113.9"), Protocol: "tcp", Port: 4444}}
	l.run("sha256:v1", 4, append(job, elsewhere)...)
	wants(t, "the fifth run", said(l.profile(Options{}).Differences()), "new: /app/export connects to 203.0.113.9:4444/tcp, and was denied")
}

// TestReplicas: one replica of a Deployment that does what no other does is named;
// those of a StatefulSet may differ.
func TestReplicas(t *testing.T) {
	for kind, want := range map[string]string{"Deployment": "db-0", "StatefulSet": ""} {
		l := newLife(t, Subject{Namespace: "shop", Kind: kind, Name: "db", Container: "db"})
		l.does("sha256:1", 0, 8, []string{"db-0", "db-1", "db-2"}, server()...)
		l.does("sha256:1", 0, 8, []string{"db-0"}, executes("/usr/bin/replicate"))
		p := l.profile(Options{})
		for i := range p.Deeds {
			expect := ""
			if strings.HasSuffix(p.Deeds[i].Program.Path, "replicate") {
				expect = want
			}
			if p.Deeds[i].Only != expect {
				t.Errorf("%s: %s is of %q only, not of %q", kind, p.Deeds[i], p.Deeds[i].Only, expect)
			}
		}
	}
}

// TestFoldsAreUnclear: whether something new is among what is not kept apart is not
// known, and is said so; an approved fold is one.
func TestFoldsAreUnclear(t *testing.T) {
	l := newLife(t, web(""))
	var many []Observation
	for i := range 40 {
		many = append(many, Observation{Kind: Write, Origin: Entrypoint, Program: File{"/bin/x", InImage}, File: File{fmt.Sprintf("/data/f%c%c", 'a'+i%26, 'a'+i/26), OtherMount}})
	}
	l.does("sha256:1", 0, 7, []string{"a"}, many...)
	l.does("sha256:1", 7, 9, []string{"a"}, many[3])
	p := l.profile(Options{})
	wants(t, "a fold", said(p.Differences()), "unclear: /bin/x writes /data/*")
	wants(t, "an approved fold", said(l.profile(Options{Approved: p.Approve(true)}).Differences()))
}

func TestSummaryWords(t *testing.T) {
	var c Coverage
	words := func(kind string, wanted int) string {
		s := summarize(kind == "CronJob", wanted, &c)
		return s.Words()
	}
	if got := words("", 0); got != "nothing was watched" {
		t.Error(got)
	}
	c.Watch(Interval{Replica: "a", Session: "1", From: start, To: start + day - 1, Whole: true})
	c.Watch(Interval{Replica: "b", Session: "1", From: start + 3*day, To: start + 4*day - 1, Lost: 2, Folded: 7})
	if got := words("", 6); got != "2 of 4 days, 2 of 6 replicas, 1 from the start, 2 days not watched in between, 2 lost, 7 not kept apart" {
		t.Error(got)
	}
	for i := range 2 * keptIntervals {
		c.Watch(Interval{Replica: fmt.Sprint(i), Session: "1", From: start + Moment(i*hour), To: start + Moment(i*hour+hour), Lost: 1})
	}
	if got := words("", 0); !strings.HasPrefix(got, "86 of 86 days, at least 10") || !strings.Contains(got, "at least 1026 lost") {
		t.Error(got)
	}
}

// TestApproved reads back what was written, of random behaviors, and writes it again
// the same.
func TestApproved(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 4))
		b := New(web("sha256:1"))
		for range 50 {
			f := deed(r, Kinds)
			odd := []string{`"`, "'", ": ", " #", "- ", "[", "&a", "é", "null", "~", "@", "%", "!x", " ", "0x1f", "1e3", ","}[r.IntN(17)]
			if f.Program != anyone && r.IntN(2) == 0 {
				f.Program.Path += odd
			}
			if f.Name != "" {
				f.Name = odd + f.Name + odd
			}
			if f.Kind == Connect && r.IntN(2) == 0 {
				f.Peer.Name, f.Peer.Address = "", netip.AddrFrom16([16]byte{0xfd, 15: byte(1 + r.IntN(255))})
			}
			b.Observe(f, SeenAt(start, "a", ""))
		}
		p, err := NewProfile([]*Behavior{b}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := p.Approve(true)
		text := want.YAML()
		all, err := ParseApproved(&tree.File{Name: "profile.yaml", Text: string(text)})
		if err != nil || len(all) != 1 {
			t.Fatalf("%v\n%s", err, text)
		}
		if got := all[0]; got.Subject != want.Subject || got.Seen != want.Seen || !slices.Equal(got.Images, want.Images) || !slices.Equal(got.Deeds, want.Deeds) {
			t.Fatalf("read back: %+v\nnot: %+v\n%s", got, want, text)
		}
		if again := all[0].YAML(); !bytes.Equal(again, text) {
			t.Fatalf("written again: %s\nnot: %s", again, text)
		}
	}
}

func TestApprovedIsStrict(t *testing.T) {
	const head = "apiVersion: ullage.dev/v1alpha1\nkind: Profile\nnormalizer: 1\nworkload: {kind: Deployment, name: web}\n"
	for text, want := range map[string]string{
		"":                                "p.yaml: it holds no profile",
		"apiVersion: v1\nkind: Profile\n": "p.yaml:1:1: the document does not begin with",
		strings.Replace(head, "normalizer: 1", "normalizer: 2", 1) + "deeds: []\n": "p.yaml:3:1: its deeds are not written by rules of version 1",
		head:                         "p.yaml:1:1: deeds are missing",
		head + "deeds: []\nfoo: 1\n": `p.yaml:6:1: unknown field "foo"`,
		head + "deeds:\n  - {kind: fly, program: /x}\n":                              `p.yaml:6:5: kind "fly" is not known`,
		head + "deeds:\n  - {kind: execute}\n":                                       "p.yaml:6:5: a fact of kind execute needs a program",
		head + "deeds:\n  - {kind: execute, program: /x, port: 3}\n":                 "kind execute and the peer do not fit",
		head + "deeds:\n  - {kind: listen, program: /x, protocol: tcp, port: 70000}": "p.yaml:6:48: port is not a number",
		head + "deeds:\n  - {kind: connect, program: /x, address: 1.2.3}":            `"1.2.3" is not an address`,
		head + "deeds:\n  - {kind: execute, program: [x]}":                           "program is a list, not a string",
		head + "deeds: []\n---\n" + head + "deeds: []\n":                             "there are two profiles of Deployment/web",
	} {
		if _, err := ParseApproved(&tree.File{Name: "p.yaml", Text: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	const fact = `{"kind":"execute","phase":"start","origin":"entrypoint","outcome":"allowed","program":{"path":"/x"},"seen":{"first":"2026-11-01T08:00:00Z","last":"2026-11-01T08:00:00Z","days":"2026-11-01","replicas":""}}`
	file := func(fact string) string {
		return `{"schema":"ullage.dev/behavior/v1","normalizer":1,"behaviors":[{"subject":{"kind":"Pod","name":"a"},"facts":[` + fact + `],"coverage":{"intervals":[]}}]}`
	}
	if _, err := Decode(strings.NewReader(file(fact))); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                   "it is empty",
		"{":                                  "it ends too early",
		`{"schema":`:                         "it ends too early",
		strings.TrimSuffix(file(fact), "]}"): "it ends too early",
		`{"schema":"x"}`:                     "its schema is",
		`{"schema":"ullage.dev/behavior/v1","normalizer":2}`:                                     "rules of version 2",
		file(strings.Replace(fact, "execute", "fly", 1)):                                         `fact 1: kind "fly" is not known`,
		file(strings.Replace(fact, "/x", `/\u001b`, 1)):                                          "not printable",
		file(strings.Replace(fact, `"kind"`, `"sort"`, 1)):                                       `unknown field "sort"`,
		file(strings.Replace(fact, `"days":"2026-11-01"`, `"days":"2026-11-02"`, 1)):             "do not fit",
		file(strings.Replace(fact, `"days":"2026-11-01"`, `"days":"1970-01-01..2026-11-01"`, 1)): "range of at most",
		strings.Replace(file(fact), `"kind":"Pod"`, `"kind":""`, 1):                              "needs a kind and a name",
	} {
		if _, err := Decode(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, not %s", text, err, want)
		}
	}
}

// FuzzDecode: whatever is read is bounded, and what can be read can be written and read
// again.
func FuzzDecode(f *testing.F) {
	b := New(web("sha256:1"))
	b.Observe((&Observation{Kind: Connect, Program: File{"/bin/x", InImage}, Peer: Peer{Name: "db", Protocol: "tcp", Port: 1}}).Fact(), SeenAt(start, "a", "1"))
	b.Coverage.Watch(Interval{Replica: "a", Session: "1", From: start, To: start + day})
	var text bytes.Buffer
	if err := Encode(&text, []*Behavior{b}); err != nil {
		f.Fatal(err)
	}
	f.Add(text.String())
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Decode(strings.NewReader(text))
		if err != nil || len(all) == 0 {
			return
		}
		var again bytes.Buffer
		if err := Encode(&again, all); err != nil {
			t.Fatal(err)
		}
		read, err := Decode(&again)
		if err != nil || len(read) != len(all) {
			t.Fatalf("%d behaviors, not %d: %v", len(read), len(all), err)
		}
		p, err := NewProfile(all[:1], Options{})
		if err != nil {
			t.Fatal(err)
		}
		p.Summary.Words()
		if _, err := ParseApproved(&tree.File{Text: string(p.Approve(true).YAML())}); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	all, at := New(web("")), SeenAt(start, "a", "")
	for range 2000 {
		all.Observe(deed(r, Kinds), at)
	}
	f := deed(r, Kinds)
	b.ReportAllocs()
	for b.Loop() {
		all.Observe(f, at)
	}
}
