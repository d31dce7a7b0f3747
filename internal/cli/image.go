package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/report"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// imageFlags are the flags of ullage image.
type imageFlags struct {
	output, color, platform string
	files, author           string
	base                    string
	mirrors                 []string
	registry                image.Registry
	stores                  image.Stores
	verbose, check          bool
	secrets, noSecrets      bool
	db                      dbFlags
	signer                  signerFlags
	rules                   imageRules
	decideFlags
	store storeFlags
}

func imageCommand(p *Program) *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "image REFERENCE|FILE|DIR",
		Short: "What is in this image, and what of it would help an intruder?",
		Long: `Read an image and list what it holds: packages of the distribution and of
languages with the files that they own, shells, package managers, network tools and
compilers, programs that change who runs them, its configuration and its layers.

An image is a reference to a registry, what docker save writes, an OCI layout or an
archive of one, a root file system, a bill of materials (SBOM) in CycloneDX or SPDX,
or with containerd: or docker: before it in the store of a runtime on this machine.
Each layer is read once and nothing is unpacked to disk; what is known by its digest
is not read again. Docker's logins are used for registries.

Files of all layers are searched for secrets, also those that a later layer deletes:
whoever may pull the image can read them. No value is shown.

Packages are matched against the advisories that ullage db update fetched. With
--key, or --trusted-root and whom to believe, it is told who signed the image and what
was attested of it.

VEX statements (--vex) and exceptions say which vulnerabilities do not count; they
are shown as ruled out or accepted, by whom and why, and never dropped.

Exit code: 0 told, 1 there is what --fail-on asks for, or it is not signed as
--verify demands, 2 usage, or the image cannot be read, 3 a part of it could not, or
--fail-on could not be judged.`,
		Example: `  ullage image registry.example/web:1.4.2
  docker save web:1.4.2 | ullage image docker-archive:/dev/stdin
  ullage image ./layout --platform linux/arm64
  ullage image registry.example/web:1.4.2 --key cosign.pub --verify
  ullage image web.tar -o cyclonedx > web.cdx.json && ullage image web.cdx.json
  ullage image web.tar --vex vendor.json --fail-on high+fixable,kev
  sudo ullage image containerd:registry.example/web:1.4.2
  ullage image web.tar -o json | jq '.packages[] | select(.ecosystem == "npm")'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one image: a reference, an archive, a layout, a root file system or a bill of materials")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.rules.validate(cmd.Flags()); err != nil {
				return err
			}
			return f.run(cmd.Context(), p, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "text", "format: "+strings.Join(imageFormatNames(), ", "))
	flags.StringVar(&f.files, "files", "auto", "the files of each package in cyclonedx: always, never, or auto (up to 50,000)")
	flags.StringVar(&f.author, "author", "Unknown Author", "who answers for the statements of openvex")
	f.reading(flags)
	flags.BoolVar(&f.noSecrets, "no-secrets", false, "do not search files for secrets; the configuration is looked at all the same")
	f.secrets = true
	flags.StringVar(&f.base, "base", "", "image that this one may be built on, to tell its layers from the image's own")
	f.signer.add(flags)
	f.store.optional(flags)
	f.decideFlags.flags(flags)
	f.rules.flags(flags)
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list every package, program and vulnerability")
	cmd.AddCommand(imageDiffCommand(p), imageHistoryCommand(p), imageListCommand(p), imageRematchCommand(p), imageRunningCommand(p), imageWatchCommand(p))
	return cmd
}

// reading adds the flags that say how an image is found and read.
func (f *imageFlags) reading(flags *pflag.FlagSet) {
	flags.StringVar(&f.platform, "platform", "", "os/architecture[/variant] of a multi-platform image (default linux and the architecture of this machine)")
	flags.StringArrayVar(&f.mirrors, "mirror", nil, "REGISTRY=MIRROR[/PATH] to ask before a registry; may be repeated")
	flags.StringArrayVar(&f.registry.CAFiles, "ca-file", nil, "file with certificates in PEM form to trust besides the system's")
	flags.StringArrayVar(&f.registry.Insecure, "insecure", nil, "host of a registry that may speak plain HTTP and needs no valid certificate")
	flags.StringVar(&f.stores.Containerd, "containerd-root", "", "directory of containerd (default /var/lib/containerd)")
	flags.StringVar(&f.stores.Docker, "docker-root", "", "directory of Docker (default /var/lib/docker)")
	flags.StringVar(&f.stores.Namespace, "namespace", "", "namespace of containerd: k8s.io for the kubelet's images (default all)")
	flags.BoolVar(&f.check, "check-diff-ids", false, "hold the uncompressed content of layers against the configuration, too, which costs a second hash")
	flags.StringVar(&f.db.dir, "db", "", dbUsage)
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
}

func (f *imageFlags) run(ctx context.Context, p *Program, ref string) error {
	formats := imageFormatNames()
	if f.rules.wanted {
		formats = report.Formats()
	}
	if err := errors.Join(word{f.output, "--output"}.oneOf(formats...), word{f.files, "--files"}.oneOf("auto", "always", "never"), word{f.color, "--color"}.oneOf("auto", "always", "never")); err != nil {
		return err
	}
	trust, err := f.signer.demand()
	if err != nil {
		return err
	}
	decider, err := f.decider(p, f.output, time.Now())
	if err != nil {
		return err
	}
	kept, done := f.store.open(ctx, p)
	defer done()
	bar := newLayerProgress(p)
	scanner, err := f.scanner(p, kept, bar)
	if err != nil {
		return err
	}
	scanner.Trust, scanner.Base = trust, f.base
	result, err := scanImage(ctx, scanner, ref)
	bar.end()
	if err != nil {
		return interrupted(ctx, &codeError{exitUsage, err})
	}
	if result.StoreError != nil {
		tellStore(p, result.StoreError)
	}
	answer := decider.decide(result, namesOf(result.Image))
	if f.rules.wanted {
		err := f.judge(ctx, p, ref, answer.Result)
		if answer.asked == "" {
			return err
		}
		return heavier(err, decider.checked(p, answer))
	}
	answer.life = newLifeView(result, &decider.life, time.Now())
	if err = f.write(p, answer, time.Now()); err != nil {
		return &codeError{exitUsage, err}
	}
	if err := f.signer.hold(result); err != nil {
		return err
	}
	if err := decider.verdict(p, answer); err != nil || f.output != "openvex" {
		return err
	}
	return unstated(p, result)
}

// scanner reads images as the flags say; kept is nil without a store.
func (f *imageFlags) scanner(p *Program, kept *store.Store, bar *layerProgress) (*scan.Scanner, error) {
	f.registry.Mirrors = map[string][]string{}
	for _, m := range f.mirrors {
		host, mirror, ok := strings.Cut(m, "=")
		if !ok || host == "" || mirror == "" {
			return nil, fmt.Errorf("--mirror %s: write REGISTRY=MIRROR, such as docker.io=mirror.example", m)
		}
		f.registry.Mirrors[host] = append(f.registry.Mirrors[host], mirror)
	}
	advisories, err := f.db.store(p)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	s := &scan.Scanner{Advisories: advisories, Store: kept, Options: image.Options{Platform: f.platform, Registry: f.registry, Stores: f.stores, DiffIDs: f.check, Secrets: f.secrets && !f.noSecrets}}
	if kept != nil {
		s.Options.Cache = kept
	}
	if bar != nil {
		s.Options.Progress, s.Options.Reading = bar.merged, bar.reading
	}
	return s, nil
}

func (f *imageFlags) printer(p *Program) *imagePrinter {
	return &imagePrinter{newPrinter(p, f.color), f.verbose}
}
