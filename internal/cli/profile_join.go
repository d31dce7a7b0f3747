package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
)

// joining adds the flags of the cluster that says whose pods are.
func (f *profileFlags) joining(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.live.liveFlags(flags)
	flags.Lookup("cluster").Usage = "read the cluster of the kubeconfig, to tell what pods do of their workloads; nothing is changed in it"
	flags.BoolVar(&f.byName, "by-name", false, "take a pod that the cluster does not hold any more for one of the workload that would have named it so: a guess, which is told")
}

// isSavedCluster reports whether a file is one of --save, which is compressed, and
// not one with behaviors.
func isSavedCluster(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false // who reads it says why
	}
	defer file.Close()
	var magic [2]byte
	_, err = io.ReadFull(file, magic[:])
	return err == nil && magic == [2]byte{0x1f, 0x8b}
}

// splitFrom tells a saved cluster from recordings among what --from names.
func (f *profileFlags) splitFrom() error {
	f.from = slices.DeleteFunc(f.from, func(path string) bool {
		if f.live.from == "" && isSavedCluster(path) {
			f.live.from = path
			return true
		}
		return false
	})
	for _, path := range f.from {
		if isSavedCluster(path) {
			return fmt.Errorf("--from: %s and %s are both clusters: name one", f.live.from, path)
		}
	}
	return nil
}

// clusterSnapshot reads the cluster that was named; nil when none was.
func (f *profileFlags) clusterSnapshot(cmd *cobra.Command, p *Program) (*model.Snapshot, error) {
	if err := f.splitFrom(); err != nil {
		return nil, err
	}
	if err := f.live.validate(cmd.Flags(), nil); err != nil {
		return nil, err
	}
	if !f.live.live() {
		if f.byName {
			return nil, errors.New("--by-name goes with --cluster, or --from with a saved cluster")
		}
		return nil, nil
	}
	bar := newProgress(p)
	defer bar.done()
	if _, err := f.live.open(cmd.Context()); err != nil {
		return nil, err
	}
	in, err := f.live.read(cmd.Context(), bar, nil, nil)
	if err != nil {
		return nil, err
	}
	bar.done()
	tellProblems(p, in.Problems)
	return model.NewSnapshot(in.Objects, true, in.Gaps...), nil
}

// join puts what is known of pods together by their workloads.
func (k *known) join(ctx context.Context, p *Program, w *world) error {
	parts := map[behavior.Subject][]behavior.Subject{}
	var tell joinTeller
	for _, s := range slices.Concat(k.subjects...) {
		if ctx.Err() != nil {
			return errInterrupted
		}
		subject := w.pods.Named(s)
		if s.Kind == behavior.KindPod {
			b, err := k.load(s)
			if err != nil {
				return &codeError{exitUsage, err}
			}
			if b == nil { // it was forgotten meanwhile
				continue
			}
			j := w.pods.Join(b)
			tell.add(&s, &j)
			subject = j.Subject
		}
		parts[subject] = append(parts[subject], s)
	}
	var subjects []behavior.Subject
	for s := range parts {
		subjects = append(subjects, s)
	}
	load := k.load
	k.subjects = behavior.Containers(subjects)
	k.load = func(s behavior.Subject) (*behavior.Behavior, error) {
		var whole *behavior.Behavior
		for _, part := range parts[s] {
			b, err := load(part)
			if err != nil {
				return nil, err
			}
			if b == nil {
				continue
			}
			if j := w.pods.Join(b); whole == nil {
				whole = j.Behavior
			} else if err := whole.Merge(j.Behavior); err != nil {
				return nil, err
			}
		}
		return whole, nil
	}
	tell.tell(p)
	return nil
}

// joinTeller says which recordings were not joined with a workload, and which by a
// guess.
type joinTeller struct {
	unjoined, byName []string
	joined           int
}

func (t *joinTeller) add(s *behavior.Subject, j *behavior.Joined) {
	pod := s.Namespace + "/" + s.Name
	switch {
	case j.Unjoined != "":
		t.unjoined = append(t.unjoined, pod+": "+j.Unjoined)
	case j.ByName:
		t.byName = append(t.byName, pod+" is taken for one of "+j.Subject.Workload())
	case j.Subject.Kind != behavior.KindPod:
		t.joined++
	}
}

func (t *joinTeller) tell(p *Program) {
	for _, list := range []struct {
		what  string
		lines []string
	}{{"not joined with its workload: ", t.unjoined}, {"by its name alone, ", t.byName}} {
		slices.Sort(list.lines)
		list.lines = slices.Compact(list.lines) // of each container one
		for i, line := range list.lines {
			if i == toldProblems {
				fmt.Fprintf(p.Stderr, "ullage: %sand %d more\n", list.what, len(list.lines)-i)
				break
			}
			fmt.Fprintln(p.Stderr, printable("ullage: "+list.what+line))
		}
	}
}

// hintAtPods says how what is known of pods becomes known of workloads.
func hintAtPods(p *Program, lists [][]behavior.Subject, w *world) {
	isPod := func(list []behavior.Subject) bool { return list[0].Kind == behavior.KindPod && list[0].Cluster == "" }
	if w.pods == nil && slices.ContainsFunc(lists, isPod) {
		fmt.Fprintln(p.Stderr, "ullage: a pod is told by itself: --cluster, or --from with a cluster that --save wrote, tells it as one of its workload")
	}
}
