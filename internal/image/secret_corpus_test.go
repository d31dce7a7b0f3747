package image

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/ssh"
)

// seed is a file with one secret in it, or a decoy: something that looks like one
// to a careless eye.
type seed struct {
	path, text string
	kind       string   // "" for a decoy
	values     []string // that may be in no output
}

const (
	base62   = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	urlSafe  = base62 + "-_"
	hexLower = "0123456789abcdef"
	base64ed = base62 + "+/"
)

// generator makes values of the form that services give out.
type generator struct {
	t testing.TB
	r *mathrand.Rand
}

func (g generator) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.r.IntN(len(alphabet))]
	}
	return string(b)
}

// checked is a token that ends in the CRC-32 of its random part, in base 62.
func (g generator) checked(prefix string) string {
	random := g.of(base62, 30)
	sum, tail := crc32.ChecksumIEEE([]byte(random)), ""
	for range 6 {
		tail = base62[sum%62:sum%62+1] + tail
		sum /= 62
	}
	return prefix + random + tail
}

func (g generator) pem(title string, der []byte, err error) string {
	if err != nil {
		g.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: title, Bytes: der}))
}

func (g generator) rsa() string {
	key := must(rsa.GenerateKey(rand.Reader, 2048))(g.t)
	return g.pem("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
}

func (g generator) pkcs8() string {
	der, err := x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(g.t))
	return g.pem("PRIVATE KEY", der, err)
}

func (g generator) ec() string {
	der, err := x509.MarshalECPrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(g.t))
	return g.pem("EC PRIVATE KEY", der, err)
}

func (g generator) openssh(passphrase string) string {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		g.t.Fatal(err)
	}
	if passphrase != "" {
		return string(pem.EncodeToMemory(must(ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase)))(g.t)))
	}
	return string(pem.EncodeToMemory(must(ssh.MarshalPrivateKey(key, ""))(g.t)))
}

func (g generator) certificate() string {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(g.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: newSerial()}, &x509.Certificate{SerialNumber: newSerial()}, key.Public(), key)
	return g.pem("CERTIFICATE", der, err)
}

func (g generator) jwt(claims string) string {
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return encode(`{"alg":"RS256","typ":"JWT"}`) + "." + encode(claims) + "." + g.of(urlSafe, 86)
}

func (g generator) login() (encoded, password string) {
	password = g.of(base62, 14)
	return base64.StdEncoding.EncodeToString([]byte("deployer:" + password)), password
}

// inUTF16 is a text as Windows writes it.
func inUTF16(text string, order binary.AppendByteOrder) string {
	out := order.AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func jsonString(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// seeds are secrets in the places where people leave them.
func (g generator) seeds() []seed {
	var all []seed
	add := func(kind, path, text string, values ...string) {
		all = append(all, seed{path, text, kind, values})
	}
	one := func(kind, path, format, value string) { add(kind, path, fmt.Sprintf(format, value), value) }
	g.tokens(one)
	g.keys(add)

	login, password := g.login()
	add("registry login", "root/.docker/config.json", `{"auths":{"registry.example":{"auth":"`+login+`"}}}`, login, password)
	login, password = g.login()
	add("authorization header", "usr/local/bin/poll.sh", "curl -H 'Authorization: Basic "+login+"' https://api.acme.dev\n", login, password)
	one("netrc password", "root/.netrc", "machine git.acme.dev login ci password %s\n", g.of(base62, 16))
	one("PostgreSQL password", "home/app/.pgpass", "db.acme.dev:5432:shop:app:%s\n", g.of(base62, 16))
	one("database URL with a password", "app/config/database.yml", "production:\n  url: postgres://shop:%s@db.internal:5432/shop\n", g.of(base62, 16))
	one("database URL with a password", "app/appsettings.json", `{"mongo": "mongodb+srv://svc:%s@cluster0.acme.dev/shop"}`, g.of(base62, 18))
	one("database URL with a password", "srv/worker.py", "BROKER = 'amqp://worker:%s@mq.internal//'\n", g.of(base62, 12))
	one("URL with a password", "root/.git-credentials", "https://ci:%s@git.acme.dev\n", g.of(base62, 24))
	one("URL with a password", "etc/pip.conf", "[global]\nindex-url = https://ci:%s@pypi.acme.dev/simple\n", g.of(base62, 20))
	one("database login", "app/main.conf", "dsn = shop:%s@tcp(db.internal:3306)/shop\n", g.of(base62, 16))
	one("password hash", "etc/shadow", "root:$6$%s:19700:0:99999:7:::\n", g.of(base62, 8)+"$"+g.of(base62, 86))
	one("named credential", "app/.env", "LOG_LEVEL=info\nDB_PASSWORD=%s\n", g.of(base62, 12))
	one("named credential", "app/prod.env", "SESSION_SECRET=%s\n", g.of(hexLower, 48))
	one("random value", "srv/.env.production", "MIXPANEL=%s\n", g.of(base62, 32))
	one("named credential", "app/application.properties", "spring.datasource.password=%s\n", g.of(base62, 14))
	one("named credential", "app/config/settings.py", "SECRET_KEY = '%s'\n", g.of(base62+"!@#%^", 50))
	one("named credential", "app/config.js", "module.exports = { apiKey: \"%s\" }\n", g.of(base62, 32))
	one("named credential", "root/.m2/settings.xml", "<server><username>ci</username><password>%s</password></server>\n", g.of(base62, 16))
	one("named credential", "etc/app/config.toml", "[smtp]\npassword = \"%s\"\n", g.of(base62, 15))
	one("named credential", "app/values.yaml", "db:\n  password: %s\n", g.of(base62, 15))
	one("named credential", "root/.my.cnf", "[client]\nuser=root\npassword=%s\n", g.of(base62, 13))
	one("named credential", "root/.bash_history", "ls\nexport API_TOKEN=%s\n", g.of(base62, 40))
	one("named credential", "app/config/master.key", "%s", g.of(hexLower, 32))
	one("named credential", "var/www/wp-config.php", "<?php\ndefine( 'DB_NAME', 'shop' );\ndefine('DB_PASSWORD', '%s');\n", g.of(base62, 14))
	one("named credential", "usr/local/bin/sync", "#!/bin/sh\nset -e\ncurl -fsS -u deploy:%s https://api.acme.dev/sync\n", g.of(base62, 14))
	one("named credential", "etc/cron.d/backup", "0 3 * * * root mysqldump -u shop -p%s shop > /backup/shop.sql\n", g.of(base62, 12))
	one("named credential", "build/Jenkinsfile", "sh \"sshpass -p '%s' scp web.tar deploy@acme.dev:\"\n", g.of(base62, 12))
	one("named credential", "app/health.json", `{"test": ["CMD", "redis-cli", "-a", "%s", "ping"]}`, g.of(base62, 16))
	one("named credential", "entrypoint", "#!/usr/bin/env bash\nexport DB_PASSWORD=%s\nexec web\n", g.of(base62, 14))
	one("named credential", "build/Dockerfile", "FROM web\nENV LANG C\nENV DB_PASSWORD %s\n", g.of(base62, 14))
	one("named credential", "build/web.dockerfile", "FROM web\nENV DB_PASSWORD=%s\n", g.of(base62, 14))
	password = g.of(base62, 14)
	add("named credential", "srv/app.ini", inUTF16("[db]\r\npassword = "+password+"\r\n", binary.LittleEndian), password)
	password = g.of(base62, 14)
	add("named credential", "srv/putty.reg", inUTF16("Windows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\Software\\Shop]\r\n\"Password\"=\""+password+"\"\r\n", binary.BigEndian), password)
	one("named credential", "app/web.config", `<configuration><connectionStrings><add name="Shop" connectionString="Server=db;User Id=shop;Password=%s;Encrypt=true" /></connectionStrings></configuration>`, g.of(base62, 14))
	one("named credential", "app/bin/App.config", `<appSettings><add key="SmtpPassword" value="%s" /></appSettings>`, g.of(base62, 14))
	one("named credential", "srv/hibernate.cfg.xml", "<property name=\"hibernate.connection.password\">%s</property>\n", g.of(base62, 14))
	one("named credential", "docker-entrypoint-initdb.d/10-users.sql", "CREATE TABLE password (id int);\nCREATE ROLE shop LOGIN\n  PASSWORD '%s';\n", g.of(base62, 14))
	one("named credential", "srv/grants.sql", "CREATE USER 'shop'@'%%' IDENTIFIED BY '%s';\n", g.of(base62, 14))
	one("named credential", "docker-entrypoint-initdb.d/20-users.sh", "#!/bin/sh\npsql <<EOF\nALTER USER shop WITH PASSWORD '%s';\nEOF\n", g.of(base62, 14))
	one("named credential", "etc/ldap/init.ldif", "dn: cn=admin,dc=acme,dc=dev\nobjectClass: person\nuserPassword: %s\n", g.of(base62, 14))
	password = g.of(base62, 14)
	encoded := base64.StdEncoding.EncodeToString([]byte(password))
	add("named credential", "etc/ldap/users.ldif", "dn: uid=shop\nuserPassword:: "+encoded+"\n", encoded, password)
	one("password hash", "etc/ldap/config.ldif", "dn: olcDatabase={1}mdb,cn=config\nolcRootPW: {SSHA}%s\n", g.of(base62, 32))
	one("named credential", "work/report.ipynb", `{"cells": [{"source": ["import x\n", "api_key = \"%s\"\n"]}]}`, g.of(base62, 32))
	one("named credential", "work/other.ipynb", `{"cells": [{"source": ["client(password='%s')\n"]}]}`, g.of(base62, 14))
	one("private key", "app/jwks.json", `{"keys": [{"kty": "EC", "crv": "P-256", "x": "abc", "y": "def", "key_ops": ["sign"], "d": "%s"}]}`, g.of(urlSafe, 43))
	one("private key", "app/hmac.jwk", `{"k": "%s", "alg": "HS256", "kty": "oct"}`, g.of(urlSafe, 43))
	one("named credential", "etc/wpa_supplicant/wpa_supplicant.conf", "network={\n\tssid=\"shop\"\n\tpsk=\"%s\"\n}\n", g.of(base62, 14))
	one("named credential", "etc/NetworkManager/system-connections/shop.nmconnection", "[wifi-security]\nkey-mgmt=wpa-psk\npsk=%s\n", g.of(hexLower, 64))
	one("named credential", "etc/hostapd/hostapd.conf", "ssid=shop\nwpa_passphrase=%s\n", g.of(base62, 14))
	// Those that are hard: a word of another language, an encoding, a long file.
	one("named credential", "app/conf/base.ini", "[db]\nkennwort = %s\n", g.of(base62, 14))
	token := g.checked("ghp_")
	encoded = base64.StdEncoding.EncodeToString([]byte(token))
	add("GitHub token", "app/encoded.txt", encoded+"\n", encoded, token)
	return append(all, g.large())
}

// tokens are those that services give out.
func (g generator) tokens(one func(kind, path, format, value string)) {
	one("GitHub token", "root/.config/gh/hosts.yml", "github.com:\n  oauth_token: %s\n", g.checked("gho_"))
	one("GitHub token", "build/fetch.sh", "git clone https://x-access-token:%s@github.com/acme/shop\n", g.checked("ghp_"))
	one("GitHub token", "app/a.txt", "%s\n", "github_pat_"+g.of(base62, 22)+"_"+g.of(base62, 59))
	one("GitLab token", "app/b.yml", "token: %s\n", "glpat-"+g.of(base62, 20))
	one("Slack token", "app/c.json", `{"slack": "%s"}`, "xoxb-"+g.of("0123456789", 12)+"-"+g.of("0123456789", 12)+"-"+g.of(base62, 24))
	one("Slack webhook", "app/d.sh", "curl https://%s\n", "hooks.slack.com/services/T"+g.of(base62, 8)+"/B"+g.of(base62, 8)+"/"+g.of(base62, 24))
	one("Stripe key", "app/e.rb", "Stripe.api_key = '%s'\n", "sk_live_"+g.of(base62, 24))
	one("npm token", "root/.npmrc", "//registry.npmjs.org/:_authToken=%s\n", g.checked("npm_"))
	one("npm token", "home/app/.npmrc", "//npm.acme.dev/:_authToken=%s\n", g.of(hexLower, 8)+"-"+g.of(hexLower, 27))
	one("PyPI token", "root/.pypirc", "[pypi]\nusername = __token__\npassword = %s\n", "pypi-AgEIcHlwaS5vcmc"+g.of(urlSafe, 130))
	one("AWS access key", "app/f.tf", "access_key = \"%s\"\n", "AKIA"+g.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16))
	one("AWS secret key", "root/.aws/credentials", "[default]\naws_secret_access_key = %s\n", g.of(base64ed, 40))
	one("AWS secret key", "app/g.json", `{"SecretAccessKey": "%s"}`, g.of(base64ed, 40))
	one("Google API key", "app/h.js", "const key = '%s'\n", "AIza"+g.of(urlSafe, 35))
	one("Azure access key", "app/i.config", "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=%s;EndpointSuffix=core.windows.net\n", g.of(base64ed, 86)+"==")
	one("Azure client secret", "app/j.env", "X=%s\n", g.of(base62, 3)+"8Q~"+g.of(base62, 34))
	one("Vault token", "app/k.txt", "%s\n", "hvs."+g.of(urlSafe, 90))
	one("Twilio key", "app/l.py", "key = '%s'\n", "SK"+g.of(hexLower, 32))
	one("SendGrid key", "app/m.py", "SENDGRID = '%s'\n", "SG."+g.of(urlSafe, 22)+"."+g.of(urlSafe, 43))
	one("OpenAI key", "app/n.txt", "%s\n", "sk-proj-"+g.of(urlSafe, 60)+"T3BlbkFJ"+g.of(urlSafe, 60))
	one("Anthropic key", "app/o.txt", "%s\n", "sk-ant-api03-"+g.of(urlSafe, 93)+"AA")
	one("Docker Hub token", "app/p.sh", "docker login -u acme -p %s\n", "dckr_pat_"+g.of(urlSafe, 27))
	one("DigitalOcean token", "app/q.txt", "%s\n", "dop_v1_"+g.of(hexLower, 64))
	one("JSON web token", "app/r.txt", "%s\n", g.jwt(`{"sub":"shop","iat":1790000000}`))
	one("Kubernetes service account token", "srv/s.txt", "%s\n", g.jwt(`{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:shop:web"}`))
	one("Hugging Face token", "app/t.py", "login('%s')\n", "hf_"+g.of(base62, 34))
}

// keys are private keys, whole files and inside others.
func (g generator) keys(add func(kind, path, text string, values ...string)) {
	body := func(key string) string { // a line from its middle
		lines := strings.Split(key, "\n")
		return lines[len(lines)/2]
	}
	key := g.rsa()
	add("private key", "etc/ssl/private/server.key", key, body(key))
	key = g.pkcs8()
	add("private key", "app/tls.pem", g.certificate()+key, body(key))
	key = g.ec()
	add("private key", "app/jwt.env", "JWT_PRIVATE="+jsonString(key)+"\n", body(key))
	key = g.openssh("")
	add("private key", "root/.ssh/id_ed25519", key, body(key))
	key = g.openssh("correct horse")
	add("encrypted private key", "home/app/.ssh/id_ed25519", key, body(key))
	key = g.openssh("")
	add("SSH host key", "etc/ssh/ssh_host_ed25519_key", key, body(key))
	key = g.rsa()
	add("Google service account key", "app/gcp.json", `{"type": "service_account", "private_key_id": "`+g.of(hexLower, 40)+`", "private_key": `+jsonString(key)+`}`, body(key))
	key = g.ec()
	data := base64.StdEncoding.EncodeToString([]byte(key))
	add("Kubernetes client key", "root/.kube/config", "users:\n- name: admin\n  user:\n    client-key-data: "+data+"\n", data)
	private := g.of(base64ed, 64)
	add("private key", "root/key.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: k\nPublic-Lines: 1\n"+g.of(base64ed, 64)+"\nPrivate-Lines: 1\n"+private+"\nPrivate-MAC: "+g.of(hexLower, 64)+"\n", private)
}

// large is a file of several windows, with a token where two of them meet.
func (g generator) large() seed {
	token := g.checked("ghp_")
	var b strings.Builder
	for b.Len() < streamBuffer-20 {
		b.WriteString("2026-11-23T08:00:00Z info request served\n")
	}
	b.WriteString(" " + token + "\n")
	for b.Len() < 3*streamBuffer {
		b.WriteString("2026-11-23T08:00:01Z info request served\n")
	}
	return seed{"var/log/app.log", b.String(), "GitHub token", []string{token}}
}

// decoys are no secrets: references, placeholders, digests, public keys, code that
// handles secrets.
func (g generator) decoys() []seed {
	var all []seed
	for path, text := range map[string]string{
		"app/.env.example":          "DB_PASSWORD=changeme\nAPI_KEY=your-api-key-here\nTOKEN=xxxxxxxxxxxxxxxxxxxx\n",
		"decoy/.env":                "DB_PASSWORD=${DB_PASSWORD}\nTOKEN_FILE=/run/secrets/token\nGIT_COMMIT=" + g.of(hexLower, 40) + "\nIMAGE=web@sha256:" + g.of(hexLower, 64) + "\nBUILD_ID=" + g.of(hexLower, 8) + "-" + g.of(hexLower, 4) + "\n",
		"decoy/aws.txt":             "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
		"decoy/readme.txt":          "Set GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nor ghp_abcdefghijklmnopqrstuvwxyz0123456789\n",
		"decoy/urls.conf":           "a = postgres://user:password@localhost/db\nb = http://user:pass@example.com/\nc = redis://:${PASS}@redis\nd = https://a.dev/x@y:z\n",
		"decoy/parse.go":            "const begin = \"-----BEGIN RSA PRIVATE KEY-----\"\nif password == \"\" { return }\nvar token = os.Getenv(\"TOKEN\")\n",
		"decoy/truncated.pem":       "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA...\n-----END RSA PRIVATE KEY-----\n",
		"decoy/public.pem":          g.certificate(),
		"decoy/authorized_keys":     "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7" + g.of(base64ed, 300) + " me@laptop\n",
		"decoy/jwt.js":              "// eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\n",
		"decoy/package-lock.json":   `{"node_modules/a": {"integrity": "sha512-` + g.of(base64ed, 86) + `==", "resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz"}}`,
		"decoy/sums.txt":            g.of(hexLower, 64) + "  a.tar.gz\n" + g.of(hexLower, 40) + "  b.tar.gz\n",
		"decoy/azurite.yaml":        "conn: AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;\n",
		"decoy/config.yaml":         "passwordFile: /etc/pw\nsecretName: db-credentials\ntokenTTL: 24h\npassword: \"\"\nauth:\n  secretKeyRef: {name: db, key: password}\n",
		"decoy/vault.properties":    "db.password=vault:secret/data/db#password\napi.token={{ .Values.token }}\nkey=ENC[AES256_GCM,data:" + g.of(base64ed, 20) + "]\n",
		"decoy/.netrc":              "machine example.com login anonymous password $TOKEN\n",
		"decoy/.pgpass":             "# host:port:database:user:password\n",
		"decoy/nsswitch.conf":       "passwd:         files systemd\nshadow:         files\n",
		"decoy/shadow":              "root:*:19700:0:99999:7:::\ndaemon:!:19700:0:99999:7:::\n",
		"etc/gshadow":               "sudo:*::\nssh:!::\n",
		"decoy/docker/config.json":  `{"auths": {"registry.example": {}}, "credsStore": "ecr-login"}`,
		"decoy/uuid.json":           `{"id": "` + g.of(hexLower, 8) + "-" + g.of(hexLower, 4) + "-4" + g.of(hexLower, 3) + "-a" + g.of(hexLower, 3) + "-" + g.of(hexLower, 12) + `", "etag": "` + g.of(hexLower, 32) + `"}`,
		"decoy/image.svg":           `<image href="data:image/png;base64,` + g.of(base64ed, 400) + `"/>`,
		"decoy/form.html":           `<input type="password" name="password" placeholder="Your password">`,
		"decoy/i18n.json":           `{"password": "Kennwort", "password.reset": "Set a new password", "token": "Token expired"}`,
		"decoy/Main.java":           "String password = request.getParameter(\"password\");\nString apiKey = config.getString(\"api.key\");\n",
		"decoy/test.py":             "def test_login():\n    client.login(password='S3cr3t-of-the-test-1')\n",
		"decoy/Dockerfile":          "ENV DB_PASSWORD ${DB_PASSWORD}\nENV TOKEN_FILE /run/secrets/token\nENV GPG_KEY " + g.of("0123456789ABCDEF", 40) + "\nCOPY password.txt /etc/\n",
		"decoy/wide.reg":            inUTF16("Windows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\Software\\Shop]\r\n\"PasswordFile\"=\"c:\\\\shop\\\\pw\"\r\n", binary.LittleEndian),
		"decoy/sed.sh":              "PASSWORD=$(cat /run/secrets/db)\nif [ \"$TOKEN\" = \"\" ]; then exit 1; fi\nPGPASSWORD=$DB_PASS psql\n",
		"decoy/min.js":              "var a=" + jsonString(g.of(base64ed, 3000)) + ";function b(c){return c.token=d.key}\n",
		"decoy/known_hosts":         "|1|" + g.of(base64ed, 27) + "=|" + g.of(base64ed, 27) + "= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + g.of(base64ed, 43) + "\n",
		"decoy/wordlist.txt":        "SKELETON hf_model task-list risk-based sk-learn glpat- xoxb- Bearer token npm_config_cache pypi-server\n",
		"decoy/clients.sh":          "curl -u \"$USER:$PASS\" https://a.dev\ncurl -u admin:admin http://localhost\nmysql -u root -p$PASS shop\nmysql -p shop\nmysql -port 3306\nsshpass -p \"$P\" ssh a\ndocker run -p 8080:80 mysql -password\n",
		"decoy/config.php":          "define('DB_PASSWORD', getenv('DB_PASSWORD'));\ndefine('DB_PASSWORD', 'password_here');\ndefine('TOKEN_TTL', '3600');\ndefined('AUTH_KEY', 'x');\n",
		"decoy/web.config":          `<add name="Shop" connectionString="Server=db;Integrated Security=true;Password=;" /><add key="PasswordPolicy" value="strong-8-2" /><add key="TokenUrl" value="https://login.acme.dev/t" /><add key="SmtpPassword" value="#{SmtpPassword}#" />`,
		"decoy/schema.sql":          "CREATE TABLE users (password varchar(72) NOT NULL DEFAULT 'x');\nINSERT INTO help VALUES ('Set a password ''for'' you');\nCREATE USER shop PASSWORD 'changeme';\nALTER USER shop PASSWORD NULL;\nCREATE USER a IDENTIFIED BY '${PW}';\nCOMMENT ON COLUMN users.password IS 'bcrypt of it';\n",
		"decoy/init.ldif":           "dn: cn=schema\nuserPassword:: %%%\nolcRootPW: {SSHA}\nolcAttributeTypes: ( 2.5.4.35 NAME 'userPassword' )\nuserPassword: secret\n",
		"decoy/report.ipynb":        `{"cells": [{"source": ["api_key = os.environ[\"API_KEY\"]\n", "password = getpass.getpass('Your password: ')\n"], "outputs": [{"data": {"image/png": "` + g.of(base64ed, 400) + `"}}]}]}`,
		"decoy/jwks.json":           `{"keys": [{"kty": "RSA", "kid": "d", "use": "sig", "n": "` + g.of(urlSafe, 342) + `", "e": "AQAB"}, {"kty": "EC", "x": "` + g.of(urlSafe, 43) + `", "y": "` + g.of(urlSafe, 43) + `"}]}`,
		"decoy/wpa_supplicant.conf": "network={\n\tssid=\"shop\"\n\tkey_mgmt=WPA-PSK\n\tpsk=\"your passphrase\"\n\t#psk=\"very secret\"\n\tpsk=ext:shop\n}\n",
		"decoy/manual.txt":          "Use curl -u name:password URL, or mysql -pPASSWORD, or sshpass -p <secret>.\n",
		"decoy/hasher.yaml":         "key: " + g.of(hexLower, 64) + "\ncache_key: " + g.of(base62, 24) + "\npublic_key: " + g.of(base64ed, 44) + "\n",
	} {
		all = append(all, seed{path: path, text: text})
	}
	return all
}
