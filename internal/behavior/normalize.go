package behavior

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"ullage.dev/ullage/internal/credential"
)

// Normalizer is the version of the rules by which observations become facts. Facts
// of different versions are not compared: the same deed may be written in two ways.
const Normalizer = 1

// longest is how many bytes a text of a fact has at most; what is longer ends with
// cut.
const (
	longest = 512
	cut     = "{long}"
)

// Observation is what a sensor saw, as it was. It may hold secrets and must not be
// kept; [Observation.Fact] takes from it what may be.
type Observation struct {
	Kind    Kind
	Phase   Phase
	Origin  Origin
	Outcome Outcome

	Program File // its path in the container, as the kernel resolved it
	User    User
	Parent  string // path; of Execute
	// Arguments are those of Execute, argv[0] first, as far as the sensor read them.
	Arguments []string

	File File
	// Directory says that any file right in File is meant, and not File.
	Directory bool
	// Peer is whoever is at the other end. Of Workload, Name and Address the first that
	// is set is kept, so that who is known does not become many by moving.
	Peer Peer
	// PortChosen says that the kernel chose the port that is listened at.
	PortChosen bool
	Name       string
}

// Fact normalizes an observation.
//
//   - Paths of files that the image has stay as they are. In others, what a program
//     makes up becomes {random}, {uuid}, {hex}, {number} or {pid}. Text that looks like
//     a credential becomes {secret}.
//   - Characters that are not printable, and * { } \ of the original, are escaped
//     as \x2a: no file can have the name of a fold.
//   - Arguments become a class: see [classify].
//   - Names of DNS are in lower case, without the last dot.
func (o *Observation) Fact() Fact {
	f := Fact{Kind: o.Kind, Phase: o.Phase, Origin: o.Origin, Outcome: o.Outcome}
	if f.Outcome == "" {
		f.Outcome = Allowed
	}
	if f.Origin == "" {
		f.Origin = OriginUnknown
	}
	if f.Phase == "" {
		f.Phase = Steady
	}
	f.Program = Program{File: normalFile(o.Program), User: o.User}
	if f.Program.Path == "" {
		f.Program.Path = unknownPath
	}
	if o.Kind == Syscall { // a filter of system calls is the container's
		f.Program = anyone
	}
	has := fieldsOf[o.Kind]
	if o.Kind == Execute {
		f.Program.Parent = normalParent(o.Parent)
		f.Program.Arguments = classify(o.Program.Path, o.Arguments)
	}
	if has.file {
		f.File = normalFile(o.File)
		if f.File.Path == "" && o.Kind != Privilege { // where most have none
			f.File = File{Path: unknownPath}
		}
		if o.Directory {
			if len(f.File.Path) > longest-len("/"+Many) {
				f.File.Path = cut
			}
			f.File = File{Path: within(f.File.Path + "/")}
		}
	}
	if has.peer {
		f.Peer = normalPeer(o.Kind, o.Peer, o.PortChosen)
	}
	if has.name {
		f.Name = normalName(o.Kind, o.Name)
	}
	return f
}

// unknownPath stands for a path that the sensor could not read.
const unknownPath = "{unknown}"

func normalFile(f File) File { return File{Path: normalPath(f.Path, f.Layer), Layer: f.Layer} }

// normalPath makes a path one that is the same in the next run.
func normalPath(path string, layer Layer) string {
	if path == "" {
		return ""
	}
	made := layer != InImage && layer != Modified // which have the name that the image gave them
	temporary := made && isTemporary(path)
	var b strings.Builder
	before := ""
	for i, part := range strings.Split(path[:min(len(path), 8*longest)], "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		switch {
		case credential.In(part) != "":
			b.WriteString("{secret}")
		case !made:
			b.WriteString(escape(part))
		default:
			b.WriteString(normalPart(part, before, temporary))
		}
		before = part
	}
	return shorten(b.String())
}

// normalParent makes the path of a program that is running lasting: its layer is not
// known, and versions in the paths of programs are to stay.
func normalParent(path string) string {
	if isTemporary(path) || strings.HasPrefix(path, "/proc/") {
		return normalPath(path, Added)
	}
	return normalPath(path, InImage)
}

var temporaryTrees = []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/", "/var/cache/", "/var/lib/"}

func isTemporary(path string) bool {
	for _, tree := range temporaryTrees {
		if strings.HasPrefix(path, tree) {
			return true
		}
	}
	return strings.Contains(path, "/tmp/")
}

// normalPart makes one name of a path lasting; before is the name of its directory.
func normalPart(part, before string, temporary bool) string {
	switch {
	case allDigits(part) && before == "proc":
		return "{pid}"
	case allDigits(part) && (len(part) >= 3 || before == "fd" || before == "task"):
		return "{number}"
	case strings.HasPrefix(part, "..") && len(part) > 2 && isDigit(part[2]): // of a mounted ConfigMap
		return "..{random}"
	case temporary && len(part) == len("tmpxxxxxxxx") && strings.HasPrefix(part, "tmp") && isWord(part[3:]): // as Python makes them
		return "tmp{random}"
	}
	var b strings.Builder
	prefix := ""
	for len(part) > 0 {
		end := 0
		for end < len(part) && isAlphanumeric(part[end]) {
			end++
		}
		switch {
		case startsWithUUID(part):
			b.WriteString("{uuid}")
			end = uuidLength
		case end == 0:
			_, end = utf8.DecodeRuneInString(part)
			b.WriteString(escape(part[:end]))
		default:
			b.WriteString(normalWord(part[:end], prefix, temporary))
			prefix = part[:end]
		}
		part = part[end:]
	}
	return b.String()
}

// normalWord makes a run of letters and digits lasting. prefix is the one before it
// in the name.
func normalWord(word, prefix string, temporary bool) string {
	digits := countDigits(word)
	stem := strings.TrimRight(word, "0123456789")
	switch {
	case digits == len(word) && (digits >= 4 || temporary && digits >= 3 || strings.EqualFold(prefix, "log")):
		return "{number}" // a date, a process, a rotated log
	case digits == len(word):
		return word
	case len(word) >= 12 && isHex(word) && digits > 0:
		return "{hex}"
	case temporary && len(word)-len(stem) >= 5: // as os.CreateTemp of Go makes them
		return stem + "{number}"
	case temporary && strings.EqualFold(prefix, "tmp") && len(word) >= 6, looksRandom(word, temporary): // as mktemp makes them
		return "{random}"
	}
	return word
}

// looksRandom reports whether a word has letters and digits, or cases of letters, in
// an order in which nobody writes them.
func looksRandom(word string, temporary bool) bool {
	changes := 0
	for i := 1; i < len(word); i++ {
		if a, b := class(word[i-1]), class(word[i]); a != b && (a != 'A' || b != 'a') {
			changes++
		}
	}
	digits := countDigits(word)
	switch {
	case len(word) < 6:
		return false
	case len(word) >= 16:
		return changes >= 4 && digits > 0
	}
	return temporary && (changes >= 3 || changes >= 2 && digits > 0)
}

func countDigits(s string) (n int) {
	for i := range len(s) {
		if isDigit(s[i]) {
			n++
		}
	}
	return n
}

func class(c byte) byte {
	switch {
	case isDigit(c):
		return '0'
	case c >= 'A' && c <= 'Z':
		return 'A'
	}
	return 'a'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlphanumeric(c byte) bool {
	return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z'
}
func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == "" || strings.Trim(s, "0123456789ABCDEF") == ""
}

func isWord(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

const uuidLength = len("00000000-0000-0000-0000-000000000000")

func startsWithUUID(s string) bool {
	if len(s) < uuidLength {
		return false
	}
	for i := range uuidLength {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && (!isAlphanumeric(s[i]) || s[i]|0x20 > 'f') {
			return false
		}
	}
	return true
}

// escape writes what is not printable, and the characters that mean something in a
// fact, as \x2a.
func escape(s string) string {
	if isPlain(s) && !strings.ContainsAny(s, `*{}\`) {
		return s
	}
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) || strings.ContainsRune(`*{}\`, r) {
			for _, c := range []byte(s[i : i+size]) {
				b.WriteString(`\x`)
				b.WriteByte(digits[c>>4])
				b.WriteByte(digits[c&15])
			}
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// isPlain reports whether all of a text is printable.
func isPlain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// shorten bounds a text.
func shorten(s string) string {
	if len(s) <= longest {
		return s
	}
	end := longest - len(cut)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + cut
}

func normalPeer(k Kind, p Peer, chosen bool) Peer {
	n := Peer{Protocol: p.Protocol, Port: p.Port}
	if k == Listen {
		if chosen {
			n.Port = 0
		}
		return n
	}
	switch {
	case p.Workload != "":
		n.Workload = shorten(escape(p.Workload))
	case p.Name != "":
		n.Name = normalName(Resolve, p.Name)
	case p.Protocol == "unix":
		n.Name = unknownPath
	default:
		n.Address = normalAddress(p.Address)
	}
	return n
}

// normalAddress takes the zone off, writes IPv4 as such, and takes all of the
// machine itself for one.
func normalAddress(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() && a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return a
}

func normalName(k Kind, name string) string {
	switch k {
	case Capability:
		return escape(strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	case Resolve:
		if strings.HasPrefix(name, "/") {
			return normalPath(name, "") // of a unix socket
		}
		labels := strings.Split(strings.TrimSuffix(name, "."), ".")
		for i, label := range labels {
			whole := label
			switch label = strings.ToLower(label); {
			case credential.In(whole) != "": // which has its own case
				labels[i] = "{secret}"
			case i < len(labels)-2: // registered names are nobody's accident
				labels[i] = normalLabel(label)
			default:
				labels[i] = escape(label)
			}
		}
		return shorten(strings.Join(labels, "."))
	}
	return shorten(escape(name))
}

// normalLabel makes a label of a DNS name lasting.
func normalLabel(label string) string {
	if len(label) >= 24 || strings.Count(label, "-") == 4 {
		return normalPart(label, "", false)
	}
	return escape(label)
}
