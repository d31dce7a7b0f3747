package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// runningFlags are those of ullage image running.
type runningFlags struct {
	source
	decideFlags
	db                    dbFlags
	store                 storeFlags
	output, color, forget string
	verbose               bool
}

func imageRunningCommand(p *Program) *cobra.Command {
	var f runningFlags
	cmd := &cobra.Command{
		Use: "running [--cluster | --from FILE]", Short: "Which vulnerabilities run, which are mended in an image that does not run yet, and which are gone?",
		Long: `Find the images that the containers of a cluster run, by the digest that each
container's status has and the platform of its node, and meet them with the images
that are stored: what is found in images that run, what the image that a tag leads to
now has mended and the workloads do not run yet, and what is gone from the containers
that had it. The cluster is only read; what runs is remembered in the store, so that
ullage image history and list know it, too. What exceptions accept and VEX statements
(--vex) rule out does not count; with vulnerabilities.due in .ullage.yaml, what is
overdue is told.

Without --cluster or --from, tell what is remembered of all clusters.

Exit code: 0 told, 2 usage, or the store cannot be used, 3 pods or exceptions could not
be read, or nothing is remembered.`,
		Example: `  ullage image running --cluster
  ullage image running --from cluster.ullage -o json
  ullage image running -o json | jq '.images[].found[] | select(.fixedIn)'`,
		Args: exactly("", 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, p) },
	}
	flags := cmd.Flags()
	f.source.flags(flags)
	f.store.flags(flags)
	f.decisions(flags)
	flags.StringVar(&f.db.dir, "db", "", dbUsage)
	flags.StringVar(&f.forget, "forget", "", "forget what ran in the cluster of this name, such as one that is no more")
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list every vulnerability and place")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	return cmd
}

func (f *runningFlags) run(cmd *cobra.Command, p *Program) error {
	err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never"), f.validate(cmd.Flags(), nil))
	if err == nil && f.live() && f.forget != "" {
		err = errors.New("--forget goes without a cluster to read")
	}
	if err != nil {
		return err
	}
	f.failOn = "never"
	decider, err := f.decider(p, f.output, time.Now())
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	s, err := f.open(ctx, p)
	if err != nil {
		return err
	}
	defer s.Close()
	if f.forget != "" {
		return f.forgetCluster(ctx, p, s)
	}
	var look *store.Look
	var now *scan.Running
	if f.live() {
		if look, now, err = f.look(ctx, p, s); err != nil {
			return err
		}
	}
	return f.tell(ctx, p, s, decider, look, now)
}

// open opens the store; what runs may be noted in a new one.
func (f *runningFlags) open(ctx context.Context, p *Program) (*store.Store, error) {
	dir := f.store.directory(p)
	if dir == "" {
		return nil, errors.New("there is no directory for the store: name one with --store")
	}
	if !f.live() && !store.Exists(dir) {
		return nil, &codeError{exitIncomplete, fmt.Errorf("nothing is stored in %s: --cluster or --from FILE says what runs", dir)}
	}
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	return s, nil
}

func (f *runningFlags) forgetCluster(ctx context.Context, p *Program, s *store.Store) error {
	known, err := s.ForgetCluster(ctx, f.forget)
	switch {
	case err != nil:
		return &codeError{exitUsage, fmt.Errorf("store: %w", err)}
	case !known:
		return fmt.Errorf("--forget %s: the store knows no cluster of that name", f.forget)
	}
	fmt.Fprintln(p.Stdout, "forgot what ran in "+printable(f.forget))
	return nil
}

// look looks at what runs, and has the store note it.
func (f *runningFlags) look(ctx context.Context, p *Program, s *store.Store) (*store.Look, *scan.Running, error) {
	bar := newProgress(p)
	defer bar.done()
	if _, err := f.source.open(ctx); err != nil {
		return nil, nil, err
	}
	in, err := f.read(ctx, bar, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	snapshot := model.NewSnapshot(in.Objects, true, in.Gaps...)
	now := scan.FindRunning(snapshot)
	look := &store.Look{Cluster: identityOf(in, snapshot), Name: in.Name, At: in.Time, Gap: now.Gap, Runs: now.Runs, Ended: now.Ended}
	noted, err := s.Observe(ctx, look)
	switch {
	case err != nil:
		return nil, nil, &codeError{exitUsage, fmt.Errorf("store: %w", err)}
	case !noted:
		return nil, nil, fmt.Errorf("%s was saved on %s, and the store knows what ran later: leave --from out to see it", f.from, in.Time.UTC().Format(time.DateTime))
	}
	return look, now, nil
}

// identityOf tells a cluster from others of its name, which is only what a
// kubeconfig calls it.
func identityOf(in *cluster.Input, s *model.Snapshot) string {
	if o := s.Get(model.Key{Cluster: in.Name, GroupKind: model.GroupKind{Kind: "Namespace"}, Name: "kube-system"}); o != nil {
		if uid := o.Root.Dig("metadata", "uid").Str(); uid != "" {
			return uid
		}
	}
	return "name " + in.Name
}

func (f *runningFlags) tell(ctx context.Context, p *Program, s *store.Store, d *decider, look *store.Look, now *scan.Running) error {
	id := ""
	if look != nil {
		id = look.Cluster
	}
	running, err := s.Running(ctx, id)
	if err != nil {
		return &codeError{exitUsage, fmt.Errorf("store: %w", err)}
	}
	if len(running.Looks) == 0 {
		return &codeError{exitIncomplete, errors.New("no cluster was looked at: --cluster or --from FILE says what runs")}
	}
	view := &runningView{Running: &running, decider: d, life: &d.life, at: time.Now()}
	if view.decided, err = f.decide(ctx, p, s, d, &running); err != nil {
		return err
	}
	if f.output == "json" {
		err = writeJSON(p.Stdout, newRunningJSON(view, now))
	} else {
		out := imagePrinter{newPrinter(p, f.color), f.verbose}
		err = out.running(view, now)
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	if slices.ContainsFunc(running.Looks, func(l store.Looked) bool { return l.Gap != "" }) {
		return &codeError{exitIncomplete, errors.New("not all pods could be read: what else runs is not known")}
	}
	return d.misread(p)
}

// runningView is what runs, what does not count of it, and when it is due.
type runningView struct {
	*store.Running
	decider *decider
	decided map[string]decisions // by the configuration of the image
	life    *lifePolicy
	at      time.Time
}

// overdue says whether a finding is, and counts.
func (v *runningView) overdue(m *store.RunningImage, f *store.RunningFinding) bool {
	due, ok := v.life.until(f.Severity, f.Life)
	return ok && v.decided[m.Config][f.Key] == "" && v.at.After(due)
}

// decide lets statements and exceptions speak of the images that run. What they are held
// against is matched anew, as the store keeps no other names of vulnerabilities.
func (f *runningFlags) decide(ctx context.Context, p *Program, s *store.Store, d *decider, r *store.Running) (map[string]decisions, error) {
	if len(d.statements) == 0 && d.exceptions.Empty() {
		return nil, nil
	}
	advisories, err := f.db.store(p)
	if err != nil {
		return nil, err
	}
	images, err := s.Images(ctx, true)
	if err != nil {
		return nil, &codeError{exitUsage, fmt.Errorf("store: %w", err)}
	}
	scanner, all := scan.Scanner{Advisories: advisories}, map[string]decisions{}
	for i := range images {
		if !slices.ContainsFunc(r.Images, func(m store.RunningImage) bool { return m.Config == images[i].Config }) {
			continue
		}
		x, err := scanner.Recall(&images[i])
		switch {
		case errors.Is(err, advisory.ErrNone):
			return nil, noDatabase(advisories)
		case err != nil:
			return nil, &codeError{exitUsage, fmt.Errorf("%s: %w", shortDigest(images[i].Config), err)}
		}
		all[x.Config] = d.decideStored(x)
	}
	return all, nil
}
