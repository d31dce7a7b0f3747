//go:build amd64 || arm64

package sensor

import (
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// question tells a DNS name that was not asked for before.
func (r *reader) question(key kernelKey, q *kernelQuestion) {
	r.told[key] = r.day(q.Last)
	r.resolve(q.Program)
	o := behavior.Observation{Kind: behavior.Resolve, Program: r.names.program(key.Cgroup, q.Program), Name: dnsName(q.Name[:]), Outcome: behavior.Allowed}
	r.did(r.owner(key.Cgroup, q.Session != sessionNone, false), &o, q.First, q.Last, q.Session)
}

// dnsName writes labels with dots between them.
func dnsName(labels []uint8) string {
	var b strings.Builder
	for len(labels) > 0 && int(labels[0]) < len(labels) && labels[0] > 0 {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.Write(labels[1 : 1+labels[0]])
		labels = labels[1+labels[0]:]
	}
	if b.Len() == 0 {
		return "." // the root
	}
	return b.String()
}
