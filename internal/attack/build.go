package attack

import (
	"slices"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// builder makes a Graph.
type builder struct {
	*Graph
	made            []edge
	namespaceIDs    map[string]int32
	namespaceHash   []uint64
	lastNamespace   string // of placeOf
	accountIDs      map[uint64]int32
	accountVertex   []ID
	annotated       map[int32]*model.Object // accounts with a cloud identity
	secretIDs       map[uint64]int32
	secretVertex    []ID
	volumeIDs       map[uint64]int32
	volumeVertex    []ID
	cloudIDs        map[string]ID
	associated      map[int32][]evidence // cloud identities of accounts that objects of their own give
	minters         []heldIn             // who may have tokens made
	secretMakers    []heldIn             // who may make secrets in kube-system
	writesNodes     bool                 // somebody may write nodes
	bootstraps      []int32              // secrets that are bootstrap tokens
	someConstrained bool                 // a bound role lets act as others for some requests
	nodesBound      bool                 // a binding names the group of nodes
	anyKubelet      ID                   // Kubelet, or none
	custom          ID                   // CustomObjects, or none
	nodeIDs         map[string]int32
	placements      []int32 // nodes of workloads
	emptyHash       uint64
	defaultHash     uint64
	inNamespace     []span // workloads, by namespace
	volumesIn       [][]int32
	wideNode        ID // AnyNode, or none
	mounters        []mounter
	before          *Graph                   // of which this one is rebuilt, or nil
	recalled        int                      // workloads of it that were passed
	tokens          []int32                  // secrets that are service account tokens
	touched         uint64                   // see each
	subjects        map[access.Subject]int32 // users and groups
	anyUser         ID                       // AnyUser, or none
	anyIdentity     ID                       // AnyIdentity, or none
	relabel         []relabel
	hostVolumes     []ID       // subjects that may make persistent volumes, and pods
	withName        *nameIndex // nil until rights over names are added
	lookups         int        // of names, see namedLookups
	sleepers        bool       // some workload has no pods
	droppers        []ID       // subjects that may write admission policies, and start pods
	nodeVolumes     nodeVolumes
	nodeIdentity    ID // NodeIdentity, or none
	renamers        []renamer
	discerned       *discerned                  // nil until asked
	proofs          map[heldRight]*access.Proof // see provenOnce
	openSteps       int
	knownResources  map[string]bool     // custom ones, see served
	deployedBy      map[string][]runner // by program
}

func newBuilder(s *model.Snapshot, network *reach.Graph, rights *access.Analysis, o Options, before *Graph) *builder {
	b := &builder{
		Graph:        &Graph{snapshot: s, network: network, access: rights.Granting(), options: o, unread: s.Gap("", reach.PolicyKinds()...)},
		namespaceIDs: map[string]int32{}, annotated: map[int32]*model.Object{}, cloudIDs: map[string]ID{}, nodeIDs: map[string]int32{},
		emptyHash: nameHash(""), defaultHash: nameHash("default"),
		before: before, volumeIDs: map[uint64]int32{},
	}
	for i := range b.wide {
		b.wide[i] = none
	}
	b.wideNode, b.nodeRights, b.anyUser, b.anyIdentity, b.anyKubelet, b.custom, b.assumed, b.nodeIdentity = none, none, none, none, none, none, none, none
	b.internet = b.vertex(Internet, none, 0)
	b.admin = b.vertex(ClusterAdmin, none, 0)
	return b
}

// remembered returns what the graph before has read.
func (b *builder) remembered() memory {
	if b.before == nil {
		return memory{}
	}
	return b.before.memory
}

func (b *builder) vertex(kind VertexKind, at, part int32) ID {
	b.vertices = append(b.vertices, vertex{kind, at, part})
	return ID(len(b.vertices) - 1)
}

// one returns the only vertex of a kind, and makes it where there is none yet.
func (b *builder) one(at *ID, kind VertexKind) ID {
	if *at == none {
		*at = b.vertex(kind, none, 0)
	}
	return *at
}

func (b *builder) edge(from, to ID, kind EdgeKind, c Certainty, note int32) {
	b.made = append(b.made, edge{from: from, to: to, note: note, kind: kind, certainty: c})
}

// because adds an edge with the place that gives it.
func (b *builder) because(from, to ID, kind EdgeKind, c Certainty, o *model.Object, n *tree.Node) {
	b.evidence = append(b.evidence, evidence{o, n})
	b.edge(from, to, kind, c, int32(len(b.evidence)-1))
}

func (b *builder) namespace(name string) int32 {
	id, ok := b.namespaceIDs[name]
	if !ok {
		id = int32(len(b.namespaces))
		b.namespaceIDs[name] = id
		b.namespaces = append(b.namespaces, name)
		b.namespaceHash = append(b.namespaceHash, nameHash(name))
		b.inNamespace = append(b.inNamespace, span{})
		b.volumesIn = append(b.volumesIn, nil)
	}
	return id
}

// readWorkloads reads the pod templates, by namespace.
func (b *builder) readWorkloads() {
	s := b.snapshot
	names := s.Namespaces()
	total := 0
	for _, name := range names {
		if index := s.Workloads(name); index != nil {
			total += len(index.Workloads)
		}
	}
	b.Graph.workloads = make([]workload, 0, total)
	b.reserve(total)
	b.accountIDs = make(map[uint64]int32, total)
	b.accounts = make([]access.Subject, 0, total)
	b.accountVertex = make([]ID, 0, total)
	r := &podReader{builder: b}
	for _, name := range names {
		ns := b.namespace(name)
		first := int32(len(b.Graph.workloads))
		if index := s.Workloads(name); index != nil {
			for i := range index.Workloads {
				if b.recall(index.Workloads[i], ns) {
					continue
				}
				w := workload{Workload: index.Workloads[i], namespace: ns, root: none, files: none, endpoint: none, uid: hashOf(index.Workloads[i].Object.Root.Get("metadata").Get("uid"))}
				if w.Object.Key.Kind == "StatefulSet" {
					w.templates = w.Object.Root.Dig("spec", "volumeClaimTemplates")
				}
				w.asleep = asleepBy(w.Object)
				r.read(&w, w.Pod.Spec)
				w.account, w.accountHash = b.accountOf(ns, r.account)
				w.token = r.automount
				b.append(&w)
			}
		}
		b.inNamespace[ns] = span{first, int32(len(b.Graph.workloads))}
	}
	b.numberWorkloads()
}

// reserve makes room for what so many workloads have, or for as much as the graph before
// has.
func (b *builder) reserve(workloads int) {
	containers, listens, uses, evidences, edges := workloads+workloads/2, workloads, 2*workloads, 8*workloads, 24*workloads
	if g := b.before; g != nil {
		more := workloads / 32
		containers, listens, uses = len(g.containers)+more, len(g.listens)+more, len(g.uses)+more
		evidences, edges = len(g.evidence)+more, len(g.edges)+more
	}
	b.Graph.containers = make([]container, 0, containers)
	b.Graph.listens = make([]reach.Port, 0, listens)
	b.uses = make([]use, 0, uses)
	b.evidence = make([]evidence, 0, evidences)
	b.made = make([]edge, 0, edges)
}

func (b *builder) append(w *workload) {
	w.refused = b.refuses(w)
	w.sandbox = b.sandboxOf(w)
	b.sleepers = b.sleepers || w.asleep != nil || w.refused != nil
	b.Graph.workloads = append(b.Graph.workloads, *w)
}

func (b *builder) numberWorkloads() {
	b.vertices = append(make([]vertex, 0, len(b.Graph.workloads)*workloadVertices+2*len(b.Graph.containers)+1024), b.vertices...)
	for i := range b.Graph.workloads {
		at := int32(i)
		b.Graph.workloads[i].base = b.vertex(AnyContainer, at, 0)
		b.vertex(PodData, at, 0)
		b.vertex(Position, at, 0)
	}
	for i := range b.Graph.containers {
		b.vertex(Container, b.Graph.containers[i].workload, int32(i))
	}
}

// containerVertex returns the vertex of a container: they follow those of the
// workloads.
func (g *Graph) containerVertex(c int32) ID {
	return ID(2 + len(g.workloads)*workloadVertices + int(c))
}

func (g *Graph) workloadVertex(w int32, which int) ID { return g.workloads[w].base + ID(which) }

// accountOf returns the account that a pod names, or the default, and the hash of
// its name.
func (b *builder) accountOf(ns int32, name *tree.Node) (account int32, hash uint64) {
	if name == nil {
		return b.account(ns, b.defaultHash, "default"), b.defaultHash
	}
	return b.account(ns, name.Hash(), name.Str()), name.Hash()
}

func (b *builder) account(ns int32, hash uint64, name string) int32 {
	key := tree.Mix(b.namespaceHash[ns], hash)
	id, ok := b.accountIDs[key]
	if !ok {
		id = int32(len(b.accounts))
		b.accountIDs[key] = id
		b.accounts = append(b.accounts, access.ServiceAccount(b.namespaces[ns], name))
		b.withName.add(hash, ns)
		b.accountVertex = append(b.accountVertex, none)
	}
	return id
}

// accountAt returns the vertex of a subject of the graph.
func (b *builder) accountAt(id int32) ID {
	if b.accountVertex[id] == none {
		kind := Account
		switch b.accounts[id].Kind {
		case "User":
			kind = User
		case "Group":
			kind = Group
		default:
			if b.accounts[id].Granted() {
				kind = Granted
			}
		}
		b.accountVertex[id] = b.vertex(kind, id, 0)
	}
	return b.accountVertex[id]
}

// each calls read for the objects of a kind. Most of its time would be spent
// waiting for memory, one object after the other. So it first touches what read
// will look at in a block of objects, where the waits overlap.
func (b *builder) each(gk model.GroupKind, read func(*model.Object)) {
	var block [16]*model.Object
	n := 0
	flush := func() {
		for _, o := range block[:n] {
			b.touched += uint64(o.Root.Len())
		}
		for _, o := range block[:n] {
			b.touched += uint64(o.Root.Children()[o.Root.Len()-1].Len() + o.Root.Children()[0].Len())
		}
		for _, o := range block[:n] {
			for i := range o.Root.Children() {
				if kids := o.Root.Children()[i].Children(); len(kids) > 0 {
					b.touched += kids[0].Hash() + kids[len(kids)-1].Hash()
				}
			}
		}
		for _, o := range block[:n] {
			read(o)
		}
		n = 0
	}
	for o := range b.snapshot.Kind(gk) {
		block[n] = o
		if n++; n == len(block) {
			flush()
		}
	}
	flush()
}

// readObjects reads service accounts, secrets and claims.
func (b *builder) readObjects() {
	last, ns := "", int32(none) // objects come by namespace
	in := func(name string) int32 {
		if name != last || ns == none {
			last, ns = name, b.namespace(name)
		}
		return ns
	}
	old := b.remembered()
	b.memory.accounts = remembered(b, model.ServiceAccountKind, old.accounts, func(f *accountFact) *model.Object { return f.object }, b.readAccount)
	there := make([]bool, len(b.accounts), len(b.accounts)+len(b.memory.accounts))
	for i := range b.memory.accounts {
		f := &b.memory.accounts[i]
		id := b.account(in(f.namespace), f.hash, f.name)
		if f.says {
			b.annotated[id] = f.object
		}
		if int(id) < len(there) { // others no workload has
			there[id] = true
		}
	}
	b.lackAccounts(there)
	b.memory.secrets = remembered(b, model.SecretKind, old.secrets, func(f *secretFact) *model.Object { return f.object }, b.readSecret)
	total := len(b.memory.secrets)
	b.secretIDs = make(map[uint64]int32, total)
	b.Graph.secrets = make([]named, 0, total)
	b.secretVertex = make([]ID, 0, total)
	b.vertices = slices.Grow(b.vertices, total+len(b.accounts))
	for i := range b.memory.secrets {
		f := &b.memory.secrets[i]
		if id := b.secret(in(f.namespace), f.hash, f.name, f.object); f.token {
			b.tokens = append(b.tokens, id)
		} else if f.bootstrap && f.namespace == systemNamespace {
			b.bootstraps = append(b.bootstraps, id)
		}
	}
	b.readAssociations()
	b.each(model.PersistentVolumeClaimKind, func(o *model.Object) {
		b.volume(in(o.Key.Namespace), nameOf(o).Hash(), o.Key.Name, o)
	})
	b.readNodeVolumes()
}

var tokenType = nameHash("kubernetes.io/service-account-token")

// nameOf returns the name of an object.
func nameOf(o *model.Object) *tree.Node { return o.Root.Get("metadata").Get("name") }

func (b *builder) secret(ns int32, hash uint64, name string, o *model.Object) int32 {
	key := tree.Mix(b.namespaceHash[ns], hash)
	id, ok := b.secretIDs[key]
	if !ok {
		id = int32(len(b.Graph.secrets))
		b.secretIDs[key] = id
		b.Graph.secrets = append(b.Graph.secrets, named{ns, name, o})
		b.withName.add(hash, ns)
		b.secretVertex = append(b.secretVertex, b.vertex(Secret, id, 0))
	}
	return id
}

func (b *builder) volume(ns int32, hash uint64, name string, o *model.Object) int32 {
	key := tree.Mix(b.namespaceHash[ns], hash)
	id, ok := b.volumeIDs[key]
	if !ok {
		id = int32(len(b.Graph.volumes))
		b.volumeIDs[key] = id
		b.Graph.volumes = append(b.Graph.volumes, named{ns, name, o})
		b.volumeVertex = append(b.volumeVertex, b.vertex(Volume, id, 0))
		b.volumesIn[ns] = append(b.volumesIn[ns], id)
	}
	return id
}

// at returns the vertex of a wide kind: of a namespace, or of the cluster where
// ns is none. Members are added at the end.
func (b *builder) at(kind VertexKind, ns int32) ID {
	k := kind - firstWide
	if ns == none {
		if b.wide[k] == none {
			b.wide[k] = b.vertex(kind, none, 0)
		}
		return b.wide[k]
	}
	for int(ns) >= len(b.narrow[k]) {
		b.narrow[k] = append(b.narrow[k], none)
	}
	if b.narrow[k][ns] == none {
		b.narrow[k][ns] = b.vertex(kind, ns, 0)
	}
	return b.narrow[k][ns]
}

// hasWide reports whether a vertex of a wide kind was made.
func (b *builder) hasWide(kind VertexKind, ns int32) bool {
	k := kind - firstWide
	if ns == none {
		return b.wide[k] != none
	}
	return int(ns) < len(b.narrow[k]) && b.narrow[k][ns] != none
}
