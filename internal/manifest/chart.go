package manifest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	v2util "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/strvals"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// DefaultKubeVersion is the default of [Options.KubeVersion].
const DefaultKubeVersion = "1.37"

// renderTime bounds the rendering of one chart or overlay.
const renderTime = 30 * time.Second

// readValues merges the values files and settings of the options, as helm does.
// The settings may be secret: errors name keys only.
func (l *loader) readValues() error {
	o := &l.options
	if _, err := common.ParseKubeVersion(o.KubeVersion); err != nil {
		return fmt.Errorf("version %q of Kubernetes: not a version such as %s", o.KubeVersion, DefaultKubeVersion)
	}
	l.values = map[string]any{}
	for _, name := range o.HelmValues {
		text, sum, err := readRegular(name, o.MaxFileBytes)
		if err != nil {
			return fmt.Errorf("values file %s: %s", name, reason(err))
		}
		for doc := range tree.Parse(&tree.File{Name: slashed(name), Text: text}) {
			if doc.Err != nil {
				return fmt.Errorf("values file %w", doc.Err)
			}
			if doc.Root != nil && !doc.Root.Is(tree.Map) && !doc.Root.Is(tree.Null) {
				return fmt.Errorf("values file %s: holds a %s, not a map", name, doc.Root.Kind())
			}
		}
		more, err := chartloader.LoadValues(strings.NewReader(text))
		if err != nil {
			return fmt.Errorf("values file %s: cannot be read as values", name)
		}
		l.values = chartloader.MergeMaps(l.values, more)
		l.settings = append(l.settings, fileDigest{"values", sum})
	}
	for _, setting := range o.HelmSet {
		if err := strvals.ParseInto(setting, l.values); err != nil {
			key, _, _ := strings.Cut(setting, "=")
			return fmt.Errorf("setting %q: not of the form key=value", key)
		}
		l.settings = append(l.settings, fileDigest{"set", sha256.Sum256([]byte(setting))})
	}
	return nil
}

// loadedChart is a chart with the way back from its files to where they are.
type loadedChart struct {
	*v2.Chart
	unit    *unit
	names   map[*byte]string // by the first byte of a file's content: its name, as the user would write it
	archive bool
}

// chartLock lets one chart be rendered at a time, which bounds memory.
var chartLock sync.Mutex

// readChart renders a chart and reads the objects that it makes.
//
// The release has the chart's name, lookups find nothing, and functions that
// give random values, keys or the time give fixed ones, so that equal input
// gives equal objects. NOTES.txt is dropped; hooks, tests and the crds directory
// are kept. A library chart is passed over. The values schema is not applied, as
// it may refer to other files and to the network.
func (l *loader) readChart(u *unit) *result {
	r := &result{}
	files, ok := l.chartFiles(u, r)
	if !ok {
		return r
	}
	chartLock.Lock()
	defer chartLock.Unlock()
	defer quieten(false)()

	c := l.loadChart(u, files, r)
	if c == nil {
		return r
	}
	if c.Metadata.Type == "library" {
		r.counts.Documents++
		r.counts.PassedOver++
		r.known = true
		return r
	}
	values, err := l.chartValues(c)
	if err != nil {
		r.fail(model.Place{File: u.name}, "", "the chart's values cannot be put together: %s", unquoted(err))
		return r
	}
	l.missingDependencies(c, r)
	ctx, cancel := context.WithTimeout(l.ctx, renderTime)
	defer cancel()
	rendered, failures := renderTemplates(ctx, c.templates(values))
	before := len(r.problems)
	for _, f := range failures {
		if before > 0 && f.hint == "" && mayFollow(f) {
			f.hint = "it may follow from the problem at " + r.problems[before-1].Place.String()
		}
		r.fail(f.place, f.hint, "%s", f.reason)
	}
	l.chartObjects(c, rendered, r)
	return r
}

// mayFollow reports whether a template may have failed because a part of the chart
// is missing: it calls a template or uses a value that nobody defines.
func mayFollow(f renderFailure) bool {
	return !f.parsing && (strings.HasSuffix(f.reason, "is not defined") || strings.HasPrefix(f.reason, "nil pointer"))
}

// loadChart parses the files of a chart. It returns nil when it cannot.
func (l *loader) loadChart(u *unit, files []chartFile, r *result) *loadedChart {
	c := &loadedChart{unit: u, names: map[*byte]string{}, archive: u.kind == chartArchive}
	buffered := make([]*archive.BufferedFile, len(files))
	for i, f := range files {
		if len(f.data) > 0 {
			c.names[&f.data[0]] = f.shown
		}
		buffered[i] = &archive.BufferedFile{Name: f.name, Data: f.data}
		if problem := settingsProblem(f); problem != nil {
			r.counts.Failed++
			r.problems = append(r.problems, *problem)
			return nil
		}
	}
	loaded, err := chartloader.LoadFiles(buffered)
	if err != nil {
		r.fail(model.Place{File: path.Join(u.name, "Chart.yaml")}, "", "the chart cannot be loaded: %s", unquoted(err))
		return nil
	}
	sortDependencies(loaded)
	c.Chart = loaded
	if want := loaded.Metadata.KubeVersion; want != "" && !v2util.IsCompatibleRange(want, l.fullKubeVersion()) {
		r.fail(model.Place{File: path.Join(u.name, "Chart.yaml")}, "choose another version with --kube-version",
			"the chart is not for Kubernetes %s", l.options.KubeVersion)
		return nil
	}
	return c
}

// fullKubeVersion returns the version with a patch number, which ranges want.
func (l *loader) fullKubeVersion() string {
	v, err := common.ParseKubeVersion(l.options.KubeVersion)
	if err != nil {
		return l.options.KubeVersion
	}
	return v.String()
}

// settingsProblem parses the files that the chart library would parse, so that
// errors have a place and quote nothing.
func settingsProblem(f chartFile) *model.Problem {
	switch path.Base(f.name) {
	case "Chart.yaml", "Chart.lock", "values.yaml", "requirements.yaml", "requirements.lock":
	default:
		return nil
	}
	if dir := path.Dir(f.name); dir != "." && path.Base(path.Dir(dir)) != "charts" {
		return nil // not that of a chart
	}
	for doc := range tree.Parse(&tree.File{Name: f.shown, Text: string(f.data)}) {
		if e, ok := errors.AsType[*tree.SyntaxError](doc.Err); ok {
			return &model.Problem{Place: model.Place{File: f.shown, Line: e.Line, Column: e.Column}, Reason: e.Reason}
		}
	}
	return nil
}

// sortDependencies puts subcharts in order, as the library returns them in none.
func sortDependencies(c *v2.Chart) {
	subcharts := c.Dependencies()
	slices.SortFunc(subcharts, func(a, b *v2.Chart) int { return strings.Compare(a.Name(), b.Name()) })
	for _, s := range subcharts {
		sortDependencies(s)
	}
}

// chartValues returns the top-level object that templates see.
func (l *loader) chartValues(c *loadedChart) (common.Values, error) {
	values := chartloader.MergeMaps(l.values, nil)
	if err := v2util.ProcessDependencies(c.Chart, values); err != nil {
		return nil, err
	}
	version, err := common.ParseKubeVersion(l.options.KubeVersion)
	if err != nil {
		return nil, err
	}
	caps := common.DefaultCapabilities.Copy()
	caps.KubeVersion = *version
	release := common.ReleaseOptions{Name: c.Name(), Namespace: l.options.Namespace, Revision: 1, IsInstall: true}
	return commonutil.ToRenderValuesWithSchemaValidation(c.Chart, values, release, caps, true)
}

// missingDependencies notes dependencies that are switched on and not there.
func (l *loader) missingDependencies(c *loadedChart, r *result) {
	var check func(sub *v2.Chart, file string)
	check = func(sub *v2.Chart, file string) {
		for _, want := range sub.Metadata.Dependencies {
			if !slices.ContainsFunc(sub.Dependencies(), func(d *v2.Chart) bool { return d.Name() == want.Name }) {
				r.fail(model.Place{File: file, Line: c.lineOf(file, want)}, "run helm dependency update, or vendor it under charts/",
					"the dependency %s is missing in charts/", want.Name)
			}
		}
		for _, d := range sub.Dependencies() {
			check(d, c.shownName(d))
		}
	}
	check(c.Chart, c.shownName(c.Chart))
}

// shownName returns the name of a chart's Chart.yaml.
func (c *loadedChart) shownName(sub *v2.Chart) string {
	for _, f := range sub.Raw {
		if f.Name == "Chart.yaml" && len(f.Data) > 0 {
			return c.names[&f.Data[0]]
		}
	}
	return c.unit.name
}

// lineOf returns the line of a Chart.yaml that names a dependency.
func (c *loadedChart) lineOf(file string, want *v2.Dependency) int {
	for _, f := range c.Raw {
		if len(f.Data) == 0 || c.names[&f.Data[0]] != file {
			continue
		}
		for i, line := range bytes.Split(f.Data, []byte("\n")) {
			key, value, ok := bytes.Cut(bytes.TrimLeft(line, " -\t"), []byte(":"))
			if ok && (string(key) == "name" || string(key) == "alias") && strings.Trim(string(value), " \t\r'\"") == want.Name {
				return i + 1
			}
		}
	}
	return 0
}

// templates returns the templates of the chart and its subcharts with what each
// of them sees.
func (c *loadedChart) templates(top common.Values) []chartTemplate {
	var all []chartTemplate
	var add func(sub chart.Charter, parent common.Values) map[string]any
	add = func(sub chart.Charter, parent common.Values) map[string]any {
		a, err := chart.NewAccessor(sub)
		if err != nil {
			return nil
		}
		metadata := a.MetadataAsMap()
		metadata["IsRoot"] = a.IsRoot()
		subcharts := map[string]any{}
		sees := map[string]any{
			"Chart": metadata, "Files": newChartFiles(a.Files()), "Subcharts": subcharts,
			"Release": parent["Release"], "Capabilities": parent["Capabilities"], "Values": common.Values{},
		}
		if a.IsRoot() {
			sees["Values"] = parent["Values"]
		} else if values, err := parent.Table("Values." + a.Name()); err == nil {
			sees["Values"] = values
		}
		for _, d := range a.Dependencies() {
			if dep, err := chart.NewAccessor(d); err == nil {
				subcharts[dep.Name()] = add(d, sees)
			}
		}
		for _, f := range a.Templates() {
			if f == nil || a.IsLibraryChart() && !strings.HasPrefix(path.Base(f.Name), "_") {
				continue
			}
			t := chartTemplate{
				name: path.Join(a.ChartFullPath(), f.Name), base: path.Join(a.ChartFullPath(), "templates"), text: string(f.Data), sees: sees,
			}
			t.file = c.shown(f, t.name)
			all = append(all, t)
		}
		return sees
	}
	add(c.Chart, top)
	return all
}

// shown returns the name of a file of the chart, as the user would write it.
func (c *loadedChart) shown(f *common.File, fallback string) string {
	if len(f.Data) > 0 {
		if name := c.names[&f.Data[0]]; name != "" {
			return name
		}
	}
	return fallback
}

// chartObjects reads the objects of rendered templates and of the crds
// directories.
func (l *loader) chartObjects(c *loadedChart, rendered []renderedTemplate, r *result) {
	for _, t := range rendered {
		if strings.HasSuffix(t.name, "NOTES.txt") || strings.TrimSpace(t.text) == "" {
			continue
		}
		origin := &model.Origin{Renderer: "helm", Root: c.unit.name, Lines: t.lines}
		l.documents(r, &tree.File{Name: t.file, Text: t.text}, origin, true)
	}
	for _, crd := range c.CRDObjects() {
		f := &tree.File{Name: c.shown(crd.File, crd.Filename), Text: string(crd.File.Data)}
		var origin *model.Origin
		if c.archive || strings.Contains(f.Name, ".tgz/") { // there is no such file
			origin = &model.Origin{Renderer: "helm", Root: c.unit.name, Lines: identity(f)}
		}
		l.documents(r, f, origin, true)
	}
}

// identity maps each line of a file to itself.
func identity(f *tree.File) []model.OriginLine {
	lines := make([]model.OriginLine, strings.Count(f.Text, "\n")+1)
	for i := range lines {
		lines[i] = model.OriginLine{File: f.Name, Line: i + 1}
	}
	return lines
}

// unquoted returns the text of a library's error up to the first thing that it
// may quote from a document.
func unquoted(err error) string {
	text := err.Error()
	if i := strings.IndexAny(text, "`'\"\n"); i >= 0 {
		text = strings.TrimRight(text[:i], " :,(")
	}
	if text == "" {
		return "the reason may quote the document and is not shown"
	}
	return text
}
