package credential

import (
	"slices"
	"strings"
	"testing"
)

func TestRedactCommand(t *testing.T) {
	const canary = "c4n4ryK3yXq9Zt7Lw2"
	for _, test := range []struct{ line, want string }{
		{"ENV DB_PASSWORD=" + canary + " LANG=C", "ENV DB_PASSWORD=[redacted] LANG=C"},
		{"|1 API_TOKEN=" + canary + " /bin/sh -c make", "|1 API_TOKEN=[redacted] /bin/sh -c make"},
		{"/bin/sh -c export SECRET_KEY='" + canary + "' && make", "/bin/sh -c export SECRET_KEY=[redacted] && make"},
		{"ENV DB_PASSWORD=two " + canary + " A=b c", "ENV DB_PASSWORD=[redacted] [redacted] A=b c"},
		{"/bin/sh -c #(nop)  ENV DB_PASSWORD=two " + canary, "/bin/sh -c #(nop)  ENV DB_PASSWORD=[redacted] [redacted]"},
		{"ENV DB_PASSWORD " + canary, "ENV DB_PASSWORD [redacted]"},
		{"/bin/sh -c #(nop) ENV DB_PASSWORD\ttwo " + canary, "/bin/sh -c #(nop) ENV DB_PASSWORD [redacted]"},
		{"LABEL deploy.token  " + canary + " more", "LABEL deploy.token [redacted]"},
		{"ENV PATH /usr/bin:/bin", "ENV PATH /usr/bin:/bin"},
		{"ENV A=b DB_PASSWORD=" + canary, "ENV A=b DB_PASSWORD=[redacted]"},
		{"|2 A=b DB_PASSWORD=two " + canary + " /bin/bash -o pipefail -c make", "|2 A=b DB_PASSWORD=[redacted] [redacted] /bin/bash -o pipefail -c make"},
		{"RUN |1 API_TOKEN=" + canary + " /bin/sh -c make # buildkit", "RUN |1 API_TOKEN=[redacted] /bin/sh -c make # buildkit"},
		{"RUN |2 DB_PASSWORD=two /" + canary + " X=y /bin/sh -c make # buildkit", "RUN |2 DB_PASSWORD=[redacted] [redacted] X=y /bin/sh -c make # buildkit"},
		{"FROM web\nENV DB_PASSWORD " + canary, "[redacted]"},
		{"RUN curl -u user:" + canary + " https://example.com", "[redacted]"},
		{"RUN git clone https://me:" + canary + "@example.com/x", "[redacted]"},
		{"RUN login --password " + canary, "[redacted]"},
		{"ENV DB_PASSWORD=\"" + canary + " " + canary + "\"", "[redacted]"},
		{"/bin/sh -c apt-get update   && apt-get install -y curl", "/bin/sh -c apt-get update   && apt-get install -y curl"},
		{"ENV PATH=/usr/bin PASSWORD_FILE=/run/secrets/x", "ENV PATH=/usr/bin PASSWORD_FILE=/run/secrets/x"},
	} {
		got, found := RedactCommand(test.line)
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.line, got, test.want)
		}
		if (found != "") != strings.Contains(test.want, Mask) {
			t.Errorf("%s: credential %q", test.line, found)
		}
	}
}

func TestRedactArguments(t *testing.T) {
	const canary = "c4n4ryK3yXq9Zt7Lw2"
	got, found := RedactArguments([]string{"/bin/app", "--password", canary, "--token=" + canary, "-v", "sh -c \"PASSWORD=" + canary + "\""})
	if strings.Contains(strings.Join(got, " "), canary) || len(found) != 3 {
		t.Errorf("%q, %q", got, found)
	}
	plain := []string{"/bin/app", "--port", "8080", "-v"}
	if got, found := RedactArguments(plain); !slices.Equal(got, plain) || found != nil {
		t.Errorf("%q, %q", got, found)
	}
}

func TestRedactValue(t *testing.T) {
	for _, test := range []struct {
		name, value string
		secret      bool
	}{
		{"DB_PASSWORD", "hunter2hunter2", true},
		{"URL", "postgres://u:hunter22@db/x", true},
		{"CONFIG", "a=1\nclient_secret=\"aB3dE5fG7hJ9kL1mN3\"", true},
		{"PATH", "/usr/bin:/bin", false},
		{"PASSWORD_FILE", "/run/secrets/db", false},
		{"GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D", false},
	} {
		shown, found := RedactValue(test.name, test.value)
		if (found != "") != test.secret || test.secret == (shown == test.value) {
			t.Errorf("%s=%s: %q, %q", test.name, test.value, shown, found)
		}
	}
}
