package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
)

// secrets writes what was found, and how far was looked. What is in doubt is
// counted, and listed where all is asked for.
func (p *imagePrinter) secrets(img *image.Image) {
	p.section("Secrets")
	shown, more := 0, 0
	doubts := map[string]int{}
	for _, group := range groupSecrets(img.Secrets) {
		switch s := &group[0]; {
		case p.verbose:
		case s.Doubt != "":
			doubts[doubtClass(s.Doubt)] += len(group)
			continue
		case shown == shownOfImage:
			more += len(group)
			continue
		}
		p.secret(img, group)
		shown++
	}
	if more > 0 {
		p.line(2, dim, fmt.Sprintf("and %d more (--verbose)", more))
	}
	if shown == 0 {
		p.line(2, "", "none found")
	}
	if len(doubts) > 0 {
		p.wrapped(2, dim, "In doubt, listed with --verbose: "+reasonsText(doubts))
	}
	p.wrapped(2, dim, searchText(&img.Search))
}

// groupSecrets puts the lines together on which a file of a layer has the same: of
// one kind, under one name.
func groupSecrets(all []image.Secret) [][]image.Secret {
	type key struct {
		kind, path, where, doubt, shown string
		layer                           int
	}
	var groups [][]image.Secret
	places := map[key]int{}
	for _, s := range all {
		k := key{s.Kind, s.Path, s.Where, s.Doubt, s.Shown, s.Layer}
		i, ok := places[k]
		if !ok {
			i = len(groups)
			places[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

// secret writes one place: what, where, in which layer, and whether it is gone.
func (p *imagePrinter) secret(img *image.Image, group []image.Secret) {
	s := &group[0]
	style := ""
	switch {
	case s.Doubt != "":
		style = dim
	case s.Severity >= model.High:
		style = red
	case s.Severity == model.Medium:
		style = yellow
	}
	where := s.Where
	if s.Path != "" {
		where = s.Path + ":" + linesText(group) + ", " + s.Shown
		if s.Line == 0 {
			where = s.Path + ", in its name"
		}
	}
	p.painted(s.Severity.String(), s.Kind+": "+where, style)
	var notes []string
	if s.Path != "" && img.Configured() { // a root file system has one layer, which nobody made
		notes = append(notes, layerText(img, s))
	}
	if s.Doubt != "" {
		notes = append(notes, "in doubt: "+printable(s.Doubt))
	}
	if len(notes) > 0 {
		p.painted("", strings.Join(notes, "; "), dim)
	}
}

// linesText lists the lines of a file, the first ones where there are many.
func linesText(group []image.Secret) string {
	const most = 5
	var lines []string
	for i := range group[:min(len(group), most)] {
		lines = append(lines, strconv.Itoa(group[i].Line))
	}
	text := strings.Join(slices.Compact(lines), ",")
	if len(group) > most {
		text += fmt.Sprintf(" and %d more", len(group)-most)
	}
	return text
}

// layerText says which layer holds a secret, and what became of the file.
func layerText(img *image.Image, s *image.Secret) string {
	text := fmt.Sprintf("layer %d", s.Layer+1)
	if by := []rune(strings.Join(strings.Fields(img.Layers[s.Layer].CreatedBy), " ")); len(by) > 0 {
		if len(by) > 50 {
			by = append(by[:49], '…')
		}
		text += " (" + printable(string(by)) + ")"
	}
	switch {
	case s.Gone < 0:
	case s.Replaced:
		text += fmt.Sprintf(", replaced in layer %d, which does not take it out of the image", s.Gone+1)
	default:
		text += fmt.Sprintf(", deleted in layer %d, which does not take it out of the image", s.Gone+1)
	}
	return text
}

// doubtClass leaves names out of a reason, so that reasons can be counted.
func doubtClass(reason string) string {
	if strings.HasPrefix(reason, "as the package ") {
		return "as their packages brought them"
	}
	return reason
}

// reasonsText lists reasons with how often each is given, the most frequent first.
func reasonsText(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%d)", name, counts[name])
	}
	return strings.Join(names, ", ")
}

// countsText lists counts, the largest first.
func countsText(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return strings.Join(names, ", ")
}

// searchText says what was searched and what not.
func searchText(s *image.SecretSearch) string {
	if !s.Done {
		return "Files were not searched (--no-secrets)."
	}
	text := fmt.Sprintf("Searched %s, %s.", counted(s.Files, "file"), bytesText(s.Bytes))
	if len(s.NotSearched) > 0 {
		text += " Not searched: " + countsText(s.NotSearched) + "."
	}
	return text
}

// imageSecretsJSON is what `ullage image -o json` says of secrets.
type imageSecretsJSON struct {
	Found         []imageSecretJSON `json:"found"`
	FilesSearched bool              `json:"filesSearched"` // false with --no-secrets
	Files         int               `json:"files"`         // that were searched, of all layers
	Bytes         int64             `json:"bytes"`
	NotSearched   map[string]int    `json:"notSearched"` // files, by what they are
}

// imageSecretJSON is one secret. The value is nowhere.
type imageSecretJSON struct {
	Type     string `json:"type"`
	Severity string `json:"severity"`
	Path     string `json:"path,omitempty"`  // of a file
	Where    string `json:"where,omitempty"` // in the configuration
	Layer    int    `json:"layer,omitempty"` // from 1; absent for the configuration
	DiffID   string `json:"diffID,omitempty"`
	Line     int    `json:"line,omitempty"`
	Offset   *int64 `json:"offset,omitempty"`
	Shown    string `json:"shown"`
	State    string `json:"state"`            // present, deleted or replaced
	GoneIn   int    `json:"goneIn,omitempty"` // the layer that deleted or replaced the file
	Doubt    string `json:"doubt,omitempty"`  // why it may be none
}

func newImageSecretsJSON(img *image.Image) *imageSecretsJSON {
	j := &imageSecretsJSON{
		Found: []imageSecretJSON{}, FilesSearched: img.Search.Done, Files: img.Search.Files, Bytes: img.Search.Bytes, NotSearched: img.Search.NotSearched,
	}
	if j.NotSearched == nil {
		j.NotSearched = map[string]int{}
	}
	for i := range img.Secrets {
		s := &img.Secrets[i]
		one := imageSecretJSON{
			Type: s.Kind, Severity: s.Severity.String(), Path: s.Path, Where: s.Where, Line: s.Line, Shown: s.Shown, State: "present", Doubt: s.Doubt,
		}
		if s.Path != "" {
			one.Offset, one.Layer, one.DiffID = &s.Offset, s.Layer+1, img.Layers[s.Layer].DiffID
		}
		if s.Gone >= 0 {
			one.State, one.GoneIn = "deleted", s.Gone+1
			if s.Replaced {
				one.State = "replaced"
			}
		}
		j.Found = append(j.Found, one)
	}
	return j
}
