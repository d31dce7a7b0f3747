package model

// Report is the result of one check, in the order in which it is shown: worst
// object first, and within an object worst finding first. The findings of an
// object stand together.
type Report struct {
	Findings []*Finding // excepted and baselined ones included
	Unknowns []Unknown
	Problems []Problem
	// Expired and Unused are exceptions that stopped working, and that covered
	// nothing in this run.
	Expired, Unused []*Exception
	// Fixed are findings of the baseline that are gone.
	Fixed int
	// NotUnderstood are the kinds of objects that may make pods and of whose
	// pods nothing is known, in order.
	NotUnderstood []GroupKind

	Counts     Counts
	Provenance Provenance
}

// Counts says how much was looked at. Every document read is in exactly one of
// Read, PassedOver and Failed.
type Counts struct {
	Files      int `json:"files"`      // read, charts' and overlays' rendered files included
	Documents  int `json:"documents"`  // in them
	Read       int `json:"read"`       // objects
	Objects    int `json:"objects"`    // of Read, checked: selected, and not made by another object
	Workloads  int `json:"workloads"`  // of these, objects with pods
	Images     int `json:"-"`          // of these, images that are judged by themselves
	PassedOver int `json:"passedOver"` // documents that are YAML but not Kubernetes objects
	Failed     int `json:"failed"`     // documents and files that could not be read or rendered
	System     int `json:"system"`     // of Objects, parts of the platform itself
	Rules      int `json:"rules"`      // in use
	Evaluated  int `json:"evaluated"`  // verdicts: one for each rule and subject
	Passed     int `json:"passed"`     // of these
	Unknown    int `json:"unknown"`    // of these
	// NotUnderstood counts the Objects that may make pods of which nothing is known.
	NotUnderstood int `json:"notUnderstood"`
	// ImageRules are the rules about images that were not evaluated, because no
	// images were read. They are not in Rules.
	ImageRules int `json:"imageRulesNotEvaluated,omitempty"`
}

// OnlyImages reports whether nothing but images was checked.
func (c *Counts) OnlyImages() bool { return c.Images > 0 && c.Images == c.Objects }

// Provenance says what made the report from what, so that it can be repeated.
type Provenance struct {
	Tool        string `json:"tool"`    // name of the program
	Version     string `json:"version"` // of the program
	RulesDigest string `json:"rulesDigest"`
	InputDigest string `json:"inputDigest"`      // over the names and contents of all files read
	Commit      string `json:"commit,omitempty"` // checked out in the git tree that holds the first input
	// Configuration is the path of the configuration file; "" when there was none.
	Configuration string `json:"configuration,omitempty"`
	Profile       string `json:"profile"`
	Kubernetes    string `json:"kubernetes"` // the minor version that was assumed
	World         string `json:"world"`      // "open" or "closed"
	Time          string `json:"time"`       // RFC 3339; when the cluster was read, if one was
	// Cluster is set when the objects were read from one.
	Cluster *ClusterProvenance `json:"cluster,omitempty"`
}

// ClusterProvenance says what was read of which cluster.
type ClusterProvenance struct {
	Name      string          `json:"name"`   // in the kubeconfig
	Server    string          `json:"server"` // version of the API server
	Resources []ResourceCount `json:"resources"`
}

// ResourceCount says how many objects of a resource were read.
type ResourceCount struct {
	Resource string `json:"resource"` // name.group
	Objects  int    `json:"objects"`
}

// Worst returns the highest severity among the active findings, and false when
// there are none.
func (r *Report) Worst() (Severity, bool) {
	worst, any := Info, false
	for _, f := range r.Findings {
		if f.Active() {
			worst, any = max(worst, f.Rule.Severity), true
		}
	}
	return worst, any
}
