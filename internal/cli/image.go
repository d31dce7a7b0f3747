package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/scan"
)

// imageFlags are the flags of ullage image.
type imageFlags struct {
	output, color, platform string
	mirrors                 []string
	registry                image.Registry
	verbose, check          bool
	db                      dbFlags
	signer                  signerFlags
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
archive of one, or a root file system. Each layer is read once and nothing is
unpacked to disk. Docker's logins are used for registries.

Packages are matched against the advisories that ullage db update fetched. With
--key, or --trusted-root and whom to believe, it is told who signed the image and what
was attested of it. What it does not do yet: look for secrets in files.

Exit code: 0 told, vulnerabilities or not, 1 not signed as --verify demands, 2 usage, or the image cannot be read, 3 a part of it could not.`,
		Example: `  ullage image registry.example/web:1.4.2
  docker save web:1.4.2 | ullage image docker-archive:/dev/stdin
  ullage image ./layout --platform linux/arm64
  ullage image registry.example/web:1.4.2 --key cosign.pub --verify
  ullage image web.tar -o json | jq '.packages[] | select(.ecosystem == "npm")'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one image: a reference, an archive, a layout or a root file system")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), p, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	flags.StringVar(&f.platform, "platform", "", "os/architecture[/variant] of a multi-platform image (default linux and the architecture of this machine)")
	flags.StringArrayVar(&f.mirrors, "mirror", nil, "REGISTRY=MIRROR[/PATH] to ask before a registry; may be repeated")
	flags.StringArrayVar(&f.registry.CAFiles, "ca-file", nil, "file with certificates in PEM form to trust besides the system's")
	flags.StringArrayVar(&f.registry.Insecure, "insecure", nil, "host of a registry that may speak plain HTTP and needs no valid certificate")
	flags.BoolVar(&f.check, "check-diff-ids", false, "hold the uncompressed content of layers against the configuration, too, which costs a second hash")
	flags.StringVar(&f.db.dir, "db", "", dbUsage)
	f.signer.add(flags)
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list every package, program and vulnerability")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	return cmd
}

func (f *imageFlags) run(ctx context.Context, p *Program, ref string) error {
	if err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never")); err != nil {
		return err
	}
	f.registry.Mirrors = map[string][]string{}
	for _, m := range f.mirrors {
		host, mirror, ok := strings.Cut(m, "=")
		if !ok || host == "" || mirror == "" {
			return fmt.Errorf("--mirror %s: write REGISTRY=MIRROR, such as docker.io=mirror.example", m)
		}
		f.registry.Mirrors[host] = append(f.registry.Mirrors[host], mirror)
	}
	trust, err := f.signer.demand()
	if err != nil {
		return err
	}
	store, err := f.db.store(p)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	bar := newProgress(p)
	scanner := scan.Scanner{Advisories: store, Trust: trust, Options: image.Options{
		Platform: f.platform, Registry: f.registry, DiffIDs: f.check,
		Progress: func(i, layers int, _ *image.Layer) { bar.show("reading", i+1, layers, "layers") },
	}}
	result, err := scanner.Image(ctx, ref)
	bar.done()
	if err != nil {
		return interrupted(ctx, &codeError{exitUsage, err})
	}
	if f.output == "json" {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(newImageJSON(result))
	} else {
		err = f.printer(p).image(result, time.Now())
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	if err := f.signer.hold(result); err != nil {
		return err
	}
	if len(result.Image.Problems) > 0 {
		return &codeError{code: exitIncomplete}
	}
	return nil
}

func (f *imageFlags) printer(p *Program) *imagePrinter {
	return &imagePrinter{newPrinter(p, f.color), f.verbose}
}
