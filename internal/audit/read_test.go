package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"ullage.dev/ullage/internal/access"
)

// told is what a log tells, an entry a line.
func told(t *testing.T, log string) ([]string, *Coverage) {
	t.Helper()
	var c Coverage
	var lines []string
	err := c.Read(t.Context(), "audit.log", strings.NewReader(log), func(e *Entry) {
		q := e.Request
		line := fmt.Sprintf("%s %s %s%s", e.By, q.Verb, q.Resource, q.URL)
		for _, part := range []struct{ mark, text string }{{"/", q.Subresource}, {".", q.Group}, {" ns=", q.Namespace}, {" name=", q.Name}, {" in ", strings.Join(e.Groups, ",")}} {
			if part.text != "" {
				line += part.mark + part.text
			}
		}
		if !e.Allowed {
			line += " refused"
		}
		if e.Part != Itself {
			line += " (" + string(e.Part) + ")"
		}
		lines = append(lines, line)
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, &c
}

// eventOf is an event of a service account with further fields.
func eventOf(fields string) string {
	return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","stageTimestamp":"2026-11-01T08:00:00.5Z",` +
		`"user":{"username":"system:serviceaccount:shop:web","groups":["system:serviceaccounts","system:serviceaccounts:shop","system:authenticated"]},` + fields + "}"
}

const allow = `,"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed"}`

func TestEntries(t *testing.T) {
	pods := `"verb":"VERB","objectRef":{"resource":"pods","namespace":"shop","name":"web-0","apiVersion":"v1"}`
	for _, c := range []struct {
		name, fields string
		want         []string
	}{
		{"a request", strings.Replace(pods, "VERB", "get", 1) + allow, []string{"sa:shop/web get pods ns=shop name=web-0"}},
		{"refused", strings.Replace(pods, "VERB", "get", 1) + `,"annotations":{"authorization.k8s.io/decision":"forbid"}`, []string{"sa:shop/web get pods ns=shop name=web-0 refused"}},
		{"by a server that authorizes nothing", strings.Replace(pods, "VERB", "get", 1) + `,"responseStatus":{"code":200}`, []string{"sa:shop/web get pods ns=shop name=web-0"}},
		{"refused, by the code", strings.Replace(pods, "VERB", "get", 1) + `,"responseStatus":{"code":403}`, []string{"sa:shop/web get pods ns=shop name=web-0 refused"}},
		{"what is posted has no name", strings.Replace(pods, "VERB", "create", 1) + allow, []string{"sa:shop/web create pods ns=shop"}},
		{"what is posted to a subresource has", `"verb":"create","objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"web-0"}` + allow, []string{"sa:shop/web create pods/exec ns=shop name=web-0"}},
		{"apply creates", strings.Replace(pods, "VERB", "patch", 1) + `,"responseStatus":{"code":201}` + allow,
			[]string{"sa:shop/web patch pods ns=shop name=web-0", "sa:shop/web create pods ns=shop name=web-0 (creation)"}},
		{"apply that changes does not", strings.Replace(pods, "VERB", "patch", 1) + `,"responseStatus":{"code":200}` + allow, []string{"sa:shop/web patch pods ns=shop name=web-0"}},
		{"exec by get", `"verb":"get","objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"web-0"}` + allow,
			[]string{"sa:shop/web get pods/exec ns=shop name=web-0", "sa:shop/web create pods/exec ns=shop name=web-0 (upgrade)"}},
		{"a URL", `"verb":"get","requestURI":"/healthz?verbose=1"` + allow, []string{"sa:shop/web get /healthz"}},
		{"for somebody else", strings.Replace(pods, "VERB", "get", 1) + `,"impersonatedUser":{"username":"jo","uid":"7","groups":["ops","system:authenticated"],"extra":{"scopes":["a"]}}` + allow, []string{
			"sa:shop/web impersonate users name=jo (impersonation)", "sa:shop/web impersonate groups name=ops (impersonation)",
			"sa:shop/web impersonate uids.authentication.k8s.io name=7 (impersonation)", "sa:shop/web impersonate userextras/scopes.authentication.k8s.io name=a (impersonation)",
			"user:jo get pods ns=shop name=web-0 in ops"}},
		{"for a service account", strings.Replace(pods, "VERB", "get", 1) + `,"impersonatedUser":{"username":"system:serviceaccount:ops:bot","groups":["system:serviceaccounts","system:serviceaccounts:ops","system:authenticated"]}` + allow, []string{
			"sa:shop/web impersonate serviceaccounts ns=ops name=bot (impersonation)", "sa:ops/bot get pods ns=shop name=web-0"}},
		{"for somebody else, in vain", strings.Replace(pods, "VERB", "get", 1) + `,"impersonatedUser":{"username":"jo"},"annotations":{"authorization.k8s.io/decision":"forbid"}`, []string{
			"sa:shop/web impersonate users name=jo (impersonation)", "user:jo get pods ns=shop name=web-0 refused"}},
		{"for a node, by a constrained right", strings.Replace(pods, "VERB", "list", 1) + `,"impersonatedUser":{"username":"system:node:n1"},"authenticationMetadata":{"impersonationConstraint":"impersonate:associated-node"}` + allow, []string{
			"sa:shop/web impersonate-on:associated-node:list pods ns=shop name=web-0 (impersonation)",
			"sa:shop/web impersonate:associated-node nodes.authentication.k8s.io name=* (impersonation)", "user:system:node:n1 list pods ns=shop name=web-0"}},
		{"for any node", strings.Replace(pods, "VERB", "list", 1) + `,"impersonatedUser":{"username":"system:node:n1"},"authenticationMetadata":{"impersonationConstraint":"impersonate:arbitrary-node"}` + allow, []string{
			"sa:shop/web impersonate-on:arbitrary-node:list pods ns=shop name=web-0 (impersonation)",
			"sa:shop/web impersonate:arbitrary-node nodes.authentication.k8s.io name=n1 (impersonation)", "user:system:node:n1 list pods ns=shop name=web-0"}},
		{"whether somebody may", `"verb":"create","objectRef":{"resource":"subjectaccessreviews","apiGroup":"authorization.k8s.io"},"requestObject":{"spec":{"user":"jo","groups":["ops"],"nonResourceAttributes":{"path":"/metrics","verb":"get"}}}` + allow, []string{
			"sa:shop/web create subjectaccessreviews.authorization.k8s.io", "user:jo get /metrics in ops (review)"}},
		{"whether somebody may, of an object", `"verb":"create","objectRef":{"resource":"subjectaccessreviews","apiGroup":"authorization.k8s.io"},"requestObject":{"spec":{"user":"jo","resourceAttributes":{"verb":"get","resource":"nodes","subresource":"proxy","name":"n1"}}}` + allow, []string{
			"sa:shop/web create subjectaccessreviews.authorization.k8s.io", "user:jo get nodes/proxy name=n1 (review)"}},
	} {
		got, coverage := told(t, eventOf(c.fields)+"\n")
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if coverage.Events != 1 || coverage.Unread != 0 || coverage.Days.Len() != 1 {
			t.Errorf("%s: %+v", c.name, coverage)
		}
	}
}

// What cannot be read is told with its place and not with its words, and the rest is
// read.
func TestBrokenLogs(t *testing.T) {
	good := eventOf(`"verb":"list","objectRef":{"resource":"pods"}` + allow)
	const secret = "canary-7f3a"
	for _, c := range []struct {
		name, log string
		read      int
		problems  []string
	}{
		{"another line", good + "\nI1101 08:00:00 " + secret + "\n" + good + "\n", 2, []string{"audit.log:2: not an event"}},
		{"a field of another type", strings.Replace(good, `"list"`, `{"a":"`+secret+`"}`, 1) + "\n" + good, 1, []string{"audit.log:1: not an event"}},
		{"another kind", `{"kind":"` + secret + `"}` + "\n" + good, 1, []string{"audit.log:1: not an event: its kind is neither"}},
		{"an old version", strings.Replace(good, "k8s.io/v1", "k8s.io/v1beta1", 1) + "\n" + good, 1, []string{"audit.log:1: not an event of audit.k8s.io/v1"}},
		{"no verb", strings.Replace(good, `"list"`, `""`, 1) + "\n" + good, 1, []string{"audit.log:1: an event without"}},
		{"a line without end", good + "\n" + `{"x":"` + strings.Repeat(secret, longestLine/len(secret)+1) + `"}` + "\n" + good, 2, []string{"audit.log:2: the line is longer than 32 MiB"}},
		{"being written", good + "\n" + good[:100], 1, nil},
		{"cut off within words", good + "\n" + secret, 1, []string{"audit.log:2: not an event"}},
		{"empty lines and CRLF", "\n" + good + "\r\n\n" + good, 2, nil},
		{"the beginning of a request", strings.Replace(good, "ResponseComplete", "RequestReceived", 1) + "\n" + good, 1, nil},
		{"nobody", strings.Replace(good, "system:serviceaccount:shop:web", "", 1) + "\n" + good, 1, nil},
		{"a list", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + good + `,` + strings.Replace(strings.Replace(good, `"kind":"Event",`, "", 1), `"apiVersion":"audit.k8s.io/v1",`, "", 1) + "]}", 2, nil},
	} {
		got, coverage := told(t, c.log)
		if len(got) != c.read || coverage.Unread != len(c.problems) || len(coverage.Problems) != len(c.problems) {
			t.Errorf("%s: %d entries, %d not read: %v; want %d and %q", c.name, len(got), coverage.Unread, coverage.Problems, c.read, c.problems)
			continue
		}
		for i, problem := range coverage.Problems {
			if !strings.HasPrefix(problem.Error(), c.problems[i]) || strings.Contains(problem.Error(), secret) {
				t.Errorf("%s: %v, want %s", c.name, problem, c.problems[i])
			}
		}
	}
}

func TestLogsThatEndInErrors(t *testing.T) {
	good := eventOf(`"verb":"list","objectRef":{"resource":"pods"}`+allow) + "\n"
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write([]byte(strings.Repeat(good, 1000)))
	w.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		in   io.Reader
		read int
		want string
	}{
		{"gzip", t.Context(), bytes.NewReader(zipped.Bytes()), 1000, ""},
		{"half of gzip", t.Context(), bytes.NewReader(zipped.Bytes()[:zipped.Len()-20]), -1, "unexpected EOF"},
		{"no gzip", t.Context(), strings.NewReader("\x1f\x8bnot gzip"), 0, "gzip"},
		{"nothing", t.Context(), strings.NewReader(""), 0, "no event of an audit log"},
		{"a disk that fails", t.Context(), io.MultiReader(strings.NewReader(good), iotest.ErrReader(errors.New("it fails"))), 1, "it fails"},
		{"interrupted", canceled, strings.NewReader(good), 0, "canceled"},
	} {
		var coverage Coverage
		n := 0
		err := coverage.Read(c.ctx, "audit.log", c.in, func(*Entry) { n++ })
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || c.read >= 0 && n != c.read {
			t.Errorf("%s: %d entries, %v; want %d, %q", c.name, n, err, c.read, c.want)
		}
	}
}

// Problems are told up to a bound, and all are counted.
func TestManyBrokenLines(t *testing.T) {
	_, coverage := told(t, strings.Repeat("nonsense\n", 1000)+eventOf(`"verb":"list","objectRef":{"resource":"pods"}`+allow))
	if coverage.Unread != 1000 || len(coverage.Problems) != toldProblems {
		t.Errorf("%d not read, %d told", coverage.Unread, len(coverage.Problems))
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(eventOf(`"verb":"get","impersonatedUser":{"username":"jo","extra":{"a":["b"]}},"objectRef":{"resource":"pods","subresource":"exec"}`)))
	f.Add([]byte(eventOf(`"verb":"create","objectRef":{"resource":"subjectaccessreviews","apiGroup":"authorization.k8s.io"},"requestObject":{"spec":{}}`)))
	f.Add([]byte(`{"kind":"EventList","items":[{"verb":"get","stageTimestamp":"2026-11-01T08:00:00Z","user":{"username":"jo"}}]}`))
	f.Fuzz(func(t *testing.T, log []byte) {
		var c Coverage
		err := c.Read(t.Context(), "audit.log", bytes.NewReader(log), func(e *Entry) {
			if e.By == (access.Subject{}) || e.Request.Verb == "" || e.Part == "" {
				t.Errorf("%+v", e)
			}
		})
		if err == nil && c.Events+c.Begun == 0 {
			t.Error("a log without an event is one")
		}
	})
}

// readers make the log of a busy API server.
func BenchmarkRead(b *testing.B) {
	line := eventOf(`"level":"Metadata","auditID":"5ad1c9f3-1111-4222-8333-944455556666","requestURI":"/apis/coordination.k8s.io/v1/namespaces/shop/leases/web?timeout=5s","verb":"update",`+
		`"sourceIPs":["10.0.0.1"],"userAgent":"web/v1.2.3 (linux/amd64) kubernetes/abcdef0","objectRef":{"resource":"leases","namespace":"shop","name":"web","uid":"5ad1c9f3-1111-4222-8333-944455556666","apiGroup":"coordination.k8s.io","apiVersion":"v1","resourceVersion":"123456"},`+
		`"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-01T08:00:00.000000Z"`+allow) + "\n"
	log := []byte(strings.Repeat(line, 10_000))
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		var c Coverage
		if err := c.Read(b.Context(), "audit.log", bytes.NewReader(log), func(*Entry) {}); err != nil {
			b.Fatal(err)
		}
	}
}
