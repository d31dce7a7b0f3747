package cli

import "ullage.dev/ullage/internal/trim"

// trimJSON is a plan of ullage trim -o json.
type trimJSON struct {
	Version   int            `json:"version"`
	Workload  string         `json:"workload"`
	Container string         `json:"container,omitempty"`
	Place     string         `json:"granted"` // where
	Seen      string         `json:"seen"`
	Lacking   string         `json:"lacking,omitempty"` // why nothing is taken
	Cuts      []trimCutJSON  `json:"cuts"`
	Left      []trimLeftJSON `json:"left"`
	Replayed  int            `json:"replayed"`
	Acts      trimActsJSON   `json:"acts"`
	Seccomp   *trim.Seccomp  `json:"seccomp,omitempty"`
}

type trimCutJSON struct {
	What trim.Dimension `json:"what"`
	Gone []string       `json:"gone,omitempty"` // absent of system calls where all were allowed
	Kept []string       `json:"kept"`
	Why  string         `json:"why"`
}

type trimLeftJSON struct {
	What trim.Dimension `json:"what"`
	Why  string         `json:"why"`
}

type trimActsJSON struct {
	Known    int      `json:"known"`
	Possible []string `json:"before"`
	Remain   []string `json:"after"`
}

func newTrimJSON(t *trimmed) *trimJSON {
	plan := t.plan
	j := &trimJSON{Version: 1, Workload: plan.Subject.Workload(), Container: plan.Subject.Container, Place: t.place, Seen: plan.Seen.Words(), Lacking: plan.Lacking,
		Cuts: []trimCutJSON{}, Left: []trimLeftJSON{}, Replayed: plan.Replayed, Acts: trimActsJSON{len(trim.Acts), actNames(plan.Possible), actNames(plan.Remain)}}
	for _, cut := range plan.Cuts {
		kept := cut.Kept
		if kept == nil {
			kept = []string{}
		}
		j.Cuts = append(j.Cuts, trimCutJSON{cut.What, cut.Gone, kept, cut.Why})
		if cut.What == trim.SystemCalls {
			j.Seccomp = plan.After.Calls.Seccomp()
		}
	}
	for _, left := range plan.Left {
		j.Left = append(j.Left, trimLeftJSON(left))
	}
	return j
}

func actNames(acts []trim.Act) []string {
	names := []string{}
	for _, a := range acts {
		names = append(names, a.Name)
	}
	return names
}
