//go:build amd64 || arm64

package sensor

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// What was done with a file, as facts.h numbers it.
var accesses = []behavior.Kind{behavior.Write, behavior.Open, behavior.Map, behavior.Privilege}

const (
	extentFile uint8 = iota
	extentDirectory
	extentMount
)

// watchedFiles are the files that are told when they are read: credentials, and what
// the kernel shows of processes. What does not begin with a slash may be in any
// directory; * is any one name.
var watchedFiles = []string{
	"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/krb5.keytab",
	"/proc/*/environ", "/proc/*/mem", "/proc/kcore", "/proc/kallsyms",
	".aws/credentials", ".azure/accessTokens.json", ".azure/msal_token_cache.json", ".config/gcloud/credentials.db", ".config/gcloud/application_default_credentials.json",
	".docker/config.json", ".kube/config", ".git-credentials", ".netrc", ".pgpass", ".my.cnf", ".npmrc", ".pypirc", ".vault-token",
	".ssh/id_rsa", ".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/authorized_keys",
	"/run/secrets/*/serviceaccount/token", "/run/secrets/*/serviceaccount/*/token", "/var/run/secrets/*/serviceaccount/token", "/var/run/secrets/*/serviceaccount/*/token",
}

// isWatched reports whether a path is one of them.
func isWatched(file string) bool {
	return slices.ContainsFunc(watchedFiles, func(w string) bool {
		if ok, _ := path.Match(w, file); ok { // the patterns are well-formed
			return true
		}
		return w[0] != '/' && strings.HasSuffix(file, "/"+w)
	})
}

// watchedNames are the names of the files, up to 15 bytes of each, as the kernel's
// half compares them.
func watchedNames() (names [32][2]uint64) {
	all := map[[2]uint64]bool{}
	for _, w := range watchedFiles {
		var b [16]byte
		copy(b[:15], path.Base(w))
		all[[2]uint64{binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:])}] = true
	}
	i := 0
	for name := range all {
		names[i] = name // as many as there is room for; a test says when there are more
		i++
	}
	return names
}

// file tells the use of a file that is new.
func (r *reader) file(key kernelKey, k *kernelTouch) {
	r.told[key] = r.day(k.Last)
	if int(k.Access) >= len(accesses) {
		return
	}
	r.resolve(k.Program)
	o := behavior.Observation{Kind: accesses[k.Access], Program: r.names.program(key.Cgroup, k.Program), Directory: k.Extent == extentDirectory, Outcome: behavior.Allowed}
	o.File = behavior.File{Path: endOf(k.Path[:], k.Flags), Layer: layerOf(uint32(k.Origin))}
	if k.Said[0] != 0 {
		o.File.Path = named(o.File.Path, text(k.Said[:]), k.Flags&flagSaidCut != 0)
		if o.Directory {
			o.File.Path = path.Dir(o.File.Path)
		}
	}
	if k.Denied != 0 {
		o.Outcome = behavior.Denied
	}
	switch {
	case k.Extent == extentMount:
		o.File.Layer = behavior.OtherMount
	case o.Kind == behavior.Privilege:
		o.Name = behavior.SetuidBit
	case o.Kind == behavior.Open && !isWatched(o.File.Path):
		return // another one of that name
	}
	r.did(r.owner(key.Cgroup, true, false), &o, k.First, k.Last, uint32(k.Session))
}

// named is what a process called a file, from a directory.
func named(directory, said string, isCut bool) string {
	if isCut {
		said = path.Dir(said) + "/..."
	}
	if path.IsAbs(said) {
		return path.Clean(said)
	}
	return path.Clean(directory + "/" + said)
}
