//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"slices"
	"testing"

	"ullage.dev/ullage/internal/behavior"
)

// endsAtOnce is a program that does nothing, as small as one can be.
func endsAtOnce() []byte {
	const base, size = 0x400000, 64 + 56
	var b bytes.Buffer
	h := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: machine, Version: 1,
		Entry: base + size, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	p := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size + 16, Memsz: size + 16, Align: 4096}
	_ = binary.Write(&b, binary.LittleEndian, h) // a buffer does not fail
	_ = binary.Write(&b, binary.LittleEndian, p)
	return append(append(b.Bytes(), ends...), make([]byte, 16)...)
}

// listen collects what the sensor tells until done is called.
func listen(t *testing.T, s *Sensor) (done func() []Event) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var events []Event
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx, func(e Event) { events = append(events, e) }) }()
	return func() []Event {
		stop()
		if err := <-result; err != nil {
			t.Error(err)
		}
		return events
	}
}

func ofContainer(events []Event, id string, kind EventKind) (list []Event) {
	for _, e := range events {
		if e.Kind == kind && e.Container.ID == id {
			list = append(list, e)
		}
	}
	return list
}

func TestOriginsAreToldApart(t *testing.T) {
	requireMachine(t)
	s := start(t, Options{})
	b := newBundle(t, nil)
	done := listen(t, s)
	b.run(t, "run /bin/image", "copy /bin/image /tmp/dropped", "run /tmp/dropped", "append /bin/tool", "run /bin/tool",
		"memory /bin/image", "copy /bin/image /volume/mounted", "run /volume/mounted")
	events := done()
	got := map[string]behavior.Layer{}
	for _, e := range ofContainer(events, b.id, Did) {
		if e.Fact.Kind == behavior.Execute {
			got[e.Fact.Program.Path] = e.Fact.Program.Layer
			if e.Fact.Origin != behavior.Entrypoint {
				t.Errorf("%s has the origin %s", e.Fact.Program.Path, e.Fact.Origin)
			}
		}
	}
	want := map[string]behavior.Layer{
		"/bin/act": behavior.InImage, "/bin/image": behavior.InImage, "/tmp/dropped": behavior.Added,
		"/bin/tool": behavior.Modified, "memfd:hidden": behavior.Fileless, "/volume/mounted": behavior.OtherMount,
	}
	for path, layer := range want {
		if got[path] != layer {
			t.Errorf("%s is told as %q, want %q", path, got[path], layer)
		}
	}
	if len(got) != len(want) {
		t.Errorf("told: %v", got)
	}
	var alerts []string
	for _, e := range ofContainer(events, b.id, Alerted) {
		alerts = append(alerts, e.Fact.Program.Path)
		if len(e.Ancestors) == 0 || e.Ancestors[0].Program != "/bin/act" {
			t.Errorf("%s: ancestors %v", e.Fact.Program.Path, e.Ancestors)
		}
	}
	slices.Sort(alerts)
	if !slices.Equal(alerts, []string{"/bin/tool", "/tmp/dropped", "memfd:hidden"}) {
		t.Errorf("alerts: %v", alerts)
	}
	if n := len(ofContainer(events, b.id, Ended)); n != 1 {
		t.Errorf("ended %d times", n)
	}
}
