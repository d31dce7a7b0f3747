package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/store"
)

func profileImportCommand(p *Program) *cobra.Command {
	f := profileFlags{}
	cmd := &cobra.Command{
		Use: "import PATH...", Short: "Add to the store what was recorded elsewhere",
		Long: `Add what is in files of ullage watch --record and ullage profile export to the store, and
what ullage-agent keeps in its directory. To import the same again changes nothing.

A node records pods. With the cluster that they ran in (--cluster, or --from FILE with one
that --save wrote) what is imported, and what the store holds already, is joined by
workload and digest of the image: do it while the cluster still has the pods. Without
PATH only what the store holds is joined.

Exit code: 0 added, 2 usage, or a file cannot be read to its end: what stands before
is added.`,
		Example: `  ullage profile import node-1.json node-2.json
  ullage profile import node-1.json --cluster
  ullage profile import /var/lib/ullage-agent
  ullage profile import --from cluster.ullage --by-name`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return f.importFiles(cmd, p, args) },
	}
	f.store.flags(cmd.Flags())
	cmd.Flags().StringVar(&f.live.from, "from", "", "read a file that --save wrote, in place of --cluster")
	f.joining(cmd)
	return cmd
}

func (f *profileFlags) importFiles(cmd *cobra.Command, p *Program, paths []string) error {
	if len(paths) == 0 && !f.live.live() {
		return errors.New("name files or directories to import, or --cluster to join what the store holds")
	}
	for _, path := range paths {
		if isSavedCluster(path) {
			return fmt.Errorf("%s is no recording; if it is a cluster that --save wrote, name it with --from", path)
		}
	}
	if f.live.from != "" && !isSavedCluster(f.live.from) {
		return fmt.Errorf("--from %s is no cluster that --save wrote: recordings are named without --from", f.live.from)
	}
	dir := f.store.directory(p)
	if dir == "" {
		return errors.New("there is no directory for the store: name one with --store")
	}
	w, err := f.world(cmd, p)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return &codeError{exitUsage, err}
	}
	defer s.Close()
	i := importer{store: s, pods: w.pods}
	for _, path := range paths {
		if err := i.file(ctx, p, path); err != nil {
			return err
		}
	}
	if w.pods != nil {
		if err := i.stored(ctx, p); err != nil {
			return err
		}
	}
	i.tell.tell(p)
	return nil
}

// importer adds behaviors to a store.
type importer struct {
	store *store.Store
	pods  *behavior.Pods // nil when no cluster was named
	tell  joinTeller
}

func (i *importer) learn(ctx context.Context, b *behavior.Behavior) error {
	if i.pods != nil {
		j := i.pods.Join(b)
		if b.Subject.Kind == behavior.KindPod {
			i.tell.add(&b.Subject, &j)
		}
		b = j.Behavior
	}
	return i.store.Learn(ctx, b)
}

func (i *importer) file(ctx context.Context, p *Program, path string) error {
	facts, behaviors := 0, 0
	learn := func(b *behavior.Behavior) error {
		facts, behaviors = facts+b.Len(), behaviors+1
		return i.learn(ctx, b)
	}
	var err error
	if isDirectory(path) {
		err = eachKept(ctx, path, learn)
	} else {
		file, opened := os.Open(path)
		if opened != nil {
			return plainly(path, opened)
		}
		err = errors.Join(behavior.DecodeEach(file, learn), file.Close())
	}
	if err != nil {
		return fmt.Errorf("%s: after %s: %w", path, counted(behaviors, "behavior"), err)
	}
	fmt.Fprintf(p.Stdout, "%s: added %s of %s\n", printable(path), counted(facts, "fact"), counted(behaviors, "behavior"))
	return nil
}

// stored joins what the store holds of pods. What was joined is learned before it is
// forgotten, so that nothing is lost in between.
func (i *importer) stored(ctx context.Context, p *Program) error {
	subjects, err := i.store.Subjects(ctx)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	joined := 0
	for _, s := range subjects {
		if ctx.Err() != nil {
			return errInterrupted
		}
		if s.Kind != behavior.KindPod {
			continue
		}
		b, err := i.store.Behavior(ctx, s)
		if err == nil && b != nil {
			err = i.learn(ctx, b)
		}
		if err == nil && b != nil && i.pods.Join(b).Subject != s {
			joined++
			err = i.store.ForgetBehavior(ctx, s)
		}
		if err != nil {
			return &codeError{exitUsage, err}
		}
	}
	if joined > 0 {
		fmt.Fprintf(p.Stdout, "joined %s of the store with their workloads\n", counted(joined, "recording"))
	}
	return nil
}
