package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/store"
)

// profileFlags are those of the commands below ullage profile.
type profileFlags struct {
	store         storeFlags
	from          []string // files with behaviors, in place of the store; or a saved cluster
	live          source
	byName        bool
	namespaces    []string
	container     string
	approved      string
	output, color string
	enough        behavior.Enough
	manifests     input
	images        []string // that say to which packages programs belong
	owned         ownedImages
	verbose       bool
	withNew       bool
	write         string
}

func profileCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "What were workloads seen to do, what is expected of them, and what is new?",
		Long: `Tell what containers were seen to do, over how much time, and what of it is new.
It is known from the store, or from files that ullage watch --record or ullage profile
export wrote. With a cluster (--cluster, or --from FILE with one that --save wrote), what
was recorded of pods is told of the workloads that they are of.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(profileListCommand(p), profileShowCommand(p), profileDiffCommand(p), profileCheckCommand(p), profileApproveCommand(p), profileExportCommand(p), profileImportCommand(p))
	return cmd
}

// reading adds the flags that say what is known.
func (f *profileFlags) reading(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.store.flags(flags)
	flags.StringSliceVar(&f.from, "from", nil, "files of ullage watch --record or profile export or the directory of ullage-agent, in place of the store; or a file that --save wrote, in place of --cluster")
	f.joining(cmd)
}

// judging adds those that say what is expected.
func (f *profileFlags) judging(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.enough.Days, "days", behavior.DefaultEnough.Days, "days that must be watched before what was seen is expected")
	flags.IntVar(&f.enough.Runs, "runs", behavior.DefaultEnough.Runs, "runs of a job that must be watched before")
	flags.StringVar(&f.approved, "approved", "", "file of ullage profile approve that says what is expected, in place of what was learned")
	flags.StringVar(&f.container, "container", "", "only this container")
	flags.StringArrayVar(&f.images, "image", nil, "an image of the workload: an archive, a layout or a reference; says to which package a new program belongs; may be repeated")
	flags.StringArrayVarP(&f.manifests.paths, "path", "f", nil, "manifests, and ullage.yaml beside them: what is declared and granted")
}

func (f *profileFlags) printing(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "format: text, json")
	cmd.Flags().StringVar(&f.color, "color", "auto", "auto, always or never")
}

func (f *profileFlags) check() error {
	if f.enough.Days < 1 || f.enough.Runs < 1 {
		return errors.New("--days and --runs begin at 1")
	}
	return errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never"))
}

// known is what the store or files know: containers, each with its behaviors.
type known struct {
	subjects [][]behavior.Subject
	load     func(behavior.Subject) (*behavior.Behavior, error)
	close    func()
}

func (f *profileFlags) known(cmd *cobra.Command, p *Program, w *world) (*known, error) {
	k, err := f.knownStored(cmd, p)
	if err != nil {
		return nil, err
	}
	if w.pods != nil {
		if err := k.join(cmd.Context(), p, w); err != nil {
			k.close()
			return nil, err
		}
	}
	return k, nil
}

func (f *profileFlags) knownStored(cmd *cobra.Command, p *Program) (*known, error) {
	if len(f.from) > 0 {
		if f.store.dir != "" {
			return nil, errors.New("--from with recordings and --store exclude each other")
		}
		return f.knownFiles(cmd.Context())
	}
	dir := f.store.directory(p)
	if dir == "" {
		return nil, errors.New("there is no directory for the store: name one with --store, or files with --from")
	}
	if !store.Exists(dir) {
		return nil, nothingWatched(dir)
	}
	s, err := store.Open(cmd.Context(), dir, store.Options{})
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	subjects, err := s.Subjects(cmd.Context())
	if err == nil && len(subjects) == 0 {
		err = nothingWatched(dir)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	load := func(subject behavior.Subject) (*behavior.Behavior, error) { return s.Behavior(cmd.Context(), subject) }
	return &known{behavior.Containers(subjects), load, func() { s.Close() }}, nil
}

func nothingWatched(dir string) error {
	return &codeError{exitIncomplete, fmt.Errorf("no behavior is stored in %s: ullage profile import FILE adds what was recorded, --from FILE reads it as it is", dir)}
}

// mostRecorded is how large a file with behaviors may be.
const mostRecorded = 256 << 20

func readBehaviors(ctx context.Context, path string) (all []*behavior.Behavior, err error) {
	if isDirectory(path) {
		err := eachKept(ctx, path, func(b *behavior.Behavior) error {
			all = append(all, b)
			return nil
		})
		return all, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, plainly(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, plainly(path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > mostRecorded {
		return nil, fmt.Errorf("%s is not a regular file of at most %d MiB", path, mostRecorded>>20)
	}
	if all, err = behavior.Decode(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

func (f *profileFlags) knownFiles(ctx context.Context) (*known, error) {
	bySubject := map[behavior.Subject]*behavior.Behavior{}
	for _, path := range f.from {
		all, err := readBehaviors(ctx, path)
		if err != nil {
			return nil, err
		}
		for _, b := range all {
			if there := bySubject[b.Subject]; there == nil {
				bySubject[b.Subject] = b
			} else if err := there.Merge(b); err != nil {
				return nil, err
			}
		}
	}
	if len(bySubject) == 0 {
		return nil, &codeError{exitIncomplete, fmt.Errorf("%s: no behavior is in it", strings.Join(f.from, ", "))}
	}
	var subjects []behavior.Subject
	for s := range bySubject {
		subjects = append(subjects, s)
	}
	load := func(s behavior.Subject) (*behavior.Behavior, error) { return bySubject[s], nil }
	return &known{behavior.Containers(subjects), load, func() {}}, nil
}

// wanted finds the containers of a workload by its name: Deployment/shop/web, or a
// part of that from its end that is of one workload only.
func (k *known) wanted(name, container string) ([][]behavior.Subject, error) {
	var found [][]behavior.Subject
	workloads := map[string]bool{}
	for _, list := range k.subjects {
		s := &list[0]
		if !isNamed(s, name) {
			continue
		}
		workloads[strings.TrimPrefix(s.Cluster+" "+s.Workload(), " ")] = true
		if container == "" || container == s.Container {
			found = append(found, list)
		}
	}
	switch {
	case len(workloads) == 0:
		return nil, &codeError{exitIncomplete, fmt.Errorf("nothing is known of %q: ullage profile list names what there is", name)}
	case len(workloads) > 1:
		return nil, fmt.Errorf("%q may be %s: name one in full", name, strings.Join(slices.Sorted(maps.Keys(workloads)), " or "))
	case len(found) == 0:
		return nil, &codeError{exitIncomplete, fmt.Errorf("nothing is known of a container %q of %s: ullage profile list names what there is", container, slices.Sorted(maps.Keys(workloads))[0])}
	}
	return found, nil
}

// about reads what else is known, what was seen, and which containers of it are those of
// a workload.
func (f *profileFlags) about(cmd *cobra.Command, p *Program, name string) (*world, *known, [][]behavior.Subject, error) {
	w, err := f.world(cmd, p)
	if err != nil {
		return nil, nil, nil, err
	}
	k, err := f.known(cmd, p, w)
	if err != nil {
		return nil, nil, nil, err
	}
	lists, err := k.wanted(name, f.container)
	if err != nil {
		k.close()
		return nil, nil, nil, err
	}
	return w, k, lists, nil
}

// isNamed reports whether a name is one of a subject's workload.
func isNamed(s *behavior.Subject, name string) bool {
	return slices.Contains([]string{s.Workload(), s.Cluster + " " + s.Workload(), s.Namespace + "/" + s.Name, s.Kind + "/" + s.Name, s.Name}, name)
}

// profile makes the profile of a container, and finds what is declared of it.
func (f *profileFlags) profile(k *known, list []behavior.Subject, world *world) (*behavior.Profile, *beside, error) {
	var all []*behavior.Behavior
	for _, s := range list {
		b, err := k.load(s)
		if err != nil {
			return nil, nil, &codeError{exitUsage, err}
		}
		if b != nil { // nil was forgotten meanwhile
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, nil, &codeError{exitIncomplete, fmt.Errorf("nothing is known any more of %s", &list[0])}
	}
	o := behavior.Options{Enough: f.enough, Approved: world.approvedFor(&list[0])}
	if f.approved != "" && o.Approved == nil {
		return nil, nil, &codeError{exitIncomplete, fmt.Errorf("%s holds no profile of container %q of %s: ullage profile approve makes one, --container leaves others out", f.approved, list[0].Container, list[0].Workload())}
	}
	object := world.object(&list[0])
	more := &beside{owned: f.owned, grants: world.grantsOf(object)}
	if object != nil {
		if n, ok := object.Root.Get("spec").Get("replicas").Int(); ok {
			o.Replicas = int(n)
		}
		more.need = behavior.NeedOf(object, list[0].Container, world.declarations)
	}
	profile, err := behavior.NewProfile(all, o)
	return profile, more, err
}

// world is what else is known: manifests, and what was approved.
type world struct {
	snapshots    []*model.Snapshot // of manifests, then of the cluster; those that were named
	pods         *behavior.Pods    // of the cluster; nil when none was named
	graphs       map[*model.Snapshot]*reach.Graph
	declarations []*model.Declaration
	approved     []*behavior.Approved
}

func (f *profileFlags) world(cmd *cobra.Command, p *Program) (*world, error) {
	w := &world{}
	if f.approved != "" {
		file, err := readFile(f.approved)
		if err == nil {
			w.approved, err = behavior.ParseApproved(file)
		}
		if err != nil {
			return nil, fmt.Errorf("--approved: %w", err)
		}
	}
	if len(f.manifests.paths) > 0 {
		s, err := f.manifests.snapshot(cmd, p)
		if err != nil {
			return nil, err
		}
		w.snapshots, w.declarations = append(w.snapshots, s), f.manifests.declarations
	}
	s, err := f.clusterSnapshot(cmd, p)
	if err != nil {
		return nil, err
	}
	if s != nil {
		w.snapshots, w.pods = append(w.snapshots, s), behavior.NewPods(s, f.byName)
	}
	return w, nil
}

// approvedFor is what was approved of a container. A profile that names no cluster is
// for all.
func (w *world) approvedFor(s *behavior.Subject) *behavior.Approved {
	var found *behavior.Approved
	for _, a := range w.approved {
		mine := behavior.Subject{Cluster: a.Subject.Cluster, Namespace: s.Namespace, Kind: s.Kind, Name: s.Name, Container: s.Container}
		if a.Subject == mine && (a.Subject.Cluster == "" && found == nil || a.Subject.Cluster == s.Cluster) {
			found = a
		}
	}
	return found
}

// object finds a workload, in the manifests first.
func (w *world) object(s *behavior.Subject) *model.Object {
	for _, snapshot := range w.snapshots {
		for _, gk := range model.WorkloadKinds() {
			if gk.Kind != s.Kind {
				continue
			}
			for o := range snapshot.Kind(gk) {
				if o.Key.Name == s.Name && o.Key.Namespace == s.Namespace && (s.Cluster == "" || o.Key.Cluster == "" || o.Key.Cluster == s.Cluster) {
					return o
				}
			}
		}
	}
	return nil
}

// each calls what is to be done with each profile.
func (f *profileFlags) each(ctx context.Context, k *known, lists [][]behavior.Subject, w *world, do func(*behavior.Profile, *beside) error) error {
	for _, list := range lists {
		if err := ctx.Err(); err != nil {
			return errInterrupted
		}
		profile, more, err := f.profile(k, list, w)
		if err == nil {
			err = do(profile, more)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
