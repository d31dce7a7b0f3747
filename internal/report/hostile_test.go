package report

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// hostile are texts that mean something to a terminal, a browser, a Markdown
// reader, XML, YAML, JSON or a table.
var hostile = []string{
	"\x1b[2J\x1b[31mred", "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "\u009b31m", "a\nCRITICAL  forged", "a\r\nb", "tab\there", "nul\x00", "del\x7f",
	`"quoted" 'single'`, `</details><script>alert(1)</script>`, `<img src=x onerror="alert(1)">`, "&amp;&lt;", "a|b|c", "`code`", "**bold** _em_ ~~gone~~", "@everyone",
	"[link](javascript:alert(1))", "![](http://evil.example/x.png)", "www.evil.example http://evil.example", "]]>", "<!-- ", "-->", "---\n- a: b", "{{.}} ${x} %s %n",
	"\u202egnp.exe", "\u2066x\u2069", "\u2028line\u2029", "\ufeffbom", "\u00adsoft", "日本語 é ü 🚢", "e\u0301", strings.Repeat("n", 300), strings.Repeat("long ", 60), `back\slash\|`, "\\", "|", "", " ", "=cmd()", "$(id)", "\ufffe", "x\xff\xfey",
}

// hostileReport puts every hostile text in every place that a manifest, a file
// name or a rule can fill.
func hostileReport(t testing.TB) *model.Report {
	r := emptyReport()
	for i, text := range hostile {
		// JSON escapes keep the manifest valid whatever the text.
		name := escaped(text)
		file := fmt.Sprintf("dir/%s.yaml", text)
		o := objects(t, file, fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web%d","namespace":"ns%d","labels":{"team":%s}},`+
			`"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i","securityContext":{"privileged":true}}]}}}}`, i, i%3, name))[0]
		o.Key.Name, o.Key.Namespace = text, text // what an object from elsewhere may hold
		rule := &model.RuleInfo{ID: fmt.Sprintf("rule-%d", i), Title: "t " + text, Severity: model.Severity(i % 5), Category: text, Rationale: "why " + text, Remediation: "do " + text}
		f := finding(t, rule, o, text, webAt+".securityContext.privileged", "m "+text,
			model.Fix{Class: model.Tightening, Edits: []model.Edit{{Target: model.Target{Path: key(text)}, Value: node(text)}}})
		f.Field.Path = key(text)
		f.Symptoms = []*model.Finding{finding(t, rule, o, text, webAt, "s "+text)}
		asked := finding(t, rule, o, text, webAt, "q "+text, model.Fix{Class: model.Decision, Question: text})
		passed := finding(t, rule, o, text, webAt, "p "+text)
		passed.Exception = &model.Exception{ID: text, Rules: []string{text}, Reason: text, Owner: text, Expires: when}
		r.Findings = append(r.Findings, f, asked, passed)
		r.Unknowns = append(r.Unknowns, model.Unknown{Element: f.Element, Question: &model.Question{Rule: rule, Reason: "r " + text}, Written: f.Written})
		r.Problems = append(r.Problems, model.Problem{Place: f.Place(), Reason: "r " + text, Hint: text})
		r.Expired = append(r.Expired, passed.Exception)
	}
	return r
}

// escaped writes text as a JSON string in ASCII, which is a YAML string as well.
func escaped(text string) string {
	quoted, _ := json.Marshal(text)
	var b strings.Builder
	for _, r := range string(quoted) {
		if r < 0x7f || r > 0xffff {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func key(text string) tree.Path { return tree.Keys("x" + text) }

// No format lets a control character, a direction mark or a broken byte through,
// except where JSON escapes it.
func TestNothingEscapes(t *testing.T) {
	r := hostileReport(t)
	for _, format := range Formats() {
		for _, o := range []Options{{ShowExcepted: true, Verbose: true}, {ShowExcepted: true, Width: 40}} {
			text := render(t, format, r, o)
			if !utf8.ValidString(text) {
				t.Errorf("%s: not UTF-8", format)
			}
			for i, c := range text {
				if c == '\u200b' && (format == "markdown" || format == "sarif") {
					continue // our own Markdown breaks mentions with it
				}
				if c != '\n' && c != utf8.RuneError && unsafeRune(c) {
					t.Errorf("%s: %U in %q", format, c, text[max(0, i-40):min(len(text), i+20)])
					break
				}
			}
		}
	}
}

// A line break in a name must not begin a line of the report.
func TestNoForgedLines(t *testing.T) {
	for _, format := range []string{"text", "junit", "markdown"} {
		for line := range strings.Lines(render(t, format, hostileReport(t), Options{ShowExcepted: true, Verbose: true})) {
			if strings.HasPrefix(line, "CRITICAL  forged") || strings.HasPrefix(line, "- a: b") {
				t.Errorf("%s: forged line %q", format, line)
			}
		}
	}
}

// Sentences are clean in the formats for programs as well.
func TestSentencesAreClean(t *testing.T) {
	var walk func(format, key string, v any)
	walk = func(format, key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				walk(format, k, v)
			}
		case []any:
			for _, v := range v {
				walk(format, key, v)
			}
		case string:
			switch key {
			case "message", "text", "title", "reason", "hint", "rationale", "remediation", "owner", "subject", "justification", "question", "fix", "also":
				if strings.ContainsFunc(v, func(r rune) bool { return r != '\n' && r != '\u200b' && r != utf8.RuneError && unsafeRune(r) }) || strings.Contains(v, "\n") && format != "sarif" {
					t.Errorf("%s: %s is %q", format, key, v)
				}
			}
		}
	}
	for _, format := range []string{"json", "sarif", "openreports"} {
		text := render(t, format, hostileReport(t), Options{ShowExcepted: true})
		for doc := range strings.SplitSeq(text, "---\n") {
			if doc == "" {
				continue
			}
			var v any
			if err := json.Unmarshal([]byte(doc), &v); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			walk(format, "", v)
		}
	}
}

// Nothing hostile is left of what Markdown and HTML would obey.
func TestMarkupIsShown(t *testing.T) {
	r := hostileReport(t)
	for format, bad := range map[string]string{
		"html":     `<script|<img|</details><|onerror="`,
		"markdown": `<script|<img|</details><|[^\\]\]\(|!\[|@everyone|http://|www\.|\*\*bold|[^~\\]~~|[^\\]\|\|`,
	} {
		text := render(t, format, r, Options{ShowExcepted: true})
		if format == "markdown" {
			text = regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "code") // nothing counts in there
		}
		for _, m := range regexp.MustCompile(bad).FindAllStringIndex(text, 3) {
			t.Errorf("%s: %q", format, text[max(0, m[0]-60):min(len(text), m[1]+60)])
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "": "", "  a  b ": "a b", "a\n\n  b\t": "a b", "\x1b[31m": `\x1b[31m`, "\x00": `\x00`, "\u009b": `\x9b`, "x\xffy": `x\xffy`,
		"\u202ex": `\u202ex`, "é日🚢": "é日🚢", "\u2028a": "a", "\ufeff": `\ufeff`, "\U000e0041": `\ue0041`, "a\u200db": "a\u200db", "\ufffd": "\ufffd",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) is %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if strings.ContainsFunc(got, func(r rune) bool { return r != utf8.RuneError && unsafeRune(r) }) || !utf8.ValidString(got) {
			t.Errorf("clean(%q) is %q", s, got)
		}
		if again := clean(got); again != got {
			t.Errorf("clean(%q) is %q, and then %q", s, got, again)
		}
	})
}
