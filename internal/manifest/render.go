package manifest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"ullage.dev/ullage/internal/model"
)

// Charts are rendered here and not by Helm's own engine, for three reasons:
// that engine cannot be stopped, so that a hostile chart can fill the memory or,
// by tpl, overflow the stack, which ends the process; it does not say which
// line of a template made which line of the output; and its errors quote values.
// A test holds that both make the same of the same chart.
//
// Before a template runs, a call of mark is put in front of each of its nodes.
// mark counts steps, looks at the context, and notes where in the output the
// node begins. What cannot be interrupted is a single call of a function; guard
// bounds what goes into one and what comes out.

// Limits of the rendering of one chart.
const (
	maxSteps       = 500_000
	maxRenderBytes = 64 << 20 // written in all
	maxCallDepth   = 500      // include and tpl within each other
)

// chartTemplate is one template of a chart.
type chartTemplate struct {
	name string // by which other templates call it
	file string // as the user would write it
	base string // directory of the chart's templates
	text string
	sees map[string]any
}

// renderedTemplate is what a template made.
type renderedTemplate struct {
	name, file string
	text       string
	lines      []model.OriginLine
}

// renderFailure says why a chart cannot be rendered.
type renderFailure struct {
	place  model.Place
	reason string
	hint   string

	parsing bool // what does not parse is at fault itself
}

// abort is an error of ours within a template; its text quotes nothing.
type abort struct{ reason string }

func (a *abort) Error() string { return a.reason }

// refusal is the error of the functions fail and required.
type refusal struct{ message string }

func (r *refusal) Error() string { return "refused" }

// origin is a node of a template.
type origin struct {
	model.OriginLine
	literal int // length of the text, when the node is literal
}

// span says that from an offset of the output on, the text comes from a node.
type span struct {
	offset int
	origin int32
}

// rendering is the state of rendering one chart.
type rendering struct {
	ctx     context.Context
	sources map[string]chartTemplate
	origins []origin
	at      int // index of the node that runs
	steps   int
	written int
	depth   int // of include and tpl
	out     *output
	spans   []span
}

// output collects text up to the limit of the whole rendering.
type output struct {
	strings.Builder
	r *rendering
}

func (o *output) Write(p []byte) (int, error) {
	if o.r.written += len(p); o.r.written > maxRenderBytes {
		return 0, &abort{"the output is larger than the limit of " + byteCount(maxRenderBytes)}
	}
	return o.Builder.Write(p)
}

// renderTemplates renders the templates of a chart, in the order of their
// names. Files that begin with an underscore are only there to be called. A
// template that fails does not keep the others from being rendered, unless it
// used up what the chart may use, or cannot be parsed and should have defined
// what others call.
func renderTemplates(ctx context.Context, templates []chartTemplate) (rendered []renderedTemplate, failures []renderFailure) {
	r := &rendering{ctx: ctx, sources: map[string]chartTemplate{}, origins: make([]origin, 1)}
	root := template.New("gotpl").Option("missingkey=zero")
	root.Funcs(r.functions(root))
	// Of two definitions of one name that of the shallower file counts, so it is
	// parsed last.
	slices.SortFunc(templates, func(a, b chartTemplate) int {
		if d := strings.Count(b.name, "/") - strings.Count(a.name, "/"); d != 0 {
			return d
		}
		return strings.Compare(b.name, a.name)
	})
	broken, failures, ok := r.parse(root, templates)
	if !ok {
		return nil, failures
	}
	slices.SortFunc(templates, func(a, b chartTemplate) int { return strings.Compare(a.name, b.name) })
	for i := range templates {
		t := &templates[i]
		if broken[t.name] || strings.HasPrefix(path.Base(t.name), "_") {
			continue
		}
		done, err := r.execute(root, t)
		if err == nil {
			rendered = append(rendered, done)
			continue
		}
		if f := r.failure(err); !slices.Contains(failures, f) { // a helper may fail wherever it is called
			failures = append(failures, f)
		}
		if r.steps > maxSteps || r.written > maxRenderBytes || ctx.Err() != nil {
			break
		}
	}
	return rendered, failures
}

// definesNames matches what makes a template one that others call.
var definesNames = regexp.MustCompile(`\{\{-?\s*(?:define|block)\b`)

// parse parses the templates and puts marks into them. A broken one counts as
// empty, so that the templates which include it, mostly for a checksum, are
// rendered; when it should have defined names for others, ok is false.
func (r *rendering) parse(root *template.Template, templates []chartTemplate) (broken map[string]bool, failures []renderFailure, ok bool) {
	broken = map[string]bool{}
	for i := range templates {
		t := &templates[i]
		r.sources[t.name] = *t
		_, err := root.New(t.name).Parse(t.text)
		if err == nil {
			continue
		}
		f := parseFailure(t.file, err)
		if strings.HasPrefix(path.Base(t.name), "_") || definesNames.MatchString(t.text) {
			f.hint = "other templates call what it defines, so nothing of the chart was rendered"
			return nil, []renderFailure{f}, false
		}
		broken[t.name] = true
		failures = append(failures, f)
		if _, err := root.New(t.name).Parse(""); err != nil {
			return nil, failures, false
		}
	}
	slices.Reverse(failures) // templates were parsed from the last to the first
	for _, t := range root.Templates() {
		if source, known := r.sources[t.ParseName]; known && !broken[t.ParseName] {
			r.instrument(t.Tree.Root, func(p parse.Pos) model.OriginLine {
				return model.OriginLine{File: source.file, Line: 1 + strings.Count(source.text[:min(int(p), len(source.text))], "\n")}
			})
		}
	}
	return broken, failures, true
}

func (r *rendering) execute(root *template.Template, t *chartTemplate) (renderedTemplate, error) {
	r.out, r.spans, r.depth = &output{r: r}, nil, 0
	r.origins[0] = origin{OriginLine: model.OriginLine{File: t.file, Line: 1}}
	r.at = 0
	t.sees["Template"] = map[string]any{"Name": t.name, "BasePath": t.base}
	if err := root.ExecuteTemplate(r.out, t.name, t.sees); err != nil {
		return renderedTemplate{}, err
	}
	text := dropNoValue(r.out.String(), r.spans)
	return renderedTemplate{name: t.name, file: t.file, text: text, lines: r.lines(text)}, nil
}

const noValue = "<no value>"

// dropNoValue takes out what the template library writes for absent values, as
// Helm does, and moves the spans along.
func dropNoValue(text string, spans []span) string {
	if !strings.Contains(text, noValue) {
		return text
	}
	removed, next := 0, 0
	for at := 0; ; {
		i := strings.Index(text[at:], noValue)
		end := len(text)
		if i >= 0 {
			end = at + i
		}
		for ; next < len(spans) && (spans[next].offset <= end || i < 0); next++ {
			spans[next].offset -= removed
		}
		if i < 0 {
			return strings.ReplaceAll(text, noValue, "")
		}
		at = end + len(noValue)
		removed += len(noValue)
	}
}

// lines maps each line of the output to the node that its first visible
// character comes from. A line that a called template returned through include
// comes from the line that includes it.
func (r *rendering) lines(text string) []model.OriginLine {
	lines := make([]model.OriginLine, 0, strings.Count(text, "\n")+1)
	next, current := 0, span{}
	for start := 0; start <= len(text); {
		end := strings.IndexByte(text[start:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += start
		}
		at := start
		for at < end && (text[at] == ' ' || text[at] == '\t') {
			at++
		}
		for next < len(r.spans) && r.spans[next].offset <= at {
			current = r.spans[next]
			next++
		}
		o := r.origins[current.origin]
		if at < current.offset+o.literal {
			o.Line += strings.Count(text[current.offset:at], "\n")
		}
		lines = append(lines, o.OriginLine)
		start = end + 1
	}
	return lines
}

// mark notes that a node begins.
func (r *rendering) mark(i int) (string, error) {
	r.at = i
	if r.steps++; r.steps > maxSteps {
		return "", &abort{fmt.Sprintf("the chart takes more than %d steps to render", maxSteps)}
	}
	if r.steps%64 == 0 {
		if err := r.ctx.Err(); err != nil {
			return "", &abort{fmt.Sprintf("rendering took longer than %s", renderTime)}
		}
	}
	if r.depth == 0 {
		r.spans = append(r.spans, span{r.out.Len(), int32(i)})
	}
	return "", nil
}

// instrument puts marks into a parsed template.
func (r *rendering) instrument(list *parse.ListNode, place func(parse.Pos) model.OriginLine) {
	if list == nil {
		return
	}
	nodes := make([]parse.Node, 0, 2*len(list.Nodes)+1)
	nodes = append(nodes, r.marker(origin{OriginLine: place(list.Pos)})) // an empty loop takes steps too
	for _, node := range list.Nodes {
		o := origin{OriginLine: place(node.Position())}
		switch n := node.(type) {
		case *parse.TextNode:
			o.literal = len(n.Text)
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, snippet("{{ullageGuard}}").Pipe.Cmds...)
			}
		case *parse.IfNode:
			r.instrument(n.List, place)
			r.instrument(n.ElseList, place)
		case *parse.WithNode:
			r.instrument(n.List, place)
			r.instrument(n.ElseList, place)
		case *parse.RangeNode:
			r.instrument(n.List, place)
			r.instrument(n.ElseList, place)
		}
		nodes = append(nodes, r.marker(o), node)
	}
	list.Nodes = nodes
}

func (r *rendering) marker(o origin) parse.Node {
	r.origins = append(r.origins, o)
	return snippet("{{ullageMark " + strconv.Itoa(len(r.origins)-1) + "}}")
}

// snippet parses an action of ours.
func snippet(text string) *parse.ActionNode {
	t := parse.New("ullage")
	t.Mode = parse.SkipFuncCheck
	if _, err := t.Parse(text, "", "", map[string]*parse.Tree{}); err != nil {
		panic(err) // our own constant text
	}
	return t.Root.Nodes[0].(*parse.ActionNode)
}

// include renders a named template to a string.
func (r *rendering) include(t *template.Template) func(string, any) (string, error) {
	return func(name string, data any) (string, error) {
		return r.call(func(w *output) error { return t.ExecuteTemplate(w, name, data) })
	}
}

// tpl renders a string as a template.
func (r *rendering) tpl(parent *template.Template) func(string, any) (string, error) {
	return func(text string, data any) (string, error) {
		t, err := parent.Clone()
		if err != nil {
			return "", &abort{"a template cannot be copied"}
		}
		t.Option("missingkey=zero")
		t.Funcs(template.FuncMap{"include": r.include(t), "tpl": r.tpl(t)})
		known := map[*parse.Tree]bool{}
		for _, old := range t.Templates() {
			known[old.Tree] = true
		}
		here := r.origins[r.at].OriginLine
		if t, err = t.New(parent.Name()).Parse(text); err != nil {
			return "", &abort{"tpl was given text that is not a template"}
		}
		for _, fresh := range t.Templates() {
			if fresh.Tree != nil && !known[fresh.Tree] {
				r.instrument(fresh.Tree.Root, func(parse.Pos) model.OriginLine { return here })
			}
		}
		result, err := r.call(func(w *output) error { return t.Execute(w, data) })
		return strings.ReplaceAll(result, noValue, ""), err
	}
}

func (r *rendering) call(render func(*output) error) (string, error) {
	if r.depth++; r.depth > maxCallDepth {
		return "", &abort{fmt.Sprintf("templates call each other deeper than %d levels", maxCallDepth)}
	}
	at := r.at
	w := &output{r: r}
	if err := render(w); err != nil {
		return "", err
	}
	r.depth--
	r.at = at
	return w.String(), nil
}

var parseError = regexp.MustCompile(`^template: .*?:(\d+)(?::\d+)?: `)

// parseFailure explains an error of parsing a template.
func parseFailure(file string, err error) renderFailure {
	f := renderFailure{place: model.Place{File: file, Rendered: "helm"}, parsing: true}
	text := err.Error()
	if m := parseError.FindStringSubmatch(text); m != nil {
		f.place.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if m := undefinedFunction.FindString(text); m != "" {
		f.reason = m
	} else {
		f.reason = "the template cannot be parsed: " + withoutTokens(text)
	}
	return f
}

var (
	quotedToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"(?:\.\.\.)?|'(?:[^'\\]|\\.)*'`)
	namedToken  = regexp.MustCompile(`^"(?:\$\w*|[^\w\\]{1,4})"$|^'[^\w\\]'$`)
)

// withoutTokens takes out of an error of the template library what it quotes,
// names of variables and punctuation aside.
func withoutTokens(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return quotedToken.ReplaceAllStringFunc(text, func(token string) string {
		if namedToken.MatchString(token) {
			return token
		}
		return "text"
	})
}

var (
	undefinedFunction = regexp.MustCompile(`^function "\w+" not defined$`)
	// Reasons of the template library that name fields, types and functions of
	// the template, and no values.
	harmlessReasons = regexp.MustCompile(`nil pointer evaluating (?:interface \{\}|[\w.*\[\]{}]+)\.\w+$` +
		`|can't evaluate field \w+ in type (?:interface \{\}|[\w.*\[\]{} ]+)$` +
		`|wrong type for value; expected [\w.*\[\]{} ]+; got [\w.*\[\]{} ]+$` +
		`|wrong number of args for \w+: want [\w ]+ got \d+$|invalid value; expected [\w.*\[\]{} ]+$`)
	absentTemplate = regexp.MustCompile(`(?:no template|template) ("[^"]*") (?:associated with template "gotpl"|not defined)$`)
	failedCall     = regexp.MustCompile(`error calling (\w+): `)
)

// failure explains an error of executing a template, without its values.
func (r *rendering) failure(err error) renderFailure {
	at := r.origins[r.at]
	f := renderFailure{place: model.Place{File: at.File, Line: at.Line, Rendered: "helm"}}
	if a, ok := errors.AsType[*abort](err); ok {
		f.reason = a.reason
		return f
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		f.reason, f.hint = r.refused(refused.message), "give the values that the chart asks for with --values or --set"
		return f
	}
	text := err.Error()
	if m := harmlessReasons.FindString(text); m != "" {
		f.reason = m
	} else if m := absentTemplate.FindStringSubmatch(text); m != nil {
		f.reason = "a template that is not defined is called"
		if r.literal(m[1]) {
			f.reason = "the template " + m[1] + " is not defined"
		}
	} else if calls := failedCall.FindAllStringSubmatch(text, -1); len(calls) > 0 {
		f.reason = "the function " + calls[len(calls)-1][1] + " fails"
	} else {
		f.reason = "the template cannot be executed"
	}
	return f
}

// refused returns the message of a chart that refuses to render, unless it was
// put together from values.
func (r *rendering) refused(message string) string {
	if message != "" && r.literal(message) {
		return "the chart refuses to render: " + message
	}
	return "the chart refuses to render; its message is made of values and not shown"
}

// literal reports whether a text stands in a template as it is.
func (r *rendering) literal(text string) bool {
	for _, t := range r.sources {
		if strings.Contains(t.text, text) {
			return true
		}
	}
	return false
}
