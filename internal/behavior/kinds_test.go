package behavior

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

func TestKindSet(t *testing.T) {
	s := KindsOf(Connect, Syscall)
	text, err := json.Marshal(s)
	if err != nil || string(text) != `["connect","syscall"]` {
		t.Errorf("%s, %v", text, err)
	}
	var read KindSet
	if err := json.Unmarshal(text, &read); err != nil || read != s {
		t.Errorf("read back: %v, %v", read.List(), err)
	}
	if err := json.Unmarshal([]byte(`["connect","made up"]`), &read); err == nil {
		t.Error("a kind that is none is read")
	}
	if missing := s.Missing(); len(missing) != len(Kinds)-2 || slices.Contains(missing, Syscall) || KindSet(0).Missing() != nil {
		t.Errorf("missing: %v", missing)
	}
}

// What was not looked for all the time is not watched.
func TestKindsOfCoverage(t *testing.T) {
	var c Coverage
	c.Watch(Interval{Replica: "a", Session: "1", From: start, To: start + hour, Kinds: KindsOf(Execute, Capability, Syscall)})
	c.Watch(Interval{Replica: "b", Session: "1", From: start, To: start + hour, Kinds: KindsOf(Execute, Syscall, Map)})
	if s := summarize(false, 0, &c); s.Kinds != KindsOf(Execute, Syscall) {
		t.Errorf("%v", s.Kinds.List())
	}
	c.Watch(Interval{Replica: "c", Session: "1", From: start, To: start + hour}) // of a sensor that does not say
	if s := summarize(false, 0, &c); s.Kinds != 0 {
		t.Errorf("%v", s.Kinds.List())
	}
}

// Neither programs nor system calls without end take away the names that a grant is
// made of.
func TestGrantsAreKeptApart(t *testing.T) {
	b := New(web(""))
	for program := range 40 {
		for name := range 41 {
			o := Observation{Kind: Capability, Program: File{Path: fmt.Sprint("/bin/p", program), Layer: InImage}, Name: fmt.Sprint("C", name)}
			b.Observe(o.Fact(), SeenAt(start, "a", ""))
		}
		for name := range 600 {
			o := Observation{Kind: Syscall, Program: File{Path: fmt.Sprint("/bin/p", program), Layer: InImage}, Name: fmt.Sprint("call", name)}
			b.Observe(o.Fact(), SeenAt(start, "a", ""))
		}
	}
	names := map[Kind]int{}
	for f := range b.Facts() {
		if f.Name == Many || f.Program.Path != Many {
			t.Fatal(f)
		}
		names[f.Kind]++
	}
	if names[Capability] != 41 || names[Syscall] != 600 {
		t.Error(names)
	}
}
