package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
)

// source is the part of a command line that says to read a cluster, or what was
// saved of one, and not files. Call flags, validate, open and read in this order.
type source struct {
	cluster                         bool
	context, kubeconfig, save, from string

	client *cluster.Client // of --cluster, once it is open
	input  *cluster.Input  // of --from, once it is open
}

func (s *source) flags(flags *pflag.FlagSet) {
	s.liveFlags(flags)
	flags.StringVar(&s.from, "from", "", "read a file that --save wrote, not a cluster")
}

// liveFlags are flags without --from.
func (s *source) liveFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&s.cluster, "cluster", false, "read the cluster of the kubeconfig; nothing is changed in it")
	flags.StringVar(&s.context, "context", "", "context of the kubeconfig (default the current one)")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "file to use (default as kubectl: KUBECONFIG, then ~/.kube/config)")
	flags.StringVar(&s.save, "save", "", "write what is read of the cluster to this file, without secret values")
}

// live reports whether a cluster is read, or what was saved of one.
func (s *source) live() bool { return s.cluster || s.from != "" }

// validate refuses flags and paths that contradict each other. filesOnly are
// flags that say something about files.
func (s *source) validate(flags *pflag.FlagSet, paths []string, filesOnly ...string) error {
	for _, name := range []string{"context", "kubeconfig", "save"} {
		if flags.Changed(name) && !s.cluster {
			return fmt.Errorf("--%s goes with --cluster", name)
		}
	}
	if !s.live() {
		return nil
	}
	flag := "--cluster"
	if s.from != "" {
		flag = "--from"
	}
	switch {
	case s.cluster && s.from != "":
		return errors.New("--cluster and --from exclude each other")
	case len(paths) > 0:
		return fmt.Errorf("%s reads a cluster, and %s names files: give one of them", flag, paths[0])
	}
	for _, name := range filesOnly {
		if flags.Changed(name) {
			return fmt.Errorf("--%s is about files, and %s reads a cluster", name, flag)
		}
	}
	return nil
}

// open connects to the cluster, or reads the saved one, and returns the minor
// version of its server.
func (s *source) open(ctx context.Context) (minor int, err error) {
	if s.from != "" {
		if s.input, err = loadCluster(s.from); err != nil {
			return 0, fmt.Errorf("--from %s: %w", s.from, err)
		}
		return s.input.Minor(), nil
	}
	s.client, err = cluster.Connect(ctx, s.kubeconfig, s.context, "ullage/"+Version())
	if err != nil {
		return 0, unreachable(interrupted(ctx, err))
	}
	return s.client.Minor(), nil
}

func loadCluster(path string) (*cluster.Input, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer file.Close()
	return cluster.Load(file)
}

// unreachable gives the exit code to a cluster of which nothing can be read.
func unreachable(err error) error {
	var u *cluster.UnreachableError
	if errors.As(err, &u) {
		return &codeError{exitIncomplete, err}
	}
	return err
}

// read returns what the cluster holds, and saves it where that is asked for.
// Where not all namespaces may be read, those named are read one by one. rules
// may be about kinds that are not read without them; where they are about some
// that were not read all the same, a problem says so.
func (s *source) read(ctx context.Context, bar *progress, namespaces []string, rules []*policy.Rule) (*cluster.Input, error) {
	if s.input != nil {
		return withUnread(s.input, rules), nil
	}
	in, err := s.client.Read(ctx, cluster.Options{Namespaces: namespaces, More: kindsOf(rules), Progress: bar.listed, Now: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return nil, unreachable(interrupted(ctx, err))
	}
	if s.save != "" {
		if err := saveCluster(s.save, in); err != nil {
			return nil, fmt.Errorf("--save %s: %w", s.save, err)
		}
	}
	return withUnread(in, rules), nil
}

// withUnread adds the problems of rules whose kinds were not read.
func withUnread(in *cluster.Input, rules []*policy.Rule) *cluster.Input {
	all := *in
	all.Problems = slices.Concat(in.Problems, unread(rules, in.Gaps))
	return &all
}

// saveCluster writes a file that only its owner may read, and that appears when
// it is whole.
func saveCluster(path string, in *cluster.Input) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".ullage-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = cluster.Save(file, in)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// clusterProvenance says what was read.
func clusterProvenance(in *cluster.Input) *model.ClusterProvenance {
	p := &model.ClusterProvenance{Name: in.Name, Server: in.Server, Resources: in.Resources}
	if p.Resources == nil {
		p.Resources = []model.ResourceCount{}
	}
	return p
}

// assumed is the version of Kubernetes to judge by, for a server: the newest that
// the rules know where the server is newer, the oldest where it is older.
func assumed(minor int) string { return fmt.Sprintf("1.%d", min(max(minor, OldestMinor), LatestMinor)) }
