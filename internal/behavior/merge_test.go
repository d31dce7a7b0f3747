package behavior

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = At(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))

const (
	hour = 3600
	day  = 24 * hour
)

func web(image string) Subject {
	return Subject{Namespace: "shop", Kind: "Deployment", Name: "web", Container: "web", Image: image}
}

// deed is a random thing that a workload does. The spaces of names are of different
// sizes, so that some fold and some do not, at every step.
func deed(r *rand.Rand, kinds []Kind) Fact {
	pick := func(n int) int { // small numbers more often
		return r.IntN(1 + r.IntN(n))
	}
	o := Observation{Kind: kinds[r.IntN(len(kinds))], Phase: []Phase{Start, Steady}[pick(2)], Origin: Entrypoint,
		Program: File{fmt.Sprintf("/bin/p%d", pick(3)), InImage}, User: Other, Name: fmt.Sprintf("n%d.d%d.e%d.example.com", pick(150), pick(5), pick(3))}
	switch o.Kind {
	case Execute:
		o.Program = File{fmt.Sprintf("/d%d/p%d", pick(9), pick(120)), InImage}
		o.Parent = fmt.Sprintf("/bin/p%d", pick(30))
		if r.IntN(3) == 0 {
			o.Program.Path = "/bin/sh"
			o.Arguments = []string{"sh", "-c", fmt.Sprintf("cat x%d", pick(80))}
		}
	case Write, Open, Map, Ptrace:
		o.File = File{fmt.Sprintf("/t%d/d%d/f%d", pick(3), pick(12), pick(40)), InImage}
	case Connect, Accept, Listen:
		o.Peer = Peer{Name: fmt.Sprintf("h%d.example.com", pick(80)), Protocol: "tcp", Port: uint16(1 + pick(20))}
	}
	return o.Fact()
}

func interval(r *rand.Rand, span int) Interval {
	from := start + Moment(r.IntN(span))*hour
	return Interval{Replica: fmt.Sprint("web-", r.IntN(4)), Session: fmt.Sprint("s", r.IntN(3)), From: from, To: from + Moment(r.IntN(48))*hour,
		Tier: tiers[r.IntN(len(tiers))], Kinds: KindsOf(Kinds[:r.IntN(len(Kinds)+1)]...), Whole: r.IntN(2) == 0, Lost: uint64(r.IntN(3)), Folded: uint64(r.IntN(3))}
}

// some is a random behavior, of much or of little.
func some(r *rand.Rand, kinds []Kind) *Behavior {
	b := New(web("sha256:1"))
	for range r.IntN(1 + []int{5, 300, 5000}[r.IntN(3)]) {
		at := start + Moment(r.IntN(600*day))
		b.Observe(deed(r, kinds), SeenAt(at, fmt.Sprint("web-", r.IntN(60)), ""))
	}
	for range r.IntN(1 + []int{3, 2000}[r.IntN(2)]) {
		b.Coverage.Watch(interval(r, 2000))
	}
	return b
}

func merged(t *testing.T, all ...*Behavior) *Behavior {
	t.Helper()
	sum := New(all[0].Subject)
	for _, b := range all {
		if err := sum.Merge(b); err != nil {
			t.Fatal(err)
		}
	}
	return sum
}

func same(t *testing.T, law string, a, b *Behavior) {
	t.Helper()
	if a.Equal(b) {
		return
	}
	for f, s := range a.Facts() {
		if o := b.Seen(f); o == nil || !o.equal(s) {
			t.Errorf("%s: %+v is on one side: %+v, and on the other: %+v", law, f, s, o)
			break
		}
	}
	t.Fatalf("%s does not hold: %d and %d facts, %d and %d intervals", law, a.Len(), b.Len(), len(a.Coverage.intervals), len(b.Coverage.intervals))
}

// TestMerge holds merging to its laws, and JSON to what was written.
func TestMerge(t *testing.T) {
	folded := 0
	for seed := range uint64(7) {
		r := rand.New(rand.NewPCG(seed, 1))
		kinds := Kinds[seed*2 : seed*2+3]
		a, b, c := some(r, kinds), some(r, kinds), some(r, kinds)
		before := a.Clone()
		ab := merged(t, a, b)
		same(t, "commutative", ab, merged(t, b, a))
		same(t, "associative", merged(t, ab, c), merged(t, a, merged(t, b, c)))
		same(t, "idempotent", merged(t, ab, ab, a, b), ab)
		same(t, "what is merged stays as it is", a, before)
		var text bytes.Buffer
		if err := Encode(&text, []*Behavior{ab}); err != nil {
			t.Fatal(err)
		}
		read, err := Decode(bytes.NewReader(text.Bytes()))
		if err != nil || len(read) != 1 {
			t.Fatal(len(read), err)
		}
		same(t, "written and read", read[0], ab)
		same(t, "and merged", merged(t, read[0], c), merged(t, ab, c))
		for f := range ab.Facts() {
			if f.Folded() {
				folded++
			}
		}
	}
	if folded < 8 {
		t.Errorf("only %d folds", folded)
	}
}

// TestDelivery: in whichever order things are told, how often, and to whom first,
// everybody knows the same in the end.
func TestDelivery(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 2))
		var all []func(*Behavior)
		for range 1500 {
			f, s := deed(r, Kinds), SeenAt(start+Moment(r.IntN(20*day)), fmt.Sprint("web-", r.IntN(9)), "")
			all = append(all, func(b *Behavior) { b.Observe(f, s) })
		}
		for range 300 {
			i := interval(r, 40)
			all = append(all, func(b *Behavior) { b.Coverage.Watch(i) })
		}
		one := New(web("sha256:1"))
		for _, deliver := range all {
			deliver(one)
		}
		observers := []*Behavior{New(one.Subject), New(one.Subject), New(one.Subject)}
		for range 3 {
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for i, deliver := range all {
				deliver(observers[r.IntN(3)])
				if i%400 == 0 {
					if err := observers[r.IntN(3)].Merge(observers[r.IntN(3)]); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		same(t, "delivery", merged(t, observers...), one)
	}
}

// TestFoldReference holds folding to its definition, worked out from all facts at
// once: the weight of a fold is that of all below it, up to one more than its bound;
// a fact is told as the widest fold that is above its bound.
func TestFoldReference(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 3))
		facts := map[Fact]bool{}
		b, told := New(web("")), 0
		for range 200 + r.IntN(4000) {
			f := deed(r, Kinds[seed%uint64(len(Kinds)):])
			if !facts[f] {
				facts[f] = true
				told += b.Observe(f, SeenAt(start, "web-0", ""))
			}
		}
		want, folded := foldReference(facts)
		var got []Fact
		for f := range b.Facts() {
			got = append(got, f)
		}
		slices.SortFunc(want, Fact.Compare)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d facts, not %d", seed, len(got), len(want))
		}
		if told != folded {
			t.Errorf("seed %d: %d facts folded, not %d", seed, told, folded)
		}
	}
}

// TestMergedFolds holds what several observers know together to the same definition,
// where the weights of folds come near their bounds at every step.
func TestMergedFolds(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		facts := map[Fact]bool{}
		parts := []*Behavior{New(web("")), New(web("")), New(web(""))}
		programs, ports, peers := 1+r.IntN(6), 1+r.IntN(30), 20+r.IntN(30)
		for range 100 + r.IntN(1500) {
			f := Fact{Kind: Connect, Phase: Steady, Origin: Entrypoint, Outcome: Allowed, Program: Program{File: File{Path: fmt.Sprint("/p", r.IntN(programs))}},
				Peer: Peer{Name: fmt.Sprint("h", r.IntN(1+r.IntN(peers))), Protocol: "tcp", Port: uint16(1 + r.IntN(1+r.IntN(ports)))}}
			facts[f] = true
			parts[r.IntN(3)].Observe(f, SeenAt(start, "web-0", ""))
		}
		want, _ := foldReference(facts)
		slices.SortFunc(want, Fact.Compare)
		var got []Fact
		for f := range merged(t, parts...).Facts() {
			got = append(got, f)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d facts, not %d", seed, len(got), len(want))
		}
	}
}

// TestFoldIntoNearlyFull merges a fold into a wider one that has less room than that:
// it must not weigh more than its bound in the widest.
func TestFoldIntoNearlyFull(t *testing.T) {
	connects := func(b *Behavior, program, port, peers int) {
		for i := range peers {
			o := Observation{Kind: Connect, Program: File{fmt.Sprint("/p", program), InImage}, Peer: Peer{Name: fmt.Sprintf("h%d.example", i), Protocol: "tcp", Port: uint16(port)}}
			b.Observe(o.Fact(), SeenAt(start, "a", ""))
		}
	}
	a, b := New(web("")), New(web(""))
	for program := range 4 {
		for port := range 4 {
			connects(a, program, 1+port, 31)
		}
	}
	connects(b, 3, 99, 33)
	if ab := merged(t, a, b); ab.Len() != 3*4*31+1 { // 501 of 512, as the fourth program weighs 129
		t.Errorf("%d facts", ab.Len())
	}
}

// TestIDs: of many the count is a lower bound, whoever else knows as many or fewer.
func TestIDs(t *testing.T) {
	var all IDs
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprint("web-", i))
		all.Merge(IDsOf(names[i]))
		if n, exact := all.Len(); n != min(i+1, keptIDs) || exact != (i < keptIDs) {
			t.Fatalf("%d IDs are %d, exactly: %v", i+1, n, exact)
		}
	}
	var few IDs
	for _, name := range names {
		if has, _ := all.Has(name); has {
			few.Merge(IDsOf(name))
		}
	}
	if n, exact := few.Len(); n != keptIDs || !exact {
		t.Fatal(n, exact)
	}
	few.Merge(all)
	if _, exact := few.Len(); exact {
		t.Error("that there were more is forgotten")
	}
	if has, known := all.Has("other"); has || known {
		t.Error("what is not kept is known not to be there")
	}
}

func foldReference(facts map[Fact]bool) (all []Fact, folded int) {
	below := map[Fact]map[Fact]bool{} // children of each fold
	bounds := map[Fact]int{}
	for f := range facts {
		_, wider := f.folds()
		child := f
		for _, w := range wider {
			if below[w.fact] == nil {
				below[w.fact] = map[Fact]bool{}
			}
			below[w.fact][child] = true
			bounds[w.fact] = w.bound
			child = w.fact
		}
	}
	var weight func(Fact) int
	weight = func(f Fact) int {
		if bounds[f] == 0 {
			return 1
		}
		sum := 0
		for child := range below[f] {
			sum += weight(child)
		}
		return min(sum, bounds[f]+1)
	}
	weights := map[Fact]int{}
	for f := range bounds {
		weights[f] = weight(f)
	}
	seen := map[Fact]bool{}
	for f := range facts {
		into := f
		_, wider := f.folds()
		for _, w := range wider {
			if weights[w.fact] > w.bound {
				into = w.fact
			}
		}
		if into != f {
			folded++
		}
		if !seen[into] {
			seen[into] = true
			all = append(all, into)
		}
	}
	return all, folded
}

// TestHostile: what makes names without end takes a few facts, and is counted exactly.
func TestHostile(t *testing.T) {
	const names = 200_000
	b, folded := New(web("")), 0
	for i := range names {
		o := Observation{Kind: Write, Origin: Entrypoint, Program: File{fmt.Sprintf("/x/%x", i*7919), InImage},
			File: File{fmt.Sprintf("/d%x/%x/%x", i%977, i%31, i), InImage}}
		folded += b.Observe(o.Fact(), SeenAt(start, "web-0", ""))
	}
	if b.Len() > 600 || len(b.weight) > 5000 {
		t.Errorf("%d facts and %d weights are kept", b.Len(), len(b.weight))
	}
	kept := 0
	for f := range b.Facts() {
		if !f.Folded() {
			kept++
		}
	}
	if kept+folded != names {
		t.Errorf("%d are kept and %d folded, of %d", kept, folded, names)
	}
}
