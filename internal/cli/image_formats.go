package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"ullage.dev/ullage/internal/report"
	"ullage.dev/ullage/internal/sbom"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/vex"
)

// imageFormats are the forms in which an image is shown, text first.
var imageFormats = []struct {
	name  string
	write func(*imageFlags, *Program, *imageAnswer, time.Time) error
}{
	{"text", func(f *imageFlags, p *Program, r *imageAnswer, now time.Time) error {
		return f.printer(p).image(r, now)
	}},
	{"json", func(_ *imageFlags, p *Program, r *imageAnswer, _ time.Time) error {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(newImageJSON(r))
	}},
	{"sarif", func(_ *imageFlags, p *Program, r *imageAnswer, _ time.Time) error {
		found := r.Vulnerabilities
		if found != nil {
			copied := *found
			copied.Matches, found = r.shown(), &copied
		}
		return report.ImageSARIF(p.Stdout, "ullage", Version(), r.Image, found)
	}},
	{"cyclonedx", func(f *imageFlags, p *Program, r *imageAnswer, now time.Time) error {
		o, err := f.billOptions(p, now)
		if err != nil {
			return err
		}
		return sbom.CycloneDX(p.Stdout, r.Image, r.Vulnerabilities, o)
	}},
	{"spdx", func(f *imageFlags, p *Program, r *imageAnswer, now time.Time) error {
		o, err := f.billOptions(p, now)
		if err != nil {
			return err
		}
		return sbom.SPDX(p.Stdout, r.Image, o)
	}},
	{"openvex", func(f *imageFlags, p *Program, r *imageAnswer, now time.Time) error {
		now, err := documentTime(p, now)
		if err != nil {
			return err
		}
		if r.Vulnerabilities == nil {
			return errors.New("there is nothing to state: there is no database of advisories, which ullage db update fetches")
		}
		return vex.OpenVEX(p.Stdout, r.Image, r.Vulnerabilities, vex.Options{Time: now, Author: f.author, Tooling: "ullage " + Version()})
	}},
}

func imageFormatNames() []string {
	var names []string
	for _, f := range imageFormats {
		names = append(names, f.name)
	}
	return names
}

// write shows a scanned image in the form that was asked for.
func (f *imageFlags) write(p *Program, r *imageAnswer, now time.Time) error {
	for _, format := range imageFormats {
		if format.name == f.output {
			return format.write(f, p, r, now)
		}
	}
	return word{f.output, "--output"}.oneOf(imageFormatNames()...)
}

func (f *imageFlags) billOptions(p *Program, now time.Time) (sbom.Options, error) {
	now, err := documentTime(p, now)
	files := map[string]sbom.Files{"auto": sbom.SomeFiles, "always": sbom.AllFiles, "never": sbom.NoFiles}
	return sbom.Options{Time: now, Tool: "ullage", Version: Version(), Files: files[f.files]}, err
}

// documentTime is the time that a document is given: that of the variable
// SOURCE_DATE_EPOCH where it is set, so that a build can be repeated, else now.
func documentTime(p *Program, now time.Time) (time.Time, error) {
	text := p.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return now, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > 253402300799 {
		return now, fmt.Errorf("SOURCE_DATE_EPOCH %q is no number of seconds since 1970", text)
	}
	return time.Unix(seconds, 0), nil
}

const billPrefix = "sbom:"

// scanImage scans what a reference names: an image, or the bill of materials of one.
func scanImage(ctx context.Context, scanner *scan.Scanner, ref string) (*scan.Result, error) {
	path, ok := billPath(ref)
	if !ok {
		return scanner.Image(ctx, ref)
	}
	img, err := sbom.ReadFile(path)
	if errors.Is(err, sbom.ErrOther) && path == ref {
		return nil, fmt.Errorf("%s is neither an archive of an image nor a bill of materials in CycloneDX or SPDX", ref)
	} else if err != nil {
		return nil, err
	}
	return scanner.Match(img)
}

// billPath returns the file of a bill of materials that a reference names, by its
// prefix or because the file looks like one.
func billPath(ref string) (string, bool) {
	if path, ok := strings.CutPrefix(ref, billPrefix); ok {
		return path, true
	}
	switch info, err := os.Stat(ref); {
	case err != nil: // no image is called so, and a registry need not know of a typing error
		return ref, strings.HasSuffix(ref, ".json") || strings.HasSuffix(ref, ".xml") || strings.HasSuffix(ref, ".spdx")
	case !info.Mode().IsRegular():
		return "", false
	}
	file, err := os.Open(ref)
	if err != nil {
		return "", false
	}
	defer func() { _ = file.Close() }()
	var beginning bytes.Buffer
	_, err = io.CopyN(&beginning, file, 512)
	return ref, (err == nil || errors.Is(err, io.EOF)) && sbom.Looks(beginning.Bytes())
}
