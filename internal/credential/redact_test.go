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
		{"|1 API_TOKEN=" + canary + " ", "|1 API_TOKEN=[redacted] "},
		{"RUN |1 API_TOKEN=" + canary + " /bin/sh -c make # buildkit", "RUN |1 API_TOKEN=[redacted] /bin/sh -c make # buildkit"},
		{"RUN |2 DB_PASSWORD=two /" + canary + " X=y /bin/sh -c make # buildkit", "RUN |2 DB_PASSWORD=[redacted] [redacted] X=y /bin/sh -c make # buildkit"},
		{"FROM web\nENV DB_PASSWORD " + canary, "FROM web\nENV DB_PASSWORD [redacted]"},
		{"RUN curl -u user:" + canary + " https://example.com", "RUN curl -u user:[redacted] https://example.com"},
		{"RUN git clone https://me:" + canary + "@example.com/x", "RUN git clone https://me:[redacted]@example.com/x"},
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
		{`RUN psql -c "ALTER USER postgres PASSWORD 'hunter2'"`, `RUN psql -c "ALTER USER postgres PASSWORD '[redacted]'"`},
		{`RUN psql -c 'ALTER USER a WITH ENCRYPTED PASSWORD '\''hunter2'\'' LOGIN'`, `RUN psql -c 'ALTER USER a WITH ENCRYPTED PASSWORD '\''[redacted]'\'' LOGIN'`},
		{`CMD ["psql" "-c" "create role a login password 'it''s hunter2'"]`, `CMD ["psql" "-c" "create role a login password '[redacted]'"]`},
		{`RUN mysql -e "CREATE USER 'a'@'%' IDENTIFIED WITH mysql_native_password BY \"hunter2\"; SELECT 1"`, `RUN mysql -e "CREATE USER 'a'@'%' IDENTIFIED WITH mysql_native_password BY \"[redacted]\"; SELECT 1"`},
		{`RUN mysql -e "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('hunter2')"`, `RUN mysql -e "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('[redacted]')"`},
		{`RUN sqlcmd -Q "ALTER LOGIN sa WITH PASSWORD = N'hunter2'"`, `RUN sqlcmd -Q "ALTER LOGIN sa WITH PASSWORD = N'[redacted]'"`},
		{`RUN git clone https://` + random + `@github.com/x/y`, `RUN git clone https://[redacted]@github.com/x/y`},
		{`RUN git clone https://` + random + `:x-oauth-basic@github.com/x/y`, `RUN git clone https://[redacted]:[redacted]@github.com/x/y`},
		{`RUN git clone https://5d41402abc4b2a76b9719d911017c592@github.com/x/y`, `RUN git clone https://[redacted]@github.com/x/y`},
		{`RUN pip install --extra-index-url https://bob:hun/ter2@pypi.acme.dev/simple x`, `RUN pip install --extra-index-url https://bob:[redacted]@pypi.acme.dev/simple x`},
		{`RUN psql "postgresql://u:hunter2@db/x" -c x`, `RUN psql "postgresql://u:[redacted]@db/x" -c x`},
		{`CMD ["app" "redis://:hunter2@db:6379/0"]`, `CMD ["app" "redis://:[redacted]@db:6379/0"]`},
		{`RUN echo "machine github.com login x password hunter2" > ~/.netrc`, `RUN echo "machine github.com login x password [redacted]" > ~/.netrc`},
		{`RUN printf "machine a.dev\nlogin x\npassword hunter2\n" > ~/.netrc`, `RUN printf "machine a.dev\nlogin x\npassword [redacted]\n" > ~/.netrc`},
		{`RUN /bin/sh -c composer config http-basic.acme.dev user hunter2`, `RUN /bin/sh -c composer config http-basic.acme.dev user [redacted]`},
		{`RUN /bin/sh -c composer config -g github-oauth.github.com hunter2`, `RUN /bin/sh -c composer config -g github-oauth.github.com [redacted]`},
		{`RUN /bin/sh -c twine upload -u x -p hunter2 dist/*`, `RUN /bin/sh -c twine upload -u x -p [redacted] dist/*`},
		{`RUN keytool -genkey -storepass hunter2 -keypass hunter3 -keystore a`, `RUN keytool -genkey -storepass [redacted] -keypass [redacted] -keystore a`},
		{`RUN /bin/sh -c set -e; sudo vault login hunter2`, `RUN /bin/sh -c set -e; sudo vault login [redacted]`},
		{`RUN vault kv put secret/web a=hunter2 b=@file`, `RUN vault kv put secret/web a=[redacted] b=@file`},
		{`RUN vault write auth/approle/login role_id=x secret_id=6ab4c8de-0000-4f01-9d1b-3f5f0a6c7b2d`, `RUN vault write auth/approle/login role_id=x secret_id=[redacted]`},
		{`RUN snyk auth 6ab4c8de-0000-4f01-9d1b-3f5f0a6c7b2d && snyk test`, `RUN snyk auth [redacted] && snyk test`},
		{`RUN cargo login --registry web hunter2`, `RUN cargo login --registry [redacted] [redacted]`},
		{`RUN dotnet nuget push -k hunter2 x.nupkg -s https://nuget.acme.dev`, `RUN dotnet nuget push -k [redacted] x.nupkg -s https://nuget.acme.dev`},
		{`RUN sonar-scanner -Dsonar.login=` + random, `RUN sonar-scanner -Dsonar.login=[redacted]`},
		{`RUN openssl enc -aes-256-cbc -k hunter2 -in a`, `RUN openssl enc -aes-256-cbc -k [redacted] -in a`},
		{`RUN 7z x -phunter2 a.7z`, `RUN 7z x -p[redacted] a.7z`},
		{`RUN flyctl auth token hunter2`, `RUN flyctl auth token [redacted]`},
		{`RUN net use \\s\x /user:u hunter2`, `RUN net use \\s\x /user:u [redacted]`},
		{`RUN kubectl create secret generic a --from-literal=key=hunter2 --from-literal cert=hunter3`, `RUN kubectl create secret generic a --from-literal=key=[redacted] --from-literal cert=[redacted]`},
		{`RUN aws ssm put-parameter --name x --value=hunter2 --type SecureString`, `RUN aws ssm put-parameter --name x --value=[redacted] --type SecureString`},
		{`RUN rabbitmqctl add_user app hunter2`, `RUN rabbitmqctl add_user app [redacted]`},
		{`RUN sqlplus shop/hunter2@db @/install.sql`, `RUN sqlplus shop/[redacted] @/install.sql`},
		{`RUN smbclient -U ci%hunter2 //s/x`, `RUN smbclient -U ci%[redacted] //s/x`},
		{`RUN /opt/tool register Zq9xW2vT7mKw4LpR8`, `RUN /opt/tool register [redacted]`},
		{`RUN /opt/tool -p Zq9xW2vT7mKw --mode=Zq9xW2vT7mKw4LpR8`, `RUN /opt/tool -p [redacted] --mode=[redacted]`},
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
		`RUN psql -c "ALTER USER a PASSWORD '$PW'; SELECT password FROM users" -v PASSWORD=''`, `RUN mysql -e "CREATE USER a IDENTIFIED BY '${PW}'"`, `RUN echo "Enter the password 'now' or create a user"`, `RUN keytool -storepass:env PW -keypass $PW`,
		`RUN git clone https://deploy@bitbucket.org/x/y http://localhost:8080/@scope/x https://h:8443/a@b`, `RUN vault login -method=aws && vault kv put secret/x @data.json && cargo login < token`, `RUN docker login registry.acme.dev && snyk auth "$SNYK_TOKEN"`,
		`RUN dnf install -y libQt5WebEngineCore5 perl-IO-Compress-Bzip2 ImageMagick7 qt5-qtbase java-17-openjdk-headless`, `RUN apt-key adv --keyserver hkp://keys --recv-keys 0x9ECBEC467F0CEB10 9DC858229FC7DD38854AE2D88D81803C0EBFCD88`,
		`RUN openssl req -x509 -newkey rsa:4096 -sha256 -days 365 -nodes -keyout k -out c -subj /C=DE/O=Web2Shop/CN=a`, `RUN cmake -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTING=OFF -GNinja -j4 && mvn -B -Pjdk17x64 -DskipTests`,
		`RUN npm ci --integrity=sha512-Zq9xW2vT7mKw4LpR8Zq9xW2vT7mKw4LpR8 && rustup target add x86_64-unknown-linux-musl aarch64-apple-darwin`, `RUN |2 BUILD_ID=6ab4c8de-0000-4f01-9d1b-3f5f0a6c7b2d TARGETARCH=amd64 /bin/sh -c make # buildkit`,
		`RUN useradd -r -u 10001 -g nogroup -s /sbin/nologin -d /home/Web2App Web2App && 7z x a.7z -oout`, `RUN kubectl create secret generic a --from-file=key=/run/k && sqlplus / as sysdba @/opt/oracle/x.sql`,
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
