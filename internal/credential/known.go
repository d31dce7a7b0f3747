// Package credential knows what credentials look like: the forms of well-known
// kinds, names that say that their value is one, and where command lines hold
// them. Manifests and images are searched with the same tables.
//
// It is part of the pure core. No result holds a value that was found.
package credential

import (
	"encoding/base64"
	"strings"
)

// shortest is the length of the shortest text that is looked at.
const shortest = 8

// pattern is the form of a well-known kind of credential: a prefix and at least
// so many characters of a set.
type pattern struct {
	prefix  string
	least   int
	set     func(c byte) bool
	exactly bool // no further character of the set may follow
	kind    string
}

func isUpperOrDigit(c byte) bool { return isUpper(c) || isDigit(c) }
func isHexDigit(c byte) bool     { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isLowerHex(c byte) bool     { return isDigit(c) || c >= 'a' && c <= 'f' }
func isWord(c byte) bool         { return isAlphanumeric(c) || c == '_' }
func isURLSafe(c byte) bool      { return isAlphanumeric(c) || c == '-' || c == '_' }
func isDotted(c byte) bool       { return isURLSafe(c) || c == '.' }

var patterns = []pattern{
	{"AKIA", 16, isUpperOrDigit, true, "AWS access key"},
	{"ASIA", 16, isUpperOrDigit, true, "AWS access key"},
	{"AIza", 35, isURLSafe, true, "Google API key"},
	{"1//0", 40, isURLSafe, false, "Google OAuth refresh token"},
	{"AQ.Ab8R", 46, isURLSafe, true, "Google API key"},
	{"AGE-SECRET-KEY-1", 50, isUpperOrDigit, false, "age secret key"},
	{"CCIPAT_", 60, isWord, true, "CircleCI token"},
	{"CCIPRJ_", 60, isWord, true, "CircleCI token"},
	{"EAAA", 60, isURLSafe, true, "Square token"},
	{"GOCSPX-", 20, isURLSafe, false, "Google OAuth client secret"},
	{"HRKU-", 60, isURLSafe, true, "Heroku key"},
	{"LTAI", 20, isAlphanumeric, true, "Alibaba Cloud key"},
	{"NRAK-", 27, isUpperOrDigit, true, "New Relic key"},
	{"PMAK-", 59, isURLSafe, true, "Postman key"},
	{"SG.", 60, isDotted, false, "SendGrid key"},
	{"SK", 32, isLowerHex, true, "Twilio key"},
	{"dapi", 32, isHexDigit, true, "Databricks token"},
	{"dckr_pat_", 20, isURLSafe, false, "Docker Hub token"},
	{"ddo_", 36, isAlphanumeric, true, "Deno token"},
	{"ddp_", 36, isAlphanumeric, true, "Deno token"},
	{"doo_v1_", 64, isHexDigit, true, "DigitalOcean token"},
	{"dop_v1_", 64, isHexDigit, true, "DigitalOcean token"},
	{"dor_v1_", 64, isHexDigit, true, "DigitalOcean token"},
	{"dp.pt.", 40, isAlphanumeric, false, "Doppler token"},
	{"essu_", 90, isBase64, false, "Elastic Cloud key"},
	{"figd_", 40, isURLSafe, false, "Figma token"},
	{"ghp_", 36, isAlphanumeric, false, "GitHub token"},
	{"gho_", 36, isAlphanumeric, false, "GitHub token"},
	{"ghu_", 36, isAlphanumeric, false, "GitHub token"},
	{"ghs_", 36, isAlphanumeric, false, "GitHub token"},
	{"ghr_", 36, isAlphanumeric, false, "GitHub token"},
	{"github_pat_", 40, isURLSafe, false, "GitHub token"},
	{"glpat-", 20, isURLSafe, false, "GitLab token"},
	{"gldt-", 20, isURLSafe, false, "GitLab token"},
	{"glrt-", 20, isURLSafe, false, "GitLab token"},
	{"glptt-", 40, isURLSafe, false, "GitLab token"},
	{"glc_eyJ", 40, isBase64, false, "Grafana token"},
	{"glsa_", 32, isURLSafe, false, "Grafana token"},
	{"gsk_", 52, isAlphanumeric, true, "Groq key"},
	{"hf_", 30, isAlphanumeric, false, "Hugging Face token"},
	{"hvs.", 20, isURLSafe, false, "Vault token"},
	{"hvb.", 20, isURLSafe, false, "Vault token"},
	{"lin_api_", 40, isAlphanumeric, true, "Linear key"},
	{"npm_", 36, isAlphanumeric, true, "npm token"},
	{"ops_eyJ", 250, isBase64, false, "1Password token"},
	{"packagist_acs_", 64, isHexDigit, false, "Packagist token"},
	{"packagist_ort_", 68, isHexDigit, false, "Packagist token"},
	{"packagist_out_", 68, isHexDigit, false, "Packagist token"},
	{"packagist_uut_", 68, isHexDigit, false, "Packagist token"},
	{"pplx-", 48, isAlphanumeric, true, "Perplexity key"},
	{"pscale_tkn_", 40, isDotted, false, "PlanetScale token"},
	{"pul-", 40, isHexDigit, true, "Pulumi token"},
	{"pypi-AgE", 50, isURLSafe, false, "PyPI token"},
	{"rk_live_", 20, isAlphanumeric, false, "Stripe key"},
	{"rubygems_", 48, isHexDigit, true, "RubyGems key"},
	{"sb_secret_", 31, isURLSafe, false, "Supabase key"},
	{"sbp_", 40, isHexDigit, true, "Supabase token"},
	{"sgp_", 40, isWord, false, "Sourcegraph token"},
	{"sk_live_", 20, isAlphanumeric, false, "Stripe key"},
	{"rk_test_", 20, isAlphanumeric, false, "Stripe test key"},
	{"sk_test_", 20, isAlphanumeric, false, "Stripe test key"},
	{"whsec_", 24, isAlphanumeric, false, "Stripe key"},
	{"sk-ant-", 20, isURLSafe, false, "Anthropic key"},
	{"sk-admin-", 40, isURLSafe, false, "OpenAI key"},
	{"sk-or-v1-", 64, isHexDigit, true, "OpenRouter key"},
	{"sk-svcacct-", 40, isURLSafe, false, "OpenAI key"},
	{"sk-proj-", 20, isURLSafe, false, "OpenAI key"},
	{"sk-", 40, isAlphanumeric, false, "OpenAI key"},
	{"shpat_", 32, isHexDigit, true, "Shopify token"},
	{"sntrys_eyJ", 60, isBase64, false, "Sentry token"},
	{"sq0csp-", 43, isURLSafe, true, "Square secret"},
	{"tskey-auth-", 20, isURLSafe, false, "Tailscale key"},
	{"tskey-client-", 20, isURLSafe, false, "Tailscale key"},
	{"xai-", 80, isAlphanumeric, true, "xAI key"},
	{"xkeysib-", 64, isURLSafe, false, "Brevo key"},
	{"xoxb-", 16, isURLSafe, false, "Slack token"},
	{"xoxp-", 16, isURLSafe, false, "Slack token"},
	{"xoxa-", 16, isURLSafe, false, "Slack token"},
	{"xoxr-", 16, isURLSafe, false, "Slack token"},
	{"xoxe-", 16, isURLSafe, false, "Slack token"},
	{"xoxs-", 16, isURLSafe, false, "Slack token"},
	{"xapp-", 16, isURLSafe, false, "Slack token"},
	{"ya29.", 20, isURLSafe, false, "Google OAuth token"},
	{"hooks.slack.com/services/T", 20, func(c byte) bool { return isAlphanumeric(c) || c == '/' }, false, "Slack webhook"},
	{"discord.com/api/webhooks/", 40, func(c byte) bool { return isURLSafe(c) || c == '/' }, false, "Discord webhook"},
}

// byFirst holds the places of patterns in the table, by their first byte.
var byFirst = func() (t [256][]uint8) {
	for i, p := range patterns {
		t[p.prefix[0]] = append(t[p.prefix[0]], uint8(i))
	}
	return t
}()

// starts says at which bytes it pays to look closer.
var starts = func() (t [256]bool) {
	for _, p := range patterns {
		t[p.prefix[0]] = true
	}
	for _, c := range "-e:BbTt@\"" { // PEM, JWT, URL, Basic and Bearer, MySQL, auths
		t[c] = true
	}
	return t
}()

// credentialIn returns what kind of well-known credential a text holds, or "".
func In(text string) string {
	if len(text) < shortest {
		return ""
	}
	for i := range len(text) {
		c := text[i]
		if !starts[c] {
			continue
		}
		switch c {
		case ':':
			if strings.HasPrefix(text[i:], "://") && userinfo(text[i+3:]) {
				return urlPassword
			}
			continue
		case '-':
			if privateKey(text[i:]) {
				return "private key"
			}
			continue
		case '@':
			if mysqlPassword(text, i) {
				return "database login"
			}
			continue
		case '"':
			if registryAuth(text[i:]) {
				return "registry login"
			}
			continue
		}
		if i > 0 && (isAlphanumeric(text[i-1]) || text[i-1] == '_') {
			continue
		}
		if kind := tokenAt(text[i:]); kind != "" {
			return kind
		}
	}
	return ""
}

// tokenAt looks for a credential at the start of a text.
func tokenAt(s string) string {
	switch s[0] {
	case 'e':
		if jwt(s) {
			return "JSON web token"
		}
		return ""
	case 'B', 'b', 'T', 't':
		if authorization(s) {
			return "authorization header"
		}
	}
	for _, i := range byFirst[s[0]] {
		p := &patterns[i]
		if !strings.HasPrefix(s, p.prefix) {
			continue
		}
		s := s[len(p.prefix):]
		tail := run(s[:min(len(s), p.least+1)], p.set)
		if tail == p.least || tail > p.least && !p.exactly {
			return p.kind
		}
	}
	return ""
}

// run returns how many bytes at the start of s are in the set.
func run[T string | []byte](s T, set func(c byte) bool) int {
	for i := range len(s) {
		if !set(s[i]) {
			return i
		}
	}
	return len(s)
}

// userinfo reports whether a URL, of which the scheme was cut off, holds a
// password.
func userinfo(s string) bool {
	end := strings.IndexAny(s, "/?# \t\r\n\"'<>`\\")
	if end < 0 {
		end = len(s)
	}
	at := strings.LastIndexByte(s[:end], '@')
	if at < 0 { // a password may hold a slash
		return false
	}
	user, password, ok := strings.Cut(s[:at], ":")
	return ok && !strings.ContainsAny(user, "{$(") && len(password) > 0 && isLiteralPassword(password)
}

// privateKey reports whether a PEM block of a private key begins here.
func privateKey(s string) bool {
	rest, ok := strings.CutPrefix(s, "-----BEGIN ")
	if !ok {
		return false
	}
	title, _, ok := strings.Cut(rest, "-----")
	return ok && len(title) < 60 && strings.Contains(title, "PRIVATE KEY")
}

// mysqlPassword reports whether user:password stands before the @ of a Go
// MySQL data source name.
func mysqlPassword(text string, at int) bool {
	if !strings.HasPrefix(text[at:], "@tcp(") && !strings.HasPrefix(text[at:], "@unix(") {
		return false
	}
	login := text[max(0, at-longestValue):at]
	login = login[strings.LastIndexAny(login, " \t\n\"'=")+1:]
	_, password, ok := strings.Cut(login, ":")
	return ok && isLiteralPassword(password)
}

// registryAuth reports whether an entry "auth" of a container registry's
// configuration begins here.
func registryAuth(s string) bool {
	rest, ok := strings.CutPrefix(s, `"auth"`)
	if !ok {
		return false
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	if rest, ok = strings.CutPrefix(rest, ":"); !ok {
		return false
	}
	rest = strings.TrimLeft(rest, " \t\r\n\"")
	return userAndPassword(rest)
}

// userAndPassword reports whether a text begins with user:password in base64.
func userAndPassword(s string) bool {
	n := run(s, isBase64)
	if n < 6 {
		return false
	}
	decoded, err := base64.StdEncoding.DecodeString(s[:n])
	if err != nil {
		decoded, err = base64.RawStdEncoding.DecodeString(s[:n])
	}
	if err != nil {
		return false
	}
	colon := strings.IndexByte(string(decoded), ':')
	if colon <= 0 || colon == len(decoded)-1 {
		return false
	}
	for _, c := range decoded {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

func jwt(s string) bool {
	if !strings.HasPrefix(s, "eyJ") {
		return false
	}
	header := run(s[:min(len(s), longestValue)], isURLSafe)
	if header < 12 || !strings.HasPrefix(s[header:], ".eyJ") {
		return false
	}
	s = s[header+1:]
	payload := run(s, isURLSafe)
	return payload >= 8 && payload < len(s) && s[payload] == '.' && run(s[payload+1:], isURLSafe) >= 16
}

// authorization reports whether the value of an Authorization header begins
// here.
func authorization(s string) bool {
	if len(s) < 12 {
		return false
	}
	scheme, rest, ok := strings.Cut(s[:min(len(s), 512)], " ")
	if !ok {
		return false
	}
	switch {
	case strings.EqualFold(scheme, "basic"):
		return userAndPassword(rest)
	case strings.EqualFold(scheme, "bearer"), strings.EqualFold(scheme, "token"):
		return looksRandom(rest[:run(rest, isDotted)])
	}
	return false
}

// isLiteral reports whether a value is one itself: no reference, placeholder,
// path, switch, number or plain URL.
func isLiteral(v string) bool {
	if len(v) < 3 || IsReference(v) {
		return false
	}
	if strings.Trim(v, "*xX.-_#?") == "" || strings.Trim(v, "0123456789.,:-+ ") == "" {
		return false // a mask, a number
	}
	switch strings.ToLower(v) {
	case "true", "false", "yes", "off", "none", "null", "nil", "undefined", "optional", "required", "enabled", "disabled", "auto",
		"default", "todo", "redacted", "[redacted]", "always", "never", "unset", "empty", "opaque", "env", "file", "vault", "prompt":
		return false
	}
	if isDuration(v) || isPath(v) || strings.Contains(v, "://") {
		return false
	}
	return true
}

// isLiteralPassword is isLiteral for a value that cannot be anything but a
// password, if it is written out.
func isLiteralPassword(v string) bool {
	return v != "" && v != Mask && !IsReference(v) && strings.Trim(v, "*xX.#?") != ""
}

// references begin values that say where a secret is kept.
var references = []string{
	"file:", "env:", "vault:", "secret:", "secrets:", "ref+", "arn:", "op://", "sm://", "gcp-sm:", "awssm:", "kms:", "ENC[", "encrypted:", "ssm:",
	"k8s:", "secretref:", "resolve:", "@Microsoft.KeyVault", "AQICAH", "REPLACE", "replace-", "replace_", "your-", "your_", "YOUR", "INSERT",
}

// IsReference reports whether a value, which is not empty, is filled in later, kept
// elsewhere or encrypted.
func IsReference(v string) bool {
	switch v[0] {
	case '$', '!', '&':
		return len(v) < 2 || v[0] != '$' || v[1] == '(' || v[1] == '{' || v[1] == '$' || v[1] == '_' || isAlphanumeric(v[1]) && strings.ToUpper(v) == v
	case '<':
		return strings.HasSuffix(v, ">")
	case '%', '#':
		return v[0] == v[len(v)-1] || v[1:] != "" && (v[1] == '{' || v[1] == '(')
	case '{':
		return true
	}
	for _, mark := range []string{"$(", "${", "{{", "<%"} {
		if strings.Contains(v, mark) {
			return true
		}
	}
	for _, prefix := range references {
		if strings.HasPrefix(v, prefix) {
			return true
		}
	}
	return false
}

func isDuration(v string) bool {
	return isDigit(v[0]) && len(v) < 10 && strings.Trim(v, "0123456789.smhdwu") == ""
}

// isPath reports whether a value is a file path. Random text may begin with a
// slash too, but is long and of mixed letters.
func isPath(v string) bool {
	rooted := v[0] == '/' || strings.HasPrefix(v, "./") || strings.HasPrefix(v, "../") || strings.HasPrefix(v, "~/") ||
		len(v) > 2 && v[1] == ':' && v[2] == '\\'
	return rooted && !(len(v) >= 24 && looksRandom(v[1:]))
}

// looksLikeName reports whether a value is words in small letters, such as the
// name of an object or a path in a secret store.
func looksLikeName(v string) bool {
	separators, run, digits := 0, 0, 0
	for i := range len(v) {
		switch c := v[i]; {
		case isLower(c):
			run++
		case isDigit(c):
			run++
			digits++
		case c == '-' || c == '.' || c == '/' || c == '_' || c == ':':
			separators++
			run, digits = 0, 0
		default:
			return false
		}
		if digits > 3 && run > digits { // letters and digits mixed: no word
			return false
		}
	}
	return separators > 0 || len(v) < 10 && strings.Trim(v, "0123456789") == v
}

// looksRandom reports whether a value can only have been generated.
func looksRandom(v string) bool {
	if len(v) < 20 || strings.IndexByte(v, ' ') >= 0 || strings.Contains(v, "://") {
		return false
	}
	upper, lower, digit := false, false, false
	for i := range len(v) {
		c := v[i]
		upper, lower, digit = upper || isUpper(c), lower || isLower(c), digit || isDigit(c)
	}
	return digit && upper && lower && entropy(v) > 3.7
}
