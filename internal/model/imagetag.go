package model

import "strings"

// isLatest reports whether an image reference names the tag latest, as it does
// when it has neither tag nor digest. A reference that the container runtime
// would refuse does not.
func isLatest(image string) bool {
	named, digest, pinned := strings.Cut(image, "@")
	name, tag, tagged := cutTag(named)
	switch {
	case tagged && tag != "latest", pinned && (!tagged || !validDigest(digest)):
		return false
	case len(image) == 64 && isHex(image):
		return false // an image id
	}
	return validName(name)
}

// cutTag splits a tag off; the colon before a port is not one of a tag.
func cutTag(image string) (name, tag string, ok bool) {
	slash := strings.LastIndexByte(image, '/')
	colon := strings.IndexByte(image[slash+1:], ':')
	if colon < 0 {
		return image, "", false
	}
	return image[:slash+1+colon], image[slash+1+colon+1:], true
}

func validDigest(digest string) bool {
	algorithm, encoded, _ := strings.Cut(digest, ":")
	switch algorithm {
	case "sha256":
		return len(encoded) == 64 && isHex(encoded)
	case "sha384":
		return len(encoded) == 96 && isHex(encoded)
	case "sha512":
		return len(encoded) == 128 && isHex(encoded)
	}
	return false
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// validName checks a repository name: an optional registry host, then lower
// case path components.
func validName(name string) bool {
	first, rest, hasHost := strings.Cut(name, "/")
	if hasHost {
		hasHost = strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first
	}
	if !hasHost {
		rest = name
	} else if !validHost(first) && !validComponent(first) {
		return false
	}
	limit := 255
	if hub := !hasHost || first == "docker.io" || first == "index.docker.io"; hub && !strings.Contains(rest, "/") {
		limit -= len("library/") // put before it
	}
	if len(rest) > limit {
		return false
	}
	for component := range strings.SplitSeq(rest, "/") {
		if !validComponent(component) {
			return false
		}
	}
	return true
}

// validComponent checks letters and digits in groups that single dots, one or
// two underscores or any number of dashes separate.
func validComponent(s string) bool {
	afterSeparator := true
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			afterSeparator = false
			i++
			continue
		}
		if afterSeparator {
			return false
		}
		afterSeparator = true
		run := i
		for run < len(s) && s[run] == c {
			run++
		}
		switch length := run - i; {
		case c == '-', c == '_' && length <= 2, c == '.' && length == 1:
			i = run
		default:
			return false
		}
	}
	return !afterSeparator
}

func validHost(s string) bool {
	host, port := s, ""
	if colon := strings.LastIndexByte(s, ':'); colon >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:colon], s[colon+1:]
		if port == "" || strings.Trim(port, "0123456789") != "" {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEF:") == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}
