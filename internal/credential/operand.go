package credential

import "strings"

// operand says where a program takes a secret without an option.
type operand struct {
	program, behind string // a subcommand; "" for the program itself
	from            int    // the first that may be one, from 1: those behind it are hidden too
	assigns         bool   // they are NAME=value, whatever the name
	slash           bool   // it is the password of user/password
}

var operands = []operand{
	{program: "vault", behind: "login", from: 1},
	{program: "vault", behind: "put", from: 2, assigns: true},
	{program: "vault", behind: "patch", from: 2, assigns: true},
	{program: "cargo", behind: "login", from: 1},
	{program: "snyk", behind: "auth", from: 1},
	{program: "fly", behind: "token", from: 1},
	{program: "flyctl", behind: "token", from: 1},
	{program: "nuget", behind: "setapikey", from: 1},
	{program: "rabbitmqctl", behind: "add_user", from: 2},
	{program: "rabbitmqctl", behind: "change_password", from: 2},
	{program: "mc", behind: "set", from: 3}, // alias set NAME URL KEY SECRET
	{program: "mc", behind: "add", from: 3},
	{program: "mysqladmin", behind: "password", from: 1},
	{program: "openssl", behind: "passwd", from: 1},
	{program: "wpa_passphrase", from: 2},
	{program: "net", behind: "use", from: 2},
	{program: "composer", behind: "http-basic.", from: 2},
	{program: "composer", behind: "bitbucket-oauth.", from: 2},
	{program: "composer", behind: "github-oauth.", from: 1},
	{program: "composer", behind: "gitlab-oauth.", from: 1},
	{program: "composer", behind: "gitlab-token.", from: 1},
	{program: "composer", behind: "bearer.", from: 1},
	{program: "poetry", behind: "http-basic.", from: 2},
	{program: "poetry", behind: "pypi-token.", from: 1},
	{program: "sqlplus", from: 1, slash: true},
	{program: "expdp", from: 1, slash: true},
	{program: "impdp", from: 1, slash: true},
	{program: "sqlldr", from: 1, slash: true},
}

// follow counts operands behind a word of the table. What ends in a dot there is the
// beginning of a key.
func (a *arguments) follow(arg string) {
	for _, o := range operands {
		if baseOf(arg) == o.program {
			a.takes = o.program
		}
		behind := strings.EqualFold(arg, o.behind) || strings.HasSuffix(o.behind, ".") && strings.HasPrefix(arg, o.behind)
		if o.behind == "" {
			behind = baseOf(arg) == o.program
		}
		if behind && a.takes == o.program {
			a.operand, a.operands = o, 0
			return
		}
	}
	if !strings.HasPrefix(arg, "-") {
		a.operands++
	}
}

// operandSecret returns where a secret begins in an operand; -1 for none. An operand
// that assigns is one only where all are.
func (a *arguments) operandSecret(arg string, assigns bool) int {
	start := 0
	switch {
	case a.operand.from == 0 || arg == "" || a.operands+1 < a.operand.from || assigns != a.operand.assigns:
		return -1
	case assigns:
		start = strings.IndexByte(arg, '=') + 1
	case a.operand.slash:
		start = strings.IndexByte(arg, '/') + 1
		if start <= 1 || arg[0] == '@' || strings.IndexByte(arg[start:], '/') >= 0 {
			return -1
		}
	}
	if value := arg[start:]; len(value) < 2 || !isLiteralPassword(value) || strings.IndexByte(`-@\`, value[0]) >= 0 || isPath(value) || strings.Contains(value, "://") {
		return -1
	}
	return start
}
