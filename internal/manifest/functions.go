package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v3"
)

// Limits of one call of a template function.
const (
	maxCallBytes = 16 << 20
	maxCallItems = 1 << 20
	maxCallLevel = 500 // nesting of a value
)

// functions returns all functions that templates may call.
func (r *rendering) functions(root *template.Template) template.FuncMap {
	f := sprig.TxtFuncMap()
	delete(f, "env")
	delete(f, "expandenv")
	for _, more := range []template.FuncMap{encodings, durations, fixedFunctions, printFunctions} {
		for name, fn := range more {
			f[name] = fn
		}
	}
	for name, fn := range f {
		f[name] = bounded(name, fn)
	}
	f["include"], f["tpl"] = r.include(root), r.tpl(root)
	f["required"] = func(message string, v any) (any, error) {
		if v == nil || v == "" {
			return v, &refusal{message}
		}
		return v, nil
	}
	f["fail"] = func(message string) (string, error) { return "", &refusal{message} }
	f["lookup"] = func(_, _, _, _ string) (map[string]any, error) { return map[string]any{}, nil }
	f["ullageMark"] = r.mark
	f["ullageGuard"] = guard
	return f
}

// passing are functions that only hand values on, however large.
var passing = map[string]bool{
	"dict": true, "list": true, "tuple": true, "get": true, "set": true, "unset": true, "hasKey": true, "default": true, "empty": true,
	"coalesce": true, "ternary": true, "kindIs": true, "kindOf": true, "typeOf": true, "typeIs": true, "typeIsLike": true,
	"first": true, "last": true, "keys": true, "pluck": true, "all": true, "any": true,
}

// bounded wraps a function so that it refuses arguments and results that are
// too large. Wrapping by reflection keeps the signature, by which the template
// library converts arguments.
func bounded(name string, fn any) any {
	f := reflect.ValueOf(fn)
	t := f.Type()
	wrapped := reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value {
		budget := newBudget()
		for _, a := range args {
			if !passing[name] {
				budget.walk(a, 0)
			}
		}
		if estimate := growth[name]; estimate != nil && budget.err == nil && estimate(args) > maxCallBytes {
			budget.err = errCallTooLarge
		}
		if budget.err != nil {
			panic(budget.err) // the template library turns it into an error
		}
		var results []reflect.Value
		if t.IsVariadic() {
			results = f.CallSlice(args)
		} else {
			results = f.Call(args)
		}
		if k := results[0].Kind(); k == reflect.String && results[0].Len() > maxCallBytes ||
			(k == reflect.Slice || k == reflect.Map) && results[0].Len() > maxCallItems {
			panic(errCallTooLarge)
		}
		return results
	})
	return wrapped.Interface()
}

var errCallTooLarge = &abort{"a function was called with too much, or for too much, data"}

// budget bounds how large a value is when it is written out.
type budget struct {
	items, bytes int
	err          error
}

func newBudget() *budget { return &budget{items: maxCallItems, bytes: maxCallBytes} }

// guard refuses a value that is too large to be written out. It takes and
// returns a reflect.Value because methods of an addressable value, such as
// String, would otherwise be lost.
func guard(v reflect.Value) (reflect.Value, error) {
	b := newBudget()
	b.walk(v, 0)
	return v, b.err
}

func (b *budget) walk(v reflect.Value, level int) {
	if b.err != nil {
		return
	}
	if b.items--; b.items < 0 || b.bytes < 0 || level > maxCallLevel {
		b.err = errCallTooLarge
		return
	}
	switch v.Kind() {
	case reflect.String:
		b.bytes -= v.Len()
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			b.walk(v.Elem(), level+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b.bytes -= v.Len()
			return
		}
		for i := range v.Len() {
			b.walk(v.Index(i), level+1)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			b.walk(entries.Key(), level+1)
			b.walk(entries.Value(), level+1)
		}
	}
	if b.bytes < 0 {
		b.err = errCallTooLarge
	}
}

// growth estimates the bytes that functions make whose result is not bounded by
// the size of their arguments.
var growth = map[string]func(args []reflect.Value) float64{
	"repeat":    func(a []reflect.Value) float64 { return float64(a[0].Int()) * textLen(a[1]) },
	"indent":    indentGrowth,
	"nindent":   indentGrowth,
	"until":     func(a []reflect.Value) float64 { return 16 * math.Abs(float64(a[0].Int())) },
	"untilStep": func(a []reflect.Value) float64 { return 16 * math.Abs(float64(a[1].Int())-float64(a[0].Int())) },
	"seq":       seqGrowth,
	"replace": func(a []reflect.Value) float64 {
		return (textLen(a[2]) + 1) * (textLen(a[1]) + 1) / (textLen(a[0]) + 1)
	},
	"wrapWith":                   func(a []reflect.Value) float64 { return textLen(a[2]) * (textLen(a[1]) + 1) },
	"join":                       joinGrowth,
	"regexReplaceAll":            regexGrowth,
	"mustRegexReplaceAll":        regexGrowth,
	"regexReplaceAllLiteral":     regexGrowth,
	"mustRegexReplaceAllLiteral": regexGrowth,
	"printf":                     printfGrowth,
	"randAlphaNum":               countGrowth,
	"randAlpha":                  countGrowth,
	"randAscii":                  countGrowth,
	"randNumeric":                countGrowth,
	"randBytes":                  countGrowth,
}

func textLen(v reflect.Value) float64 {
	for v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return float64(v.Len())
	}
	return 0
}

func countGrowth(a []reflect.Value) float64 { return float64(a[0].Int()) }

func indentGrowth(a []reflect.Value) float64 {
	return float64(a[0].Int()) * float64(strings.Count(a[1].String(), "\n")+1)
}

func seqGrowth(a []reflect.Value) float64 {
	most := 0.0
	for i := range a[0].Len() {
		most = max(most, math.Abs(float64(a[0].Index(i).Int())))
	}
	return 40 * most
}

func joinGrowth(a []reflect.Value) float64 { return textLen(a[0]) * textLen(a[1]) }

func regexGrowth(a []reflect.Value) float64 { return (textLen(a[1]) + 1) * textLen(a[2]) / 16 }

var formatWidth = regexp.MustCompile(`\d+|\*`)

func printfGrowth(a []reflect.Value) float64 {
	format := a[0].String()
	widest := 0.0
	for _, w := range formatWidth.FindAllString(format, -1) {
		n, err := strconv.ParseFloat(w, 64)
		if err != nil { // an asterisk
			n = 1e6 // the most that the fmt package pads to
		}
		widest = max(widest, min(n, 1e6))
	}
	return widest * float64(strings.Count(format, "%"))
}

// printFunctions are built into templates; here they are bounded too.
var printFunctions = template.FuncMap{"print": fmt.Sprint, "println": fmt.Sprintln, "printf": fmt.Sprintf}

// encodings are the functions that Helm adds.
var encodings = template.FuncMap{
	"toYaml":       toYAML,
	"mustToYaml":   func(v any) (string, error) { return encodeYAML(v) },
	"toYamlPretty": toYAMLPretty,
	"fromYaml": func(text string) map[string]any {
		m := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &m); err != nil {
			m["Error"] = err.Error()
		}
		return m
	},
	"fromYamlArray": func(text string) []any {
		a := []any{}
		if err := yaml.Unmarshal([]byte(text), &a); err != nil {
			a = []any{err.Error()}
		}
		return a
	},
	"toJson": func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(data)
	},
	"mustToJson": func(v any) (string, error) {
		data, err := json.Marshal(v)
		return string(data), err
	},
	"fromJson": func(text string) map[string]any {
		m := map[string]any{}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			m["Error"] = err.Error()
		}
		return m
	},
	"fromJsonArray": func(text string) []any {
		a := []any{}
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			a = []any{err.Error()}
		}
		return a
	},
	"toToml": func(v any) string {
		var b bytes.Buffer
		if err := toml.NewEncoder(&b).Encode(v); err != nil {
			return err.Error()
		}
		return b.String()
	},
	"mustToToml": func(v any) (string, error) {
		var b bytes.Buffer
		err := toml.NewEncoder(&b).Encode(v)
		return b.String(), err
	},
	"fromToml": func(text string) map[string]any {
		m := map[string]any{}
		if err := toml.Unmarshal([]byte(text), &m); err != nil {
			m["Error"] = err.Error()
		}
		return m
	},
}

func encodeYAML(v any) (string, error) {
	data, err := yaml.Marshal(v)
	return strings.TrimSuffix(string(data), "\n"), err
}

func toYAML(v any) string {
	text, err := encodeYAML(v)
	if err != nil {
		return ""
	}
	return text
}

func toYAMLPretty(v any) string {
	var b bytes.Buffer
	e := goyaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// durations are Helm's functions on lengths of time.
var durations = template.FuncMap{
	"mustToDuration":       toDuration,
	"durationSeconds":      inUnits(time.Second),
	"durationMilliseconds": inWholeUnits(time.Millisecond),
	"durationMicroseconds": inWholeUnits(time.Microsecond),
	"durationNanoseconds":  inWholeUnits(time.Nanosecond),
	"durationMinutes":      inUnits(time.Minute),
	"durationHours":        inUnits(time.Hour),
	"durationDays":         inUnits(24 * time.Hour),
	"durationWeeks":        inUnits(7 * 24 * time.Hour),
	"durationRoundTo":      toMultiple(time.Duration.Round),
	"durationTruncateTo":   toMultiple(time.Duration.Truncate),
}

// toDuration reads a duration; numbers, and strings of digits, are seconds.
func toDuration(v any) (time.Duration, error) {
	if d, ok := v.(time.Duration); ok {
		return d, nil
	}
	text := strings.TrimSpace(fmt.Sprint(v))
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/1e9 {
		return 0, &abort{"a value is not a duration"}
	}
	return time.Duration(seconds * 1e9), nil
}

func inUnits(unit time.Duration) func(any) float64 {
	return func(v any) float64 {
		d, _ := toDuration(v) // 0 when it is none, as Helm has it
		return float64(d) / float64(unit)
	}
}

func inWholeUnits(unit time.Duration) func(any) int64 {
	return func(v any) int64 {
		d, _ := toDuration(v)
		return int64(d / unit)
	}
}

func toMultiple(round func(d, m time.Duration) time.Duration) func(v, m any) time.Duration {
	return func(v, m any) time.Duration {
		d, err := toDuration(v)
		if err != nil {
			return 0
		}
		multiple, err := toDuration(m)
		if err != nil {
			return d
		}
		return round(d, multiple)
	}
}

// certificate is what the functions that make certificates return.
type certificate struct{ Cert, Key string }

var fixedCertificate = certificate{Cert: "certificate made on installation", Key: "key made on installation"}

// fixedFunctions stand in for those whose result changes from run to run, or
// that ask the network.
var fixedFunctions = template.FuncMap{
	"now":                      func() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) },
	"ago":                      func(any) string { return "0s" },
	"randAlphaNum":             func(n int) string { return cycle("a0b1c2d3e4f5g6h7i8j9", n) },
	"randAlpha":                func(n int) string { return cycle("abcdefghij", n) },
	"randAscii":                func(n int) string { return cycle("abcdefghij", n) },
	"randNumeric":              func(n int) string { return cycle("0123456789", n) },
	"randBytes":                func(n int) (string, error) { return cycle("YWJj", (n+2)/3*4), nil },
	"randInt":                  func(low, _ int) int { return low },
	"shuffle":                  func(s string) string { return s },
	"uuidv4":                   func() string { return "00000000-0000-4000-8000-000000000000" },
	"bcrypt":                   func(string) string { return "hash made on installation" },
	"htpasswd":                 func(user, _ string) string { return user + ":hash made on installation" },
	"encryptAES":               func(_, _ string) (string, error) { return "encrypted on installation", nil },
	"derivePassword":           func(uint32, string, string, string, string) string { return "password made on installation" },
	"genPrivateKey":            func(string) string { return fixedCertificate.Key },
	"genCA":                    func(string, int) (certificate, error) { return fixedCertificate, nil },
	"genCAWithKey":             func(string, int, string) (certificate, error) { return fixedCertificate, nil },
	"genSelfSignedCert":        func(string, []any, []any, int) (certificate, error) { return fixedCertificate, nil },
	"genSelfSignedCertWithKey": func(string, []any, []any, int, string) (certificate, error) { return fixedCertificate, nil },
	"genSignedCert":            func(string, []any, []any, int, any) (certificate, error) { return fixedCertificate, nil },
	"genSignedCertWithKey":     func(string, []any, []any, int, any, string) (certificate, error) { return fixedCertificate, nil },
	"buildCustomCert":          func(_, _ string) (certificate, error) { return fixedCertificate, nil },
	"getHostByName":            func(string) string { return "" },
	"keys":                     sortedKeys,
	"values":                   valuesByKey,
}

func cycle(alphabet string, n int) string {
	if n <= 0 {
		return ""
	}
	return strings.Repeat(alphabet, n/len(alphabet)+1)[:n]
}

// sortedKeys returns the keys of maps; Sprig's order is random.
func sortedKeys(maps ...map[string]any) []string {
	keys := []string{}
	for _, m := range maps {
		from := len(keys)
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys[from:])
	}
	return keys
}

func valuesByKey(m map[string]any) []any {
	values := []any{}
	for _, k := range sortedKeys(m) {
		values = append(values, m[k])
	}
	return values
}
