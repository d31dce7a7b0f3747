package model

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/credential"
	"ullage.dev/ullage/internal/tree"
)

// credentials are env entries, as name and value, that are credentials.
var credentials = [][2]string{
	{"Authorization", "Basic not-base64"}, {"HTTP_AUTHORIZATION", "Token checkout-service"},
	{"PASSWORD", "hunter2"}, {"DB_PASSWORD", "correct-horse"}, {"MYSQL_ROOT_PASSWORD", "changeme"}, {"POSTGRES_PASSWD", "s3cr3t"},
	{"dbPassword", "hunter2"}, {"spring.datasource.password", "hunter2"}, {"DBPASSWORD", "hunter2"}, {"REDIS_PWD", "hunter2"},
	{"PASSWORD1", "hunter2"}, {"ADMIN_PASS", "hunter2"}, {"KEY_PASSPHRASE", "open sesame"}, {"PASSWORD_PROD", "hunter2"},
	{"API_KEY", "abcd1234"}, {"apiKey", "abcd1234"}, {"STRIPE_APIKEY", "abcd1234"}, {"AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
	{"SECRET_KEY_BASE", "5f1c9d0a8b7e6f5a4d3c2b1a"}, {"ENCRYPTION_KEY", "0123456789abcdef"}, {"JWT_SECRET", "Zm9vYmFyYmF6"},
	{"CLIENT_SECRET", "8Q~abcDEF123"}, {"GITHUB_TOKEN", "abcdef0123456789abcdef"}, {"SLACK_BOT_TOKEN", "xoxb-123456789012-abcdefghij"},
	{"ACCESS_TOKEN", "abc123DEF456"}, {"SESSION_KEY", "q8w7e6r5"}, {"SENTRY_DSN", "https://0123456789abcdef:fedcba@sentry.example/1"},
	{"CONNECTION_STRING", "Server=db;User Id=sa;Password=hunter2"}, {"DATABASE_URL", "postgres://app:hunter2@db:5432/app"},
	{"BROKER", "amqp://guest:guest@mq"}, {"REDIS_URL", "redis://:hunter2@redis:6379/0"}, {"DSN", "app:hunter2@tcp(db:3306)/app"},
	{"AUTH", "Kj8sH2lQ9zXc4Vb7Nm1P"}, {"JAVA_OPTS", "-Xmx1g -Dspring.datasource.password=hunter2"}, {"OPTS", "--db-password hunter2 --verbose"},
	{"HEADERS", "Authorization: Basic dXNlcjpodW50ZXIy"}, {"HEADER", "Bearer Kj8sH2lQ9zXc4Vb7Nm1P"},
	{"X", "AKIAIOSFODNN7EXAMPLE"}, {"X", "ghp_" + strings.Repeat("aB3", 12)}, {"X", "glpat-abcdefghij0123456789"}, {"X", "AIza" + strings.Repeat("aB3-_", 7)},
	{"X", "npm_" + strings.Repeat("aB3", 12)}, {"X", "sk_live_" + strings.Repeat("aB3", 8)}, {"X", "pypi-AgEIcHlwaS5vcmc" + strings.Repeat("aB3", 20)},
	{"X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"}, {"X", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"},
	{"X", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl"}, {"X", `{"auths":{"r.example":{"auth":"dXNlcjpodW50ZXIy"}}}`},
	{"X", "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnop"}, {"X", "hvs.CAESIJabcdefghijklmnop"},
	{"X", "SharedAccessKey=abcDEF123456abcDEF123456abcDEF12="}, {"X", "DefaultEndpointsProtocol=https;AccountKey=abcDEF123456abcDEF123456abcDEF12=="},
	{"X", "host=db user=app password=hunter2"}, {"SECRET", "Q2xhc3NpZmllZCE"}, {"PASSWORD", "/Kj8sH2lQ9zXc4Vb7Nm1PkLm="},
	{"X", "sk-ant-api03-abcdefghijklmnop"},
}

// harmless are entries that are none.
var harmless = [][2]string{
	{"PASSWORD_MIN_LENGTH", "8"}, {"TOKEN_URL", "https://sso.example/token"}, {"SECRET_NAME", "foo-bar-baz"}, {"TOKEN_EXPIRY", "3600"}, {"KEY_FILE", "/etc/x"},
	{"PUBLIC_KEY", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIB"}, {"PASSWORD_FILE", "/run/secrets/db"}, {"DB_PASSWORD", "$(DB_PASSWORD_FROM)"},
	{"DB_PASSWORD", "${DB_PASSWORD}"}, {"DB_PASSWORD", "{{ .Values.password }}"}, {"DB_PASSWORD", ""}, {"DB_PASSWORD", "<your password>"},
	{"DB_PASSWORD", "$DB_PASSWORD"}, {"DB_PASSWORD", "********"}, {"DB_PASSWORD", "/vault/secrets/db"}, {"DB_PASSWORD", "vault:secret/data/db#password"},
	{"ALLOW_EMPTY_PASSWORD", "yes"}, {"PASSWORD_ENABLED", "enabled"}, {"USE_TOKEN", "true"}, {"MAX_TOKENS", "4096"}, {"TOKEN_TTL", "24h"},
	{"SECRET", "db-credentials"}, {"AUTH_SECRET", "my-app-secret"}, {"TOKEN_HEADER", "X-Auth-Token"}, {"AWS_ACCESS_KEY_ID_FILE", "/x"},
	{"KEY", "checkout"}, {"CACHE_KEY_PREFIX", "checkout"}, {"KEYCLOAK_URL", "https://keycloak.example"}, {"PASS_THROUGH", "enabled-always"},
	{"PWD", "/app"}, {"BYPASS", "localhost"}, {"COMPASS", "northwest"}, {"SECRET_STORE", "aws-secrets-manager"}, {"PASSWORD_POLICY", "strong-only"},
	{"TOKEN_ISSUER", "https://issuer.example"}, {"DATABASE_URL", "postgres://db:5432/app"}, {"DATABASE_URL", "postgres://app@db:5432/app"},
	{"DATABASE_URL", "postgres://app:$(DB_PASSWORD)@db/app"}, {"DATABASE_URL", "postgres://$(USER):$(PASS)@db/app"}, {"URL", "https://a.example/x@y:z"},
	{"IMAGE", "nginx@sha256:" + strings.Repeat("ab", 32)}, {"CHECKSUM_SECRET", strings.Repeat("ab", 32)}, {"PASSWORD_HASH_ROUNDS", "twelve"},
	{"LOG_LEVEL", "info"}, {"HOST", "postgres.shop.svc.cluster.local"}, {"MONKEY", "banana-monkey"}, {"TOKEN_REVIEW_URL", "http://x"},
	{"SECRET_REF", "checkout"}, {"API_KEY_HEADER", "X-Api-Key"}, {"API_KEY_ID", "checkout-prod"}, {"PASSWORD_KEY", "db-password"}, {"JWT_ALGORITHM", "RS256-or-so"},
	{"CERT", "-----BEGIN CERTIFICATE-----\nMIIE"}, {"PUB", "-----BEGIN PUBLIC KEY-----\nMIIE"}, {"SCRIPT", `if [ -z "$PASSWORD" ]; then exit 1; fi`},
	{"SCRIPT", "export PGPASSWORD=$POSTGRES_PASSWORD"}, {"SCRIPT", `TOKEN=$(cat /var/run/secrets/token)`}, {"SCRIPT", "password = os.environ['X']"},
	{"SCRIPT", "token == expected_token_value"}, {"OPTS", "--token-file=/etc/token --password-file /etc/pw"}, {"OPTS", "--tls-private-key-file=/etc/tls.key"},
	{"NOTE", "the password: see the handbook"}, {"SSH", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7"}, {"TASK", "task-1234567890"}, {"RISK", "risk-based"},
	{"AUTH", "basic"}, {"AUTHORIZATION", "Basic"}, {"Authorization", "Bearer $(TOKEN)"}, {"AUTH", "Basic authentication"}, {"Authorization", "Basic is asked for"}, {"TOKEN", "opaque"}, {"CONTACT", "ops@example.com"}, {"ELEMENTS", "AKIA"}, {"UUID_KEY", "123e4567-e89b-12d3-a456-426614174000"},
	{"SESSION_COOKIE_NAME", "sid-of-the-shop"}, {"EXPR", `sum(rate(x{secret="db-secret"}[5m]))`},
}

func TestCredentialsInEnvironment(t *testing.T) {
	check := func(entry [2]string, want bool) {
		t.Helper()
		root, source := parseJSON(t, pod(map[string]any{"env": []any{map[string]any{"name": entry[0], "value": entry[1]}}}))
		o, err := NewObject(root, source, "", "")
		if err != nil {
			t.Fatal(err)
		}
		value := o.Root.Dig("spec", "containers").At(0).Get("env").At(0).Get("value")
		if got := len(o.Credentials) == 1 && value.Str() == credential.Mask; got != want {
			t.Errorf("%s=%q: credential is %v, want %v (%v)", entry[0], entry[1], got, want, o.Credentials)
		}
	}
	for _, entry := range credentials {
		check(entry, true)
	}
	for _, entry := range harmless {
		check(entry, false)
	}
}

func pod(container map[string]any) map[string]any {
	container["name"] = "web"
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"},
		"spec": map[string]any{"containers": []any{container}},
	}
}

func TestCredentialsElsewhere(t *testing.T) {
	const custom = "apiVersion: example.com/v1\nkind: Database\nmetadata: {name: d}\nspec:\n"
	const config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n"
	const class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: p\nparameters: "
	command := func(args string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, command: " + args + "}]}\n"
	}
	for _, test := range []struct{ text, want string }{
		{config + "  db.password: hunter2\n", "data[\"db.password\"]"},
		{config + "  app.properties: |\n    url=jdbc:x\n    db.password=hunter2\n", "data[\"app.properties\"]"},
		{config + "  app.yaml: |\n    db:\n      password: hunter2\n      host: db\n", "data[\"app.yaml\"]"},
		{config + "  app.json: '{\"db\": {\"password\": \"hunter2\"}}'\n", "data[\"app.json\"]"},
		{config + "  nginx.conf: |\n    proxy_pass http://backend;\n    proxy_set_header Host $host;\n", ""},
		{config + "  app.yaml: |\n    passwordFile: /run/db\n    secretName: db-secret\n    token: {{ .Token }}\n", ""},
		{config + "  tls.key: |\n    -----BEGIN PRIVATE KEY-----\n    MIIE\n", "data[\"tls.key\"]"},
		{config + "  id: x\nbinaryData: {}\n", ""},
		{class + "{type: gp3, encrypted: 'true', kmsKeyId: 'arn:aws:kms:eu-west-1:1234:key/abcd', csi.storage.k8s.io/provisioner-secret-name: db-credentials-1, tokenTTL: 24h}\n", ""},
		{class + "{adminId: admin, adminSecretName: ceph-admin-secret, userSecretName: ceph-secret-user, restuserkey: abcd1234}\n", "parameters.restuserkey"},
		{class + "{mountOption: 'user=app', secretKey: '${pvc.annotations[\"team.example/key\"]}'}\n", ""},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [], dnsConfig: {options: [{name: ndots, value: '2'}]}, securityContext: {}}\n", ""},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\nstatus: {phase: Running, message: 'the token of the pod expired', podIP: 10.0.0.1}\n", ""},
		{custom + "  password: hunter2\n", "spec.password"},
		{custom + "  auth: {clientSecret: 8Q~abcDEF123}\n", "spec.auth.clientSecret"},
		{custom + "  auth: {secretName: db, password: password}\n", ""},
		{custom + "  data: [{secretKey: password, remoteRef: {key: a/b, property: password}}]\n", ""},
		{custom + "  encryptedData: {password: AgBy8hCi}\n", ""},
		{custom + "  secret: db-credentials\n", ""},
		{custom + "  args: [--api-key, abcd1234]\n", "spec.args[1]"},
		{command("[mysqladmin, ping, -phunter2]"), "spec.containers[0].command[2]"},
		{command("[mysqladmin, ping, -p$(PASSWORD)]"), ""},
		{command("[sh, -c, 'mysql -uroot -phunter2 -e \"select 1\"']"), "spec.containers[0].command[2]"},
		{command("[sh, -c, 'mysql -uroot -p\"$MYSQL_ROOT_PASSWORD\"']"), ""},
		{command("[sh, -c, 'curl -u app:hunter2 http://x']"), "spec.containers[0].command[2]"},
		{command("[curl, -u, 'app:hunter2', 'http://x']"), "spec.containers[0].command[2]"},
		{command("[redis-cli, -a, hunter2]"), "spec.containers[0].command[2]"},
		{command("[app, --password=hunter2]"), "spec.containers[0].command[1]"},
		{command("[app, --password, hunter2]"), "spec.containers[0].command[2]"},
		{command("[docker, run, -e, PASSWORD=hunter2]"), "spec.containers[0].command[3]"},
		{command("[sh, -c, 'export DB_PASSWORD=hunter2; exec app']"), "spec.containers[0].command[2]"},
		{command("[app, --password-file=/x, --token-ttl, 24h, --secret-name=db]"), ""},
		{command("[app, --key-password, --verbose]"), ""},
		{"apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {example.com/token: abc123DEF456}}\n", "metadata.annotations[\"example.com/token\"]"},
		{"apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {checksum/secret: abc123DEF456abc123DEF456}}\n", ""},
		{"apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {vault.hashicorp.com/agent-inject-secret-db: database/creds/app}}\n", ""},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aHVudGVyMg==}\n", "data.a"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2, b: ''}\n", "stringData.a"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: '${PASSWORD}'}\n", ""},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: 'ENC[AES256_GCM,data:x]'}\n", ""},
	} {
		o := object(t, test.text)
		var got []string
		for _, c := range o.Credentials {
			got = append(got, c.Path.String())
			if n := o.Root.Follow(c.Path); n.Str() != credential.Mask || !n.Has(tree.Redacted) {
				t.Errorf("%s is recorded and not redacted", c.Path)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s\ncredentials %q, want %q", test.text, got, test.want)
		}
	}
}

// secretPlaces are documents with a place for a secret value, $V; $B stands for
// the value in base64.
var secretPlaces = []string{
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: $B}\n",
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: $V}\n",
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"a\":\"$V\"}}'}}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: s, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"x\":\"$V\"}'}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {DB_PASSWORD: $V}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata:\n  app.ini: |\n    [db]\n    password = $V\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata:\n  app.yaml: |\n    db: {password: $V}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {url: 'postgres://u:$V@db/x'}\n",
	"apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {example.com/password: $V}}\n",
	"apiVersion: v1\nkind: ReplicationController\nmetadata: {name: s}\nspec: {template: {metadata: {labels: {password: $V}}, spec: {containers: []}}}\n",
	"apiVersion: batch/v1\nkind: Job\nmetadata: {name: s}\nspec: {template: {metadata: {labels: {password: $V}}, spec: {containers: []}}}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {containers: [{env: [{name: API_PASSWORD, value: $V}]}]}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {initContainers: [{args: [--password=$V]}]}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {ephemeralContainers: [{args: [--password, $V]}]}\n",
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: s}\nspec: {template: {spec: {containers: [{command: [sh, -c, 'app --db-password $V --x']}]}}}\n",
	"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: s}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{env: [&e {name: PASSWORD, value: $V}, *e]}]}}}}}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {containers: [{lifecycle: {postStart: {exec: {command: [curl, 'https://u:$V@x']}}}}]}\n",
	"apiVersion: example.com/v1\nkind: Database\nmetadata: {name: s}\nspec: {auth: {password: $V}}\n",
	"apiVersion: example.com/v1\nkind: App\nmetadata: {name: s}\nspec: {template: {spec: {containers: [{name: c, image: i, env: [{name: PASSWORD, value: $V}]}]}}}\n",
	"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: s}\nprovisioner: p\nparameters: {password: $V}\n",
	"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: s}\nprovisioner: kubernetes.io/glusterfs\nparameters: {restuser: admin, restuserkey: $V}\n",
	"apiVersion: storage.k8s.io/v1\nkind: VolumeAttributesClass\nmetadata: {name: s}\ndriverName: d\nparameters: {apiKey: $V}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {containers: [], volumes: [{name: v, csi: {driver: d, volumeAttributes: {password: $V}}}]}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {containers: [], volumes: [{name: v, flexVolume: {driver: d/d, options: {password: $V}}}]}\n",
	"apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: s}\nspec: {csi: {driver: d, volumeHandle: h, volumeAttributes: {password: $V}}}\n",
	"apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: s}\nspec: {flexVolume: {driver: d/d, options: {'d.example/password': $V}}}\n",
	"apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: s}\nspec: {mountOptions: ['username=app,password=$V']}\n",
	"apiVersion: storage.k8s.io/v1\nkind: VolumeAttachment\nmetadata: {name: s}\nspec: {source: {inlineVolumeSpec: {csi: {driver: d, volumeHandle: h, volumeAttributes: {password: $V}}}}}\n",
	"apiVersion: storage.k8s.io/v1\nkind: VolumeAttachment\nmetadata: {name: s}\nspec: {}\nstatus: {attached: true, attachmentMetadata: {password: $V}}\n",
	"apiVersion: storage.k8s.io/v1\nkind: VolumeAttachment\nmetadata: {name: s}\nspec: {}\nstatus: {attached: true, attachError: {message: 'mount //u:$V@nas failed, https://u:$V@nas'}}\n",
	"apiVersion: v1\nkind: Node\nmetadata: {name: s}\nstatus: {conditions: [{message: ghp_$V0123456789abcdefghijklmnopqrstuvwxyz}]}\n",
	"apiVersion: example.com/v1\nkind: App\nmetadata: {name: s}\nspec: {}\nstatus: {credentials: {password: $V}}\n",
	"apiVersion: example.com/v1\nkind: App\nmetadata: {name: s}\nspec: {text: \"-----BEGIN PRIVATE KEY-----\\n$V\\n-----END PRIVATE KEY-----\"}\n",
}

// TestSecretsAreNowhere puts random secrets in all places, also into objects
// of wrong types, and looks for them in all that comes out.
func TestSecretsAreNowhere(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 15))
	const alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	for _, place := range secretPlaces {
		for range 200 {
			secret := make([]byte, 8+r.IntN(30))
			for i := range secret {
				secret[i] = alphabet[r.IntN(len(alphabet))]
			}
			secret[0] = 'q' // a value that YAML would take for a number is no string
			encoded := base64.StdEncoding.EncodeToString(secret)
			text := strings.NewReplacer("$V", string(secret), "$B", encoded).Replace(place)
			root, source := parse(t, text)
			if r.IntN(4) == 0 { // a wrong type beside it
				root.Get("metadata").Add("generation", tree.Of("seven"))
			}
			o, err := NewObject(root, source, "", "")
			if err != nil {
				if strings.Contains(err.Error(), string(secret)) || strings.Contains(err.Error(), encoded) {
					t.Fatalf("the error tells the secret: %v", err)
				}
				continue
			}
			if found := holder(o.Root, string(secret), encoded); found != "" {
				t.Fatalf("%s\nholds the secret at %s", text, found)
			}
		}
	}
}

// holder returns the key of a node whose text holds one of the secrets.
func holder(n *tree.Node, secrets ...string) string {
	for _, s := range secrets {
		if strings.Contains(n.Text(), s) {
			return "." + n.Key()
		}
	}
	for i := range n.Children() {
		if found := holder(&n.Children()[i], secrets...); found != "" {
			return "." + n.Key() + found
		}
	}
	return ""
}

// FuzzNewObject looks for texts on which building an object fails in another
// way than with an error.
func FuzzNewObject(f *testing.F) {
	f.Add(deploymentText)
	for _, place := range secretPlaces {
		f.Add(place)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		file := &tree.File{Name: "fuzz.yaml", Text: text}
		for doc := range tree.Parse(file) {
			if doc.Err == nil && doc.Root != nil {
				_, _ = NewObject(doc.Root, &Source{File: file}, "", "default")
			}
		}
	})
}
