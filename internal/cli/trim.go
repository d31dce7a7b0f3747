package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/trim"
)

// trimFlags are those of ullage trim.
type trimFlags struct {
	profileFlags
	bundle  string
	profile string // path of the seccomp profile on the node
}

func trimCommand(p *Program) *cobra.Command {
	f := trimFlags{}
	cmd := &cobra.Command{
		Use: "trim WORKLOAD", Short: "What may a container do with the kernel that it never does? Take it away",
		Long: `Narrow what a container may do with the kernel to what it was seen to do: its system
calls by a seccomp profile, its capabilities, and to gain privileges by setuid programs.
What it may do is read of manifests (-f) or of an OCI bundle (--bundle); what it does is
known from the store, or from files (--from), as for ullage profile.

Before anything is written all that was used is asked of the narrowed container, and
must be allowed; a catalogue of what attackers do says what it is worth. Where too little
was seen, nothing is taken. -o patch writes a patch of the workload, -o config the
configuration of the bundle, and -o seccomp the seccomp profile. The way back is what
stood there before: keep it.

Exit code: 0 nothing is left to take, 1 something can be taken, 2 usage or internal error,
3 too little was seen, or not all that is needed was looked for.`,
		Example: `  ullage trim Deployment/shop/web -f deploy/
  ullage trim web --bundle /run/bundles/web --from node-1.json -o config > config.json
  ullage trim web -f deploy/ -o seccomp > web.json && ullage trim web -f deploy/ -o patch > patch.yaml`,
		Args: exactly("WORKLOAD", 1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.trim(cmd, p, args[0]) },
	}
	f.reading(cmd)
	flags := cmd.Flags()
	flags.IntVar(&f.enough.Days, "days", behavior.DefaultEnough.Days, "days that must be watched before what was not seen counts as unused")
	flags.IntVar(&f.enough.Runs, "runs", behavior.DefaultEnough.Runs, "runs of a job that must be watched before")
	flags.StringVar(&f.container, "container", "", "which container, where there are several")
	flags.StringArrayVarP(&f.manifests.paths, "path", "f", nil, "manifests: what is granted; may be repeated")
	flags.StringVar(&f.bundle, "bundle", "", "OCI bundle, or its config.json: what is granted")
	flags.StringVar(&f.profile, "seccomp-path", "", "where the seccomp profile will be, below the kubelet's directory (default ullage/WORKLOAD-CONTAINER.json)")
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json, patch, config, seccomp")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "name all system calls, and all acts")
	return cmd
}

func (f *trimFlags) trim(cmd *cobra.Command, p *Program, name string) error {
	switch err := (word{f.output, "--output"}).oneOf("text", "json", "patch", "config", "seccomp"); {
	case err != nil:
		return err
	case f.enough.Days < 1 || f.enough.Runs < 1:
		return errors.New("--days and --runs begin at 1")
	case (f.bundle == "") == (len(f.manifests.paths) == 0):
		return errors.New("say what is granted: manifests with -f, or an OCI bundle with --bundle, and not both")
	case f.output == "config" && f.bundle == "", f.output == "patch" && f.bundle != "":
		return fmt.Errorf("-o %s does not go with what was named: a patch is of manifests (-f), a config of a bundle (--bundle)", f.output)
	}
	w, k, lists, err := f.about(cmd, p, name)
	if err != nil {
		return err
	}
	defer k.close()
	if len(lists) > 1 {
		var names []string
		for _, list := range lists {
			names = append(names, list[0].Container)
		}
		return fmt.Errorf("%s has several containers: name one of %s with --container", name, strings.Join(names, ", "))
	}
	profile, _, err := f.profileFlags.profile(k, lists[0], w)
	if err != nil {
		return err
	}
	t, err := f.granted(w, &lists[0][0])
	if err != nil {
		return err
	}
	if t.plan, err = trim.Make(profile, t.grant); err != nil {
		return err
	}
	return errors.Join(f.write(p, t), t.verdict())
}

// trimmed is a plan, and what it is of.
type trimmed struct {
	grant   trim.Grant
	bundle  *trim.Bundle
	object  *model.Object
	pod     model.PodTemplate
	list    string // of the pod that the container is in
	place   string // of what is granted
	profile string
	plan    *trim.Plan
}

// granted reads what a container may do.
func (f *trimFlags) granted(w *world, s *behavior.Subject) (*trimmed, error) {
	t := &trimmed{profile: f.profile}
	if t.profile == "" {
		t.profile = "ullage/" + strings.Join(strings.FieldsFunc(s.Name+"-"+s.Container, func(r rune) bool { return r == '/' || r == ' ' }), "-") + ".json"
	}
	if f.bundle != "" {
		path := f.bundle
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = filepath.Join(path, "config.json")
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--bundle: %w", err)
		}
		if t.bundle, err = trim.ReadBundle(text); err != nil {
			return nil, fmt.Errorf("--bundle %s: %w", path, err)
		}
		t.grant, t.place = t.bundle.Grant(), path
		return t, nil
	}
	if t.object = w.object(s); t.object == nil {
		return nil, &codeError{exitIncomplete, fmt.Errorf("%s is not in %s", s.Workload(), strings.Join(f.manifests.paths, ", "))}
	}
	for _, t.pod = range t.object.Pods() {
		for _, t.list = range model.ContainerLists {
			all := t.pod.Spec.Get(t.list).Children()
			for i := range all {
				if all[i].Get("name").Str() == s.Container {
					place := t.object.Source.Place(&all[i])
					t.grant, t.place = trim.GrantOf(t.pod, &all[i]), place.String()
					return t, nil
				}
			}
		}
	}
	return nil, &codeError{exitIncomplete, fmt.Errorf("%s has no container %q in %s", s.Workload(), s.Container, strings.Join(f.manifests.paths, ", "))}
}

func (t *trimmed) verdict() error {
	switch {
	case t.plan.Lacking != "":
		return &codeError{code: exitIncomplete}
	case len(t.plan.Cuts) > 0:
		return &codeError{code: exitFindings}
	case len(t.plan.Left) > 0:
		return &codeError{code: exitIncomplete}
	}
	return nil
}

func (f *trimFlags) write(p *Program, t *trimmed) error {
	if f.output != "text" && f.output != "json" && t.plan.Lacking != "" {
		return &codeError{exitIncomplete, fmt.Errorf("nothing is taken from %s: %s", &t.plan.Subject, t.plan.Lacking)}
	}
	var text []byte
	var err error
	switch f.output {
	case "json":
		return writeJSON(p.Stdout, newTrimJSON(t))
	case "config":
		text, err = t.bundle.Apply(&t.plan.After)
	case "seccomp":
		if t.plan.After.Calls == nil || t.plan.After.Calls.Denied != nil {
			return &codeError{exitIncomplete, fmt.Errorf("no system calls are taken from %s: ullage trim without -o says why", &t.plan.Subject)}
		}
		text, err = json.MarshalIndent(t.plan.After.Calls.Seccomp(), "", "\t")
		text = append(text, '\n')
	case "patch":
		text, err = t.patch()
	default:
		out := trimPrinter{newPrinter(p, f.color)}
		out.plan(t, f.verbose)
		return out.w.Flush()
	}
	if err == nil {
		_, err = p.Stdout.Write(text)
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	return nil
}

// patch is a strategic merge patch of the workload.
func (t *trimmed) patch() ([]byte, error) {
	o := t.object
	path := t.pod.SpecPath
	var spec any = map[string]any{t.list: []any{map[string]any{"name": t.plan.Subject.Container, "securityContext": t.plan.SecurityContext(t.profile)}}}
	for i := len(path) - 1; i >= 0; i-- {
		spec = map[string]any{path[i].Key: spec}
	}
	patch := spec.(map[string]any)
	patch["apiVersion"], patch["kind"] = o.APIVersion, o.Key.Kind
	metadata := map[string]any{"name": o.Key.Name}
	if o.Key.Namespace != "" {
		metadata["namespace"] = o.Key.Namespace
	}
	patch["metadata"] = metadata
	return yaml.Marshal(patch)
}
