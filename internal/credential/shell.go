package credential

import "strings"

// shellWord is a word of a line of shell as its command gets it: without quotes, and with
// ${NAME} for every variable.
type shellWord struct {
	text       string
	start, end int // in the line, quotes included
}

// shellCommand is one command of a line of shell.
type shellCommand struct {
	words    []shellWord
	piped    bool        // what it writes is what the next one reads
	fed      []shellWord // what it reads
	document bool        // it reads lines that follow
}

// shellCommands splits a line of shell, or several. It asks for no more than that words
// and commands are told apart: what is in parentheses is a command too, and what output
// is written to is left out.
func shellCommands(line string) []shellCommand {
	var all []shellCommand
	var c shellCommand
	end := func(piped bool) {
		if c.piped = piped; len(c.words) > 0 || len(c.fed) > 0 {
			all = append(all, c)
		}
		c = shellCommand{}
	}
	for i := 0; i < len(line); {
		rest := line[i:]
		switch {
		case strings.IndexByte(" \t\r", line[i]) >= 0:
			i++
		case strings.HasPrefix(rest, "\\\n"):
			i += 2
		case strings.IndexByte("\n;()&#", line[i]) >= 0:
			end(false)
			i++
		case line[i] == '|':
			end(!strings.HasPrefix(rest, "||"))
			for i < len(line) && strings.IndexByte("|&", line[i]) >= 0 {
				i++
			}
		case line[i] == '<' || line[i] == '>':
			i = c.redirect(line, i)
		default:
			var word shellWord
			word, i = nextShellWord(line, i)
			c.words = append(c.words, word)
		}
	}
	end(false)
	return all
}

// redirect reads where a command's input comes from, or its output goes to.
func (c *shellCommand) redirect(line string, i int) int {
	sign := line[i:]
	sign = sign[:run(sign, func(b byte) bool { return b == '<' || b == '>' || b == '&' || b == '-' })]
	i += len(sign)
	if strings.HasPrefix(sign, "<<") && sign != "<<<" {
		c.document = true
	}
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	if i == len(line) || strings.IndexByte("\n;()|&", line[i]) >= 0 {
		return i
	}
	word, i := nextShellWord(line, i)
	if sign == "<<<" {
		c.fed = append(c.fed, word)
	}
	return i
}

// nextShellWord reads the word that begins at i. It is never empty in the line.
func nextShellWord(line string, i int) (shellWord, int) {
	w := shellWord{start: i}
	var text strings.Builder
	quote := byte(0)
	for ; i < len(line); i++ {
		b := line[i]
		switch {
		case quote == 0 && i > w.start && strings.IndexByte(" \t\r\n;()|&<>", b) >= 0:
			w.text, w.end = text.String(), i
			return w, i
		case b == quote:
			quote = 0
		case quote == 0 && (b == '"' || b == '\''):
			quote = b
		case b == '\\' && quote != '\'' && i+1 < len(line) && (quote == 0 || strings.IndexByte("\"\\$`\n", line[i+1]) >= 0):
			if i++; line[i] != '\n' {
				text.WriteByte(line[i])
			}
		case b == '`' && quote != '\'':
			text.WriteString("$(")
		case b == '$' && quote != '\'':
			name := line[i+1 : i+1+run(line[i+1:], func(b byte) bool { return isAlphanumeric(b) || b == '_' })]
			if name == "" || isDigit(name[0]) {
				text.WriteByte('$')
				continue
			}
			text.WriteString("${" + name + "}")
			i += len(name)
		default:
			text.WriteByte(b)
		}
	}
	w.text, w.end = text.String(), i
	return w, i
}

// quoted writes what is shown of a word in the place of the word.
func (w shellWord) quoted(line, shown string) string {
	if first := line[w.start]; (first == '"' || first == '\'') && strings.ContainsAny(shown, " \t") {
		return string(first) + shown + string(first)
	}
	return shown
}
