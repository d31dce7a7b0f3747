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
		{"RUN curl -u user:" + canary + " https://example.com", "RUN curl -u user:[redacted] https://example.com"},
		{"RUN git clone https://me:" + canary + "@example.com/x", "[redacted]"},
		{"RUN login --password " + canary, "RUN login --password [redacted]"},
		{"ENV DB_PASSWORD=\"" + canary + " " + canary + "\"", "ENV DB_PASSWORD=[redacted]"},
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

// TestRedactLinesOfCommands takes secrets out of lines of history in both forms, and
// nothing out of what only looks like one.
func TestRedactLinesOfCommands(t *testing.T) {
	const canary = "c4n4ryK3yXq9Zt7Lw2"
	const random = "Tr0ub4dorAndThree9xQ7Lp2Wv8Nd3Rk6Bz1"
	for _, test := range []struct{ line, want string }{
		{`CMD ["redis-server" "--requirepass" "` + canary + `"]`, `CMD ["redis-server" "--requirepass" "[redacted]"]`},
		{`/bin/sh -c #(nop)  CMD ["redis-server" "--requirepass" "` + canary + `"]`, `/bin/sh -c #(nop)  CMD ["redis-server" "--requirepass" "[redacted]"]`},
		{`CMD ["redis-server", "--requirepass", "` + canary + `"]`, `CMD ["redis-server", "--requirepass", "[redacted]"]`},
		{`ENTRYPOINT ["/app" "--token" "` + canary + `"]`, `ENTRYPOINT ["/app" "--token" "[redacted]"]`},
		{`ONBUILD CMD ["mysql" "-uroot" "-p` + canary + `"]`, `ONBUILD CMD ["mysql" "-uroot" "[redacted]"]`},
		{`CMD ["app" "a \"quoted\" word" "--password" "` + canary + `\"x"]`, `CMD ["app" "a \"quoted\" word" "--password" "[redacted]"]`},
		{`ENTRYPOINT ["sh" "-c" "curl -u bot:` + canary + ` http://h && date"]`, `ENTRYPOINT ["sh" "-c" "curl -u bot:[redacted] http://h && date"]`},
		{`HEALTHCHECK &{["CMD" "redis-cli" "-a" "` + canary + `" "ping"] "30s" "0s" '\x00'}`, `HEALTHCHECK &{["CMD" "redis-cli" "-a" "[redacted]" "ping"] "30s" "0s" '\x00'}`},
		{`HEALTHCHECK &{["CMD-SHELL" "curl -u a:` + canary + ` http://x"] "30s"}`, `HEALTHCHECK &{["CMD-SHELL" "curl -u a:[redacted] http://x"] "30s"}`},
		{`RUN /bin/sh -c echo "root:` + canary + `" | chpasswd # buildkit`, `RUN /bin/sh -c echo [redacted] | chpasswd # buildkit`},
		{`RUN /bin/sh -c true; printf '%s\n' ` + canary + ` | sudo -S make`, `RUN /bin/sh -c true; printf '%s\n' [redacted] | sudo -S make`},
		{`RUN /bin/sh -c chpasswd <<< "root:` + canary + `"`, `RUN /bin/sh -c chpasswd <<< [redacted]`},
		{"RUN /bin/sh -c chpasswd <<EOF\nroot:" + canary + "\nEOF", `[redacted]`},
		{`RUN /bin/sh -c htpasswd -bc /etc/p admin ` + canary + ` > /dev/null # buildkit`, `RUN /bin/sh -c htpasswd -bc /etc/p admin [redacted] > /dev/null # buildkit`},
		{`RUN /bin/sh -c useradd -m -p ` + canary + ` app # buildkit`, `RUN /bin/sh -c useradd -m -p [redacted] app # buildkit`},
		{`RUN /bin/sh -c useradd -p '$6$` + canary + `' app`, `RUN /bin/sh -c useradd -p [redacted] app`},
		{`RUN /bin/sh -c curl -H "X-Api-Key: ` + canary + `" https://h`, `RUN /bin/sh -c curl -H "X-Api-Key: [redacted]" https://h`},
		{`RUN /bin/sh -c wget --header='PRIVATE-TOKEN: ` + canary + `' https://h`, `RUN /bin/sh -c wget --header=PRIVATE-TOKEN: [redacted] https://h`},
		{`RUN /bin/sh -c git config --global http.extraheader "Authorization: Basic ` + canary + `"`, `RUN /bin/sh -c git config --global http.extraheader "Authorization: [redacted]"`},
		{`RUN /bin/sh -c openssl rsa -passin pass:` + canary + ` -in k`, `RUN /bin/sh -c openssl rsa -passin pass:[redacted] -in k`},
		{`RUN /bin/sh -c echo ` + canary + ` | docker login -u x --password-stdin r`, `RUN /bin/sh -c echo [redacted] | docker login -u x --password-stdin r`},
		{`RUN /bin/sh -c helm registry login r -u x -p ` + canary, `RUN /bin/sh -c helm registry login r -u x -p [redacted]`},
		{`RUN /bin/sh -c az login --service-principal -u x -p ` + canary, `RUN /bin/sh -c az login --service-principal -u x -p [redacted]`},
		{`RUN /bin/sh -c aws configure set aws_secret_access_key ` + random, `RUN /bin/sh -c aws configure set aws_secret_access_key [redacted]`},
		{`RUN /bin/sh -c (cargo login ` + random + `)`, `RUN /bin/sh -c (cargo login [redacted])`},
		{`/app -p` + random, `/app -p[redacted]`},
		{`RUN /bin/sh -c tool -k ` + random, `RUN /bin/sh -c tool -k [redacted]`},
		{`RUN bash -c "bash -c 'mysql -p` + canary + `'"`, `RUN bash -c "bash -c 'mysql -p[redacted]'"`},
	} {
		if got, found := RedactCommand(test.line); got != test.want || found == "" {
			t.Errorf("%s:\n got %s\nwant %s (%q)", test.line, got, test.want, found)
		}
	}
	for _, line := range []string{
		`CMD ["nginx" "-g" "daemon off;"]`, `HEALTHCHECK &{["CMD" "curl" "-f" "http://localhost/"] "30s" "5s" "0s" "0s" '\x03'}`, `ENTRYPOINT ["/usr/bin/tini" "--" "/entry.sh"]`,
		`RUN /bin/sh -c echo "$PASSWORD" | docker login -u x --password-stdin # buildkit`, `RUN /bin/sh -c echo "root:${PW}" | chpasswd`, `RUN /bin/sh -c cat /run/secrets/p | docker login --password-stdin`,
		`RUN /bin/sh -c useradd -p "$(openssl passwd -1 "$pass")" app`, `RUN /bin/sh -c mysql -p"$pass" -e x`, "RUN /bin/sh -c mysql -p`cat /run/p`", `RUN /bin/sh -c docker run -p 8080:80 web && docker login -u x`,
		`RUN /bin/sh -c gpg --batch --keyserver hkps://keys.openpgp.org --recv-keys A035C8C19219BA821ECEA86B64E628F8D684696D`, `RUN /bin/sh -c echo "5d41402abc4b2a76b9719d911017c592 *x.tgz" | md5sum -c -`,
		`RUN /bin/sh -c curl -H "Accept: application/json" -H "Authorization: Bearer ${TOKEN}" -o x.tgz https://h/x-1.2.3.tgz`, `RUN /bin/sh -c git config --global user.name "Release Bot" && git config credential.helper store`,
		`RUN /bin/sh -c set -eux; adduser -S -u 1001 app; htpasswd -nb admin "$PW"; passwd -d root; npm config set cache /tmp/npm`, `RUN /bin/sh -c (date; echo "it's | done") > /tmp/x 2>&1 || true`,
		`COPY --chown=1001:1001 /src /app # buildkit`, `RUN /bin/sh -c mkdir -p /usr/share/Man3Pages/AndMore12345`, `RUN /bin/sh -c tar -C /usr/local --strip-components=1 -xzf Node20LtsRelease18x64.tar.gz`,
	} {
		if got, found := RedactCommand(line); got != line || found != "" {
			t.Errorf("%s: got %s (%s)", line, got, found)
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
