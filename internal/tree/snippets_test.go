package tree_test

import (
	"fmt"
	"testing"
)

// snippets are documents that are easily read wrongly. What the fuzzer has
// found is at the end.
var snippets = []string{
	"", "\n", "# only a comment", "  # indented\n\n", "---", "---\n", "--- # comment\n", "...\n", "---\n...\n---\n",
	"a: b", "a: b\n", "a: b\r\nc: d\r\n", "\ufeffa: b\n", "\ufeff---\na: b\n", "a:\n", "a:\nb:\n", "a: # none\nb: 1\n",
	"a: b # comment\n", "a: b#not\n", "a: #b\n", "a: b c  \n", "a:  b\t\n", "a:\tb\n", "a :  b\n", "a\t: b\n", "a: -b\n", "a: -\n",
	"a: b: c\n", "a: - b\n", "a:b\n", "a:b: c\n", "a::b\n", "a: :b\n", "a: b:\n", "? a\n: b\n", "? a\n", ": a\n", "?a: b\n", ":a: b\n",
	"- a\n- b\n", "-\n- b\n", "- \n  a\n", "-\n  - a\n", "- - a\n  - b\n- c\n", "- - - a\n", "-a\n", "- -1\n- -a\n- --a\n", "-\ta\n", "- a: b\n  c: d\n",
	"-   a: b\n    c: d\n", "- a: b\n c: d\n", "- a:\n  - b\n  - c\n- d\n", "- a:\n  b:\n", "- # c\n  a: b\n", "-# c\n", "- a: - b\n",
	"a:\n- b\n- c\nd: e\n", "a:\n  - b\n  - c\nd: e\n", "a:\n- b\n  - c\n", "a:\n-\n- b\n", "a:\n-\n  b: c\n-\nd: e\n", "a:\n - b\n- c\n", "a:\n  - b\n - c\n",
	"a:\n    b: 1\n  c: 2\n", "a:\n  b: 1\n    c: 2\n", "a:\n  b:\n    c:\n  d:\ne:\n", " a: b\n c: d\n", " a: b\nc: d\n", "a: b\n c: d\n", "a:\n\tb: c\n", "a: b\n\t\n", "a:\n  b: c\n\t# x\n",
	"a: b\n  c\n", "a: b\n  c\n\n  d\n", "a: b\n\n\n  c # x\n  d\n", "a: b\n# c\n  d\n", "a: b\n  # c\nd: e\n", "a:\n  b\n  c\n", "a:\n b\nc: d\n", "a\nb\n", "a\n b\n  c\n", "a\nb: c\n", "- a\n  b\n- c\n", "- a\n b\n", "- a\nb\n", "a: b\n  - c\n", "a: b\n  c: d\n", "key: a\n  b\n\n\n",
	"a: 'b'\n", "a: 'it''s'\n", "a: ''\n", "a: ''''\n", "a: 'b\n  c'\n", "a: 'b\n\n  c\n d'\n", "a: 'b  \n  c'\n", "a: ' \n b'\n", "a: 'b\nc'\n", "a: 'b' c\n", "a: 'b'#c\n", "a: 'b' #c\n", "a: 'b\\\n  c'\n", "a: 'b\\ \n  c'\n", "a: 'unclosed\n", "'a': b\n", "'a':b\n", "'a' : b\n", "'a\nb': c\n", "'a'", "'a' b", "'a'\n'b'\n",
	`a: "b"`, `a: "b\"c"`, `a: "\n\t\\\/"`, `a: "\n\t\\"`, `a: "\x41\u00e9\U0001F600"`, `a: "\ud83d\ude00"`, `a: "\xZZ"`, `a: "\q"`, `a: "\0\a\b\e\f\v\r\N\_\L\P\ \'"`, "a: \"b\\\n   c\"\n", "a: \"b \\\n   c\"\n", "a: \"b\\\n\n   c\"\n", "a: \"b\\ \n   c\"\n", "a: \"b\\t \n   c\"\n", "a: \"b\n\n  c\"\n", "a: \"b\r\n  c\"\r\n", "a: \"b\\\r\n  c\"\r\n", `"a": b`, `"a":b`, `"a" : b`, `"": b`, `"a\nb": c`, "\"a\nb\": c", `a: "b": c`, `"a`, `a: "b\`, "a: \"\t b \t\n\t c\"\n",
	"a: |\n  b\n", "a: |\n  b", "a: |\n  b\n\n\n", "a: |-\n  b\n\n", "a: |+\n  b\n\n\nc: d\n", "a: |\n\n  b\n\n  c\n", "a: |\n   b\n  c\n", "a: |\n    b\n  c: d\n", "a: |2\n   b\n  c\n", "a: |2-\n   b\n", "a: |-2\n   b\n", "a: |0\n b\n", "a: |22\n b\n", "a: | # c\n  b\n", "a: |# c\n  b\n", "a: |x\n  b\n", "a: |\nb: c\n", "a: |+\n\n\nb: c\n", "a: |+\n", "a: |", "a: |\n  b\n # c\nd: e\n", "a: |\n  # b\n  c\n", "a: |\n\n\n    b\n", "a: |\n    \n  b\n", "a: |\n \n  b\n", "a: |\n  b\n   \n  c\n", "a: |\n  b\n ", "a: |\n  b\n   ", "a: |\n\tb\n", "a: |\n  \tb\n", "a: |\n  b\n\tc\n", "|\n a\n", "|\na\n", "- |\n a\n- b\n", "- |\n a\n", "a:\n- |\n  b\n- c\n", "a:\n- |\n b\nc: d\n", "- a: |\n    b\n  c: d\n", "a: |\r\n  b\r\n  c\r\n", "a: |+\r\n  b\r\n\r\nc: d\r\n",
	"a: >\n  b\n  c\n", "a: >\n  b\n\n  c\n", "a: >\n  b\n   c\n  d\n", "a: >\n\n  b\n   c\n\n   d\n\n  e\n", "a: >-\n  b\n  c\n\n", "a: >+\n  b\n\n", "a: >\n  b\n  \tc\n  d\n", "a: >\n   b\n\n    c\n\n   d\n",
	"[]", "{}", "[a, b]", "[a, b,]", "[,]", "[a,,b]", "[a b, c]", "[ a , b ]", "[a\n, b]", "[a\n b]", "[\n]", "[a, # c\n b]", "[a# c\n]", "[a #c\n]", "[a]#c", "[a] # c\n", "[a: b]", "[a: b, c]", "[a : b]", "[? a]", "[-]", "[-a]", "[- a]", "[a, -\n]", "[--a, -1]", "[a:]", "[a:b]", "[a::b]", "[http://a/b?c]", "[a?]", "[\"a\",'b']", "[\"a\":b]", "[[a], [b, [c]]]", "[a", "a]", "[a}", "[*a]", "[|]",
	"{a: b}", "{a: b, c: d}", "{a:b}", "{a: }", "{a:}", "{a}", "{a, b: c}", "{a,}", "{,}", "{a: b,, c: d}", "{\"a\":1}", "{\"a\" :1}", "{\"a\"\n:1}", "{\"a\":\n1}", "{a\n: b}", "{a: b\n}", "{\n  a: b,\n  c: d\n}", "{a: [b, {c: d}], e: }", "{a: b} c", "{a: b}: c", "{a: b}\n{c: d}\n", "{a: b} {c: d} [e]", "[a]\n[b]\n", "{? a: b}", "{a: b c: d}", "{a: \"b\", }", "{\"a\\\"b\": 1}", "{\n\t\"a\": [\n\t\t1,\n\t\ttrue\n\t]\n}\n", "{ # c\n a: b}", "{a: b # c\n}", "{a: #b\n c}", "a: {b: c}\nd: [e]\n", "a: [b,\nc]\nd: e\n", "a: {b: c} d\n", "- {a: b}\n- [c]\n", "[a]: b\n", "{{ .Values.x }}", "a: {{ .Values.x }}\n", "{{- if .x }}\na: b\n{{- end }}\n", "a: \"{{ x }}\"\n", "{a: {b}, c: {}}",
	"a: 1\nb: 0644\nc: 0x1F\nd: 1_000\ne: 0o17\nf: 0b101\ng: 0b-1\nh: -0\ni: +1\nj: 08\n", "- 1.0\n- 1.5\n- .5\n- 5.\n- 1e3\n- 1e10\n- 1E-2\n- -1.5e+3\n- 1e999\n- 1_0.5\n- 6.0221e23\n- 12345678901234567890\n- 18446744073709551615\n- 123456789012345678901234567890\n- 9007199254740993.0\n- 1.2345678901234567e18\n",
	"- yes\n- No\n- on\n- OFF\n- y\n- N\n- true\n- False\n- ~\n- null\n- NULL\n- nUll\n- yEs\n- truely\n", "- 100m\n- 1.2.3\n- 10.0.0.1\n- 2001-01-01\n- 2001-01-01T00:00:00Z\n- 1:30\n- 0x\n- 0xg\n- 1e\n- e1\n- +\n- -.\n- .\n- ..\n- ...x\n- 1__0\n- _1\n- 1_\n- ._5\n- -.5\n- +.5\n",
	"1: a\n1.5: b\n1e10: c\n0644: d\ntrue: e\n0.1: f\n123456.789: g\n1_0: h\n1.0: i\n", "yes: a\ntrue: b\n", "1: a\n'1': b\n", "~: a\n", "null: a\n", "y: 1\nn: 2\n", "18446744073709551615: a\n", "2001-01-01: a\n", ".inf: a\n",
	"a: 1\na: 2\n", "{a: 1, a: 2}", "a:\n  b: 1\n  b: 2\nc: 3\n", "- a: 1\n  'a': 2\n",
	"a: &x b\nc: *x\n", "a: &x\n  b: c\nd: *x\n", "a: &x [b]\nc: *x\n", "a: *x\n", "a: &x\nb: *x\n", "&x a: b\nc: *x\n", "*x : b\n", "&a [*a]", "a: &x {b: c}\nd:\n  <<: *x\n  e: f\n", "a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n", "a: &x {b: 1}\nd:\n  b: 2\n  <<: *x\n", "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne:\n  <<: [*x, *y]\n  f: 1\n", "<<: a\n", "<<: {a: b}\n", "'<<': a\n", "a: <<\n", "a: &x b\nc: &x d\ne: *x\n", "a: &x {<<: {b: c}, d: e}\nf: {<<: *x}\n", "a: & b\n", "a: &x\n- b\nc: d\n",
	"a: !!str 5\n", "a: !!int \"5\"\n", "a: !!float 5\n", "a: !!bool yes\n", "a: !!null ''\n", "a: ! 5\n", "a: !foo 5\n", "a: !foo [b]\n", "a: !!binary aGk=\n", "a: !!binary /w==\n", "a: !!binary '*'\n", "a: !!timestamp 2001-01-01\n", "a: !!int x\n", "a: !!str\n", "!!str a: b\n", "a: !<tag:yaml.org,2002:str> 5\n", "!!map {a: b}\n", "a: !!str |\n  b\n", "a: &x !!str 5\n", "a: !!set {b}\n", "a: !x!y z\n",
	"%YAML 1.1\n---\na: b\n", "%YAML 1.2\n---\na: b\n", "%TAG ! tag:x,2000:\n---\na: b\n", "# c\n%YAML 1.1\n# d\n---\na: b\n---\nc: d\n", "%FOO bar\n---\na\n", "%YAML 1.1\n", "a: b\n%c: d\n", "a: %b\n", "a: @b\n", "a: `b`\n", "@a\n",
	"--- a\n", "--- a: b\n", "--- {a: b}\n", "--- {a: b}\n{c: d}\n", "--- |\n  a\n  b\n", "--- >-\n a\n", "--- - a\n", "--- \"a\"\n---\nb\n", "---a\n", "---a: b\n", "----\n", "--- # c\na: b\n--- # d\nc: d\n", "---\t# c\na: b\n", "---\ta\n", "---\r\na: b\r\n---\r\nc: d\r\n", "a: b\n---", "a: b\n---\n", "a: b\n--- ", "a: 'b\n---\nc'\n", "[a,\n---\nb]\n", "a: |\n  b\n---\nc: d\n", "a: |\n  ---\n  b\n", " ---\na: b\n", "a: b\n...\n", "a: b\n...\nc: d\n", "a: b\n...\n---\nc: d\n", "a: b\n... # c\n", "a: b\n...c\n", "...\na: b\n", "a: b\n...\n%YAML 1.1\n---\nc: d\n", "a: b\n...\n...\n# c\n...\n", "a: ---\n", "a: ...\n", "- ---\n",
	"a: é\n", "é: a\n- b", "é: [à, ü]\nb: c\n", "- é: a\n  b: c\n", "a: \u00a0b\n", "a: b\u0085c: d\n", "a: b\u2028  c\n", "a: b\rc: d\r", "a: b\r\r\n", "a: |\r  b\r", "a: \ufeffb\n", "a\n\ufeffb\n", "😀: 😀\n😁: [😀, {😁: 😀}]\n", "a: \"é\\u00e9\"\n", "a: b\x00c\n", "a: b\x01\n", "a: \x7f\n", "a: \xff\n", "\xff\xfea\x00", "a: \ufffe\n", "a: \x1b[0m\n", "a: \u0080\n",
	"a: b\n\n\n# x\n\n", "a:\n  # x\n  b: c\n # y\n  d: e\n", "# x\na: b\n  # y\nc: d\n#z", "a:\n# x\n- b\n# y\n- c\n", "a: [\n# x\nb\n# y\n]\n", "a:\n\n\n  b: c\n", "a: b #\n", "#\n#a\na: b", "a:    # x\n  # y\n  - b # z\n  # w\n",
	// Found by the fuzzer.
	"!", "0\n:\t", "0,\n\t0", "a: 0\n \t0\n \t# b\nc: d\n", "|\n\r", "!, 0", "[0\n:]", "[a: ]", "{a:, b}", "{a:}", "[a\n:b, c]", "+_0", "-_.5", "- +__0x_1\n- -_\n- +_.\n", "|\t", "a: |-\t# c\n b", "01e70:", "-1e50: a\n1e-60: b\n",
}

func TestSnippets(t *testing.T) {
	docs, scanned := 0, 0
	for i, text := range snippets {
		// What holds at the root must hold inside, too.
		for _, before := range []string{"", "- ", "x: ", "x:\n  ", "- x:\n  - "} {
			t.Run(fmt.Sprintf("%d %q", i, before), func(t *testing.T) {
				d, s := check(t, before+text)
				docs, scanned = docs+d, scanned+s
			})
		}
	}
	t.Logf("%d of %d documents read by the scanner", scanned, docs)
}
