package manifest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/ignore"

	"ullage.dev/ullage/internal/model"
)

// Limits of one chart, its unpacked archives included.
const (
	maxChartBytes = 64 << 20
	maxChartFiles = 20_000
	maxChartDepth = 8 // archives within archives
)

// chartFile is a file of a chart.
type chartFile struct {
	name  string // below the chart's directory
	shown string // as the user would write it; archives count as directories
	data  []byte
}

// chartReader collects the files of one chart.
type chartReader struct {
	files []chartFile
	bytes int64
}

var errChartTooLarge = fmt.Errorf("the chart is larger than the limit of %s or %d files once unpacked", byteCount(maxChartBytes), maxChartFiles)

func (c *chartReader) add(name, shown string, data []byte) error {
	c.bytes += int64(len(data))
	if c.bytes > maxChartBytes || len(c.files) >= maxChartFiles {
		return errChartTooLarge
	}
	c.files = append(c.files, chartFile{name, shown, bytes.TrimPrefix(data, []byte("\ufeff"))})
	return nil
}

// chartFiles reads the files of a chart, and unpacks the archives of subcharts.
// It returns false when there is nothing to render; the result holds why.
func (l *loader) chartFiles(u *unit, r *result) ([]chartFile, bool) {
	var c chartReader
	if u.kind == chartDir {
		if err := l.readChartDir(&c, u, r); err != nil {
			r.fail(model.Place{File: u.name}, "", "%s", reason(err))
			return nil, false
		}
	} else if !l.readChartArchive(&c, u, r) {
		return nil, false
	}
	slices.SortFunc(c.files, func(a, b chartFile) int { return strings.Compare(a.name, b.name) })
	return c.files, true
}

// readChartDir walks the directory of a chart. Symbolic links are followed
// within it only.
func (l *loader) readChartDir(c *chartReader, u *unit, r *result) error {
	rules := ignore.Empty()
	if text, sum, err := readRegular(filepath.Join(u.real, ignore.HelmIgnore), l.options.MaxFileBytes); err == nil {
		r.read(path.Join(u.name, ignore.HelmIgnore), sum)
		if rules, err = ignore.Parse(strings.NewReader(text)); err != nil {
			return fmt.Errorf("%s cannot be read", ignore.HelmIgnore)
		}
	}
	rules.AddDefaults()
	w := chartWalk{loader: l, chart: c, unit: u, result: r, rules: rules, seen: map[string]bool{}}
	return w.dir(u.real, "")
}

type chartWalk struct {
	*loader
	chart  *chartReader
	unit   *unit
	result *result
	rules  *ignore.Rules
	seen   map[string]bool // real paths of the directories above, against circles
}

func (w chartWalk) dir(real, rel string) error {
	if w.seen[real] {
		return nil
	}
	w.seen[real] = true
	defer delete(w.seen, real)
	entries, err := os.ReadDir(real)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.entry(filepath.Join(real, e.Name()), path.Join(rel, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (w chartWalk) entry(p, rel string) error {
	shown := path.Join(w.unit.name, rel)
	info, err := os.Stat(p)
	if err == nil && w.rules.Ignore(rel, info) || rel == ignore.HelmIgnore || strings.HasPrefix(rel, ".git/") || rel == ".git" {
		return nil
	}
	real := p
	if err == nil {
		real, err = realPath(p)
	}
	if err != nil {
		w.result.fail(model.Place{File: shown}, "", "%s", reason(err))
		return nil
	}
	switch {
	case !within(w.unit.real, real):
		w.result.fail(model.Place{File: shown}, "put a copy into the chart, or package it",
			"the symbolic link leads out of the chart and was not followed")
		return nil
	case info.IsDir():
		return w.dir(real, rel)
	case !info.Mode().IsRegular():
		return nil
	}
	text, sum, err := readRegular(real, min(w.options.MaxFileBytes, maxChartBytes-w.chart.bytes))
	if err != nil {
		w.result.fail(model.Place{File: shown}, "", "%s", reason(err))
		return nil
	}
	w.result.read(shown, sum)
	if isSubchartArchive(rel) {
		return w.chart.unpack(strings.NewReader(text), strings.TrimSuffix(rel, ".tgz"), shown, 0)
	}
	return w.chart.add(rel, shown, []byte(text))
}

// isSubchartArchive reports whether a file of a chart is a packed subchart.
func isSubchartArchive(rel string) bool {
	return path.Base(path.Dir(rel)) == "charts" && strings.HasSuffix(rel, ".tgz") && strings.IndexAny(path.Base(rel), "_.") != 0
}

// errNotAChart says that an archive is none of ours.
var errNotAChart = errors.New("the archive holds no chart: there is no Chart.yaml in its only directory")

// readChartArchive unpacks an archive. One that was found in a search and holds
// no chart is passed over.
func (l *loader) readChartArchive(c *chartReader, u *unit, r *result) bool {
	text, sum, err := readRegular(u.path, l.options.MaxFileBytes)
	if err == nil {
		err = c.unpack(strings.NewReader(text), "", u.name, 0)
	}
	isChart := slices.ContainsFunc(c.files, func(f chartFile) bool { return f.name == "Chart.yaml" })
	if !isChart && !u.explicit && !errors.Is(err, errChartTooLarge) && !errors.Is(err, fs.ErrPermission) {
		return false
	}
	r.read(u.name, sum)
	if err == nil && !isChart {
		err = errNotAChart
	}
	if err != nil {
		r.fail(model.Place{File: u.name}, "", "%s", reason(err))
		return false
	}
	return true
}

// unpack adds the files of a packed chart under the directory dir.
func (c *chartReader) unpack(packed io.Reader, dir, shown string, depth int) error {
	if depth > maxChartDepth {
		return fmt.Errorf("archives are nested deeper than %d levels", maxChartDepth)
	}
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return errors.New("is not a gzip archive")
	}
	// The limit also bounds what is skipped.
	archive := tar.NewReader(io.LimitReader(unzipped, 2*maxChartBytes))
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errors.New("the archive is damaged or too large")
		}
		if err := c.unpackEntry(archive, header, dir, shown, depth); err != nil {
			return err
		}
	}
}

func (c *chartReader) unpackEntry(archive *tar.Reader, header *tar.Header, dir, shown string, depth int) error {
	switch header.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink, tar.TypeLink:
		return errors.New("the archive holds a link, which is not followed")
	case tar.TypeDir, tar.TypeXGlobalHeader, tar.TypeXHeader:
		return nil
	default:
		return errors.New("the archive holds something that is no file")
	}
	name := strings.ReplaceAll(header.Name, `\`, "/")
	_, rest, ok := strings.Cut(strings.TrimPrefix(name, "./"), "/")
	if !ok {
		return nil // beside the chart's directory
	}
	if !filepath.IsLocal(rest) || strings.Contains(rest, ":") || !filepath.IsLocal(name) {
		return errors.New("the archive holds a path that leads out of it")
	}
	if header.Size > maxChartBytes-c.bytes {
		return errChartTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(archive, header.Size))
	if err != nil {
		return errors.New("the archive is damaged")
	}
	rest = path.Clean(rest)
	if isSubchartArchive(path.Join(dir, rest)) {
		c.bytes += int64(len(data))
		return c.unpack(bytes.NewReader(data), path.Join(dir, strings.TrimSuffix(rest, ".tgz")), path.Join(shown, rest), depth+1)
	}
	return c.add(path.Join(dir, rest), path.Join(shown, rest), data)
}

// chartData is what templates see as .Files: the files of the chart that are
// not templates.
type chartData map[string][]byte

func newChartFiles(from []*common.File) chartData {
	d := make(chartData, len(from))
	for _, f := range from {
		d[f.Name] = f.Data
	}
	return d
}

// GetBytes returns the content of a file; empty when there is none.
func (d chartData) GetBytes(name string) []byte {
	if v, ok := d[name]; ok {
		return v
	}
	return []byte{}
}

// Get returns the content of a file as text.
func (d chartData) Get(name string) string { return string(d.GetBytes(name)) }

// Glob returns the files that a pattern matches; all when it is not one.
func (d chartData) Glob(pattern string) chartData {
	g, err := glob.Compile(pattern, '/')
	if err != nil {
		g = glob.MustCompile("**")
	}
	found := chartData{}
	for name, data := range d {
		if g.Match(name) {
			found[name] = data
		}
	}
	return found
}

// AsConfig writes the files as the data of a ConfigMap.
func (d chartData) AsConfig() string {
	if d == nil {
		return ""
	}
	m := map[string]string{}
	for _, name := range d.names() {
		m[path.Base(name)] = string(d[name])
	}
	return toYAML(m)
}

// AsSecrets writes the files as the data of a Secret.
func (d chartData) AsSecrets() string {
	if d == nil {
		return ""
	}
	m := map[string]string{}
	for _, name := range d.names() {
		m[path.Base(name)] = base64.StdEncoding.EncodeToString(d[name])
	}
	return toYAML(m)
}

// Lines returns the lines of a file.
func (d chartData) Lines(name string) []string {
	text := strings.TrimSuffix(d.Get(name), "\n")
	if len(d[name]) == 0 {
		return []string{}
	}
	return strings.Split(text, "\n")
}

func (d chartData) names() []string {
	var names []string
	for name := range d {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
