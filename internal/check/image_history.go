package check

import (
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// history are the steps that made the image, each with its instruction of a
// Dockerfile, "" when it was none.
func (b *imageBuilder) history() tree.Node {
	var items []tree.Node
	for _, s := range b.Image.Config.History {
		instruction, text := readStep(s.CreatedBy)
		items = append(items, entries("instruction", instruction, "text", text, "layer", s.Layer+1))
	}
	return tree.Of(items)
}

// instructions are those of a Dockerfile.
var instructions = map[string]bool{
	"ADD": true, "ARG": true, "CMD": true, "COPY": true, "ENTRYPOINT": true, "ENV": true, "EXPOSE": true, "HEALTHCHECK": true, "LABEL": true,
	"MAINTAINER": true, "ONBUILD": true, "RUN": true, "SHELL": true, "STOPSIGNAL": true, "USER": true, "VOLUME": true, "WORKDIR": true,
}

// readStep reads a line of the history as builders write it: BuildKit begins with
// the instruction and ends with "# buildkit", the builder before it wrote the
// command of RUN alone and all others behind #(nop).
func readStep(line string) (instruction, text string) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "# buildkit"))
	if _, after, found := strings.Cut(text, "#(nop)"); found {
		text = strings.TrimSpace(after)
	}
	first, rest, _ := strings.Cut(text, " ")
	switch {
	case instructions[first]:
		text = strings.TrimSpace(rest)
		if first != "RUN" {
			return first, text
		}
	case !strings.HasPrefix(first, "|") && !shells[first]:
		return "", text
	}
	return "RUN", withoutShell(text)
}

// shells run the commands of RUN.
var shells = map[string]bool{"/bin/sh": true, "/bin/bash": true, "/bin/ash": true, "/usr/bin/bash": true, "/usr/bin/sh": true}

// withoutShell returns the command of a step: without the values of ARG, which
// stand before it as |1 NAME=value, and the shell that runs it.
func withoutShell(text string) string {
	at := 0
	if strings.HasPrefix(text, "|") {
		for shell := range shells {
			if i := strings.Index(text, " "+shell+" "); i >= 0 && (at == 0 || i+1 < at) {
				at = i + 1
			}
		}
	}
	first, rest, _ := strings.Cut(text[at:], " ")
	if !shells[first] {
		return text[at:]
	}
	for {
		option, after, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		switch {
		case strings.HasPrefix(option, "-") && strings.HasSuffix(option, "c"):
			return strings.TrimSpace(after)
		case strings.HasPrefix(option, "-"), option == "pipefail":
			rest = after
		default:
			return strings.TrimSpace(rest)
		}
	}
}
