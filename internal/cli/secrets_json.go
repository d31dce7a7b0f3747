package cli

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/secrets"
)

// The JSON form of ullage secrets, as docs/secrets.md describes it.

type secretJSON struct {
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	State     secrets.State  `json:"state"`
	Type      string         `json:"type,omitempty"`
	Keys      []string       `json:"keys,omitempty"` // absent when they were not read
	Immutable bool           `json:"immutable"`
	Place     *model.Place   `json:"place,omitempty"`
	MadeBy    []string       `json:"madeBy,omitempty"`
	Consumers []consumerJSON `json:"consumers"`
	Readers   []readerJSON   `json:"readers"`
	Findings  []findingJSON  `json:"findings"`
	Unknown   []string       `json:"unknown,omitempty"`
}

type consumerJSON struct {
	Object     string       `json:"object"`
	How        secrets.How  `json:"how"`
	Keys       []string     `json:"keys,omitempty"`
	Optional   bool         `json:"optional,omitempty"`
	Account    string       `json:"serviceAccount,omitempty"`
	Ended      bool         `json:"ended,omitempty"`
	Containers []string     `json:"containers,omitempty"`
	Place      *model.Place `json:"place"`
}

type readerJSON struct {
	Subject   string   `json:"subject"`
	Verbs     []string `json:"verbs"`
	By        string   `json:"by"`
	ByName    bool     `json:"byName"`
	Everybody string   `json:"everybody,omitempty"`
	System    bool     `json:"system"`
}

// readBindingJSON is a binding by which somebody may read one of the Secrets, with
// what is found of it and of its role.
type readBindingJSON struct {
	Kind      string        `json:"kind"`
	Namespace string        `json:"namespace,omitempty"`
	Name      string        `json:"name"`
	Findings  []findingJSON `json:"findings"`
}

type managerJSON struct {
	Name     string   `json:"name"`
	Effect   string   `json:"effect"`
	Backends []string `json:"backends,omitempty"`
	Objects  []string `json:"objects"`
}

func (view *secretsListing) json() any {
	doc := struct {
		Version  int               `json:"version"`
		Secrets  []secretJSON      `json:"secrets"`
		Bindings []readBindingJSON `json:"bindings"`
		Managers []managerJSON     `json:"managers"`
		Unknown  []string          `json:"unknown"`
	}{1, []secretJSON{}, []readBindingJSON{}, []managerJSON{}, append([]string{}, view.Unknowns...)}
	for i := range view.secrets {
		doc.Secrets = append(doc.Secrets, asSecret(&view.secrets[i]))
	}
	told := map[model.Key]bool{}
	for i := range view.readings {
		if r := &view.readings[i]; !told[r.binding] {
			told[r.binding] = true
			doc.Bindings = append(doc.Bindings, readBindingJSON{r.binding.Kind, r.binding.Namespace, r.binding.Name, r.asJSON()})
		}
	}
	for _, m := range view.Managers {
		j := managerJSON{Name: m.Name, Effect: m.Effect, Backends: m.Backends}
		for _, o := range m.Objects {
			j.Objects = append(j.Objects, o.Key.String())
		}
		doc.Managers = append(doc.Managers, j)
	}
	return doc
}

func asSecret(s *listedSecret) secretJSON {
	j := secretJSON{Namespace: s.Namespace, Name: s.Name.Name, State: s.State, Type: s.Type, Keys: s.Keys, Immutable: s.Immutable, Place: placeOf(s.Object),
		Consumers: []consumerJSON{}, Readers: []readerJSON{}, Findings: s.asJSON(), Unknown: s.unknowns}
	for _, o := range s.MadeBy {
		j.MadeBy = append(j.MadeBy, o.Key.String())
	}
	for _, c := range s.Consumers {
		place := c.Object.Source.Place(c.Object.Root.Nearest(c.Path))
		j.Consumers = append(j.Consumers, consumerJSON{c.Object.Key.String(), c.How, c.Keys, c.Optional, c.Account, c.Object.Ended(), c.Containers, &place})
	}
	for _, r := range s.Readers {
		j.Readers = append(j.Readers, readerJSON{r.Subject, r.Verbs, r.Binding.Kind + " " + r.Binding.Name, r.ByName, r.Everybody, r.System})
	}
	return j
}
