package tree

import (
	"math"
	"strconv"
	"strings"
)

// resolve gives a plain scalar its kind and canonical text, as
// sigs.k8s.io/yaml does on the way to the API server.
func resolve(s string) (Kind, string) {
	if s == "" {
		return Null, "null"
	}
	switch scalarClass[s[0]] {
	case 0:
		return String, s
	case mayBeNumber:
		if !numeric(s) {
			return String, s
		}
		return resolveNumber(s)
	}
	return resolveWord(s)
}

// resolveKey is resolve for the key of a map. All keys become strings, and
// those written as floats keep 32 bits only, as in sigs.k8s.io/yaml.
func resolveKey(s string) (Kind, string) {
	kind, text := resolve(s)
	if kind != Int && kind != Float || decimal(s) {
		return kind, text
	}
	if _, ok := parseInt(s); ok {
		return kind, text
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil {
		return kind, text
	}
	switch text = strconv.FormatFloat(f, 'g', -1, 32); text {
	case "+Inf":
		text = ".inf"
	case "-Inf":
		text = "-.inf"
	}
	return kind, text
}

const (
	mayBeWord   = 1 + iota // the first byte of true, no, null, ...
	mayBeNumber            // the first byte of a number
)

var scalarClass = func() (t [256]uint8) {
	for _, c := range "yYnNtTfFoO~" {
		t[c] = mayBeWord
	}
	for _, c := range "0123456789+-." {
		t[c] = mayBeNumber
	}
	return t
}()

func resolveWord(s string) (Kind, string) {
	if len(s) > len("false") {
		return String, s
	}
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return Bool, "true"
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return Bool, "false"
	case "~", "null", "Null", "NULL":
		return Null, "null"
	}
	return String, s
}

// numeric rules out most of what only begins like a number, such as 100m,
// 10.0.0.1, --flag and 2006-01-02, before the costly attempts.
func numeric(s string) bool {
	i := 0
	if s[0] == '-' || s[0] == '+' {
		i++
	}
	if i == len(s) || s[i] != '.' && s[i] != '_' && (s[i] < '0' || s[i] > '9') {
		return false
	}
	dots := 0
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '_', c|0x20 >= 'a' && c|0x20 <= 'f', c|0x20 == 'x', c|0x20 == 'o':
		case c == '.':
			if dots++; dots > 1 {
				return false
			}
		case c == '-' || c == '+': // of an exponent; 0b-1 is a number, too
			if p := s[i-1] | 0x20; p != 'e' && p != 'b' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func resolveNumber(s string) (Kind, string) {
	if s[0] == '.' {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return number(f)
		}
		return String, s // .nan and .inf have no JSON form
	}
	if decimal(s) {
		return Int, s
	}
	if text, ok := parseInt(s); ok {
		return Int, text
	}
	plain := strings.ReplaceAll(s, "_", "")
	if u, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return number(float64(u))
	}
	if strings.Trim(plain, "0123456789.eE+-") == "" {
		if f, err := strconv.ParseFloat(plain, 64); err == nil {
			return number(f)
		}
	}
	return String, s
}

// parseInt reads an integer in any of the notations of YAML 1.1 and Go. A sign
// behind 0b is an oddity that is read as well.
func parseInt(s string) (string, bool) {
	plain := strings.ReplaceAll(s, "_", "")
	i, err := strconv.ParseInt(plain, 0, 64)
	if err != nil && strings.HasPrefix(plain, "0b") {
		i, err = strconv.ParseInt(plain[2:], 2, 64)
	}
	return strconv.FormatInt(i, 10), err == nil
}

// decimal reports whether s is a small decimal integer in canonical form.
func decimal(s string) bool {
	if len(s) > 18 || len(s) > 1 && s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// number writes a float; one without a fraction is an integer in JSON.
func number(f float64) (Kind, string) {
	if f == 0 {
		return Int, "0"
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return Int, strconv.FormatFloat(f, 'f', -1, 64)
	}
	return Float, strconv.FormatFloat(f, 'g', -1, 64)
}
